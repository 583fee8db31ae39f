"""Passing a plain request on: the bytes as they came, the reply as it comes.

Before the first byte of the reply a failed replica is replaced by another one; after it a failure
is told as an event of the stream. A client that goes away takes its upstream request with it.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from ..engines.openai_http import OpenAIHTTP
from ..engines.replicas import Replica
from .errors import ApiError
from .upstream import Upstream

STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",  # a reverse proxy must not hold tokens back
}
_AGAIN = frozenset({500, 502, 503, 504, 529})
_PASSED = ("Retry-After", "x-request-id")
_COST = 256  # tokens a reply is expected to have where the request does not say


@dataclass(slots=True)
class Passed:
    """What a passed request is known to have used.

    Attributes:
        completion_tokens: as the upstream reports them, else the events of the stream.
        estimated: whether they were counted by events.
        hedged: whether a second replica was asked.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    hedged: bool = False

    def read(self, usage: Any) -> None:
        """Take in a `usage` object of any of the APIs."""
        if not isinstance(usage, dict):
            return
        prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
        completion = usage.get("completion_tokens", usage.get("output_tokens"))
        if isinstance(prompt, int):
            self.prompt_tokens = prompt
        if isinstance(completion, int):
            self.completion_tokens, self.estimated = completion, False


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
    async with _answering(server, upstream, path, payload, cost or _COST, passed) as reply:
        if reply.content_type == "text/event-stream":
            return await _stream(request, reply, passed, kept)
        try:
            body = await reply.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            raise _failed(server) from None
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


@asynccontextmanager
async def _answering(
    server: OpenAIHTTP, upstream: Upstream, path: str, payload: bytes, cost: int, passed: Passed
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The reply of the first replica that gives one."""
    prefix = zlib.crc32(payload[:1024])
    tried: set[Replica] = set()
    while True:
        async with server.replicas.lease(cost, prefix, tried) as replica:
            tried.add(replica)
            last = len(tried) >= max(2, len(server.replicas.all))  # a stale connection gets one more
            try:
                reply = await _ask(server, replica, path, payload)
            except (aiohttp.ClientError, OSError, TimeoutError):
                replica.failed()
                if last:
                    raise _failed(server) from None
                continue
            if reply.status in _AGAIN and not last and len(server.replicas.all) > 1:
                reply.close()
                replica.failed()
                continue
            try:
                yield reply
            except BaseException:
                reply.close()  # nobody reads the rest: the connection goes, and the upstream stops
                raise
            replica.worked()
            reply.release()
            return


async def _ask(
    server: OpenAIHTTP, replica: Replica, path: str, payload: bytes
) -> aiohttp.ClientResponse:
    return await server.session.post(
        replica.url + path, data=payload, headers=server.headers, allow_redirects=False,
        timeout=aiohttp.ClientTimeout(sock_connect=server.connect, sock_read=server.idle),
    )  # fmt: skip


async def _stream(
    request: web.Request,
    reply: aiohttp.ClientResponse,
    passed: Passed,
    kept: list[bytes] | None,
) -> web.StreamResponse:
    """Packets as they come. They are looked at for the token count, never changed."""
    response = web.StreamResponse(headers=STREAM_HEADERS)
    await response.prepare(request)
    events, tail, passed.estimated = 0, b"", True
    try:
        while packet := await reply.content.readany():
            await response.write(packet)
            events += packet.count(b"data:")
            if kept is not None:
                kept.append(packet)
            passed.completion_tokens = events
            if b'"usage"' in packet or b'"usage"' in tail:
                tail += packet
            else:
                tail = packet[-8:]
    except (aiohttp.ClientError, OSError, TimeoutError):
        if request.transport is None:
            raise  # it is the client who has gone
        broken = ApiError(502, "the upstream broke off in the middle", code="upstream_broke_off")
        with contextlib.suppress(OSError):
            await response.write(broken.event())
    _read_usage(tail, passed)
    if passed.estimated:
        passed.completion_tokens = max(0, events - 2)  # the role, the finish and [DONE] hold none
    await response.write_eof()
    return response


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


def _failed(server: OpenAIHTTP) -> ApiError:
    return ApiError(502, f"{server.server} cannot be reached or broke off", code="upstream_failed")


def _refused(server: OpenAIHTTP, status: int) -> ApiError:
    """A refusal that is no JSON: its words may be an error page of anything in between."""
    if status >= 500:
        return ApiError(502, f"{server.server} failed: status {status}", code="upstream_failed")
    return ApiError(status, f"{server.server} refuses the request: status {status}")
