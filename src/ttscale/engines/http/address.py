"""The address of a server, however it is written: paths below it begin with /v1."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ...core import UsageError

_TAIL = re.compile(
    r"(?:/v1)*(?:/chat/completions|(?<=/v1)/(?:chat|completions|embeddings|models|responses))?$"
)


def root_of(url: str) -> str:
    """The address that paths like /v1/chat/completions are put behind: without /v1, the endpoint a
    user may have copied with it, and slashes at its end; http if it does not say.

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
    if parts.query or parts.fragment:
        raise UsageError(f"{url!r} is more than an address", fix=f"write {url.partition('?')[0]}")
    path = re.sub("/+", "/", parts.path).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{_TAIL.sub('', path, count=1)}"
