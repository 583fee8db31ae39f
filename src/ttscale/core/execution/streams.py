"""Samples as they arrive: races between samples, and live traces watched chunk by chunk.

Both are context managers: leaving the block stops what is still under way, and the stop reaches the
server. They are classes with `__anext__`, not generators: an abandoned generator is finalised by a
later task, when it is too late to stop anything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..trace import Chunk, Trace
from .sample import Sample

if TYPE_CHECKING:
    from .context import Context


class Arrivals:
    """Samples started together, and a queue of what has finished, with one waiter.

    The caller that starts a sample with `finish` adds it to `samples`.
    """

    __slots__ = ("_ended", "_loop", "_waiter", "_wanted", "finished", "samples")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ended = 0  # samples that have finished, taken from the queue or not
        self._wanted = 0  # as many wake the waiter
        self.samples: list[Sample] = []
        self.finished: deque[Trace] = deque()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def under_way(self) -> int:
        """Samples that have not finished."""
        return len(self.samples) - self._ended

    def finish(self, sample: Sample, trace: Trace) -> None:
        self._ended += 1
        self.finished.append(trace)
        if self._ended >= self._wanted and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Until something has finished."""
        if not self.finished:
            await self._wait(self._ended + 1)

    async def wait_for_all(self) -> None:
        """Until nothing is under way."""
        if self.under_way:
            await self._wait(len(self.samples))

    async def _wait(self, wanted: int) -> None:
        self._wanted, self._waiter = wanted, self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def abort(self, finish: Any) -> list[Trace]:
        """Stop what is under way, in the order it started, and take what finished."""
        for sample in self.samples:
            sample.abort(finish)
        return list(self.finished)


class Race:
    """Samples in order of arrival.

    Receiving a trace moves the context's chain of dependent tokens; losers that are cancelled never
    do. Traces that finish at the same tick of token time arrive in the order they were started.
    """

    def __init__(self, ctx: Context, requests: Sequence[Any]) -> None:
        self._ctx, self._requests = ctx, requests
        self._arrivals = Arrivals(ctx.run.loop)

    async def __aenter__(self) -> Race:
        try:
            for request in self._requests:
                self.start(request)
        except BaseException:
            self._arrivals.abort("cancelled")
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._arrivals.abort("cancelled")

    def __aiter__(self) -> Race:
        return self

    async def __anext__(self) -> Trace:
        arrivals = self._arrivals
        if not arrivals.finished and not arrivals.under_way:
            raise StopAsyncIteration
        await arrivals.wait()
        trace = arrivals.finished.popleft()
        self._ctx.receive(trace)
        return trace

    def start(self, request: Any) -> None:
        """Let one more sample join the race."""
        self._arrivals.samples.append(self._ctx.run.launch(self._ctx, request, self._arrivals.finish))

    @property
    def under_way(self) -> int:
        """Samples that have not finished."""
        return self._arrivals.under_way

    def cap(self, tokens: int) -> None:
        """Let the samples under way have `tokens` tokens at most."""
        for sample in self._arrivals.samples:
            if sample.generation is not None:
                sample.generation.cap(tokens)

    def stop(self) -> list[Trace]:
        """Stop the samples under way but keep what they have, in the order they started.

        Using unfinished traces makes the method wait for them: all join the chain.
        """
        before = len(self._arrivals.finished)
        parts = self._arrivals.abort("cut")[before:]
        while len(self._arrivals.finished) > before:
            self._arrivals.finished.pop()
        self._ctx.receive(*parts)
        return parts


class Live:
    """One trace, watched while it is generated: `async for chunk in live`.

    Leaving the block, or `cut()`, ends it; `trace` is what there is when it has ended.
    """

    def __init__(self, ctx: Context, request: Any) -> None:
        self._ctx, self._request = ctx, request
        self._chunks: deque[Chunk] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._sample: Sample
        self._seen = 0
        self.trace: Trace | None = None

    async def __aenter__(self) -> Live:
        self._sample = self._ctx.run.launch(self._ctx, self._request, self._hand_over, self._on_chunk)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut("cut" if kind is None else "cancelled")

    def __aiter__(self) -> Live:
        return self

    async def __anext__(self) -> Chunk:
        while not self._chunks:
            if self.trace is not None:
                self._ctx.receive(self.trace)
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunk = self._chunks.popleft()
        self._seen += chunk.tokens
        self._ctx.advance(self._sample.sequential_start + self._seen)
        return chunk

    def cut(self, finish: Any = "cut") -> Trace:
        """End the trace here, if it has not ended; what it has is in the trace returned."""
        self._sample.abort(finish)
        assert self.trace is not None
        if finish != "cancelled":
            self._ctx.receive(self.trace)
        return self.trace

    def _on_chunk(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._wake()

    def _hand_over(self, sample: Sample, trace: Trace) -> None:
        self.trace = trace
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
