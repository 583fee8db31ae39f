"""Questions of several steps of known difficulty, and a model that answers each at once or with thinking.

Step j has difficulty d_j. System 1 is right with 1 - d_j at c1 tokens, System 2 with 1 - rho d_j at c2; the
last step has the difficulty `last` and is rated 0.9 whatever it is. An answer is right if every step is. With
the steps H that are rated above the threshold,

    accuracy = product over H of (1 - rho d_j) times product over the others of (1 - d_j)
    tokens   = c2 |H| + c1 (steps - |H|), and those of splitting and rating

A rating is the difficulty plus noise of standard deviation `noise`, cut to [0, 1].
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

RATED_LAST = 0.9
PREPARED, SPLIT, RATING = 10, 20, 1
_STEP = re.compile(r"part (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The letters above; `d` without the last step."""

    d: Sequence[float]
    last: float
    rho: float
    c1: int
    c2: int
    noise: float = 0.0

    def engine(self) -> Scripted:
        return Scripted(self._reply)

    def hard(self, threshold: float) -> list[bool]:
        """Which steps are System 2, the last one included, without noise."""
        return [rated > threshold for rated in (*self.d, RATED_LAST)]

    def accuracy(self, hard: Sequence[float]) -> float:
        """Expected, where step j is System 2 with probability hard[j]."""
        return math.prod(
            h * (1 - self.rho * d) + (1 - h) * (1 - d)
            for d, h in zip((*self.d, self.last), hard, strict=True)
        )

    def tokens(self, hard: Sequence[float]) -> float:
        """Expected tokens of the steps themselves."""
        slow = math.fsum(hard)
        return self.c2 * slow + self.c1 * (len(hard) - slow)

    def overhead(self, decompositions: int) -> int:
        """Tokens of preparing, splitting, choosing and rating."""
        return PREPARED + decompositions * SPLIT + (decompositions > 1) + RATING * len(self.d)

    def _reply(self, request: GenerationRequest) -> Trace:
        rng, shown = random.Random(request.seed), request.prompt.text
        if "Take this problem apart" in shown:
            prepared = {"conditions": "given", "question": f"part {len(self.d) + 1}"}
            return Trace(json.dumps(prepared), PREPARED)
        if "You teach mathematics" in shown:
            split = {f"step{k}": f"part {k}" for k in range(1, len(self.d) + 2)}
            return Trace(json.dumps(split), SPLIT)
        if "Which version" in shown:
            return Trace("1", 1)
        place = int(_STEP.findall(shown)[-1]) - 1
        difficulty = (*self.d, self.last)[place]
        if request.part == "verdict":
            rating = min(1.0, max(0.0, difficulty + rng.gauss(0, self.noise) if self.noise else difficulty))
            return Trace(f"{rating:.4f}", RATING)
        slow = request.role == "main"
        right = rng.random() >= difficulty * (self.rho if slow else 1) and "wrong" not in shown
        return Trace(f"\\boxed{{{'right' if right else 'wrong'}}}", self.c2 if slow else self.c1)
