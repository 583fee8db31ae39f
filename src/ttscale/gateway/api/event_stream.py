"""Server-sent events: the headers of a stream."""

from __future__ import annotations

from typing import Any

import orjson

STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # a reverse proxy must not hold tokens back
}


DONE = b"data: [DONE]\n\n"


def event(document: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + orjson.dumps(document) + b"\n\n"
