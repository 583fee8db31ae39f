"""What was spent: counters per role, with every total derived from them.

Conventions. `None` means unknown, never zero. Completion tokens are all generated tokens, those of
cancelled draws included. Sequential tokens are the longest chain of tokens that had to wait for one
another: the latency that no amount of hardware removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from .declared import AtLeast
from .trace import Trace

VERIFIER_ROLES = frozenset({"prm", "judge", "verifier", "reward"})
PLANNER_ROLES = frozenset({"planner", "difficulty"})
_UNWANTED = ("cancelled", "budget")


@dataclass(frozen=True, slots=True)
class Price:
    """Money per million tokens; `cached` defaults to `prompt`."""

    prompt: Annotated[float, AtLeast(0)]
    completion: Annotated[float, AtLeast(0)]
    cached: Annotated[float, AtLeast(0)] | None = None

    def of(self, prompt: int, completion: int, cached: int = 0) -> float:
        """Money for so many tokens; `cached` of the prompt's came from a cache."""
        known = self.prompt if self.cached is None else self.cached
        fresh = prompt - cached
        return (fresh * self.prompt + cached * known + completion * self.completion) / 1e6


@dataclass(slots=True)
class Tally:
    """Counters of one role.

    Attributes:
        calls: requests made, failed ones included.
        prompt_tokens: as a server bills them: every call pays its whole prompt.
        shared_prompt_tokens: every distinct prompt counted once.
        cached_tokens: prompt tokens the server says it took from its cache.
        completion_tokens: all generated tokens.
        cancelled_tokens: of these, in draws nobody wanted any more or a budget ended.
        cut_tokens: of these, in draws a stop rule ended.
        estimated_tokens: of these, estimated rather than counted.
        scored_tokens: tokens of given texts that were scored, not generated.
        scored_calls: calls that scored or embedded given texts.
        unknown_prompts: calls whose prompt tokens the engine did not tell.
        cost: money; None if the price is not known.
    """

    calls: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    shared_prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cancelled_tokens: int = 0
    cut_tokens: int = 0
    estimated_tokens: int = 0
    scored_tokens: int = 0
    scored_calls: int = 0
    unknown_prompts: int = 0
    cost: float | None = None

    def add(self, other: Tally) -> None:
        """Add another scope's counters to these; the cost is unknown once any part of it is."""
        if not self.calls:
            self.cost = other.cost
        elif other.calls:
            known = self.cost is not None and other.cost is not None
            self.cost = (self.cost or 0.0) + (other.cost or 0.0) if known else None
        # written out: a loop over the names takes six times as long, once per question
        self.calls += other.calls
        self.failed += other.failed
        self.prompt_tokens += other.prompt_tokens
        self.shared_prompt_tokens += other.shared_prompt_tokens
        self.cached_tokens += other.cached_tokens
        self.completion_tokens += other.completion_tokens
        self.cancelled_tokens += other.cancelled_tokens
        self.cut_tokens += other.cut_tokens
        self.estimated_tokens += other.estimated_tokens
        self.scored_tokens += other.scored_tokens
        self.scored_calls += other.scored_calls
        self.unknown_prompts += other.unknown_prompts


@dataclass(slots=True)
class Usage:
    """What a scope has spent. `by[role]` holds the counters; the properties are their totals."""

    by: dict[str, Tally] = field(default_factory=dict)
    units: dict[str, float] = field(default_factory=dict)
    sequential_tokens: int = 0
    seconds: float = 0.0

    def charge(self, trace: Trace, price: Price | None, shared_prompt: int) -> None:
        """Book one landed trace; `shared_prompt` is its prompt's tokens if it is a new prompt."""
        tally = self.by.get(trace.role)
        if tally is None:
            tally = self.by[trace.role] = Tally()
        tally.calls += 1
        tokens = trace.tokens
        tally.completion_tokens += tokens
        finish = trace.finish
        if finish != "stop":
            if finish in _UNWANTED:
                tally.cancelled_tokens += tokens
            elif finish == "cut":
                tally.cut_tokens += tokens
            elif finish == "error":
                tally.failed += 1
        tally.estimated_tokens += trace.estimated
        if trace.prompt_tokens is None:
            tally.unknown_prompts += 1
        else:
            tally.prompt_tokens += trace.prompt_tokens
            tally.shared_prompt_tokens += shared_prompt
            tally.cached_tokens += trace.cached_tokens or 0
        if price is not None:
            cost = price.of(trace.prompt_tokens or 0, tokens, trace.cached_tokens or 0)
            tally.cost = cost if tally.cost is None else tally.cost + cost
        if trace.units:
            for unit, amount in trace.units.items():
                self.units[unit] = self.units.get(unit, 0) + amount

    def add(self, other: Usage) -> None:
        """Add another scope's counters. Chains and times of scopes do not add up: the caller
        knows whether they ran one after the other."""
        for role, tally in other.by.items():
            self.by.setdefault(role, Tally()).add(tally)
        for unit, amount in other.units.items():
            self.units[unit] = self.units.get(unit, 0) + amount

    def _sum(self, counter: str, roles: Iterable[str] | None = None) -> int:
        return sum(
            getattr(tally, counter)
            for role, tally in self.by.items()
            if roles is None or role in roles
        )

    @property
    def calls(self) -> int:
        return self._sum("calls")

    @property
    def samples(self) -> int:
        """Draws that can hold an answer: calls that generate, of roles that neither judge nor
        plan."""
        apart = VERIFIER_ROLES | PLANNER_ROLES
        own = [t for role, t in self.by.items() if role not in apart]
        return sum(t.calls - t.scored_calls for t in own)

    @property
    def prompt_tokens(self) -> int | None:
        """As billed; None if an engine did not tell."""
        return None if self._sum("unknown_prompts") else self._sum("prompt_tokens")

    @property
    def shared_prompt_tokens(self) -> int | None:
        """Every distinct prompt once; None if an engine did not tell."""
        return None if self._sum("unknown_prompts") else self._sum("shared_prompt_tokens")

    @property
    def completion_tokens(self) -> int:
        return self._sum("completion_tokens")

    @property
    def cancelled_tokens(self) -> int:
        return self._sum("cancelled_tokens")

    @property
    def cut_tokens(self) -> int:
        return self._sum("cut_tokens")

    @property
    def estimated_tokens(self) -> int:
        return self._sum("estimated_tokens")

    @property
    def verifier_tokens(self) -> int:
        """Tokens generated or scored in order to judge."""
        generated = self._sum("completion_tokens", VERIFIER_ROLES)
        return generated + self._sum("scored_tokens")

    @property
    def planning_tokens(self) -> int:
        return self._sum("completion_tokens", PLANNER_ROLES)

    @property
    def useful_tokens(self) -> int:
        """Generated tokens that neither were cancelled or cut nor served judging or planning."""
        apart = VERIFIER_ROLES | PLANNER_ROLES
        own = [t for role, t in self.by.items() if role not in apart]
        return sum(t.completion_tokens - t.cancelled_tokens - t.cut_tokens for t in own)

    @property
    def known_cost(self) -> float:
        """Money for the roles that have a price."""
        return sum(t.cost for t in self.by.values() if t.cost is not None)

    @property
    def cost(self) -> float | None:
        """Money; None if any role that was called has no price."""
        costs = [t.cost for t in self.by.values() if t.calls]
        return None if not costs or None in costs else float(sum(c for c in costs if c is not None))

    def as_dict(self) -> dict[str, Any]:
        """Totals and the counters per role, ready for JSON."""
        totals = {name: getattr(self, name) for name in TOTALS}
        roles = {
            role: {name: getattr(tally, name) for name in Tally.__slots__}
            for role, tally in self.by.items()
        }
        return {**totals, "units": dict(self.units), "by": roles}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Usage:
        """The inverse of `as_dict`."""
        return cls(
            by={role: Tally(**counters) for role, counters in data["by"].items()},
            units=dict(data["units"]),
            sequential_tokens=data["sequential_tokens"],
            seconds=data["seconds"],
        )


TOTALS = (
    "calls",
    "samples",
    "prompt_tokens",
    "shared_prompt_tokens",
    "completion_tokens",
    "cancelled_tokens",
    "cut_tokens",
    "estimated_tokens",
    "verifier_tokens",
    "planning_tokens",
    "useful_tokens",
    "sequential_tokens",
    "seconds",
    "cost",
)
