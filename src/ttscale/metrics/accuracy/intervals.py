"""How sure an accuracy is, and how sure a difference between two methods on the same questions is.

Questions are what is sampled; repeats of one question are not independent of each other. So every
interval counts questions: repeats make the value of a question more exact, they do not make more
questions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..special_functions import fair_binomial_cdf, normal_quantile, student_quantile

LEVEL = 0.95
_SIGN_FLIPS = 20_000


def wilson(right: float, n: float, *, level: float = LEVEL, z: float | None = None) -> tuple[float, float]:
    """Wilson's score interval of a proportion right/n; n may be an effective, broken number.

    `z` replaces the normal quantile. Without observations the interval is [0, 1].
    """
    if n <= 0:
        return 0.0, 1.0
    if z is None:
        z = normal_quantile(0.5 + level / 2)
    p = right / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def accuracy_interval(
    graded: Mapping[str, tuple[int, int]], *, level: float = LEVEL
) -> tuple[float, float] | None:
    """The interval of an accuracy from question -> (right, graded) over its repeats.

    With one grade a question this is Wilson's interval. With repeats it is Wilson's interval at the
    effective number of observations p(1 - p)/SE^2, where SE is the standard error clustered by
    question, with a t quantile for the number of questions (Dean and Pagano, 2015, J. Surv. Stat.
    Methodol. 3:484). Never more than all grades count, never fewer than the questions. None without
    any grade.
    """
    pairs = [(r, n) for r, n in graded.values() if n]
    if not pairs:
        return None
    right = np.array([r for r, _ in pairs], dtype=float)
    count = np.array([n for _, n in pairs], dtype=float)
    questions, total = len(pairs), float(count.sum())
    p = float(right.sum() / total)
    if count.max() == 1 or questions == 1 or p in (0.0, 1.0):
        return wilson(p * questions, questions, level=level)
    residual = right - p * count  # the ratio estimator's, summed within questions
    variance = questions / (questions - 1) * float(residual @ residual) / total**2
    effective = total if variance == 0 else p * (1 - p) / variance
    effective = min(max(effective, questions), total)
    t = student_quantile(0.5 + level / 2, questions - 1)
    return wilson(p * effective, effective, z=t)


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean difference of two methods on the same questions, first minus second: in accuracy, or in an
    amount.

    Attributes:
        low, high: 95% interval.
        p: two-sided p-value of "no difference".
        questions: how many questions both have grades for.
    """

    value: float
    low: float
    high: float
    p: float
    questions: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def paired_difference(
    first: Mapping[str, tuple[int, int]], second: Mapping[str, tuple[int, int]], *, level: float = LEVEL
) -> Difference | None:
    """Compare two methods from question -> (right, graded); None without common questions.

    Each question counts by the difference of its two mean grades. The interval is Bonett and
    Price's (2012, Br. J. Math. Stat. Psychol. 65:479) for paired proportions, which adds one
    question won and one lost, carried over to means of repeats. The p-value is a sign-flip test:
    exactly McNemar's where every question has one grade each, by 20,000 seeded flips where grades
    are means.
    """
    common = [q for q, (_, n) in first.items() if n and second.get(q, (0, 0))[1]]
    if not common:
        return None
    gaps = np.array([_mean(first[q]) - _mean(second[q]) for q in common])
    widened = np.append(gaps, (1.0, -1.0))
    centre, z = widened.mean(), normal_quantile(0.5 + level / 2)
    half = z * widened.std() / math.sqrt(len(widened))
    value = float(gaps.mean())
    return Difference(
        value,
        max(-1.0, min(value, float(centre - half))),
        min(1.0, max(value, float(centre + half))),
        sign_flip_p(gaps),
        len(common),
    )


def paired_change(
    first: Mapping[str, float], second: Mapping[str, float], *, level: float = LEVEL
) -> Difference | None:
    """Compare an amount (tokens, money) from question -> mean over its repeats; None without common
    questions. The interval is Student's for the mean of the questions' differences: infinite with
    one question, of which nothing follows for others."""
    common = [q for q in first if q in second]
    if not common:
        return None
    gaps = np.array([first[q] - second[q] for q in common], dtype=float)
    value, half = float(gaps.mean()), math.inf
    if len(gaps) > 1:
        t = student_quantile(0.5 + level / 2, len(gaps) - 1)
        half = t * float(gaps.std(ddof=1)) / math.sqrt(len(gaps))
    return Difference(value, value - half, value + half, sign_flip_p(gaps), len(common))


def sign_flip_p(gaps: Sequence[float] | np.ndarray) -> float:
    """Two-sided p-value of gaps whose signs would be coin flips if nothing differed."""
    moved = np.asarray(gaps, dtype=float)
    moved = moved[moved != 0]
    if not len(moved):
        return 1.0
    if np.all(np.abs(moved) == np.abs(moved[0])):
        wins = int((moved > 0).sum())
        return min(1.0, 2 * fair_binomial_cdf(min(wins, len(moved) - wins), len(moved)))
    rng = np.random.default_rng(0)
    observed, reached, left = abs(moved.sum()) - 1e-12, 0, _SIGN_FLIPS
    while left:
        rows = min(left, max(1, 2_000_000 // len(moved)))
        signs = rng.integers(0, 2, (rows, len(moved)), dtype=np.int8) * 2 - 1
        reached += int((np.abs(signs @ moved) >= observed).sum())
        left -= rows
    return (reached + 1) / (_SIGN_FLIPS + 1)


def _mean(grades: tuple[int, int]) -> float:
    right, graded = grades
    return right / graded
