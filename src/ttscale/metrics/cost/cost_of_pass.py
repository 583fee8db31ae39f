"""Cost-of-pass: what a right answer costs.

Efficient Agents, arXiv:2508.02694: v = C / R, the cost of an attempt over its chance to succeed,
which is the expected cost until the first success of independent attempts that can be checked. Over
a set it is mean cost over accuracy; ratios of single questions are not averaged. Money, tokens and
joules all serve as the cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from ...core import UsageError
from ..accuracy.intervals import LEVEL, wilson


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a component: its accuracy, cost of an attempt, and questions it was run on."""

    accuracy: float
    cost: float
    questions: int


def cost_of_pass(cost: float, success: float) -> float:
    """v = C / R; infinite if nothing succeeds."""
    if cost < 0 or not 0 <= success <= 1:
        raise UsageError(
            f"cost-of-pass of cost={cost:g}, success={success:g}",
            fix="give a cost of at least 0 and a success rate in [0, 1]",
        )
    return cost / success if success else math.inf


def with_oracle(cost: float, success: float, n: int) -> float:
    """v of n parallel attempts of which an oracle picks a right one: n C / (1 - (1 - R)^n).

    Never below C / R: without stopping early, parallel attempts cannot make a pass cheaper.
    """
    return cost_of_pass(n * cost, -math.expm1(n * math.log1p(-success)) if success < 1 else 1.0)


def interval(
    costs: ArrayLike, right: ArrayLike, *, level: float = LEVEL, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap over questions of mean cost over accuracy, from each question's cost and
    share of successful attempts, both (questions,).

    Where all attempts succeeded no resample has a failure, and where none did no success: there the
    accuracy's ends are Wilson's, and the mean cost's are resampled.

    Returns:
        (low, high); high is infinite if resamples without a success are among the upper tail.
    """
    c, r = np.asarray(costs, dtype=float), np.asarray(right, dtype=float)
    if c.shape != r.shape or c.ndim != 1 or not len(c):
        raise UsageError("costs and successes differ in number", fix="give one of each a question")
    picks = np.random.default_rng(seed).integers(0, len(c), (resamples, len(c)))
    tail = (1 - level) / 2
    ends = [int(tail * (resamples - 1)), math.ceil((1 - tail) * (resamples - 1))]
    if r.min() == r.max() and r[0] in (0.0, 1.0):
        cheap, dear = np.sort(c[picks].mean(axis=1))[ends]
        least, most = wilson(float(r.sum()), len(r), level=level)
        return float(cheap / most), float(dear / least) if r[0] else math.inf
    with np.errstate(divide="ignore"):
        low, high = np.sort(c[picks].mean(axis=1) / r[picks].mean(axis=1))[ends]
    return float(low), float(high)


def marginal_cost(costs: Sequence[float], accuracies: Sequence[float]) -> list[float]:
    """(C_{i+1} - C_i) / (A_{i+1} - A_i) along a knob, (settings - 1,); infinite where accuracy does
    not rise although the cost does."""
    steps = []
    for (c0, c1), (a0, a1) in zip(pairwise(costs), pairwise(accuracies), strict=True):
        gain = a1 - a0
        steps.append((c1 - c0) / gain if gain > 0 else math.inf if c1 > c0 else math.nan)
    return steps


def cheapest(settings: Mapping[str, Setting], *, tolerance: float | None = None) -> str:
    """The component study's choice: the lowest cost-of-pass among settings whose accuracy does not
    drop too far below the best.

    Args:
        settings: name -> its figures.
        tolerance: accuracy that may be lost; None is one standard error of the best setting's
            accuracy (the paper does not say).

    Raises:
        UsageError: if there is nothing to choose from.
    """
    if not settings:
        raise UsageError("no settings to choose from", fix="give at least one")
    best = max(settings.values(), key=lambda s: s.accuracy)
    if tolerance is None:
        tolerance = math.sqrt(best.accuracy * (1 - best.accuracy) / best.questions)
    enough = [n for n, s in settings.items() if s.accuracy >= best.accuracy - tolerance - 1e-12]
    return min(enough, key=lambda n: cost_of_pass(settings[n].cost, settings[n].accuracy))
