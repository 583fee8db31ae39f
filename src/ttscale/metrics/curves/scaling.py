"""Control, Scaling, Performance: what a knob of test-time compute does, in three numbers.

The survey of test-time scaling (arXiv:2503.24235, Sec. 6, after s1, arXiv:2501.19393). Control:
does the knob hold the compute where it should be? Scaling: does accuracy rise with compute?
Performance: how far does it get?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import UsageError


def control(amounts: ArrayLike, low: float = 0.0, high: float = math.inf) -> float:
    """Share of runs whose compute lies in [low, high]; NaN without runs."""
    a = np.asarray(amounts, dtype=float)
    return float(((a >= low) & (a <= high)).mean()) if a.size else math.nan


def length_deviation(generated: ArrayLike, wanted: ArrayLike) -> float:
    """Mean of |n_gen - n_wanted| / n_wanted over runs."""
    return float(np.abs(_relative(generated, wanted)).mean())


def length_rmse(generated: ArrayLike, wanted: ArrayLike) -> float:
    """Root of the mean squared relative deviation over runs."""
    return float(np.sqrt((_relative(generated, wanted) ** 2).mean()))


def controllable(hits: ArrayLike, lengths: ArrayLike, k: float, epsilon: float) -> bool:
    """(k, epsilon)-controllability: some prompt of at most k tokens makes the target appear with
    probability of at least 1 - epsilon; from the rate at which each prompt reaches it, (prompts,),
    and the prompts' tokens, (prompts,)."""
    rates = np.asarray(hits, dtype=float)[np.asarray(lengths, dtype=float) <= k]
    return bool((rates >= 1 - epsilon).any())


def scaling(compute: Sequence[float], accuracy: Sequence[float]) -> float:
    """Mean of (f(b) - f(a)) / (b - a) over all pairs a < b of settings; for a straight line its
    slope, whatever the settings. NaN with fewer than two different amounts of compute."""
    if len(compute) != len(accuracy):
        raise UsageError("compute and accuracy differ in number", fix="give one of each a setting")
    points = sorted(zip(compute, accuracy, strict=True))
    slopes = [(fb - fa) / (b - a) for (a, fa), (b, fb) in combinations(points, 2) if b > a]
    return math.fsum(slopes) / len(slopes) if slopes else math.nan


def end_to_end_slope(compute: Sequence[float], accuracy: Sequence[float]) -> float:
    """Accuracy over compute gained, last setting against first; 0 if compute did not grow."""
    grown = compute[-1] - compute[0]
    return (accuracy[-1] - accuracy[0]) / grown if grown > 0 else 0.0


def performance(accuracy: Sequence[float]) -> float:
    """The best accuracy over all settings; NaN without any."""
    return max(accuracy, default=math.nan)


def _relative(generated: ArrayLike, wanted: ArrayLike) -> NDArray[np.float64]:
    made: NDArray[np.float64] = np.asarray(generated, dtype=float)
    requested: NDArray[np.float64] = np.asarray(wanted, dtype=float)
    if not made.size or (requested <= 0).any():
        raise UsageError("a deviation needs runs and positive targets", fix="drop runs without one")
    return (made - requested) / requested
