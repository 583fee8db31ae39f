"""What it takes to find out what an engine can do: requests that are booked like any others, under a role
of their own, for the run that wants to know and within its budget."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..spending.budget_guard import admit
from ..spending.metering import Scope
from ..spending.usage import Price
from ..trace import Trace

ROLE = PART = "probe"


@dataclass(slots=True)
class Trial:
    """Tokens of one request: an estimate, until it is known what they were."""

    prompt_tokens: int
    tokens: int
    estimated: bool = True

    def report(self, prompt_tokens: int, tokens: int) -> None:
        """So many they were; none if it was refused."""
        self.prompt_tokens, self.tokens, self.estimated = prompt_tokens, tokens, False


class Trials:
    """Books them in `scope`, at the price of the role that is asked."""

    def __init__(self, scope: Scope, price: Price | None) -> None:
        self._scope, self._price = scope, price

    @asynccontextmanager
    async def begun(self, prompt_tokens: int = 0, tokens: int = 0) -> AsyncIterator[Trial]:
        """One request of at most so many tokens; what was not reported when it ends is booked as such.

        Raises:
            BudgetEnded: if a budget has no room for it.
        """
        scope, trial = self._scope, Trial(prompt_tokens, tokens)
        cost = 0.0 if self._price is None else self._price.of(prompt_tokens, tokens)
        amounts = {"calls": 1.0, "tokens": tokens, "cost": cost}
        while (full := admit(scope, amounts)) is not None:
            await full[0].room()
        scope.reserve(amounts)
        try:
            yield trial
        finally:
            self.book(trial)
            scope.release(amounts)

    def book(self, trial: Trial) -> None:
        """Charge what one took."""
        known = trial.prompt_tokens if not trial.estimated else None
        trace = Trace(
            role=ROLE,
            part=PART,
            finish="stop",
            prompt_tokens=known,
            tokens=trial.tokens,
            estimated=trial.tokens if trial.estimated else 0,
        )
        for scope in self._scope.lineage:
            scope.usage.charge(trace, self._price, trial.prompt_tokens, trial.prompt_tokens)
