"""The name of a request: in its reply, in the log, and in the client's own log if it gave one."""

from __future__ import annotations

import re
import uuid
from typing import Any

from aiohttp import web

HEADER = "x-request-id"
_NAME: Any = web.RequestKey("id", str) if hasattr(web, "RequestKey") else "id"  # new in aiohttp 3.14
_USABLE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")  # what can stand in a log and in a header


def request_id(request: web.BaseRequest) -> str:
    """The client's own name for its request if that is usable, else one made here; always the same
    for the same request."""
    known: str | None = request.get(_NAME)
    if known is None:
        own = request.headers.get(HEADER, "")
        known = request[_NAME] = own if _USABLE.fullmatch(own) else f"req_{uuid.uuid4().hex}"
    return known
