"""How often a vote agrees with the pool it is drawn from, and what its first answers tell.

What PETS online (arXiv:2602.16745) fits: pure functions of a question's answer counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...metrics.special_functions import normal_quantile

FloatArray = NDArray[np.float64]
Kind = Literal["choice", "open", "patterns"]

WARM_UP = 4  # K0, answers that decide the bucket
K_MAX = 40  # largest k of the fit (released, multiple choice)
K_MIN = 3  # smallest k of the fit
CLIP = 1e-12  # probabilities are clipped to [CLIP, 1 - CLIP] before the probit
PATTERNS = {
    "choice": ((4,), (3, 1), (2, 2), (2, 1, 1), (1, 1, 1, 1)),
    "open": ((4,), ()),  # unanimous, or not
    "patterns": ((4,), (3, 1), (2, 2), (2, 1, 1), (1, 1, 1, 1)),
}
"""Sorted counts of the four answers, per bucket. "patterns" tells open answers apart as finely as
those of a choice (ours)."""


def agreement_curve(counts: Sequence[float], k_max: int) -> FloatArray:
    """A(k) for k = 1..k_max, (k_max,): the majority of k draws is the largest count's answer, ties
    at random. Exact for any number of answers; the first of equally large counts is meant.

    With c votes for it, k! / c! theta^c times the sum over the others' votes, none above c, of the
    product of theta_j^i / i!, where t answers tied at c leave a chance of 1 / (t + 1).
    """
    theta = np.array([c for c in counts if c > 0], dtype=np.float64)
    theta /= theta.sum()
    best = int(theta.argmax())
    others = np.delete(theta, best)
    factorial = np.cumprod(np.r_[1.0, np.arange(1, k_max + 1)])
    curve = np.zeros(k_max + 1)
    for c in range(1, k_max + 1):
        room = k_max - c  # votes of the others
        ties = min(len(others), room // c)
        ways = np.zeros((ties + 1, room + 1))
        ways[0, 0] = 1.0
        for p in others:
            below = p ** np.arange(c) / factorial[:c]
            grown = np.array([np.convolve(row, below)[: room + 1] for row in ways])
            if c <= room:
                grown[1:, c:] += ways[:-1, : room + 1 - c] * (p**c / factorial[c])
            ways = grown
        total = (ways / np.arange(1, ties + 2)[:, None]).sum(axis=0)  # (room + 1,)
        k = np.arange(c, k_max + 1)
        curve[c:] += factorial[k] / factorial[c] * theta[best] ** c * total
    return np.minimum(curve[1:], 1.0)


def fit_curve(curve: FloatArray) -> tuple[float, float]:
    """(a, b) of A(k) = Phi(a sqrt(k) + b), by least squares on the probit scale over k >= 3."""
    k = np.arange(1, len(curve) + 1)
    used = k >= min(K_MIN, len(curve) - 1)
    probit = [normal_quantile(p) for p in np.clip(curve[used], CLIP, 1 - CLIP).tolist()]
    slope, offset = np.polyfit(np.sqrt(k[used]), probit, 1)
    return float(slope), float(offset)


def bucket(kind: Kind, answers: Sequence[Hashable]) -> int:
    """The bucket, from 0, of four answers: how they agree."""
    pattern = tuple(sorted(Counter(answers).values(), reverse=True))
    if len(answers) != WARM_UP:
        raise ValueError(f"{len(answers)} answers: a bucket needs {WARM_UP}")
    patterns = PATTERNS[kind]
    return patterns.index(pattern) if pattern in patterns else len(patterns) - 1


def pattern_shares(kind: Kind, counts: Sequence[int]) -> FloatArray:
    """pi_q(t): how often four answers drawn without replacement fall into each bucket, (buckets,).

    Exact, where the released code draws 2,000 subsets.
    """
    n = sum(counts)
    pairs = [math.comb(c, 2) for c in counts]
    four = sum(math.comb(c, 4) for c in counts)
    three = sum(math.comb(c, 3) * (n - c) for c in counts)
    two_two = (sum(pairs) ** 2 - sum(p * p for p in pairs)) // 2
    squares = sum(c * c for c in counts)
    # pairs of unlike answers among the others of a pair
    unlike = [((n - c) ** 2 - (squares - c * c)) // 2 for c in counts]
    two_one_one = sum(p * u for p, u in zip(pairs, unlike, strict=True))
    total = math.comb(n, 4)
    if kind == "open":
        return np.array([four / total, 1 - four / total])
    all_unlike = total - four - three - two_two - two_one_one
    return np.array([four, three, two_two, two_one_one, all_unlike]) / total
