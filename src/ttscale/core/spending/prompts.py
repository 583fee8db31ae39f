"""The prompts of one problem: how long they are, and what was booked before that was known.

Many servers tell a prompt's length with the end of a reply only, so that a sample stopped on its way
never tells it. It is that of any other sample with the same prompt; until one has reported, it is
estimated, and put right as soon as one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..trace import Trace
from .usage import Price, Usage

if TYPE_CHECKING:
    from ..execution.sample import Sample

Key = tuple[str, str]
"""(role, prompt key)."""


@dataclass(slots=True)
class Estimate:
    """Tokens estimated, and what was booked with them: the traces, their price and who paid."""

    tokens: int
    booked: list[tuple[Trace, Price | None, Sequence[Usage]]] = field(default_factory=list)


class Prompts:
    """Lengths by role and prompt.

    Attributes:
        known: as an engine reported them.
    """

    __slots__ = ("_estimates", "known")

    def __init__(self) -> None:
        self.known: dict[Key, int] = {}
        self._estimates: dict[Key, Estimate] = {}

    def length(self, sample: Sample) -> int:
        """Tokens of a sample's prompt, reported or estimated."""
        key = (sample.role, sample.prompt_key)
        known = self.known.get(key)
        return self._estimated(key, sample).tokens if known is None else known

    def report(self, key: Key, sample: Sample, tokens: int) -> bool:
        """The length is known; whether it was not asked for before. What was booked with an estimate
        is put right."""
        if key in self.known or not tokens:  # none is of a prompt that was never sent
            return False
        self.known[key] = tokens
        sample.learn_prompt(tokens)
        estimate = self._estimates.pop(key, None)
        for number, (trace, price, usages) in enumerate(estimate.booked if estimate else ()):
            assert estimate is not None
            trace.prompt_tokens = tokens
            for usage in usages:
                usage.settle(sample.role, price, estimate.tokens, tokens, shared=not number)
        return estimate is None or not estimate.booked

    def book(self, key: Key, sample: Sample, trace: Trace, usages: Sequence[Usage]) -> None:
        """Charge a trace that never reported, where nothing is known of its prompt but an estimate."""
        estimate, shared = self._estimates.get(key), 0
        if estimate is None or not estimate.booked:
            estimate = self._estimated(key, sample)
            shared = estimate.tokens
        estimate.booked.append((trace, sample.price, usages))
        for usage in usages:
            usage.charge(trace, sample.price, shared, estimate.tokens)

    def _estimated(self, key: Key, sample: Sample) -> Estimate:
        found = self._estimates.get(key)
        if found is None or not found.booked:  # what is booked stays as it is until it is reported
            found = self._estimates[key] = Estimate(sample.estimated_prompt())
        return found
