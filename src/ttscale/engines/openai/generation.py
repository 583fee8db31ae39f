"""One streamed sample over HTTP: asked, retried until its first token, read, and finished once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import aiohttp

from ...core import Chunk, Finish, GenerationRequest, LiveGeneration, Trace
from ..http import failures
from ..http.attempts import Attempts
from ..http.failures import Failure
from ..http.replicas import Lease
from ..http.sse import Packets
from .request_body import RequestBody
from .response import ResponseReader

if TYPE_CHECKING:
    from ..http.client import HTTPClient

_COST = 512  # tokens a sample without a limit is expected to take
_DRAIN = 0.5  # seconds a server has to end a stream after its last event
_LOOK = 1 << 18  # bytes
_UNREAD = 2  # tokens


class HTTPGeneration(LiveGeneration):
    """A sample under way. It finishes by itself, or at once when it is aborted.

    Tokens generated past a cut, and those a server is about to send when its connection is closed,
    are counted: they were spent. The text ends where it was cut.

    Args:
        model: its name where the server does not tell.
        ahead: tokens the server makes before it notices that the connection is closed.
    """

    def __init__(
        self, client: HTTPClient, request: GenerationRequest, body: RequestBody, *, model: str, ahead: int
    ) -> None:
        super().__init__(request)
        self._client, self._model, self._ahead = client, model, ahead
        self._path, self._payload = body.path, body.encoded(request)
        self._begin()
        self._response: aiohttp.ClientResponse | None = None
        self._sent = False  # a server may have read the prompt
        self._attempts = Attempts(
            client,
            client.retry.wait,
            cost=request.sampling.max_tokens or _COST,
            prefix=body.prefix,
            total=client.total,
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

    # -- asking and reading

    async def _run(self) -> None:
        limit = self.request.limit
        if limit is not None and limit <= 0:
            self.end("budget")
            return
        try:
            await self._attempts.run(self._attempt)
        except Exception as caught:
            error = caught.error if isinstance(caught, Failure) else caught
            self.end("refused" if isinstance(error, failures.Refused) else "error", error)

    def _begin(self) -> None:
        self._reader, self._packets = ResponseReader(self.request.prompt.prefix), Packets()

    async def _attempt(self, lease: Lease) -> None:
        """Ask once, and finish unless that fails."""
        if self._attempts.retries:
            self._begin()
        self._sent = True
        try:
            async with self._client.session.post(
                f"{lease.replica.url}/v1{self._path}", data=self._payload, allow_redirects=False
            ) as response:
                await self._read(response)
        except aiohttp.ClientConnectorError:
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
            raise failures.of_response(response.status, response.headers, body, client.server, client.key)
        if response.content_type == "application/json":
            self._take(reader.plain(await response.read(), self.request.prompt.prefix))
            return
        self._response, content = response, response.content
        while not (reader.done or self.finished):
            packet = await content.readany()
            self._take(reader.feed(packets.feed(packet) if packet else packets.rest()))
            if not packet:
                break
        if reader.done and not content.is_eof():
            await _finish(content)
        self._conclude()

    def _take(self, chunk: Chunk | None) -> None:
        """Show a chunk. Raises a `Failure` for what is wrong with the stream, if anything is."""
        reader = self._reader
        self._attempts.heard(reader.tokens)
        if chunk is not None:
            self.show(chunk, ended=reader.finish is not None)
        if self.finished:
            return
        if reader.error is not None:
            raise failures.of_event(reader.error, self._client.server, self._client.key)
        if reader.malformed:
            raise failures.garbled(self._client.server, reader.malformed)
        if reader.done:
            self._conclude()

    def _conclude(self) -> None:
        """The stream is over: finish, or raise what is missing."""
        reader = self._reader
        if self.finished:
            return
        if reader.finish is None and not (reader.done and reader.tokens):
            raise failures.broke_off(self._client.server, reader.tokens)
        finish = reader.finish or "stop"
        if finish == "refused":
            self.end(finish, failures.Refused(f"the model declined: {reader.refusal or 'filtered'}"))
        elif finish == "length" and self.limit is not None:
            self.end("budget")
        else:
            self.end(finish)

    # -- finishing

    def _unread(self) -> Chunk | None:
        response = self._response
        if response is None:
            return None
        chunk = self._reader.feed(self._packets.feed(_arrived(response)))
        response.close()
        return chunk

    def _stop(self, finish: Finish) -> int:
        self._attempts.relax()
        if asyncio.current_task(self.request.loop) is not self.task:
            self.task.cancel()
        return self._ahead if self._reader.tokens and not self._reader.settled else 0

    def _trace(self, finish: Finish, kept: int) -> Trace:
        reader = self._reader
        logprobs, conf = reader.arrays(kept)
        trace = Trace(
            text=reader.text(kept),
            estimated=reader.estimated,
            prompt_tokens=reader.prompt_tokens if self._sent else 0,
            cached_tokens=reader.cached_tokens,
            logprobs=logprobs,
            conf=conf,
            ends=reader.ends(kept),
            tool_calls=reader.tool_calls() if finish == "stop" else (),
            model=reader.model or self._model,
        )
        if finish == "stop" and reader.stopped_at is not None:
            trace.meta["stopped_at"] = reader.stopped_at
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


async def _finish(content: aiohttp.StreamReader) -> None:
    """Read the end of a stream that has said all, so that its connection can be used again."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN):
            while await content.readany():
                pass
