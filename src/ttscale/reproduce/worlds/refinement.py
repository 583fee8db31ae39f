"""A model that revises its solutions and judges them, with known chances of either.

A first attempt is right with probability p; a revision of a wrong solution is right with r, one of a
right solution wrong with s. Asked to judge, it picks a right candidate, where there is one, with
probability j, and else any. So after turn t the pick of B candidates is right with probability

    a_1 = f(p),  a_t = a_{t-1} f(1 - s) + (1 - a_{t-1}) f(r),
    f(u) = sum over k of Binomial(k; B, u) * (1 if k = B, 0 if k = 0, else j + (1 - j) k / B).

All candidates of a turn revise the same pick, so f is taken at either chance and not at their mean.
With B = 1 and s = 0 this is the absorbing chain of arXiv:2505.20522; with r and s a two-state chain.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

from ...core import GenerationRequest, Trace
from .scripted import Scripted

SOLUTION = 6  # tokens of a candidate
VERDICT = 1
NOTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """The chances, by the letters above."""

    p: float
    r: float
    s: float
    j: float = 0.0

    def engine(self) -> Scripted:
        """The model."""
        return Scripted(self._reply)

    def accuracy(self, batch: int, turns: int) -> float:
        """a_T: the chance that the pick of the last turn is right."""
        picked = self._picked(self.p, batch)
        for _ in range(turns - 1):
            kept, repaired = self._picked(1 - self.s, batch), self._picked(self.r, batch)
            picked = picked * kept + (1 - picked) * repaired
        return picked

    def _picked(self, u: float, batch: int) -> float:
        """f(u): the chance that the pick is right, of candidates that are right with u each."""
        return math.fsum(
            math.comb(batch, k) * u**k * (1 - u) ** (batch - k) * self._chosen(k, batch)
            for k in range(batch + 1)
        )

    def _chosen(self, right: int, batch: int) -> float:
        if right in (0, batch):
            return float(right == batch)
        return self.j + (1 - self.j) * right / batch

    def _reply(self, request: GenerationRequest) -> Trace:
        rng, shown = random.Random(request.seed), request.prompt.text
        if request.role == "judge":
            candidates = re.findall(r"Solution \d+:\n(.*)", shown)
            right = [number for number, text in enumerate(candidates, 1) if "right" in text]
            sees = bool(right) and rng.random() < self.j
            return Trace(str(rng.choice(right) if sees else rng.randint(1, len(candidates))), VERDICT)
        if request.part == "reflection":
            return Trace("notes", NOTES)
        chance = self.p
        if "A previous solution" in shown:
            chance = 1 - self.s if "{right}" in shown else self.r
        answer = "right" if rng.random() < chance else "wrong"
        return Trace(f"\\boxed{{{answer}}}", SOLUTION)
