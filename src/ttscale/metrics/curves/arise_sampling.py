"""Adaptive sampling for ARISE: repeat runs where accuracy and tokens vary.

arXiv:2510.06014. For every item and level: m_min runs, then one more while
CV(accuracy) + CV(tokens) exceeds tau and m < m_max. With 0/1 accuracy of rate p,
CV = sqrt((1 - p) / p), so only rates of at least 0.8 (or none right at all) ever settle at
tau = 0.5: the rule favours rarely solved items. The spread "std" in place of "cv" treats right
and wrong alike (ours).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import UsageError

Spread = Literal["cv", "std"]
EPS = 1e-8  # released code


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When an item has been run often enough.

    Attributes:
        m_min, m_max: runs at least and at most (3 and 10, paper).
        tau: largest combined spread that counts as settled (0.5, paper).
        accuracy: "cv" as published, or "std", which is symmetric in right and wrong (ours).
    """

    m_min: int = 3
    m_max: int = 10
    tau: float = 0.5
    accuracy: Spread = "cv"

    def __post_init__(self) -> None:
        if not 1 <= self.m_min <= self.m_max:
            raise UsageError(f"m_min={self.m_min}, m_max={self.m_max}", fix="need 1 <= m_min <= m_max")
        if self.accuracy not in get_args(Spread):
            raise UsageError(f"accuracy={self.accuracy!r}", fix="use 'cv' or 'std'")

    def spread(self, accuracy: Sequence[float], tokens: Sequence[float]) -> float:
        """Combined spread of an item's runs at one level, both (runs,)."""
        a = np.asarray(accuracy, dtype=float)
        first = cv(a) if self.accuracy == "cv" else float(a.std())
        return first + cv(tokens)


@dataclass(frozen=True, slots=True)
class Sampled:
    """An item at one level: means over `runs` runs, their spread, and whether it settled."""

    accuracy: float
    tokens: float
    runs: int
    spread: float
    settled: bool


def cv(values: ArrayLike) -> float:
    """Coefficient of variation: population standard deviation over mean (+ 1e-8)."""
    x = np.asarray(values, dtype=float)
    return float(x.std() / (x.mean() + EPS))


def sample(run_once: Callable[[int], tuple[float, float]], rule: Rule | None = None) -> Sampled:
    """Run one item at one level until it settles; `run_once(i)` gives (accuracy, tokens) of run i."""
    rule = rule or Rule()
    runs = [run_once(i) for i in range(rule.m_min)]
    while True:
        accuracy, tokens = [a for a, _ in runs], [t for _, t in runs]
        spread = rule.spread(accuracy, tokens)
        if spread <= rule.tau or len(runs) >= rule.m_max:
            mean_a, mean_t = float(np.mean(accuracy)), float(np.mean(tokens))
            return Sampled(mean_a, mean_t, len(runs), spread, spread <= rule.tau)
        runs.append(run_once(len(runs)))


def allocate(spreads: ArrayLike, total: int, rule: Rule | None = None) -> NDArray[np.int64]:
    """Runs per item under a total budget of runs, (items,): m_min each, the rest in proportion to
    the spread after them, at most m_max. A budget that covers only m_min gives m_min everywhere,
    even if that is more than it; spreads that are all zero share alike."""
    rule = rule or Rule()
    s = np.asarray(spreads, dtype=float)
    base = rule.m_min * len(s)
    runs = np.full(len(s), rule.m_min, dtype=np.int64)
    if total <= base or not len(s):
        return runs
    weight = s / s.sum() if s.sum() > 0 else np.full(len(s), 1 / len(s))
    # a share of exactly n may come out as n - 1e-16
    extra = np.floor((total - base) * weight + 1e-9).astype(np.int64)
    return np.minimum(rule.m_max, runs + extra)
