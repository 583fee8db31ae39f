"""The address of a server, however it is written, and where its endpoints are: below /v1, unless the
address has a version of its own or is a deployment's.

    http://localhost:8000                                    /v1/chat/completions
    https://open.bigmodel.cn/api/paas/v4                     /chat/completions
    https://HOST/openai/deployments/NAME?api-version=DATE    /chat/completions?api-version=DATE
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit

from ...core import UsageError

_VERSION = "api-version"  # what Azure wants to be asked with
_DEPLOYMENT = r"/openai/deployments/[^/]+"
_COMPLETE = re.compile(rf"(?:/v\d[\w.-]*(?:/openai)?|{_DEPLOYMENT})$")
"""Paths that endpoints follow without /v1 between them."""
_ENDPOINT = re.compile(
    rf"/chat/completions$|(?:(?P<base>/v\d[\w.-]*(?:/openai)?|{_DEPLOYMENT})"
    r"/(?:chat|completions|embeddings|models|responses))$"
)


def root_of(url: str) -> str:
    """The address that `endpoint` puts paths behind: without /v1 where that need not be said, without
    the endpoint a user may have copied with it, and slashes at its end; http if it does not say.

    Raises:
        UsageError: if it is not the address of a server, or holds a password.
    """
    url = url.strip()
    given = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(given)
        there = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # half an IPv6 address, a port beyond 65535
        there = False
    if not there or re.search(r"\s", given):
        raise UsageError(f"{url!r} is not the address of a server", fix="for example http://localhost:8000")
    if "@" in parts.netloc:
        raise UsageError(
            f"the address of {parts.hostname} must not hold a password",
            fix="name the environment variable (key_env=NAME) or the file (key_file=PATH)",
        )
    named = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if (parts.query and named != [_VERSION]) or parts.fragment:
        raise UsageError(f"{url!r} is more than an address", fix=f"write {url.partition('?')[0]}")
    path = re.sub("/+", "/", parts.path).rstrip("/")
    path = _ENDPOINT.sub(lambda found: found["base"] or "", path)
    short = re.sub("(?:/v1)+$", "", path)
    if short != path and _COMPLETE.search(short):
        short += "/v1"  # here it has to be said
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{short}{query}"


@lru_cache(maxsize=1024)
def endpoint(root: str, path: str) -> str:
    """Where a path like /v1/chat/completions is on a server, of which `root_of` has given the root."""
    base, mark, query = root.partition("?")
    if path.startswith("/v1/") and _COMPLETE.search(urlsplit(base).path):
        path = path.removeprefix("/v1")
    return f"{base}{path}{mark}{query}"


def versioned(url: str, version: str) -> str:
    """An address with the version that Azure wants to be asked with, unless it says one itself."""
    return url if not version or "?" in url else f"{url}?{_VERSION}={version}"


def key_header(root: str) -> str:
    """The header in which a server expects its key."""
    azure = "?" in root or re.search(f"{_DEPLOYMENT}$", urlsplit(root).path)
    return "api-key" if azure else "Authorization"
