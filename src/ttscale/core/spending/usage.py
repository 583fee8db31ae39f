"""What was spent: counters per role and per part, with every total derived from them.

The role says who paid, the part what for (see `roles`).

Conventions. `None` means unknown, never zero. Completion tokens are all generated tokens, those of
cancelled samples included. Sequential tokens are the longest chain of tokens that had to wait for one
another: the latency that no amount of hardware removes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import Annotated, Any

from ..cards.roles import NO_SAMPLES, Kind, kind_of
from ..settings.declared import AtLeast
from ..trace import Trace

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
        cancelled_tokens: of these, in samples no longer wanted or ended by a budget.
        cut_tokens: of these, in samples a stop rule ended.
        scored_tokens: tokens of given texts that were read in order to judge them, not generated.
        scored_calls: calls that scored or embedded given texts.
        estimated_tokens: of those generated and scored, estimated rather than counted.
        estimated_prompt_tokens: of the prompts', the same.
        unknown_prompts: calls of whose prompts nothing is known, not even an estimate.
        uses: requests to a metered resource; units: the named amounts they and samples took.
        cost: money; None if the price is not known.
        estimated_cost: of this, for tokens that are estimated.
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
    uses: int = 0
    units: dict[str, float] = field(default_factory=dict)
    cost: float | None = None
    estimated_prompt_tokens: int = 0
    estimated_cost: float = 0.0

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
        self.uses += other.uses
        self.estimated_prompt_tokens += other.estimated_prompt_tokens
        self.estimated_cost += other.estimated_cost
        add_units(self.units, other.units)


@dataclass(slots=True)
class PartTally:
    """Samples of one part, their generated tokens, and of these the cancelled and cut ones."""

    samples: int = 0
    tokens: int = 0
    lost_tokens: int = 0

    def add(self, other: PartTally) -> None:
        self.samples += other.samples
        self.tokens += other.tokens
        self.lost_tokens += other.lost_tokens


def add_units(to: dict[str, float], units: Mapping[str, float]) -> None:
    """Add named amounts."""
    for unit, amount in units.items():
        to[unit] = to.get(unit, 0) + amount


@dataclass(slots=True)
class Usage:
    """What a scope has spent; the properties are totals.

    Attributes:
        by: counters per role.
        parts: those samples, by part, that are not plain answers: the counters of the others are
            what is left.
        units: named amounts, of all roles.
        sequential_tokens: the longest chain; sequential_units: the same in every named unit.
    """

    by: dict[str, Tally] = field(default_factory=dict)
    parts: dict[str, PartTally] = field(default_factory=dict)
    units: dict[str, float] = field(default_factory=dict)
    sequential_tokens: int = 0
    sequential_units: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def charge(
        self, trace: Trace, price: Price | None, shared_prompt: int, estimated_prompt: int | None = None
    ) -> None:
        """Book one finished trace; `shared_prompt` is its prompt's tokens if it is a new prompt,
        `estimated_prompt` what they probably are if the trace does not tell."""
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
        if trace.part != "answer":  # not one more entry for every plain sample
            lost = tokens if finish == "cut" or finish in _UNWANTED else 0
            self.parts.setdefault(trace.part, PartTally()).add(PartTally(1, tokens, lost))
        guessed = trace.estimated
        tally.estimated_tokens += guessed
        prompt = trace.prompt_tokens
        if prompt is None and estimated_prompt is not None:
            prompt = estimated_prompt
            tally.estimated_prompt_tokens += prompt
            if price is not None:
                tally.estimated_cost += price.of(prompt, 0)
        if prompt is None:
            tally.unknown_prompts += 1
        else:
            tally.prompt_tokens += prompt
            tally.shared_prompt_tokens += shared_prompt
            tally.cached_tokens += trace.cached_tokens or 0
        if price is not None:
            cost = price.of(prompt or 0, tokens, trace.cached_tokens or 0)
            tally.cost = cost if tally.cost is None else tally.cost + cost
            if guessed:
                tally.estimated_cost += price.of(0, guessed)
        if trace.units:
            add_units(tally.units, trace.units)
            add_units(self.units, trace.units)

    def settle(self, role: str, price: Price | None, estimated: int, reported: int, *, shared: bool) -> None:
        """A prompt that was booked with an estimate is known by now; `shared`: it was a new one."""
        tally, more = self.by[role], reported - estimated
        tally.prompt_tokens += more
        tally.shared_prompt_tokens += more if shared else 0
        tally.estimated_prompt_tokens -= estimated
        if price is not None:
            tally.cost = (tally.cost or 0.0) + price.of(more, 0)
            tally.estimated_cost = max(0.0, tally.estimated_cost - price.of(estimated, 0))

    def charge_scored(self, role: str, tokens: int, cost: float | None, estimated: bool = False) -> None:
        """Book tokens of a given text that a model read in order to judge or embed it."""
        tally = self.by.setdefault(role, Tally())
        first = not tally.calls
        tally.calls += 1
        tally.scored_calls += 1
        tally.scored_tokens += tokens
        if estimated:
            tally.estimated_tokens += tokens
            tally.estimated_cost += cost or 0.0
        if first:
            tally.cost = cost
        elif cost is not None and tally.cost is not None:
            tally.cost += cost

    def charge_use(self, role: str, units: Mapping[str, float]) -> None:
        """Book a request to a metered resource."""
        tally = self.by.setdefault(role, Tally())
        tally.uses += 1
        add_units(tally.units, units)
        add_units(self.units, units)

    def add(self, other: Usage) -> None:
        """Add another scope's counters. Chains and times of scopes do not add up: the caller
        knows whether they ran one after the other."""
        for role, tally in other.by.items():
            if role not in self.by:
                self.by[role] = Tally()
            self.by[role].add(tally)
        for part, counted in other.parts.items():
            self.parts.setdefault(part, PartTally()).add(counted)
        add_units(self.units, other.units)

    def _sum(self, counter: str) -> int:
        return sum(map(attrgetter(counter), self.by.values()))

    def _serving(self, *kinds: Kind) -> PartTally:
        """The samples that served something of these kinds, together."""
        total = PartTally()
        for part, counted in self.parts.items():
            if kind_of(part) in kinds:
                total.add(counted)
        return total

    @property
    def calls(self) -> int:
        return self._sum("calls")

    @property
    def samples(self) -> int:
        """Samples that can hold an answer, or a piece of one: neither verdicts nor plans."""
        sampled = sum(tally.calls - tally.scored_calls for tally in self.by.values())
        for part in NO_SAMPLES if self.parts else ():
            sampled -= self.parts[part].samples if part in self.parts else 0
        return sampled

    @property
    def tokens(self) -> int:
        """Generated, and read by verifiers: what budgets of tokens, tables and figures of merit
        count. Prompts are apart."""
        return self._sum("completion_tokens") + self._sum("scored_tokens")

    @property
    def prompt_tokens(self) -> int | None:
        """As billed, `estimated_prompt_tokens` of them estimated; None if nothing is known of one."""
        return None if self._sum("unknown_prompts") else self._sum("prompt_tokens")

    @property
    def shared_prompt_tokens(self) -> int | None:
        """Every distinct prompt once; None if nothing is known of one."""
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
    def estimated_prompt_tokens(self) -> int:
        return self._sum("estimated_prompt_tokens")

    @property
    def estimated_cost(self) -> float:
        """Money for tokens that are estimated."""
        return sum(tally.estimated_cost for tally in self.by.values())

    @property
    def verifier_tokens(self) -> int:
        """Tokens generated or scored in order to judge."""
        return self._serving("judges").tokens + self._sum("scored_tokens")

    @property
    def planning_tokens(self) -> int:
        """Tokens generated in order to plan, those of pilot samples included."""
        return self._serving("plans").tokens

    @property
    def useful_tokens(self) -> int:
        """Generated tokens that neither were cancelled or cut nor served judging or planning."""
        apart = self._serving("judges", "plans")
        kept = self.completion_tokens - self.cancelled_tokens - self.cut_tokens
        return kept - (apart.tokens - apart.lost_tokens)

    @property
    def known_cost(self) -> float:
        """Money for the roles that have a price."""
        return sum(t.cost for t in self.by.values() if t.cost is not None)

    @property
    def cost(self) -> float | None:
        """Money; None if any role that was called has no price, or nothing is known of a prompt."""
        costs = [None if t.unknown_prompts else t.cost for t in self.by.values() if t.calls]
        return None if not costs or None in costs else float(sum(c for c in costs if c is not None))

    def as_dict(self) -> dict[str, Any]:
        """Totals and the counters per role and part, ready for JSON."""
        totals = {name: getattr(self, name) for name in TOTALS}
        return {
            **totals,
            "units": dict(self.units),
            "sequential_units": dict(self.sequential_units),
            "by": {role: asdict(tally) for role, tally in self.by.items()},
            "parts": {part: asdict(counted) for part, counted in self.parts.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Usage:
        """The inverse of `as_dict`; counters that are left out are zero."""
        return cls(
            by={role: Tally(**counters) for role, counters in data["by"].items()},
            parts={part: PartTally(**counters) for part, counters in data["parts"].items()},
            units=dict(data["units"]),
            sequential_tokens=data["sequential_tokens"],
            sequential_units=dict(data["sequential_units"]),
            seconds=data["seconds"],
        )


TOTALS = (
    "calls",
    "samples",
    "tokens",
    "prompt_tokens",
    "shared_prompt_tokens",
    "completion_tokens",
    "cancelled_tokens",
    "cut_tokens",
    "estimated_tokens",
    "estimated_prompt_tokens",
    "verifier_tokens",
    "planning_tokens",
    "useful_tokens",
    "sequential_tokens",
    "seconds",
    "cost",
    "estimated_cost",
)
