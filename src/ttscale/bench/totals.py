"""What a whole run may spend, and what it has spent: requests, tokens and money of all its questions.

A limit ends the run, never a question: what is under way is stopped and not kept, its finished samples
are, and the run can be gone on with. Requests are exact. Tokens and money are looked at before every
request, whenever a sample ends and a few times a second, so they may be exceeded by what the samples
under way make in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Annotated, Any

from ..core import (
    Above,
    Embeddings,
    Engine,
    EngineWrapper,
    Generation,
    GenerationRequest,
    Problem,
    Prompt,
    Rewards,
    Score,
    Trace,
    declared,
)
from ..core.execution.trials import Trials
from ..core.spending.metering import Scope
from ..core.spending.usage import Price, Usage


@declared
class Limits:
    """Of a whole run; None means no limit.

    Attributes:
        cost: money, in the currency of the prices.
        requests: of every kind, failed ones and verdicts included.
        tokens: generated, cancelled ones included, and read by verifiers.
    """

    cost: Annotated[float, Above(0)] | None = None
    requests: Annotated[int, Above(0)] | None = None
    tokens: Annotated[int, Above(0)] | None = None

    def given(self) -> dict[str, float]:
        """The limits that are set."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}


class LimitReached(Exception):
    """A run's limit leaves no room for a request; no user sees this."""


@dataclass(slots=True)
class Spent:
    """What was really spent: samples that a resumed run serves from its store are not in it again."""

    requests: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    cost: float = 0.0

    def add(self, usage: Usage, sign: int = 1) -> None:
        """Add what a usage counts, or take it away."""
        self.requests += sign * usage.calls
        self.tokens += sign * usage.tokens
        self.prompt_tokens += sign * (usage.prompt_tokens or 0)
        self.cost += sign * usage.known_cost

    def as_dict(self) -> dict[str, float]:
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> Spent:
        """The inverse of `as_dict`."""
        return cls(**{f.name: written.get(f.name, 0) for f in fields(cls)})


_KINDS = {"requests": "calls", "tokens": "tokens", "cost": "cost"}  # kind -> its name in a scope


class Totals:
    """The spending of one run, kept up to date while it lasts.

    Args:
        limits: what it may spend, over all the parts in which it is run.
        before: what the parts before this one have spent.
    """

    def __init__(self, limits: Limits, before: Spent) -> None:
        self.limits, self.spent = limits, before
        self._limited = limits.given()
        self._under_way: dict[Scope, None] = {}

    @contextmanager
    def of(self, scope: Scope) -> Iterator[None]:
        """Count what a question, or a set of them, spends while the block lasts, however it ends."""
        self._under_way[scope] = None
        try:
            yield
        finally:
            del self._under_way[scope]
            self.spent.add(scope.usage)

    def served(self, trace: Trace, price: Price | None) -> None:
        """A sample comes from the store: it is charged to its question, and was paid for before."""
        usage = Usage()
        usage.charge(trace, price, 0)
        self.spent.add(usage, sign=-1)

    def reached(self) -> str:
        """The kind that is used up, or ""."""
        return next((kind for kind, limit in self._limited.items() if self._now(kind) >= limit), "")

    def admit(self) -> None:
        """Let a request that is counted already go out.

        Raises:
            LimitReached: if there is no room for it.
        """
        for kind, limit in self._limited.items():
            now = self._now(kind)
            if now > limit or (now == limit and kind != "requests"):
                raise LimitReached

    def _now(self, kind: str) -> float:
        under_way = sum(scope.spent(_KINDS[kind]) for scope in self._under_way)
        return float(getattr(self.spent, kind)) + under_way


class GatedEngine(EngineWrapper):
    """Another engine, whose requests go out only while a run's limits have room for them."""

    def __init__(self, engine: Engine, totals: Totals) -> None:
        super().__init__(engine)
        self.totals = totals

    async def probe(self, capabilities: Any, trials: Trials) -> None:
        self.totals.admit()
        await super().probe(capabilities, trials)

    def start(self, request: GenerationRequest) -> Generation:
        self.totals.admit()
        return super().start(request)

    async def score(self, prompt: Prompt, text: str) -> Score:
        self.totals.admit()
        return await super().score(prompt, text)

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        self.totals.admit()
        return await super().reward(problem, traces)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        self.totals.admit()
        return await super().embed(texts)
