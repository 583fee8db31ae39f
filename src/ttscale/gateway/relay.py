"""Passing a plain request on: the bytes as they came, the reply as it comes.

Before the first byte of the reply a failed replica is replaced by another one; after it a failure
is told as an event of the stream. A client that goes away takes its upstream request with it.
"""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import orjson
from aiohttp import web

from ..engines.failures import BROKEN
from ..engines.openai_http import OpenAIHTTP
from .errors import ApiError
from .replying import Passed, answering, failed
from .upstream import Upstream

STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # a reverse proxy must not hold tokens back
}
_PASSED = ("Retry-After", "x-request-id")
_COST = 256  # tokens a reply is expected to have where the request does not say


async def relay(
    request: web.Request,
    upstream: Upstream,
    path: str,
    payload: bytes,
    cost: int,
    passed: Passed,
    kept: list[bytes] | None = None,
) -> web.StreamResponse:
    """Pass a request on to `path` of the upstream and its reply back; `kept` collects its bytes.

    Raises:
        ApiError: if no replica answers; a refusal of the upstream is passed on as it is.
    """
    server = upstream.server
    assert server is not None
    async with answering(
        server, upstream.model.hedge, path, payload, cost or _COST, passed
    ) as reply:
        if reply.content_type == "text/event-stream":
            return await _stream(request, reply, server.idle, passed, kept)
        packets: list[bytes] = []
        try:
            while packet := await _packet(reply, server.idle):
                packets.append(packet)
        except BROKEN:
            raise failed(server) from None
    body = b"".join(packets)
    if reply.status == 200 and reply.content_type != "application/json":
        raise ApiError(502, f"{server.server} sent no JSON", code="upstream_garbled")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        if reply.status == 200:
            raise ApiError(502, f"{server.server} sent no JSON", code="upstream_garbled") from None
        raise _refused(server, reply.status) from None
    if isinstance(document, dict):
        passed.read(document.get("usage"))
    if kept is not None:
        kept.append(body)
    if reply.status in (401, 403):
        raise ApiError(502, "the upstream refuses the gateway's key", code="upstream_key")
    headers = {name: v for name in _PASSED if (v := reply.headers.get(name))}
    return web.Response(
        status=reply.status, body=body, content_type="application/json", headers=headers
    )


async def _stream(
    request: web.Request,
    reply: aiohttp.ClientResponse,
    idle: float,
    passed: Passed,
    kept: list[bytes] | None,
) -> web.StreamResponse:
    """Packets as they come. They are looked at for the token count, never changed."""
    response = web.StreamResponse(headers=STREAM_HEADERS)
    await response.prepare(request)
    events, tail, passed.estimated = 0, b"", True
    try:
        while packet := await _packet(reply, idle):
            await response.write(packet)
            events += packet.count(b"data:")
            if kept is not None:
                kept.append(packet)
            passed.completion_tokens = events
            if b'"usage"' in packet or b'"usage"' in tail:
                tail += packet
            else:
                tail = packet[-8:]
    except BROKEN:
        if request.transport is None or request.transport.is_closing():
            raise  # it is the client who has gone
        broken = ApiError(502, "the upstream broke off in the middle", code="upstream_broke_off")
        with contextlib.suppress(OSError):
            await response.write(broken.event())
    _read_usage(tail, passed)
    if passed.estimated:
        passed.completion_tokens = max(0, events - 2)  # the role, the finish and [DONE] hold none
    await response.write_eof()
    return response


async def _packet(reply: aiohttp.ClientResponse, idle: float) -> bytes:
    """What comes next, within `idle` seconds; empty at the end."""
    if reply.content.at_eof():
        return b""
    async with asyncio.timeout(idle):
        return await reply.content.readany()


def _read_usage(tail: bytes, passed: Passed) -> None:
    """The last `usage` among the events of a stream's end."""
    for line in reversed(tail.split(b"\n")):
        if b'"usage"' in line and line.startswith(b"data:"):
            with contextlib.suppress(orjson.JSONDecodeError, AttributeError):
                event = orjson.loads(line[5:])
                usage = event.get("usage") or (event.get("response") or {}).get("usage")
                if usage:
                    passed.read(usage)
                    return


def _refused(server: OpenAIHTTP, status: int) -> ApiError:
    """A refusal that is no JSON: its words may be an error page of anything in between."""
    if status >= 500:
        return ApiError(502, f"{server.server} failed: status {status}", code="upstream_failed")
    return ApiError(status, f"{server.server} refuses the request: status {status}")
