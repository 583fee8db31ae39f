"""cons@k: the probability that the vote of k samples is right.

The survey of test-time scaling (arXiv:2503.24235, Sec. 6) lists it beside pass@k. Exact over all
subsets of k of the n samples drawn, ties broken at random, where public evaluations draw some
subsets: with answer counts c_a, the subsets in which the right answer has v votes and j others tie
with it are counted by multiplying the polynomials sum_i C(c_a, i) x^i.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping

import numpy as np

from ...core import UsageError


def cons_at_k(counts: Mapping[Hashable, int], right: Hashable, k: int, *, abstained: int = 0) -> float:
    """Probability that the plurality of k samples, drawn without replacement, is `right`.

    Args:
        counts: answer -> samples that gave it, equivalent answers together.
        right: the right answer; it need not be among them.
        k: samples that vote.
        abstained: further samples without an answer: they may be drawn, and do not vote.

    Returns:
        In [0, 1]; NaN if there are fewer than k samples.

    Raises:
        UsageError: unless k >= 1 and all counts are at least 0.
    """
    if k < 1 or abstained < 0 or any(c < 0 for c in counts.values()):
        raise UsageError(f"cons@{k} of counts {dict(counts)}", fix="need k >= 1, counts >= 0")
    n = sum(counts.values()) + abstained
    if k > n:
        return math.nan
    mine = counts.get(right, 0)
    others = [c for a, c in counts.items() if a != right and c]
    blank = _choices(abstained, k)
    won = 0.0
    for v in range(1, min(mine, k) + 1):
        # ways[j][i]: i votes for others, none above v, j of them at exactly v
        ways = [blank[: k - v + 1]]
        for c in others:
            below = _choices(c, v - 1)
            at = math.comb(c, v)
            grown = [np.zeros(k - v + 1, dtype=object) for _ in range(len(ways) + 1)]
            for j, row in enumerate(ways):
                grown[j] += _times(row, below, k - v)
                if v <= k - v and at:
                    grown[j + 1][v:] += row[: k - 2 * v + 1] * at
            while len(grown) > 1 and not grown[-1].any():
                grown.pop()
            ways = grown
        subsets = math.comb(mine, v)
        won += sum(subsets * int(row[k - v]) / (j + 1) for j, row in enumerate(ways) if row[k - v])
    return float(won / math.comb(n, k))


def _choices(c: int, most: int) -> np.ndarray:
    """C(c, i) for i = 0..most, exact."""
    return np.array([math.comb(c, i) for i in range(most + 1)], dtype=object)


def _times(row: np.ndarray, factor: np.ndarray, degree: int) -> np.ndarray:
    """Product of two polynomials, up to a degree."""
    return np.convolve(row, factor)[: degree + 1] if len(factor) else np.zeros_like(row)
