"""The meter: a tree of scopes, each with what was spent in it.

A sample charges every scope up to the run when it ends, and so does everything else that costs. What
a scope may spend is another matter: one with a budget is a `budget_guard.LimitedScope`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..cards.roles import NO_SAMPLES, VOTING, Role
from ..problem import Problem
from ..trace import NO_UNITS, Trace
from ..votes import Votes
from .prompts import Prompts
from .usage import Price, Usage

if TYPE_CHECKING:
    from ..execution.sample import Sample
    from ..outcome import Outcome
    from .budget_guard import LimitedScope

Needs = Callable[[], Mapping[str, Role]]


class Scope:
    """One run of a method, or one problem inside a set: usage, samples under way, best answer.

    Attributes:
        names: role -> the name it has outside. needs: the roles its method declares.
        origin, origins: where it began in the chain of tokens, and of every named unit.
        sequential, sequential_units: the longest chain known so far, counted from the run's beginning.
        active: samples under way, in the order they started.
        pending: what the requests under way have reserved, in named units, tokens or money.
        prompts: how long they are; shared by everything that happens for one problem.
        limits: whether it or anything above has a budget.
        best: the method's last offer; choose: how it would choose among the attempts there are.
        limited: the kind of budget that refused a sample or cut one short.
    """

    __slots__ = (
        "_above",
        "_limited_above",
        "_watched_above",
        "active",
        "best",
        "by_problem",
        "choose",
        "keep",
        "limited",
        "limits",
        "names",
        "needs",
        "origin",
        "origins",
        "parent",
        "pending",
        "problem",
        "prompts",
        "renames",
        "sequential",
        "sequential_units",
        "traces",
        "usage",
    )

    def __init__(
        self,
        parent: Scope | None,
        *,
        problem: Problem | None = None,
        names: Mapping[str, str] | None = None,
        needs: Needs | None = None,
        origin: int = 0,
        origins: Mapping[str, float] = NO_UNITS,
        keep: bool = True,
    ) -> None:
        self.parent, self.problem, self.keep = parent, problem, keep
        self.names, self.needs = names or {}, needs
        self.origin = self.sequential = origin
        self.origins = self.sequential_units = origins
        self.usage = Usage()
        self.traces: list[Trace] = []
        self.by_problem: dict[str, Scope] = {}
        self.active: dict[Sample, None] = {}
        self.pending: list[Mapping[str, float]] = []
        self.best: tuple[str | None, Trace | None] | None = None
        self.choose: Callable[[list[Trace]], Outcome] | None = None
        self.limited = ""
        within = parent is not None and parent.problem is not None
        self.prompts: Prompts = parent.prompts if parent is not None and within else Prompts()
        # everything above, innermost first; the scope itself is left out, so that it is freed as
        # soon as it is done with, without waiting for the collector
        self._above: tuple[Scope, ...] = () if parent is None else (parent, *parent._above)
        self._limited_above: tuple[LimitedScope, ...] = () if parent is None else parent.budgeted
        self._watched_above: tuple[LimitedScope, ...] = () if parent is None else parent.watched
        self.limits = bool(self._limited_above)
        self.renames: bool = bool(self.names) or (parent is not None and parent.renames)

    @property
    def lineage(self) -> tuple[Scope, ...]:
        """This scope and all above it, innermost first."""
        return (self, *self._above)

    @property
    def budgeted(self) -> tuple[LimitedScope, ...]:
        """Those of the chain that have a budget, innermost first."""
        return self._limited_above

    @property
    def watched(self) -> tuple[LimitedScope, ...]:
        """Those with a budget of tokens or money, which may end while samples are under way."""
        return self._watched_above

    def resolve(self, role: str) -> str:
        """The run's name of a role, after the renamings of `Context.solve`."""
        for scope in self.lineage if self.renames else ():
            role = scope.names.get(role, role)
        return role

    def role(self, name: str) -> Role | None:
        """What the method being run declares of a role; None if it does not."""
        for scope in self.lineage:
            if scope.needs is not None:
                return scope.needs().get(name)
        return None

    # -- samples

    def begin(self, sample: Sample) -> None:
        """A sample starts."""
        self.active[sample] = None
        for scope in self._above:
            scope.active[sample] = None
        if self.limits:
            self._replan()

    def forget(self, sample: Sample) -> None:
        """A sample could not even start."""
        for scope in self.lineage:
            scope.active.pop(sample, None)

    def charge(self, sample: Sample, trace: Trace) -> None:
        """Charge a sample that has ended here and in every scope above. A prompt whose length it does
        not tell has that of another sample's."""
        prompts, key = self.prompts, (sample.role, sample.prompt_key)
        scopes: tuple[Scope, ...] = (self,)
        usages: tuple[Usage, ...] = (self.usage,)
        if self._above:
            scopes = self.lineage
            usages = tuple(scope.usage for scope in scopes)
        reported = trace.prompt_tokens
        if reported is None:
            reported = trace.prompt_tokens = prompts.known.get(key)
        if reported is None:
            prompts.book(key, sample, trace, usages)
        else:
            shared = reported if prompts.report(key, sample, reported) else 0
            for usage in usages:
                usage.charge(trace, sample.price, shared)
        for scope in scopes:
            scope.active.pop(sample, None)
            if scope.keep:
                scope.traces.append(trace)
        if self.limits:
            if trace.finish == "budget" and sample.limiter is not None:
                for scope in self.limit_by(*sample.limiter):
                    scope.sequential = max(scope.sequential, trace.sequential)
            self._freed()
            self._replan()

    def _freed(self) -> None:
        for limited in self.budgeted:
            limited.freed()

    def _replan(self) -> None:
        for scope in self.watched:
            scope.replan()

    # -- everything else

    def charge_scored(self, role: str, tokens: int, price: Price | None, estimated: bool) -> None:
        """Book tokens of a given text that a model read in order to judge or embed it."""
        cost = None if price is None else price.of(tokens, 0)
        for scope in self.lineage:
            scope.usage.charge_scored(role, tokens, cost, estimated)

    def charge_use(self, role: str, used: Mapping[str, float]) -> None:
        """Book what a request to a metered resource used."""
        for scope in self.lineage:
            scope.usage.charge_use(role, used)

    def reserve(self, amounts: Mapping[str, float]) -> None:
        """A request for so much starts."""
        for scope in self.lineage:
            scope.pending.append(amounts)

    def release(self, amounts: Mapping[str, float]) -> None:
        """A request has ended: what was reserved for it is free."""
        for scope in self.lineage:
            scope.pending.remove(amounts)
        if self.limits:
            self._freed()

    def advance(self, sequential: int, sequential_units: Mapping[str, float]) -> None:
        """Something ended at `sequential` tokens, and at `sequential_units` named units."""
        scope: Scope | None = self
        while scope is not None:
            if scope.sequential < sequential:
                scope.sequential = sequential
            if sequential_units:
                scope.sequential_units = later(scope.sequential_units, sequential_units)
            scope = scope.parent

    # -- what it comes to

    def limit_by(self, owner: LimitedScope, kind: str) -> tuple[Scope, ...]:
        """Note that a budget of `owner`, here or above, refused a sample or cut one short: for all
        from this scope up to the owner, which are returned. What is above is not concerned."""
        concerned = self.lineage[: self.lineage.index(owner) + 1]
        for scope in concerned:
            scope.limited = scope.limited or kind
        return concerned

    def spent(self, kind: str, at: float | None = None) -> float:
        """Spent of one kind or named unit, what is under way included; in token time also at a
        later tick."""
        reserved = sum(amounts.get(kind, 0.0) for amounts in self.pending) if self.pending else 0
        if kind == "tokens":
            return self.usage.tokens + reserved + sum(d.tokens(at) for d in self.active)
        if kind == "cost":
            return self.usage.known_cost + reserved + sum(d.cost(at) for d in self.active)
        if kind == "samples":
            return self.usage.samples + sum(d.part not in NO_SAMPLES for d in self.active)
        if kind == "calls":
            return self.usage.calls + reserved + len(self.active)
        return self.usage.units.get(kind, 0.0) + reserved

    def best_so_far(self) -> tuple[str | None, Trace | None]:
        """The last offer; without one, what the method would choose among the whole attempts that have
        ended, or else their plurality."""
        if self.best is not None:
            return self.best
        if self.problem is None:
            return None, None
        attempts = [trace for trace in self.traces if trace.part in VOTING]
        if self.choose is not None:
            chosen = self.choose(sorted(attempts, key=lambda trace: trace.index))
            return chosen.answer, chosen.winner
        votes = Votes.of(self.problem, attempts)
        return votes.top(), votes.winner()


def later(one: Mapping[str, float], other: Mapping[str, float]) -> Mapping[str, float]:
    """The later of two places in the chains of named units; neither is changed."""
    if other is one or not other:
        return one
    return {**one, **{unit: max(at, one.get(unit, 0.0)) for unit, at in other.items()}}
