"""Who asks: keys of clients, kept as hashes and compared in constant time.

A key is 256 random bits, so a plain SHA-256 of it cannot be turned back by guessing.
"""

from __future__ import annotations

import base64
import contextlib
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
    return "sha256:" + hashlib.sha256(key.encode(errors="replace")).hexdigest()


def new_key() -> tuple[str, str]:
    """(a fresh key, what to keep of it)."""
    key = "tts-" + secrets.token_urlsafe(32)
    return key, digest(key)


class Keyring:
    """The accounts. Without any, no key is needed."""

    def __init__(self, accounts: Mapping[str, Account]) -> None:
        self._clients = [(account.hash.encode(), Client(name, account)) for name, account in accounts.items()]

    def client(self, headers: Mapping[str, str]) -> Client:
        """The client that a request's headers name.

        Raises:
            ApiError: 401 for a key that is missing or wrong.
        """
        if not self._clients:
            return ANONYMOUS
        keys = presented(headers)
        if not keys:
            raise ApiError(
                401,
                "a key is needed: send it as 'Authorization: Bearer KEY'",
                code="missing_api_key",
                headers=_REALM,
            )
        found: Client | None = None
        for key in keys:
            hashed = digest(key).encode()
            for kept, client in self._clients:  # all of them: the time tells nothing
                if hmac.compare_digest(kept, hashed):
                    found = found or client
        if found is None:
            raise ApiError(401, "this key is not known", code="invalid_api_key", headers=_REALM)
        return found


def presented(headers: Mapping[str, str]) -> list[str]:
    """The keys that a request presents: as OpenAI's clients do, as Azure's, or as Anthropic's; a
    browser sends one as the password of any user."""
    scheme, _, rest = headers.get("Authorization", "").partition(" ")
    keys = [rest.strip() if scheme.lower() == "bearer" else ""]
    if scheme.lower() == "basic":
        with contextlib.suppress(ValueError):
            keys.append(base64.b64decode(rest, validate=True).decode().partition(":")[2])
    keys += [headers.get(name, "").strip() for name in ("api-key", "x-api-key")]
    return [key for key in keys if key]


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
