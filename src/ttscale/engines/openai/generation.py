"""One streamed sample over HTTP: asked, retried until its first token, read, and finished once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

import aiohttp

from ...core import Chunk, Finish, GenerationRequest, LiveGeneration, Trace, Unreachable
from ...core.spending.prompt_lengths import size_of
from ..http.address import endpoint
from ..http.attempts import Attempts
from ..http.errors import failures
from ..http.errors.failures import Failure
from ..http.replicas import Lease
from ..http.sse import BOM, Packets, is_json
from .request_body import RequestBody, plainer_dialect

if TYPE_CHECKING:
    from .dialect import Dialect
    from .engine import OpenAIHTTP

LOG = logging.getLogger("ttscale.engines")
_COST = 512  # tokens a sample without a limit is expected to take
_DRAIN = 0.5  # seconds a server has to end a stream after its last event
_LOOK = 1 << 18  # bytes
_REASONS = ("stop", "length", "tool_calls", "function_call", "content_filter")  # OpenAI's
_UNREAD = 2  # tokens
_BYTES = 3  # of a prompt per token, at most


class HTTPGeneration(LiveGeneration):
    """A sample under way. It finishes by itself, or at once when it is aborted.

    Tokens generated past a cut, and those a server is about to send when its connection is closed,
    are counted: they were spent. The text ends where it was cut.

    Args:
        model: its name where the server does not tell.
        ahead: tokens the server makes before it notices that the connection is closed.
    """

    def __init__(
        self, client: OpenAIHTTP, request: GenerationRequest, body: RequestBody, *, model: str, ahead: int
    ) -> None:
        super().__init__(request)
        self._client, self._model, self._ahead = client, model, ahead
        self._path, self._payload = body.path, body.encoded(request)
        self._spoken = client.dialect
        self._plainer: Dialect | None = None  # in which it is asked after a refusal
        self._bounded = self._spoken.bound(self.limit) is not None  # the server keeps to the limit
        self._begin()
        self._response: aiohttp.ClientResponse | None = None
        self._cut: int | None = None
        self._sent = False  # a server may have read the prompt
        self._attempts = Attempts(
            client,
            client.retry.wait,
            cost=request.sampling.max_tokens or _COST,
            prefix=body.prefix,
            identity=body.shared,
            time_left=request.time_left,
        )
        self.task = request.loop.create_task(self._run(), name=f"sample {request.index} of {client.server}")

    @property
    def prompt_tokens(self) -> int | None:
        return self._reader.prompt_tokens

    @property
    def cached_tokens(self) -> int | None:
        return self._reader.cached_tokens

    @property
    def late(self) -> int:
        # besides what comes after a stop, two steps that may have come and have not been read
        if not self._sent or self._reader.settled:
            return 0
        most, _ = self.request.most()
        late = self._ahead + _UNREAD
        return late if most is None else max(0, min(late, most - self._reader.tokens))

    def seen(self, at: float | None = None) -> int:
        return self._reader.tokens

    def _produced(self) -> int:
        """Tokens of this attempt; a text that was begun without any counts, too: it is never shown
        twice."""
        return max(self._reader.tokens, self._reader.begun)

    # -- asking and reading

    async def _run(self) -> None:
        limit = self.request.limit
        if limit is not None and limit <= 0:
            self.end("budget")
            return
        try:
            await self._attempts.run(self._attempt, self._produced)
        except Exception as caught:
            error = caught.error if isinstance(caught, Failure) else caught
            if not isinstance(caught, Failure):
                LOG.error("reading a reply of %s failed", self._client.server, exc_info=caught)
            self.end("refused" if isinstance(error, failures.Refused) else "error", error)

    def _begin(self) -> None:
        self._reader, self._packets = self._client.reader(self.request.prompt.prefix), Packets()

    async def _attempt(self, lease: Lease) -> None:
        """Ask once, and finish unless that fails."""
        if self._attempts.retries:
            self._begin()
        if self.request.tighten():  # while it waited for its turn
            dialect = self._plainer or self._spoken
            self._payload = self._client.body_for(self.request, dialect).encoded(self.request)
            self._read_limit()
            self._bounded = dialect.bound(self.limit) is not None
        self._sent = True
        try:
            async with self._client.session.post(
                endpoint(lease.replica.url, f"/v1{self._path}"), data=self._payload, allow_redirects=False
            ) as response:
                await self._read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            self._sent = False
            raise
        finally:
            self._response = None
        lease.replica.worked()

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        client, reader, packets = self._client, self._reader, self._packets
        if response.status != 200:
            self._sent = False
            body = await response.read()
            failure = failures.of_response(response.status, response.headers, body, client.server, client.key)
            raise self._plainly(failure, body) or failure
        if self._plainer is not None:
            if client.dialect.greedy and not self._plainer.greedy:
                LOG.warning("%s has a temperature of its own: temperature 0 is left out", client.server)
            client.learn(self._plainer)
            self._plainer = None
        elif client.mistakes(self._spoken, response.headers):
            self.request.probed(size_of(self.request.prompt) // _BYTES, client.dialect.ahead)
            self._spoken = client.dialect
            self._payload = client.body_for(self.request, client.dialect).encoded(self.request)
            raise Failure(Unreachable(f"{client.server} is a llama.cpp server"), True, 0.0)
        self._response, content = response, response.content
        packet = await _beginning(content)
        if is_json(packet):  # whatever it is called
            reader.feed_whole(packet + await content.read())
            self._taken()
            return
        while True:
            reader.feed(packets.feed(packet) if packet else packets.rest())
            self._taken()
            if not packet or reader.done or self.finished:
                break
            packet = await content.readany()
        if reader.done and not content.is_eof():
            await _finish(content)
        self._conclude()

    def _plainly(self, failure: Failure, refusal: bytes) -> Failure | None:
        """A refusal of something that the sample can do without: it is asked again without it."""
        client = self._client
        before = client.dialect if self._plainer is None else self._plainer
        plainer = plainer_dialect(before, self.request.sampling, failure.error.status or 0, refusal)
        if plainer is None:
            return None
        self.request.probed(0, 0)
        self._plainer = plainer
        self._payload = client.body_for(self.request, plainer).encoded(self.request)
        return Failure(failure.error, True, 0.0)

    def _taken(self) -> None:
        """Show what has been read. Raises a `Failure` for what is wrong with the stream, if anything is."""
        reader, self._attempts.heard = self._reader, time.monotonic()
        if self.watched and (chunk := reader.chunk()) is not None:
            self.show(chunk, ended=reader.finish is not None)
        if self.finished:
            return
        if reader.error is not None:
            raise failures.of_event(reader.error, self._client.server, self._client.key)
        if reader.malformed:
            raise self._garbled(reader.malformed)
        if reader.done:
            self._conclude()

    def _conclude(self) -> None:
        """The stream is over: finish, or raise what is missing."""
        reader = self._reader
        if self.finished:
            return
        finish = reader.ending
        if finish is None:
            raise failures.broke_off(self._client.server, reader.tokens)
        if finish == "error":
            raise self._garbled(f"finish reason {reader.reason!r}")
        if finish == "refused":
            self.end(finish, failures.Refused(f"the model declined: {reader.refusal or 'filtered'}"))
        elif finish == "length" and self._bounded:
            self.end("budget")
        else:
            self.end(finish)

    def _garbled(self, what: str) -> Failure:
        LOG.warning("%s sent %s", self._client.server, what)
        return failures.garbled(self._client.server, what)

    # -- finishing

    def end(
        self,
        finish: Finish,
        error: Exception | None = None,
        *,
        kept: int | None = None,
        stopped: bool = False,
    ) -> None:
        """Finish, unless it has finished; the text is cut only if so many tokens are to be kept."""
        if not self.finished:
            self._cut = kept
            self._reader.settle(kept)
        super().end(finish, error, kept=kept, stopped=stopped)

    def _unread(self) -> Chunk | None:
        response = self._response
        if response is None:
            return None
        self._reader.feed(self._packets.feed(_arrived(response)))
        response.close()
        return self._reader.chunk()

    def _stop(self, finish: Finish) -> int:
        self._attempts.heard = None
        if asyncio.current_task(self.request.loop) is not self.task:
            self.task.cancel()
        return self._ahead if self._reader.tokens and not self._reader.settled else 0

    def _trace(self, finish: Finish, kept: int) -> Trace:
        reader = self._reader
        text, (logprobs, conf) = reader.text(self._cut), reader.arrays(self._cut)
        trace = Trace(
            text=text,
            estimated=reader.estimated,
            prompt_tokens=reader.prompt_tokens if self._sent else 0,
            cached_tokens=reader.cached_tokens,
            logprobs=logprobs,
            conf=conf,
            ends=reader.ends(kept),
            thinking_at=reader.thinking_at(len(text)),
            tool_calls=reader.calls.result() if finish == "stop" else (),
            model=reader.model or self._model,
            meta=reader.carried.meta(),
        )
        if finish == "stop" and reader.stopped_at is not None:
            trace.meta["stopped_at"] = reader.stopped_at
        if reader.refusal:
            trace.meta["refusal"] = reader.refusal
        if reader.reason not in ("", *_REASONS):
            trace.meta["finish_reason"] = reader.reason
        if self._attempts.retries:
            trace.meta["retries"] = self._attempts.retries
        return trace


def _arrived(response: aiohttp.ClientResponse) -> bytes:
    """What has come of a stream and has not been read, also what the loop has had no time for: it
    still lies in the network's buffer, and would be lost with the connection."""
    protocol = None if response.connection is None else response.connection.protocol
    transport = None if protocol is None else protocol.transport
    if protocol is not None and transport is not None:
        socket, encrypted = map(transport.get_extra_info, ("socket", "ssl_object"))
        with contextlib.suppress(OSError):  # nothing there; and where a socket is not a file
            if not encrypted and (packet := os.read(socket.fileno(), _LOOK)):
                protocol.data_received(packet)
    try:
        return response.content.read_nowait()
    except (RuntimeError, aiohttp.ClientError):  # a reader waits, so nothing is there; or it broke
        return b""


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """What comes first, at least up to a byte that is not blank."""
    beginning = packet = await content.readany()
    while packet and not beginning.removeprefix(BOM).strip():
        packet = await content.readany()
        beginning += packet
    return beginning


async def _finish(content: aiohttp.StreamReader) -> None:
    """Read the end of a stream that has said all, so that its connection can be used again."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN):
            while await content.readany():
                pass
