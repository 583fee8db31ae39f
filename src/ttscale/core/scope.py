"""The meter: a tree of scopes, each with what it spent and what it may spend.

A flight charges every scope up to the run when it lands. A scope whose budget ends stops its
flights and the method it runs; the exception knows the scope, so that an inner budget ends inside
`solve` and an outer one passes through it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from .budget import Budget
from .clock import TokenLoop
from .problem import Problem
from .trace import Trace
from .usage import Price, Tally, Usage
from .votes import Votes

if TYPE_CHECKING:
    from .draw import Draw

Limit = Literal["tokens", "cost"]


class Scope:
    """One run of a method, or one problem inside a set: usage, budget, flights, best answer."""

    __slots__ = (
        "_above",
        "_interrupted",
        "_limited_above",
        "_per_second",
        "_planned",
        "_stale",
        "_timers",
        "active",
        "began",
        "best",
        "budget",
        "by_problem",
        "cursor",
        "ended",
        "keep",
        "limited",
        "limits",
        "origin",
        "parent",
        "problem",
        "prompts",
        "renames",
        "roles",
        "task",
        "traces",
        "usage",
    )  # fmt: skip

    def __init__(
        self,
        parent: Scope | None,
        *,
        problem: Problem | None = None,
        budget: Budget | None = None,
        roles: Mapping[str, str] | None = None,
        origin: int = 0,
        began: float = 0.0,
        keep: bool = True,
    ) -> None:
        self.parent, self.problem, self.budget = parent, problem, budget
        self.roles = roles or {}
        self.origin = self.cursor = origin  # tokens; cursor is the longest chain known so far
        self.began, self.keep = began, keep
        self.usage = Usage()
        self.traces: list[Trace] = []
        self.by_problem: dict[str, Scope] = {}
        self.active: dict[Draw, None] = {}  # insertion order: flights are stopped as they started
        self.best: tuple[str | None, Trace | None] | None = None
        self.ended: str = ""  # the kind of budget that stopped the method
        self.limited: str = ""  # the kind of budget that refused a draw or cut one short
        self.task: asyncio.Task[Any] | None = None
        # (role, prompt key) -> its tokens; shared by everything that happens for one problem
        inherited = parent.prompts if parent is not None and parent.problem is not None else None
        self.prompts: dict[tuple[str, str], int] = {} if inherited is None else inherited
        self._interrupted = False
        self._planned: list[Any] | None = None  # the event at which the budget will be crossed
        self._per_second = 1.0  # clock units
        self._stale = False  # a new plan is due before the next jump
        self._timers: list[Any] = []
        # everything above, innermost first; the scope itself is left out, so that it is freed as
        # soon as it is done with, without waiting for the collector
        self._above: tuple[Scope, ...] = () if parent is None else (parent, *parent._above)
        self._limited_above = tuple(s for s in self._above if s.budget is not None)
        self.limits = budget is not None or bool(self._limited_above)
        self.renames: bool = bool(self.roles) or (parent is not None and parent.renames)

    @property
    def chain(self) -> tuple[Scope, ...]:
        """This scope and all above it, innermost first."""
        return (self, *self._above)

    @property
    def budgeted(self) -> tuple[Scope, ...]:
        """Those of the chain that have a budget, innermost first."""
        return self._limited_above if self.budget is None else (self, *self._limited_above)

    def _watched(self) -> list[Scope]:
        """Those with a budget of tokens or money, which may end while flights are under way."""
        return [s for s in self.budgeted if s.budget and (s.budget.tokens or s.budget.cost)]

    @property
    def watched(self) -> bool:
        """Whether flights have to be watched while they last, for a budget of tokens or money."""
        return bool(self._watched())

    # -- metering

    def takeoff(self, draw: Draw) -> None:
        self.active[draw] = None
        for scope in self._above:
            scope.active[draw] = None
        if self.limits:
            for watching in self._watched():
                watching._replan()

    def charge(self, draw: Draw, trace: Trace) -> None:
        """Charge a landed trace here and in every scope above."""
        shared = 0
        if trace.prompt_tokens is not None:
            asked = (trace.role, trace.prompt_key)
            if asked not in self.prompts:
                shared = self.prompts[asked] = trace.prompt_tokens
        for scope in self.chain if self._above else (self,):
            scope.active.pop(draw, None)
            scope.usage.charge(trace, draw.price, shared)
            if scope.keep:
                scope.traces.append(trace)
        if trace.finish == "budget" and (owner := draw.limiter) is not None:
            for scope in self.limit_by(owner, owner.ended or "sequential"):
                scope.cursor = max(scope.cursor, trace.chain)
        if self.limits:
            for watching in self._watched():
                watching._replan()

    def charge_units(self, units: Mapping[str, float]) -> None:
        for scope in self.chain:
            for unit, amount in units.items():
                scope.usage.units[unit] = scope.usage.units.get(unit, 0) + amount

    def charge_scored(self, role: str, tokens: int, price: Price | None) -> None:
        """Book tokens of a given text that a model read in order to judge or embed it."""
        cost = None if price is None else tokens * price.prompt / 1e6
        for scope in self.chain:
            tally = scope.usage.by.setdefault(role, Tally())
            first = not tally.calls
            tally.calls += 1
            tally.scored_calls += 1
            tally.scored_tokens += tokens
            if first:
                tally.cost = cost
            elif cost is not None and tally.cost is not None:
                tally.cost += cost

    # -- budgets

    def spent(self, kind: str, at: float | None = None) -> float:
        """Spent of one kind, flights under way included; in token time also at a later tick."""
        if kind == "tokens":
            return self.usage.completion_tokens + sum(d.seen(at) for d in self.active)
        if kind == "cost":
            return self.usage.known_cost + sum(d.cost(at) for d in self.active)
        if kind == "samples":
            return self.usage.samples + len(self.active)
        raise KeyError(kind)

    def remaining(self, kind: str) -> float | None:
        """What this scope itself may still spend of one kind; None if unlimited."""
        limit: float | None = getattr(self.budget, kind, None) if self.budget else None
        if limit is None:
            return None
        if kind == "sequential":
            return limit - (self.cursor - self.origin)
        if kind == "seconds":
            loop = asyncio.get_running_loop()
            return limit - (loop.time() - self.began) / self._per_second
        return limit - self.spent(kind)

    def arm(self, loop: asyncio.AbstractEventLoop, ticks_per_second: float) -> None:
        """Start the clock of a budget of seconds; in token time a second has so many ticks."""
        if self.budget and self.budget.seconds is not None:
            if isinstance(loop, TokenLoop):
                self._per_second = ticks_per_second
                tick = loop.tick + int(self.budget.seconds * ticks_per_second)
                due = loop.at(tick, lambda: self.end("seconds"), rank=1)
                self._timers.append(lambda: loop.withdraw(due))
            else:
                timer = loop.call_later(self.budget.seconds, self.end, "seconds")
                self._timers.append(timer.cancel)

    def disarm(self) -> None:
        for cancel in self._timers:
            cancel()
        self._timers.clear()
        if self._planned is not None:
            TokenLoop.withdraw(self._planned)
            self._planned = None

    def limit_by(self, owner: Scope, kind: str) -> Sequence[Scope]:
        """Note that a budget of `owner`, here or above, refused a draw or cut one short: for all
        from this scope up to the owner, which are returned. What is above is not concerned."""
        concerned = self.chain[: self.chain.index(owner) + 1]
        for scope in concerned:
            scope.limited = scope.limited or kind
        return concerned

    def check(self) -> None:
        """End the scope if its tokens or money are used up while flights are under way."""
        if self.budget is None or self.ended or not self.active:
            return
        for kind in ("tokens", "cost"):
            limit = getattr(self.budget, kind)
            if limit is not None and self.spent(kind) >= limit:
                self.end(kind)
                return

    def check_watched(self) -> None:
        """`check` this scope and those above; called as a live flight makes progress."""
        for scope in self._watched():
            scope.check()

    def _replan(self) -> None:
        """In token time, look up before the next jump when the budget will be crossed."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, TokenLoop) and not self._stale:
            self._stale = True
            loop.before_jump(lambda: self._plan(loop))

    def _plan(self, loop: TokenLoop) -> None:
        self._stale = False
        if self._planned is not None:
            TokenLoop.withdraw(self._planned)
            self._planned = None
        if self.budget is None or self.ended or not self.active:
            return
        crossings = [
            tick
            for kind in ("tokens", "cost")
            if (limit := getattr(self.budget, kind)) is not None
            and (tick := self._crossing(kind, limit, loop.tick)) is not None
        ]
        if crossings:
            due = loop.at(min(crossings), self._cross, rank=1)  # rank: landings come first
            self._planned = due

    def _cross(self) -> None:
        self._planned = None
        if self.active and not self.ended:
            kind = "tokens" if self.budget and self.budget.tokens is not None else "cost"
            if self.budget and self.budget.tokens is not None and self.budget.cost is not None:
                used = self.spent("tokens", asyncio.get_running_loop().time() + 1)
                kind = "tokens" if used > self.budget.tokens else "cost"
            self.end(kind)

    def _crossing(self, kind: str, limit: float, now: int) -> int | None:
        """The last tick at which the flights under way are within `limit`; None if they fit."""
        low, step = now, 1
        while self.spent(kind, now + step) <= limit:
            low = now + step
            step *= 2
            if step > 1 << 40:  # every flight has landed long before: it fits
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
        """The budget has ended: stop all flights below and the method of this scope.

        Whoever asks for more in the scope's own task is stopped by `BudgetEnded` instead.
        """
        if self.ended:
            return
        self.ended = kind
        for draw in list(self.active):
            draw.limiter = self
            draw.abort("budget")
        if self.task is not None and self.task is not _current_task():
            self._interrupted = True
            self.task.cancel()

    async def absorb(self, delivered: bool) -> None:
        """Take back the cancellation `end` asked for from the running task.

        `delivered` says whether it arrived. Python 3.11 keeps one that did not through `uncancel`,
        so it is let in here.
        """
        if not self._interrupted:
            return
        self._interrupted = False
        if not delivered:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        if self.task is not None:
            self.task.uncancel()

    # -- the best answer so far

    def best_so_far(self) -> tuple[str | None, Trace | None]:
        """The last offer; without one, the plurality of the traces that finished."""
        if self.best is not None:
            return self.best
        if self.problem is None:
            return None, None
        votes = Votes(self.problem)
        for trace in self.traces:
            votes.add(trace)
        return votes.top(), votes.winner()


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # called by the event loop itself
        return None
