"""Real time and token time.

In token time a recorded trace of 3,000 tokens takes 3,000 ticks, and nobody waits: when no task can
run, the loop jumps to the next event. Time is a whole number of ticks, so that races resolve exactly
and alike on every machine. Everything due at one tick lands before any task reacts.
"""

from __future__ import annotations

import asyncio
import heapq
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .errors import Stalled

T = TypeVar("T")

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

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> Any:
        """Run inline: a thread would take real time that this clock cannot see."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except BaseException as error:
            future.set_exception(error)
        return future

    def jump(self) -> bool:
        """Move to the next event and fire all that is due then; False if there is none."""
        while self._before_jump:
            callbacks, self._before_jump = self._before_jump, []
            for callback in callbacks:
                callback()
            if self._ready:  # type: ignore[attr-defined]
                return True
        due = self._due
        while due and due[0][3] is None:
            heapq.heappop(due)
        timers = self._scheduled  # type: ignore[attr-defined]
        timer = next((t.when() for t in sorted(timers) if not t.cancelled()), None)
        if not due and timer is None:
            return False
        tick = due[0][0] if due else -(-timer // 1)
        if timer is not None:
            tick = min(tick, int(-(-timer // 1)))
        self.tick = max(self.tick, int(tick))
        while due and due[0][0] <= self.tick:
            callback = heapq.heappop(due)[3]
            if callback is not None:
                callback()
        return True


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Reports real input at once, and instead of sleeping lets the token clock jump."""

    def __init__(self, loop: TokenLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            # tasks are ready: real input is looked at only while something real is awaited
            return super().select(0) if self._loop.held else []
        ready = super().select(0)
        if ready:
            return ready
        if self._loop.held:
            return super().select(None)
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
