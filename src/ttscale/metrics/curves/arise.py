"""ARISE: how well a model uses extra thinking, item by item.

arXiv:2510.06014. An item has accuracy a_j and tokens t_j at each effort level j = 0..n:
    ARISE_i = sum_j delta_j * (t_{j-1} / t_j)^sign(delta_j),   delta_j = a_j - a_{j-1}
and ARISE is the mean over items. With growing tokens a gain counts less than itself and a loss
more; tokens that change nothing cost nothing. Unbounded below, at most the sum of t_{j-1} / t_j
above.

Beside it stands what a slope of averages hides: which items were gained, lost or never moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import UsageError

FloatArray = NDArray[np.float64]

SEVERE = 1.5  # token ratio above which a loss is severe (released code)


@dataclass(frozen=True, slots=True)
class Arise:
    """The score of a set of items.

    Attributes:
        value: mean over the items scored; 0 with fewer than two levels, NaN without any item.
        items: score of each item, (items,); NaN where it was dropped.
        dropped: items with a missing run (NaN), which are in no figure.
        skipped: transitions passed over because a token count was not positive.
    """

    value: float
    items: FloatArray
    dropped: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Flows:
    """What happened to the items between the first and the last level, and at every step.

    Attributes:
        gained, lost: items whose accuracy only rose, only fell. mixed: it did both.
        always_right, always_wrong: 1 or 0 at all levels. unmoved: constant in between.
        loss_mean: mean size of a loss, over losing steps; None without any.
        loss_ratio: mean t_j / t_{j-1} over losing steps.
        severe: losing steps with a token ratio above 1.5.
        accuracy, tokens: mean per level, (levels,).
    """

    gained: int
    lost: int
    mixed: int
    always_right: int
    always_wrong: int
    unmoved: int
    loss_mean: float | None
    loss_ratio: float | None
    severe: int
    accuracy: tuple[float, ...]
    tokens: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Stability:
    """ARISE over repeated evaluations: mean, standard deviation (n - 1), and their ratio."""

    mean: float
    std: float
    cv: float


def arise(accuracy: ArrayLike, tokens: ArrayLike) -> Arise:
    """ARISE of a set of items.

    Args:
        accuracy: in [0, 1], (items, levels), levels in order of intended effort; NaN is missing.
        tokens: tokens of the same runs, (items, levels).

    Raises:
        UsageError: if the shapes differ, or an accuracy is outside [0, 1].
    """
    a, t, whole = _paths(accuracy, tokens)
    scores = np.full(len(a), np.nan)
    if a.shape[1] < 2:
        scores[whole] = 0.0
        return Arise(0.0 if len(a) else math.nan, scores, int((~whole).sum()), 0)
    if not whole.all():
        a, t = a[whole], t[whole]
    total, skipped = np.zeros(len(a)), 0
    for j in range(1, a.shape[1]):  # by level: a million rows stay in cache-sized columns
        before, now = t[:, j - 1], t[:, j]
        delta = a[:, j] - a[:, j - 1]
        usable = (before > 0) & (now > 0)
        skipped += len(usable) - int(np.count_nonzero(usable))
        with np.errstate(divide="ignore", invalid="ignore"):
            weighed = delta * np.where(delta > 0, before / now, now / before)
        total += np.where(usable & (delta != 0), weighed, 0.0)
    scores[whole] = total
    value = float(total.mean()) if len(total) else math.nan
    return Arise(value, scores, int((~whole).sum()), skipped)


def flows(accuracy: ArrayLike, tokens: ArrayLike) -> Flows:
    """The companion report of `arise`, on the same arrays; items with missing runs are left out."""
    a, t, whole = _paths(accuracy, tokens)
    a, t = a[whole], t[whole]
    delta = np.diff(a, axis=1)
    up, down = (delta > 0).any(axis=1), (delta < 0).any(axis=1)
    still = ~up & ~down
    right = still & (a[:, :1] == 1).all(axis=1)
    wrong = still & (a[:, :1] == 0).all(axis=1)
    losses = (delta < 0) & (t[:, :-1] > 0) & (t[:, 1:] > 0)
    ratio = t[:, 1:][losses] / t[:, :-1][losses]
    sizes = -delta[delta < 0]
    return Flows(
        gained=int((up & ~down).sum()),
        lost=int((down & ~up).sum()),
        mixed=int((up & down).sum()),
        always_right=int(right.sum()),
        always_wrong=int(wrong.sum()),
        unmoved=int((still & ~right & ~wrong).sum()),
        loss_mean=float(sizes.mean()) if len(sizes) else None,
        loss_ratio=float(ratio.mean()) if len(ratio) else None,
        severe=int((ratio > SEVERE).sum()),
        accuracy=tuple(a.mean(axis=0).tolist()) if len(a) else (),
        tokens=tuple(t.mean(axis=0).tolist()) if len(t) else (),
    )


def stability(values: Sequence[float]) -> Stability:
    """How far ARISE moves over repeated evaluations (5 in the paper). CV is infinite at mean 0."""
    v = np.asarray(values, dtype=float)
    std = float(v.std(ddof=1)) if len(v) > 1 else 0.0
    mean = float(v.mean())
    return Stability(mean, std, std / abs(mean) if mean else math.inf if std else 0.0)


def _paths(accuracy: ArrayLike, tokens: ArrayLike) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Both as (items, levels), and which items are complete."""
    try:
        a, t = np.asarray(accuracy, dtype=float), np.asarray(tokens, dtype=float)
    except ValueError:
        raise UsageError(
            "items have different numbers of levels", fix="give every item every level, or NaN"
        ) from None
    if a.shape != t.shape or a.ndim != 2:
        raise UsageError(
            f"accuracy has shape {a.shape}, tokens {t.shape}",
            fix="give both as (items, levels), one token count per accuracy",
        )
    whole: NDArray[np.bool_] = ~np.isnan(a + t).any(axis=1)
    if ((a < 0) | (a > 1)).any():
        raise UsageError("an accuracy is outside [0, 1]", fix="give shares, not percent")
    return a, t, whole
