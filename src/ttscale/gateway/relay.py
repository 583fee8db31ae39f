"""Passing a plain request on: the bytes as they came, the reply as it comes.

A failure after the first byte of the reply is told as an event of the stream. A client that goes
away takes its upstream request with it.
"""

from __future__ import annotations

import contextlib

import orjson
from aiohttp import web

from ..core import Unreachable
from ..engines.http.forwarding import Forwarding
from ..engines.http.retry import advice
from ..engines.http.sse import WholeEvents
from .api.event_stream import STREAM_HEADERS
from .api.responses import failed_event
from .errors import ApiError
from .passed_usage import PassedUsage
from .renaming import Renaming
from .upstreams.refusals import in_reply, passed_on
from .upstreams.upstream import Upstream


async def relay(
    request: web.Request,
    upstream: Upstream,
    path: str,
    payload: bytes,
    cost: int,
    passed: PassedUsage,
    renaming: Renaming,
    kept: list[bytes] | None = None,
    seconds: float | None = None,
) -> web.StreamResponse:
    """Pass a request on to `path` of the upstream and its reply back; `kept` collects its bytes. After
    `seconds` the request is given up.

    Raises:
        ApiError: if no replica answers, or not in time; a refusal of the upstream is passed on as it is.
    """
    server = upstream.server
    assert server is not None
    forwarding = server.forward(path, payload, cost=cost, hedge=upstream.model.hedge, seconds=seconds)
    try:
        async with forwarding as upstream_response:
            refused = not 200 <= upstream_response.status < 300
            if upstream_response.content_type == "text/event-stream" and not refused:
                return await _stream(request, upstream_response, passed, renaming, kept, path, seconds)
            body = await upstream_response.read()
    except Unreachable:
        if forwarding.overdue:
            raise overdue(seconds) from None
        raise ApiError(
            502, f"{server.server} cannot be reached or broke off", code="upstream_failed"
        ) from None
    finally:
        passed.hedged = forwarding.hedged
    if refused:
        return passed_on(
            server, upstream_response.status, upstream_response.headers, upstream_response.content_type, body
        )
    try:
        document = orjson.loads(body)  # whatever type it claims to be of
    except ValueError:
        raise ApiError(502, f"{server.server} sent no JSON", code="upstream_garbled") from None
    if (error := in_reply(server, document)) is not None:
        raise error
    if isinstance(document, dict):
        passed.read(document)
    if kept is not None:
        kept.append(body)
    return web.Response(
        status=upstream_response.status,
        body=renaming.renamed(body),
        content_type="application/json",
        headers=advice(upstream_response.headers),
    )


async def _stream(
    request: web.Request,
    upstream_response: Forwarding,
    passed: PassedUsage,
    renaming: Renaming,
    kept: list[bytes] | None,
    path: str,
    seconds: float | None,
) -> web.StreamResponse:
    """Events as they come. They are looked at for the token count; only the model's name is changed."""
    response = web.StreamResponse(headers={**advice(upstream_response.headers), **STREAM_HEADERS})
    await response.prepare(request)
    events, tail, passed.served = 0, b"", True
    whole = WholeEvents()
    try:
        while packet := await upstream_response.packet():
            events += packet.count(b"data:")
            if kept is not None:
                kept.append(packet)
            if b'"usage"' in packet or b'"usage"' in tail:
                tail += packet
            else:
                tail = packet[-8:]
            if complete := whole.feed(packet):
                await response.write(renaming.renamed(complete))
        await response.write(renaming.renamed(whole.rest()))
    except Unreachable:
        broken = ApiError(502, "the upstream broke off in the middle", code="upstream_broke_off")
        if upstream_response.overdue:
            broken = overdue(seconds)
        with contextlib.suppress(OSError):
            await response.write(failed_event(broken) if path.endswith("/responses") else broken.event())
    finally:
        passed.read_events(tail, events)  # also for a client that went away
    await response.write_eof()
    return response


def overdue(seconds: float | None) -> ApiError:
    """What a client is told whose reply takes more seconds than its budget has."""
    return ApiError(
        504, f"the reply was not done within the budget of {seconds or 0:.3g} s", code="budget_spent"
    )
