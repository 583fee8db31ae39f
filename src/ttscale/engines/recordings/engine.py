"""Recorded traces as an engine, in token time: what would a method have cost on these samples?

A sample of a request is served the recorded row of its ordinal, so that two methods that ask the same
get the same samples. Rows are used at most once: a pool that runs dry is an error that says so.
With `resample`, rows are drawn with replacement instead, from the sample's own seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

from ...core import Generation, GenerationRequest, PoolExhausted, Problem, Prompt, Rewards, Trace, UsageError
from ...core.known_generation import KnownGeneration, check_speed
from .pool import Pool

Order = Literal["recorded", "shuffled"]


class Replay:
    """Serves a pool.

    Args:
        order: "recorded" serves rows as they stand in the file, "shuffled" permutes the rows of
            every ask by the run's seed.
        skip: rows passed over first, so that repeats can use disjoint samples.
        resample: draw rows with replacement, endlessly.
        ticks_per_token: speed, for roles that decode at different speeds.
    """

    time: Literal["wall", "tokens"] = "tokens"

    def __init__(
        self,
        pool: Pool,
        *,
        order: Order = "recorded",
        skip: int = 0,
        resample: bool = False,
        ticks_per_token: int = 1,
    ) -> None:
        if order not in ("recorded", "shuffled"):
            raise UsageError(f"order={order!r}", fix="use 'recorded' or 'shuffled'")
        check_speed(ticks_per_token)
        if skip < 0:
            raise UsageError(f"skip={skip}", fix="give at least 0")
        self.pool, self.order, self.skip, self.resample = pool, order, skip, resample
        self.ticks_per_token = ticks_per_token
        self.name = f"replay:{pool.model or pool.source}"
        self.capabilities = pool.capabilities
        self._permutations: dict[tuple[str, str, str, int], list[int]] = {}

    async def open(self) -> None:
        """Nothing to do: the pool is in memory."""

    async def close(self) -> None:
        """Nothing to give back."""

    def pool_size(self, problem: Problem, prompt: Prompt, role: str) -> int | None:
        """Samples there are of a request; None if they never end."""
        if self.resample:
            return None
        return max(0, len(self.pool.find(problem, role, prompt)) - self.skip)

    def start(self, request: GenerationRequest) -> Generation:
        rows = self.pool.find(request.problem, request.role, request.prompt)
        if not rows:
            # a continuation that was never recorded: what would have come is not known
            return KnownGeneration(request, Trace(finish="censored", meta={"censored": "not recorded"}))
        return KnownGeneration(request, self._row(rows, request), self.ticks_per_token)

    def _row(self, rows: Sequence[Trace], request: GenerationRequest) -> Trace:
        if self.resample:
            return rows[random.Random(request.seed).randrange(len(rows))]
        number = request.index + self.skip
        if number >= len(rows):
            raise PoolExhausted(
                f"draw {number + 1} of question {request.problem.id!r} (role {request.role!r}): the "
                f"recording holds {len(rows)}",
                fix="ask for fewer samples, or draw with replacement (resample)",
            )
        if self.order == "shuffled":
            key = (request.problem.id, request.role, request.prompt.key, request.run_seed)
            order = self._permutations.get(key)
            if order is None:
                order = list(range(len(rows)))
                random.Random(repr(key)).shuffle(order)
                self._permutations[key] = order
            number = order[number]
        return rows[number]

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        """The scores recorded with the traces."""
        values = [t.reward for t in traces]
        if None in values:
            raise UsageError(
                f"question {problem.id!r} has traces without a recorded reward",
                fix="map a column to 'reward', or judge with another role",
            )
        return Rewards([v for v in values if v is not None], tokens=0)
