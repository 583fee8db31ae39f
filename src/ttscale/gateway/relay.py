"""Passing a plain request on: the bytes as they came, the reply as it comes.

A failure after the first byte of the reply is told as an event of the stream. A client that goes
away takes its upstream request with it.
"""

from __future__ import annotations

import contextlib

import orjson
from aiohttp import web

from ..core import Unreachable
from ..engines import OpenAIHTTP
from ..engines.http.forwarding import Forwarding
from .api.event_stream import STREAM_HEADERS
from .errors import ApiError
from .passed_usage import PassedUsage
from .upstreams.upstream import Upstream

_PASSED = ("Retry-After", "x-request-id")


async def relay(
    request: web.Request,
    upstream: Upstream,
    path: str,
    payload: bytes,
    cost: int,
    passed: PassedUsage,
    kept: list[bytes] | None = None,
) -> web.StreamResponse:
    """Pass a request on to `path` of the upstream and its reply back; `kept` collects its bytes.

    Raises:
        ApiError: if no replica answers; a refusal of the upstream is passed on as it is.
    """
    server = upstream.server
    assert server is not None
    forwarding = server.forward(path, payload, cost=cost, hedge=upstream.model.hedge)
    try:
        async with forwarding as upstream_response:
            if upstream_response.content_type == "text/event-stream":
                return await _stream(request, upstream_response, passed, kept)
            body = await upstream_response.read()
    except Unreachable:
        raise ApiError(
            502, f"{server.server} cannot be reached or broke off", code="upstream_failed"
        ) from None
    finally:
        passed.hedged = forwarding.hedged
    if upstream_response.status == 200 and upstream_response.content_type != "application/json":
        raise ApiError(502, f"{server.server} sent no JSON", code="upstream_garbled")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        if upstream_response.status == 200:
            raise ApiError(502, f"{server.server} sent no JSON", code="upstream_garbled") from None
        raise _refused(server, upstream_response.status) from None
    if isinstance(document, dict) and upstream_response.status == 200:
        passed.read(document)
    if kept is not None:
        kept.append(body)
    if upstream_response.status in (401, 403):
        raise ApiError(502, "the upstream refuses the gateway's key", code="upstream_key")
    headers = {name: v for name in _PASSED if (v := upstream_response.headers.get(name))}
    return web.Response(
        status=upstream_response.status, body=body, content_type="application/json", headers=headers
    )


async def _stream(
    request: web.Request, upstream_response: Forwarding, passed: PassedUsage, kept: list[bytes] | None
) -> web.StreamResponse:
    """Packets as they come. They are looked at for the token count, never changed."""
    response = web.StreamResponse(headers=STREAM_HEADERS)
    await response.prepare(request)
    events, tail, passed.served = 0, b"", True
    try:
        while packet := await upstream_response.packet():
            events += packet.count(b"data:")
            await response.write(packet)
            if kept is not None:
                kept.append(packet)
            if b'"usage"' in packet or b'"usage"' in tail:
                tail += packet
            else:
                tail = packet[-8:]
    except Unreachable:
        broken = ApiError(502, "the upstream broke off in the middle", code="upstream_broke_off")
        with contextlib.suppress(OSError):
            await response.write(broken.event())
    finally:
        passed.read_events(tail, events)  # also for a client that went away
    await response.write_eof()
    return response


def _refused(server: OpenAIHTTP, status: int) -> ApiError:
    """A refusal that is not JSON: its words may be an error page of anything in between."""
    if status >= 500:
        return ApiError(502, f"{server.server} failed: status {status}", code="upstream_failed")
    return ApiError(status, f"{server.server} refuses the request: status {status}")
