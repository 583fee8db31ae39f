"""The thread that runs the model: steps for the samples under way, and plain jobs between them.

It is never more than one step ahead of the event loop: the tokens of a step are handed over only
once the loop has taken in those before. A sample that is stopped has therefore generated at most one
token that has not been seen, and whether it has is known.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import torch

from ...core import EngineError, Finish
from .decoding.decoder import Decoder
from .generation import LocalGeneration

T = TypeVar("T")


class Worker:
    """Runs a decoder. `batch`: rows at a time; further samples wait in the order they started."""

    def __init__(self, decoder: Decoder, batch: int, name: str) -> None:
        self.decoder, self.batch = decoder, batch
        self.generations: dict[LocalGeneration, None] = {}  # all not finished; the loop's thread's
        self._changed = threading.Condition()
        self._waiting: deque[LocalGeneration] = deque()
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._running: list[LocalGeneration] = []  # whose rows are in the batch; the worker's own
        self._unread: dict[asyncio.AbstractEventLoop, int] = {}  # steps a loop has yet to take in
        self._closing = False
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    # -- called in the loop's thread

    def add(self, generation: LocalGeneration) -> None:
        with self._changed:
            self.generations[generation] = None
            self._waiting.append(generation)
            self._changed.notify_all()

    def drop(self, generation: LocalGeneration, finish: Finish) -> int:
        """Forget a generation; how many tokens it will still have generated: one or none."""
        with self._changed:
            self.generations.pop(generation, None)
            generation.row.gone, generation.row.cut = True, finish == "cut"
            if generation.row.cached is None and generation in self._waiting:
                self._waiting.remove(generation)
            self._changed.notify_all()
            return int(generation.stepping)

    def take_posted(self, generation: LocalGeneration) -> tuple[int, Finish | None] | None:
        """What the worker has reported of a generation and has not been taken in."""
        with self._changed:
            posted, generation.posted = generation.posted, None
            return posted

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Let the worker run something between two steps."""
        future: Future[T] = Future()
        with self._changed:
            if self._closing:
                raise RuntimeError("the engine is closed")
            self._jobs.append((future, work))
            self._changed.notify_all()
        return future

    def close(self) -> None:
        """End the thread after the step it is in. All generations must have finished."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.thread.join()
        for future, _ in self._jobs:
            if future.set_running_or_notify_cancel():
                future.set_exception(EngineError("the engine was closed"))
        self._jobs.clear()

    # -- the worker's thread

    def _run(self) -> None:
        with torch.inference_mode():
            while self._wait():
                self._work()
        self._running.clear()
        self.decoder.clear()

    def _wait(self) -> bool:
        """Until there is something to do; False once the engine closes."""
        with self._changed:
            while not (self._closing or self._jobs or self._waiting or self._running):
                self._changed.wait()
            return not self._closing

    def _work(self) -> None:
        while self._jobs:
            self._run_job(*self._jobs.popleft())
        with self._changed:
            staying = [f for f in self._running if not f.row.gone]
            newcomers: list[LocalGeneration] = []
            while self._waiting and len(staying) + len(newcomers) < self.batch:
                newcomers.append(self._waiting.popleft())
            generations = staying + newcomers
            for generation in generations:
                generation.stepping = True
        self._running = generations
        error = None
        try:
            self.decoder.keep([generation.row for generation in staying])
            if generations:
                self.decoder.step([generation.row for generation in newcomers])
        except Exception as caught:
            error = _failure(caught)
            self.decoder.clear()
        self._report(generations, error)
        self._running = [] if error else [f for f in generations if f.row.finish is None]

    def _run_job(self, future: Future[Any], work: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except Exception as caught:
            future.set_exception(_failure(caught))

    def _report(self, generations: Sequence[LocalGeneration], error: Exception | None) -> None:
        """Hand a step over, once the loops have taken in the step before."""
        by_loop: dict[asyncio.AbstractEventLoop, list[LocalGeneration]] = {}
        with self._changed:
            while not self._closing and any(
                count and not loop.is_closed() for loop, count in self._unread.items()
            ):
                self._changed.wait(1.0)  # a loop that closes reports nothing
            self._unread.clear()
            for generation in generations:
                generation.stepping = False
                if generation.row.gone:
                    continue
                generation.posted = (len(generation.row.ids), generation.row.finish)
                generation.error = error
                by_loop.setdefault(generation.request.loop, []).append(generation)
            for loop in by_loop:
                self._unread[loop] = 1
        for loop, its in by_loop.items():
            try:
                loop.call_soon_threadsafe(self._deliver, loop, its)
            except RuntimeError:  # the loop has closed: these are no longer waited for
                with self._changed:
                    self._unread.pop(loop, None)
                    for generation in its:
                        generation.row.gone = True
                        self.generations.pop(generation, None)

    def _deliver(self, loop: asyncio.AbstractEventLoop, generations: Sequence[LocalGeneration]) -> None:
        """In the loop's thread: let the generations take in their tokens."""
        try:
            for generation in generations:
                generation.take()
        finally:
            with self._changed:
                if loop in self._unread:
                    self._unread[loop] = 0
                self._changed.notify_all()


def _failure(error: Exception) -> Exception:
    """What went wrong in the model, as an error of the engine."""
    if isinstance(error, EngineError):
        return error
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, torch.OutOfMemoryError):
        return EngineError(
            "the device has no memory left", fix="lower batch, context or the length of replies"
        )
    return EngineError(f"the model failed ({type(error).__name__}: {line[:200]})")
