"""A solver of sub-questions that is as good as the words it is given for each.

Step j is right with probability 1 - c_j / b_j^a, where b_j is what the solver takes for it: the words it was
asked to keep to, times a soft overrun that is the same for all on average. An answer is right if every step
is. A solver that is told nothing takes `own` words, in equal parts. The planner lists as many sub-questions
as there are steps, gives the credits it is made with, and takes `planner_tokens` for each of its two calls.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...core import GenerationRequest, Trace
from .scripted import Scripted

_WITHIN = re.compile(r"within (\d+) words")
LEVEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The letters above; `overrun` is the widest deviation from the words, as a share, either way."""

    c: Sequence[float]
    alpha: float
    credits: Sequence[int]
    own: int
    planner_tokens: int
    overrun: float = 0.0

    def engine(self) -> Scripted:
        return Scripted(self._reply)

    def accuracy(self, budgets: Sequence[float]) -> float:
        """The chance that all steps are right, without overrun."""
        return math.prod(self._right(c, b) for c, b in zip(self.c, budgets, strict=True))

    def _right(self, c: float, budget: float) -> float:
        return max(0.0, 1 - c / budget**self.alpha) if budget > 0 else 0.0

    def _reply(self, request: GenerationRequest) -> Trace:
        rng, shown = random.Random(request.seed), request.prompt.text
        if request.part == "plan":
            if "Sub-questions:" in shown:
                return Trace(json.dumps({"level": LEVEL, "credits": list(self.credits)}), self.planner_tokens)
            return Trace("\n".join(f"{k}. part" for k in range(1, len(self.c) + 1)), self.planner_tokens)
        words = [float(count) for count in _WITHIN.findall(shown)] or [self.own / len(self.c)] * len(self.c)
        taken = [b * (1 + self.overrun * rng.uniform(-1, 1)) for b in words]
        right = all(rng.random() < self._right(c, b) for c, b in zip(self.c, taken, strict=True))
        return Trace(f"\\boxed{{{'right' if right else 'wrong'}}}", max(1, round(math.fsum(taken))))
