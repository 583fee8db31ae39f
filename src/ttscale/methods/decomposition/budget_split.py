"""How a total budget is split over the steps of a question.

Theory of Plan-and-Budget (arXiv:2505.16122): the uncertainty that is left in step j after b_j units is
c_j / b_j^a_j, with c_j > 0 how much there is and a_j > 0 how fast it shrinks. Least is left in all where
every marginal gain is equal, b_j = (c_j a_j / m)^(1 / (a_j + 1)) with m such that the budget is spent
(`least_uncertain`). The paper's closed form shares in proportion to (c_j a_j)^(1 / (a_j + 1))
(`bam_shares`), which is the same only where all a_j are equal. As c and a are not known of a black box,
the paper takes a planner's credits times a schedule that falls with the step's place (`split`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Schedule = Literal["constant", "linear", "polynomial", "exponential", "cosine"]


def schedule_weight(schedule: Schedule, step: int, steps: int) -> float:
    """The weight of a step, counted from 0, of so many."""
    match schedule:
        case "constant":
            return 1.0
        case "linear":
            return float(steps - step)
        case "polynomial":
            return float((steps - step) ** 2)
        case "exponential":
            return 0.9**step
        case "cosine":
            return 1.0 if steps == 1 else 0.5 * (1 + math.cos(math.pi * step / (steps - 1))) + 0.1


def split(total: int, credits: Sequence[float], schedule: Schedule = "constant") -> list[int]:
    """Whole units for each step, `total` in all: the shares rounded down, and what is left one each to
    the largest. Credits that are all 0 count as equal."""
    steps = len(credits)
    even = 0.0 if any(credits) else 1.0
    weights = [
        (credit + even) * schedule_weight(schedule, step, steps) for step, credit in enumerate(credits)
    ]
    whole = math.fsum(weights)
    units = [math.floor(total * weight / whole + 1e-9) for weight in weights]  # 350 * 0.2 is 70
    largest = sorted(range(steps), key=lambda step: -weights[step])
    for step in largest[: total - sum(units)]:
        units[step] += 1
    return units


def bam_shares(c: Sequence[float], alpha: Sequence[float]) -> list[float]:
    """The shares of the paper's closed form; they add up to 1."""
    weights = [(cj * aj) ** (1 / (aj + 1)) for cj, aj in zip(c, alpha, strict=True)]
    return [weight / math.fsum(weights) for weight in weights]


def least_uncertain(total: float, c: Sequence[float], alpha: Sequence[float]) -> list[float]:
    """The budgets that leave the least uncertainty in all: the multiplier is found by bisection."""

    def spent(log_m: float) -> list[float]:
        return [math.exp((math.log(cj * aj) - log_m) / (aj + 1)) for cj, aj in zip(c, alpha, strict=True)]

    low, high = -1.0, 1.0
    while math.fsum(spent(low)) < total:
        low *= 2
    while math.fsum(spent(high)) > total:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.fsum(spent(middle)) > total else (low, middle)
    return spent((low + high) / 2)


def uncertainty(budgets: Sequence[float], c: Sequence[float], alpha: Sequence[float]) -> float:
    """What is left in all steps together, what no budget removes aside."""
    return math.fsum(cj / b**aj for b, cj, aj in zip(budgets, c, alpha, strict=True))
