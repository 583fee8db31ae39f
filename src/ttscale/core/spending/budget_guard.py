"""Budgets: what a scope may spend, and how it ends once that is spent.

A scope whose budget ends stops its samples and the method it runs. The exception knows the scope, so
that an inner budget ends inside `solve` and an outer one passes through it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from ..errors import BudgetEnded
from ..token_time import TokenLoop
from ..trace import NO_UNITS
from .budget import KINDS, Budget
from .metering import Scope

_ROUNDED = 1 + 1e-12  # sums of money are rounded


def scope_of(parent: Scope | None, budget: Budget | None = None, **fields: Any) -> Scope:
    """A scope below `parent`, with a budget if that limits anything; the fields are those of
    `Scope`."""
    if budget is None or not budget.given():
        return Scope(parent, **fields)
    return LimitedScope(parent, budget, **fields)


def admit(scope: Scope, amounts: Mapping[str, float] = NO_UNITS) -> tuple[LimitedScope, str] | None:
    """Whether something that takes so much (samples, calls, tokens, money, named units) may start in
    `scope`. None if it may.

    Returns the scope and the kind of budget that has no room for it as long as others are under way:
    a sample is refused then, so that a vote of eight under a budget of five becomes a vote of five,
    and any other request waits.

    Raises:
        BudgetEnded: if a budget is used up, or what is left cannot pay for it.
    """
    full: tuple[LimitedScope, str] | None = None
    for limited in scope.budgeted:
        kind = limited.lacks(amounts)
        if kind and full is None:
            full = limited, kind
    return full


class LimitedScope(Scope):
    """A scope with a budget.

    Attributes:
        ended: the kind of budget that stopped the method, or "".
    """

    __slots__ = (
        "_always",
        "_began",
        "_cancelled_before",
        "_interrupted",
        "_per_second",
        "_planned",
        "_stale",
        "_task",
        "_timers",
        "_waiting",
        "budget",
        "ended",
    )

    def __init__(self, parent: Scope | None, budget: Budget, **fields: Any) -> None:
        super().__init__(parent, **fields)
        self.budget, self.ended, self.limits = budget, "", True
        # what ends the scope as soon as it is used up, whatever is asked for next
        kinds = ("tokens", "cost", "sequential", "seconds")
        self._always = tuple(kind for kind in kinds if budget.limit(kind) is not None)
        self._began, self._per_second = 0.0, 1.0  # the clock's units
        self._task: asyncio.Task[Any] | None = None
        self._cancelled_before = 0  # cancellations of the task before the method began
        self._interrupted = False
        self._planned: list[Any] | None = None  # the event at which the budget will be crossed
        self._stale = False  # a new plan is due before the next jump
        self._timers: list[Any] = []
        self._waiting: list[asyncio.Future[None]] = []  # requests there is no room for yet

    @property
    def budgeted(self) -> tuple[LimitedScope, ...]:
        return (self, *self._limited_above)

    @property
    def watched(self) -> tuple[LimitedScope, ...]:
        own = self.budget.tokens is not None or self.budget.cost is not None
        return (self, *self._watched_above) if own else self._watched_above

    # -- what is left

    def remaining(self, kind: str) -> float | None:
        """What may still be spent of one kind or named unit; None if unlimited."""
        limit = self.budget.limit(kind)
        if limit is None:
            return None
        if kind == "sequential":
            return limit - (self.sequential - self.origin)
        if kind == "seconds":
            loop = asyncio.get_running_loop()
            return limit - (loop.time() - self._began) / self._per_second
        return limit - self.spent(kind)

    def lacks(self, amounts: Mapping[str, float]) -> str:
        """`admit` for this scope alone: the kind there is no room for, or ""."""
        if self.ended:
            raise BudgetEnded(self, self.ended)
        lacking = ""
        for kind in self._always:
            left = self.remaining(kind)
            if left is not None and left <= 0:
                if not self._reserved(kind):
                    self._refuse(kind)
                lacking = lacking or kind
        for unit, limit in self.budget.units.items():
            if self.usage.units.get(unit, 0.0) >= limit:
                self._refuse(unit)
        for kind, amount in amounts.items():
            most = self.budget.limit(kind)
            if most is not None and amount and self.spent(kind) + amount > most * _ROUNDED:
                if not (self._reserved(kind) or (kind in KINDS and self.active)):
                    self._refuse(kind)
                lacking = lacking or kind
        return lacking

    def _reserved(self, kind: str) -> bool:
        """Whether a request under way has reserved some of a kind, and may take less."""
        return any(kind in amounts for amounts in self.pending)

    def _refuse(self, kind: str) -> None:
        self.end(kind)
        raise BudgetEnded(self, kind)

    async def room(self) -> None:
        """Wait until a request under way has ended."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        finally:
            self._waiting.remove(waiter)

    def freed(self) -> None:
        """A request under way has ended."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    # -- its clock

    def arm(self, loop: asyncio.AbstractEventLoop, ticks_per_second: float) -> None:
        """The method starts, as the current task; in token time a second has so many ticks."""
        self._task = asyncio.current_task(loop)
        self._cancelled_before = self._task.cancelling() if self._task else 0
        self._began = loop.time()
        if isinstance(loop, TokenLoop):
            self._per_second = ticks_per_second
        if self.budget.seconds is None:
            return
        if isinstance(loop, TokenLoop):
            tick = loop.tick + int(self.budget.seconds * ticks_per_second)
            due = loop.at(tick, lambda: self.end("seconds"), rank=1)
            self._timers.append(lambda: loop.withdraw(due))
        else:
            timer = loop.call_later(self.budget.seconds, self.end, "seconds")
            self._timers.append(timer.cancel)

    async def disarm(self, delivered: bool) -> None:
        """The method has ended. Take back the cancellation that `end` asked for from its task;
        `delivered` says whether it arrived."""
        for cancel in self._timers:
            cancel()
        self._timers.clear()
        self._withdraw()
        if not self._interrupted:
            return
        self._interrupted = False
        if not delivered:
            # Python 3.11 keeps it through `uncancel`, so it is let in here
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        if self._task is not None:
            self._task.uncancel()

    # -- samples under way

    def check(self) -> None:
        """End the scope if its tokens or money are used up while samples are under way, or would be
        by what they still make when they are stopped."""
        if self.ended or not self.active:
            return
        late = sum(sample.late for sample in self.active)
        for kind in ("tokens", "cost"):
            limit = getattr(self.budget, kind)
            if limit is None:
                continue
            spent = self.spent(kind)
            # where a step is under way, the limit itself may be reached: that step is counted
            if spent > limit or (spent == limit and not late):
                self.end(kind)
                return

    def replan(self) -> None:
        """In token time, look up before the next jump when the budget will be crossed."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, TokenLoop) and not self._stale:
            self._stale = True
            loop.before_jump(lambda: self._plan(loop))

    def _plan(self, loop: TokenLoop) -> None:
        self._stale = False
        self._withdraw()
        if self.ended or not self.active:
            return
        crossings = [
            tick
            for kind in ("tokens", "cost")
            if (limit := getattr(self.budget, kind)) is not None
            and (tick := self._crossing(kind, limit, loop.tick)) is not None
        ]
        if crossings:
            due = loop.at(min(crossings), self._cross, rank=1)  # rank: ends of samples come first
            self._planned = due

    def _withdraw(self) -> None:
        if self._planned is not None:
            TokenLoop.withdraw(self._planned)
            self._planned = None

    def _cross(self) -> None:
        self._planned = None
        if self.active and not self.ended:
            kind = "tokens" if self.budget.tokens is not None else "cost"
            if self.budget.tokens is not None and self.budget.cost is not None:
                used = self.spent("tokens", asyncio.get_running_loop().time() + 1)
                kind = "tokens" if used > self.budget.tokens else "cost"
            self.end(kind)

    def _crossing(self, kind: str, limit: float, now: int) -> int | None:
        """The last tick at which the samples under way are within `limit`; None if they fit."""
        low, step = now, 1
        while self.spent(kind, now + step) <= limit:
            low = now + step
            step *= 2
            if step > 1 << 40:  # every sample has ended long before: it fits
                return None
        high = now + step
        while high - low > 1:
            middle = (low + high) // 2
            if self.spent(kind, middle) <= limit:
                low = middle
            else:
                high = middle
        return low

    def end(self, kind: str) -> None:
        """The budget has ended: stop all samples below and the method of this scope. Further
        requests of the method raise `BudgetEnded`."""
        if self.ended:
            return
        self.ended = kind
        for sample in list(self.active):
            sample.limiter = self, kind
            sample.abort("budget")
        if self._task is not None and self._task is not _current_task():
            self._interrupted = True
            self._task.cancel()

    @property
    def cancelled_alone(self) -> bool:
        """Whether the end of this budget is all that cancelled the method's task."""
        requested = self._task.cancelling() if self._task else 0
        return bool(self.ended) and requested <= self._cancelled_before + 1


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # called by the event loop itself
        return None
