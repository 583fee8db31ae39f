"""A model whose plans are good or bad, and whose executions show which.

A plan is good with probability p, a revised one with s. An execution of a good plan gives an answer with
probability b1, right with r1; of a bad one b0 and r0. A judge names a good plan, where there is one, with
probability j, and else any. Plans of K are good independently, so

    random   A = g b1 r1 + (1 - g) b0 r0 with g = p
    select   the same with g = sum over k of Binomial(k; K, p) j_k, j_0 = 0, j_K = 1, else j + (1 - j) k / K
    vote     the answers of K executions, each none, right or wrong as in `random`; a tie goes to the first
    loop     A(g) + F(g) (A(s) + F(s) (A(s) + ...)), F(g) = g (1 - b1) + (1 - g) (1 - b0) the chance of no
             answer, with as many further terms as there are revisions
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

from ...core import GenerationRequest, Trace
from .scripted import Scripted

VERDICT = 1
_PLAN = re.compile(r"(?:good|bad) \d+ way")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """The chances, by the letters above, and the tokens of a plan and of an execution."""

    p: float
    r1: float
    r0: float
    j: float = 0.0
    s: float = 0.0
    b1: float = 1.0
    b0: float = 1.0
    plan_tokens: int = 20
    execution_tokens: int = 200

    def engine(self) -> Scripted:
        return Scripted(self._reply)

    def executed(self, g: float) -> float:
        """A(g): the chance of a right answer, the plan good with g."""
        return g * self.b1 * self.r1 + (1 - g) * self.b0 * self.r0

    def selected(self, plans: int) -> float:
        """The chance that the judge's plan is good."""
        return math.fsum(
            math.comb(plans, k) * self.p**k * (1 - self.p) ** (plans - k) * self._named(k, plans)
            for k in range(plans + 1)
        )

    def select(self, plans: int) -> float:
        return self.executed(self.selected(plans))

    def loop(self, plans: int, revisions: int) -> float:
        g, total, reached = self.selected(plans), 0.0, 1.0
        for _ in range(revisions + 1):
            total += reached * self.executed(g)
            reached *= g * (1 - self.b1) + (1 - g) * (1 - self.b0)
            g = self.s
        return total

    def vote(self, plans: int) -> float:
        right = self.executed(self.p)
        wrong = self.p * self.b1 * (1 - self.r1) + (1 - self.p) * self.b0 * (1 - self.r0)
        none = 1 - right - wrong
        total = 0.0
        for a in range(plans + 1):
            for b in range(plans + 1 - a):
                ways = math.comb(plans, a) * math.comb(plans - a, b)
                chance = ways * right**a * wrong**b * none ** (plans - a - b)
                total += chance * (1.0 if a > b else 0.5 if a == b > 0 else 0.0)
        return total

    def _named(self, good: int, plans: int) -> float:
        return float(good == plans) if good in (0, plans) else self.j + (1 - self.j) * good / plans

    def _reply(self, request: GenerationRequest) -> Trace:
        rng, shown = random.Random(request.seed), request.prompt.text
        plans = _PLAN.findall(shown)
        if request.part == "verdict":
            good = [number for number, plan in enumerate(plans, 1) if plan.startswith("good")]
            sees = bool(good) and rng.random() < self.j
            return Trace(str(rng.choice(good) if sees else rng.randint(1, len(plans))), VERDICT)
        if request.part == "plan":
            chance = self.s if "revised plan" in shown else self.p
            name = "good" if rng.random() < chance else "bad"
            return Trace(f"{name} {rng.randrange(10**6)} way", self.plan_tokens)
        if not plans or "final answer only" in shown:
            return Trace("no idea", VERDICT)
        boxed, right = (self.b1, self.r1) if plans[-1].startswith("good") else (self.b0, self.r0)
        if rng.random() >= boxed:
            return Trace("it does not end", self.execution_tokens)
        answer = "right" if rng.random() < right else "wrong"
        return Trace(f"\\boxed{{{answer}}}", self.execution_tokens)
