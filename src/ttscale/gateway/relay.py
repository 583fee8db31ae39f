"""Passing a plain request on: the bytes as they came, the reply as it comes.

A failure after the first byte of the reply is told as an event of the stream. A client that goes
away takes its upstream request with it.
"""

from __future__ import annotations

import contextlib

from aiohttp import web

from ..core import Unreachable
from ..engines.http.forwarding import Forwarding
from ..engines.http.retry import advice
from ..engines.http.sse import WholeEvents, is_events, is_half
from .api.event_stream import STREAM_HEADERS
from .api.responses import failed_event
from .errors import ApiError
from .passed_usage import PassedUsage
from .renaming import Renaming
from .reply_shape import ReplyShape
from .upstreams.refusals import in_reply, passed_on
from .upstreams.upstream import Upstream


async def relay(
    request: web.Request,
    upstream: Upstream,
    path: str,
    payload: bytes,
    cost: int,
    shape: ReplyShape,
    passed: PassedUsage,
    renaming: Renaming,
    kept: list[bytes] | None = None,
    seconds: float | None = None,
) -> web.StreamResponse:
    """Pass a request on to `path` of the upstream and its reply back, in the shape that was asked for;
    `kept` collects its bytes. After `seconds` the request is given up.

    Raises:
        ApiError: if no replica answers, or not in time; a refusal of the upstream is passed on as it is.
    """
    server = upstream.server
    assert server is not None
    forwarding = server.forward(path, payload, cost=cost, hedge=upstream.model.hedge, seconds=seconds)
    try:
        async with forwarding as upstream_response:
            refused = not 200 <= upstream_response.status < 300
            beginning = b"" if refused else await upstream_response.beginning()
            if shape.streamed and is_events(beginning):
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
        document, exact = shape.document(body)  # whatever type it claims to be of
    except ValueError as error:
        raise ApiError(
            502, f"{server.server} sent no reply that can be read: {error}", code="upstream_garbled"
        ) from None
    if (refusal := in_reply(server, document)) is not None:
        raise refusal
    passed.read(document)
    if shape.streamed or not exact:
        body = shape.written(document)
    if kept is not None:
        kept.append(body)
    fields = STREAM_HEADERS if shape.streamed else {"Content-Type": "application/json"}
    return web.Response(
        status=upstream_response.status,
        body=renaming.renamed(body),
        headers={**advice(upstream_response.headers), **fields},
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
    events, counted, passed.served = 0, b"", True
    whole, ended = WholeEvents(), False
    try:
        while not ended:
            packet = await upstream_response.packet()
            ended = not packet
            complete = whole.rest() if ended else whole.feed(packet)
            if not complete:
                continue
            if ended and is_half(complete):
                raise Unreachable("half an event")
            events += complete.count(b"data:")
            if kept is not None:
                kept.append(complete)
            if b'"usage"' in complete:
                counted += complete
            await response.write(renaming.renamed(complete))
    except Unreachable:
        broken = ApiError(502, "the upstream broke off in the middle", code="upstream_broke_off")
        if upstream_response.overdue:
            broken = overdue(seconds)
        with contextlib.suppress(OSError):
            await response.write(failed_event(broken) if path.endswith("/responses") else broken.event())
    finally:
        passed.read_events(counted, events)  # also for a client that went away
    await response.write_eof()
    return response


def overdue(seconds: float | None) -> ApiError:
    """What a client is told whose reply takes more seconds than its budget has."""
    return ApiError(
        504, f"the reply was not done within the budget of {seconds or 0:.3g} s", code="budget_spent"
    )
