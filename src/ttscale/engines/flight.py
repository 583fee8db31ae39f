"""One streamed draw over HTTP: asked, retried until its first token, read, and landed once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING

import aiohttp

from ..core import Call, Chunk, Finish, RateLimited, Trace, Unreachable
from . import failures, wall
from .failures import Failure
from .replicas import Replica
from .reply import Reply, first
from .sse import Packets

if TYPE_CHECKING:
    from .openai_http import OpenAIHTTP

_COST = 512  # tokens a draw without a limit is expected to take
_DRAIN = 0.5  # seconds a server has to end a stream after its last event
_LOOK = 1 << 18  # bytes


class HTTPFlight:
    """A draw under way. It lands by itself, or at once when it is aborted.

    Tokens generated past a cut, and those a server is about to send when its connection is closed,
    are counted: they were spent. The text ends where it was cut.
    """

    __slots__ = (
        "_began", "_call", "_cap", "_cost", "_engine", "_expired", "_landed", "_last", "_limit",
        "_loop", "_packets", "_path", "_payload", "_prefix", "_reply", "_response", "_retries",
        "_started", "_waits", "task",
    )  # fmt: skip

    def __init__(self, engine: OpenAIHTTP, call: Call) -> None:
        self._engine, self._call = engine, call
        letter = engine.letter(call)
        self._path, self._payload, self._prefix = letter.path, letter.to(call), letter.prefix
        self._cost = call.sampling.max_tokens or _COST
        self._reply = Reply(call.prompt.prefix)
        self._packets = Packets()
        self._response: aiohttp.ClientResponse | None = None
        self._landed, self._retries = False, 0
        self._expired: Unreachable | None = None
        self._cap: int | None = None
        asked = call.sampling.max_tokens
        self._limit = call.limit if asked is None or (call.limit or 0) < asked else None
        self._loop = call.loop
        self._began = self._loop.time()
        self._started = self._last = time.monotonic()
        self._waits = True  # for its turn or a retry: nothing is expected from the server
        self.task = self._loop.create_task(self._fly(), name=f"draw {call.draw} of {engine.name}")
        self.task.add_done_callback(engine.flight_over)

    # -- the Flight protocol

    @property
    def prompt_tokens(self) -> int | None:
        """Tokens of the prompt; None until the server has told."""
        return self._reply.prompt_tokens

    @property
    def cached_tokens(self) -> int | None:
        """Those of them that the server had in its cache."""
        return self._reply.cached_tokens

    def seen(self, at: float | None = None) -> int:
        return self._reply.tokens

    def abort(self, finish: Finish) -> None:
        if self._landed:
            return
        self._drain()
        self._land(finish, stopped=True)
        self.task.cancel()

    def cap(self, tokens: int) -> None:
        if self._landed:
            return
        self._cap = tokens if self._cap is None else min(tokens, self._cap)
        if self._reply.tokens >= self._cap:
            self._cut("cut", self._cap)
            self.task.cancel()

    # -- timeouts

    def expire(self, now: float, idle: float, total: float | None) -> None:
        """Give up what has been silent or under way for too long (seconds)."""
        if self._landed or self._waits or self._expired is not None:
            return
        if now - self._last > idle:
            what = f"was silent for {idle:g} s"
        elif total is not None and now - self._started > total:
            what = f"was not done after {total:g} s"
        else:
            return
        self._expired = Unreachable(
            f"{self._engine.server} {what}, after {self._reply.tokens} tokens",
            fix="raise the timeout, or see its log",
        )
        self.task.cancel()

    # -- the flight

    async def _fly(self) -> None:
        try:
            await self._try()
        except Exception as error:  # a watcher or a rule: the draw has failed, and must land
            self._land("error", error)

    async def _try(self) -> None:
        """Ask until the draw has landed."""
        engine, call = self._engine, self._call
        if call.limit is not None and call.limit <= 0:
            self._land("budget")
            return
        while True:
            self._waits = True
            async with engine.replicas.lease(self._cost, self._prefix) as replica:
                failure = await self._attempt(replica)
            if failure is None or self._landed:
                return
            wait = None
            if failure.again and not self._reply.tokens and not self._too_late():
                wait = engine.retry.wait(self._retries, failure.after)
            if wait is None:
                refused = isinstance(failure.error, failures.Refused)
                self._land("refused" if refused else "error", failure.error)
                return
            self._retries += 1
            self._waits = True
            self._reply, self._packets = Reply(call.prompt.prefix), Packets()
            if not engine.replicas.free:  # else another one is asked at once
                await wall.sleep(wait)

    async def _attempt(self, replica: Replica) -> Failure | None:
        """Ask once; None if the draw has landed."""
        engine = self._engine
        self._last, self._waits = time.monotonic(), False
        try:
            url = f"{replica.url}/v1{self._path}"
            async with engine.session.post(
                url, data=self._payload, allow_redirects=False
            ) as response:
                failure = await self._read(response)
        except asyncio.CancelledError:
            if self._expired is None:
                raise
            self.task.uncancel()
            # a server that hangs twice would hang for ever
            failure, self._expired = Failure(self._expired, self._retries < 1), None
        except failures.BROKEN as error:
            failure = self._broken(error)
        finally:
            self._response = None
        if failure is None:
            replica.worked()
        elif isinstance(failure.error, RateLimited):
            replica.full(failure.after)
        elif failure.again:
            replica.failed()
        return failure

    async def _read(self, response: aiohttp.ClientResponse) -> Failure | None:
        engine, reply = self._engine, self._reply
        if response.status != 200:
            body = await response.read()
            return failures.of_reply(
                response.status, response.headers, body, engine.server, engine.key
            )
        if response.content_type == "application/json":
            chunk = reply.plain(await response.read(), self._call.prompt.prefix)
            return self._take_chunk(chunk)
        packets, content = self._packets, response.content
        self._response = response
        while not reply.done:
            packet = await content.readany()
            self._last = time.monotonic()
            events = packets.feed(packet) if packet else packets.rest()
            if events and (failure := self._take(events)) is not None:
                return failure
            if self._landed or not packet:
                break
        if reply.done and not content.is_eof():
            await _finish(content)
        return None if self._landed else self._ended()

    def _take(self, events: list[bytes]) -> Failure | None:
        return self._take_chunk(self._reply.feed(events))

    def _take_chunk(self, chunk: Chunk | None) -> Failure | None:
        """Show a chunk to those who watch; what is wrong with the stream, if anything is."""
        reply, call = self._reply, self._call
        if chunk is not None:
            before = reply.tokens - chunk.tokens
            kept, finish = self._kept(chunk, before)
            if kept is not None:
                chunk = first(chunk, kept)
            if call.watch is not None:
                call.watch(chunk)
            if call.progress is not None and not self._landed:
                call.progress()
            if kept is not None and not self._landed:
                self._cut(finish, before + kept)
        if self._landed:
            return None
        if reply.error is not None:
            return failures.of_event(reply.error, self._engine.server, self._engine.key)
        if reply.malformed:
            return failures.garbled(self._engine.server, reply.malformed)
        if reply.done:
            return self._ended()
        return None

    def _kept(self, chunk: Chunk, before: int) -> tuple[int | None, Finish]:
        """How many of a chunk's tokens to keep if the draw ends inside it, and how it ends."""
        kept, finish = None, "cut"
        if self._call.rule is not None:
            kept = self._call.rule.feed(chunk)
        room = self._cap
        if room is not None and before + chunk.tokens >= room and self._reply.finish is None:
            left = max(0, room - before)
            kept = left if kept is None else min(kept, left)
        if self._limit is not None and before + chunk.tokens > self._limit:
            left = max(0, self._limit - before)  # a server that does not keep to max_tokens
            if kept is None or left < kept:
                return left, "budget"
        return kept, finish  # type: ignore[return-value]

    def _ended(self) -> Failure | None:
        """The stream is over: land the trace, or say what is missing."""
        reply = self._reply
        if reply.finish is None and not (reply.done and reply.tokens):
            what = "broke off" if reply.tokens else "ended without a reply"
            after = f" after {reply.tokens} tokens" if reply.tokens else ""
            error = Unreachable(
                f"{self._engine.server} {what}{after}", fix="try again, or see its log"
            )
            return Failure(error, True)
        finish = reply.finish or "stop"
        if finish == "refused":
            self._land(
                finish, failures.Refused(f"the model declined: {reply.refusal or 'filtered'}")
            )
        elif finish == "length" and self._limit is not None:
            self._land("budget")
        else:
            self._land(finish)
        return None

    def _drain(self) -> None:
        """Take in what has arrived although nobody has read it yet: it was generated."""
        response = self._response
        if response is None:
            return
        chunk = self._reply.feed(self._packets.feed(_arrived(response)))
        response.close()
        if chunk is not None and self._call.watch is not None:
            self._landed = True  # the watcher has nothing more to stop
            self._call.watch(chunk)
            self._landed = False

    def _broken(self, error: BaseException) -> Failure:
        """The connection failed, before or after the first token."""
        failure = failures.of_connection(error, self._engine.server)
        if self._reply.tokens:
            failure.error = Unreachable(
                f"{self._engine.server} broke off after {self._reply.tokens} tokens",
                fix="try again, or see its log",
            )
        return failure

    def _too_late(self) -> bool:
        total = self._engine.total
        return total is not None and time.monotonic() - self._started > total

    # -- landing

    def _cut(self, finish: Finish, kept: int) -> None:
        self._land(finish, kept=kept, stopped=True)

    def _land(
        self,
        finish: Finish,
        error: Exception | None = None,
        *,
        kept: int | None = None,
        stopped: bool = False,
    ) -> None:
        """Deliver the trace. `stopped` says that the server may be a step ahead of what we read."""
        if self._landed:
            return
        self._landed = True
        reply = self._reply
        tokens, estimated = reply.tokens, reply.estimated
        if stopped and tokens and not reply.settled:
            ahead = self._engine.dialect.ahead
            tokens, estimated = tokens + ahead, estimated + ahead
        if kept is None:
            kept = reply.tokens
        logprobs, conf = reply.arrays(kept)
        trace = Trace(
            text=reply.text(kept), tokens=tokens, finish=finish, estimated=estimated,
            prompt_tokens=reply.prompt_tokens, cached_tokens=reply.cached_tokens,
            logprobs=logprobs, conf=conf, ends=reply.ends(kept, tokens),
            tool_calls=reply.tool_calls() if finish == "stop" else (),
            began=self._began, ended=self._loop.time(), model=reply.model or self._engine.model,
            error=error,
        )  # fmt: skip
        if finish == "stop" and reply.stopped_at is not None:
            trace.meta["stopped_at"] = reply.stopped_at
        if self._retries:
            trace.meta["retries"] = self._retries
        if tokens > kept:
            trace.meta["past_end"] = tokens - kept
        self._call.land(trace)


def _arrived(response: aiohttp.ClientResponse) -> bytes:
    """What has come of a stream and nobody has read, also what the loop has had no time for: it
    still lies in the network's buffer, and would be lost with the connection."""
    protocol = None if response.connection is None else response.connection.protocol
    transport = None if protocol is None else protocol.transport
    if protocol is not None and transport is not None:
        socket, encrypted = map(transport.get_extra_info, ("socket", "ssl_object"))
        with contextlib.suppress(OSError):  # nothing there; and where a socket is no file
            if not encrypted and (packet := os.read(socket.fileno(), _LOOK)):
                protocol.data_received(packet)
    try:
        return response.content.read_nowait()
    except (RuntimeError, aiohttp.ClientError):  # somebody waits, so nothing is there; or it broke
        return b""


async def _finish(content: aiohttp.StreamReader) -> None:
    """Read the end of a stream that has said all, so that its connection can be used again."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN):
            while await content.readany():
                pass
