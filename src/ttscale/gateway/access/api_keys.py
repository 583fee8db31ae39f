"""Who asks: keys of clients, kept as hashes and compared in constant time.

A key is 256 random bits, so a plain SHA-256 of it cannot be turned back by guessing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from ...core import UsageError
from ..config import Account
from ..errors import ApiError

_REALM = {"WWW-Authenticate": 'Bearer realm="ttscale"'}


@dataclass(frozen=True, slots=True)
class Client:
    """Who a request comes from; without keys always `ANONYMOUS`."""

    name: str
    account: Account


ANONYMOUS = Client("", Account(hash=""))


def digest(key: str) -> str:
    """What is kept of a key."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def new_key() -> tuple[str, str]:
    """(a fresh key, what to keep of it)."""
    key = "tts-" + secrets.token_urlsafe(32)
    return key, digest(key)


class Keyring:
    """The accounts. Without any, no key is needed."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._clients = [(account.hash.encode(), Client(name, account)) for name, account in accounts.items()]

    def client(self, authorization: str | None) -> Client:
        """The client of an Authorization header.

        Raises:
            ApiError: 401 for a key that is missing or wrong.
        """
        if not self._clients:
            return ANONYMOUS
        key = _presented(authorization or "")
        if not key:
            raise ApiError(
                401,
                "a key is needed: send it as 'Authorization: Bearer KEY'",
                code="missing_api_key",
                headers=_REALM,
            )
        presented = ("sha256:" + hashlib.sha256(key.encode(errors="replace")).hexdigest()).encode()
        found: Client | None = None
        for kept, client in self._clients:  # all of them: the time tells nothing
            if hmac.compare_digest(kept, presented):
                found = client
        if found is None:
            raise ApiError(401, "this key is not known", code="invalid_api_key", headers=_REALM)
        return found


def _presented(authorization: str) -> str:
    """The key of a header; a browser sends it as the password of any user."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""


def check_exposure(host: str, accounts: Mapping[str, Account], anonymous: bool) -> None:
    """Refuse to serve others without keys, unless that was asked for by name.

    Raises:
        UsageError: if the address can be reached from elsewhere and no key is needed.
    """
    if accounts or anonymous or _loopback(host):
        return
    raise UsageError(
        f"{host} can be reached by others, and no keys are configured",
        fix="add [keys.NAME] (ttscale serve --new-key NAME), or set server.anonymous = true",
    )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
