"""Real time and token time.

In token time a recorded trace of 3,000 tokens takes 3,000 ticks, and no task waits: when none can
run, the loop jumps to the next event. Time is a whole number of ticks, so that races resolve
exactly and alike on every machine. Everything due at one tick finishes before any task reacts.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from .errors import Stalled

T = TypeVar("T")
Args = TypeVarTuple("Args")

Due = list[Any]  # [tick, rank, sequence, callback or None once withdrawn]


class TokenLoop(asyncio.SelectorEventLoop):
    """An event loop in which time is counted in tokens.

    `hold()` and `release()` bracket work that takes real time (a live judge among recorded traces):
    while anything is held the clock stands still and the loop waits for real input.
    """

    def __init__(self) -> None:
        self.tick = 0
        self._due: list[Due] = []
        self._sequence = 0
        self._held = 0
        self._before_jump: list[Callable[[], None]] = []
        super().__init__(_JumpingSelector(self))
        # asyncio fires timers up to this much early; ticks are whole numbers
        self._clock_resolution = 0.5

    def time(self) -> float:
        return float(self.tick)

    def at(self, tick: int, callback: Callable[[], None], rank: int = 0) -> Due:
        """Call back at `tick`, in order of (tick, rank, sequence). `withdraw` takes it back."""
        self._sequence += 1
        due: Due = [tick, rank, self._sequence, callback]
        heapq.heappush(self._due, due)
        return due

    @staticmethod
    def withdraw(due: Due) -> None:
        due[3] = None

    def before_jump(self, callback: Callable[[], None]) -> None:
        """Call back once, before the clock moves next."""
        self._before_jump.append(callback)

    def hold(self) -> None:
        self._held += 1

    def release(self) -> None:
        self._held -= 1

    @property
    def held(self) -> bool:
        return self._held > 0

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Args], T], *args: *Args
    ) -> asyncio.Future[T]:
        """Run inline: a thread would take real time that this clock cannot see."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except BaseException as error:
            future.set_exception(error)
        return future

    def jump(self) -> bool:
        """Move from event to event until a task can run; False if nothing is left to happen."""
        due, ready = self._due, self._ready  # type: ignore[attr-defined]
        while not ready:
            while self._before_jump:
                callbacks, self._before_jump = self._before_jump, []
                for callback in callbacks:
                    callback()
            while due and due[0][3] is None:
                heapq.heappop(due)
            timer = self._next_timer() if self._scheduled else None  # type: ignore[attr-defined]
            if due and (timer is None or due[0][0] <= timer):
                if self.tick < due[0][0]:
                    self.tick = due[0][0]
                self._fire()
            elif timer is not None:
                self.tick = max(self.tick, timer)
                return True
            else:
                return bool(ready)
        return True

    def _fire(self) -> None:
        """Everything that is due at this tick, in order."""
        due, tick = self._due, self.tick
        while due and due[0][0] <= tick:
            event = heapq.heappop(due)
            callback, event[3] = event[3], None  # a kept event keeps no callback
            if callback is not None:
                callback()

    def _next_timer(self) -> int | None:
        """The tick of the next timer of asyncio's own; None if there is none."""
        timers = self._scheduled  # type: ignore[attr-defined]
        when = min((t.when() for t in timers if not t.cancelled()), default=None)
        return None if when is None else math.ceil(when)


class _JumpingSelector(selectors.DefaultSelector):
    """Reports real input at once, and instead of sleeping lets the token clock jump."""

    def __init__(self, loop: TokenLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        # a system call per event would cost more than the event: look outside only when something
        # real is under way
        if self._loop.held:
            return super().select(timeout if timeout == 0 else None)
        if timeout is not None and timeout <= 0:
            return []
        if not self._loop.jump():
            waiting = sorted(t.get_name() for t in asyncio.all_tasks(self._loop))
            raise Stalled(
                f"token time stands still: {', '.join(waiting) or 'no task'} would wait for ever",
                fix="a method may only wait for its context",
            )
        return []


def run_in_token_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a fresh `TokenLoop`, as `asyncio.run` does on a real one."""
    with asyncio.Runner(loop_factory=TokenLoop) as runner:
        return runner.run(main)
