"""Samples finish when their answers have been read: no other request waits for a parser meanwhile.

Methods compare answers as their traces arrive, at once. Most answers are numbers and words; a trace
whose answer takes the parser is held back until a process of its own has read it.
"""

from __future__ import annotations

import asyncio

from ...answers.parser_process import Helper, known
from ...core import Engine, EngineError, EngineWrapper, Finish, Generation, GenerationRequest, Trace
from ...core.cards.roles import may_answer


class Reader:
    """Reads the answers of all requests of a worker, one after another."""

    def __init__(self) -> None:
        self._helper = Helper()
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def read(self, deferred: DeferredGeneration) -> None:
        """Let a sample finish when its answer has been read, or as failed if it cannot be."""
        task = asyncio.ensure_future(self._read(deferred))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._helper.close()

    async def _read(self, deferred: DeferredGeneration) -> None:
        try:
            async with self._turn:
                # it may have been stopped meanwhile, or an equal answer read
                if deferred.unread is not None and not deferred.known:
                    await self._helper.read(deferred.unread.answer_text)
        except Exception as error:  # whatever it is, the trace is waited for
            deferred.give_up("error", EngineError(f"the answer could not be read ({error})"))
        deferred.let_go()


class DeferringEngine(EngineWrapper):
    """An engine whose samples finish when their answers have been read, and is the engine
    otherwise."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        super().__init__(engine)
        self._reader = reader

    def start(self, request: GenerationRequest) -> Generation:
        if not may_answer(request.part):
            return super().start(request)
        deferred = DeferredGeneration(request, self._reader)
        generation = super().start(_Inner(deferred))
        if not generation.finished:
            deferred.inner = generation
        return deferred


class DeferredGeneration(Generation):
    """A sample that finishes when its answer has been read.

    Attributes:
        inner: the engine's own generation; None once that has finished.
        unread: the trace whose answer is being read.
    """

    def __init__(self, request: GenerationRequest, reader: Reader) -> None:
        super().__init__(request)
        self._reader, self._tokens = reader, 0
        self.inner: Generation | None = None
        self.unread: Trace | None = None

    def receive(self, trace: Trace) -> None:
        """The engine has finished."""
        self.inner = None  # cut the references that go round in circles, as a sample does
        self._tokens = trace.tokens
        self.unread = trace
        if trace.finish != "stop" or self.known:
            self.let_go()
        else:
            self._reader.read(self)

    @property
    def known(self) -> bool:
        """Whether the answer needs no reading any more."""
        return self.unread is None or known(self.request.problem, self.unread)

    def give_up(self, finish: Finish, error: Exception | None = None) -> None:
        """The answer is not to be read any more."""
        if self.unread is not None:
            self.unread.finish, self.unread.error = finish, error

    def let_go(self) -> None:
        """Finish, unless it has finished."""
        trace, self.unread = self.unread, None
        if trace is not None:
            self.finished = True
            self.request.finish(trace)

    # -- what a method may do

    @property
    def prompt_tokens(self) -> int | None:
        now = self.inner or self.unread
        return None if now is None else now.prompt_tokens

    @property
    def cached_tokens(self) -> int | None:
        now = self.inner or self.unread
        return None if now is None else now.cached_tokens

    def seen(self, at: float | None = None) -> int:
        return self._tokens if self.inner is None else self.inner.seen(at)

    def abort(self, finish: Finish) -> None:
        if self.inner is not None:
            self.inner.abort(finish)
        self.give_up(finish)
        self.let_go()

    def cap(self, tokens: int) -> None:
        if self.inner is not None:
            self.inner.cap(tokens)


class _Inner(GenerationRequest):
    """The same request, made of the engine on behalf of a deferred generation."""

    def __init__(self, deferred: DeferredGeneration) -> None:
        for name in GenerationRequest.__slots__:
            setattr(self, name, getattr(deferred.request, name))
        self._receive, self._time_left = deferred.receive, deferred.request.time_left

    def time_left(self) -> float | None:
        return self._time_left()

    def finish(self, trace: Trace) -> None:
        self._receive(trace)
