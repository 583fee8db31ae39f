"""Least squares for a curve of a few parameters in a box: Levenberg and Marquardt's method.

A step is damped until it helps and cut off at the box; a parameter at an edge that pulls outwards is
left there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_STEPS = 200
_HELPLESS = 1e15  # damping at which no step is left to be taken
_NUDGE = 1e-6  # for differences


class Fit(NamedTuple):
    """The parameters, (parameters,), and the sum of squares left."""

    x: FloatArray
    cost: float


def least_squares(
    residual: Callable[[FloatArray], FloatArray],
    start: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
) -> Fit:
    """The x between `low` and `high` at which the squares of `residual(x)`, (points,), sum to least,
    as far as can be reached downhill from `start`."""
    below, above = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    x = np.clip(np.asarray(start, dtype=float), below, above)
    missed = residual(x)
    cost, damping = float(missed @ missed), 1e-3
    for _ in range(_STEPS):
        slopes = _slopes(residual, x, below, above)  # (points, parameters)
        gradient = slopes.T @ missed
        free = ~(((x <= below) & (gradient > 0)) | ((x >= above) & (gradient < 0)))
        if not free.any():
            break
        curvature = slopes[:, free].T @ slopes[:, free]
        before = cost
        while damping < _HELPLESS:
            damped = curvature + damping * np.diag(np.maximum(np.diag(curvature), 1e-300))
            moved = x.copy()
            moved[free] -= np.linalg.lstsq(damped, gradient[free], rcond=None)[0]
            moved = np.clip(moved, below, above)
            there = residual(moved)
            if (left := float(there @ there)) < cost:
                x, missed, cost, damping = moved, there, left, damping / 10
                break
            damping *= 10
        if before - cost <= 1e-15 * before:
            break
    return Fit(x, cost)


def _slopes(
    residual: Callable[[FloatArray], FloatArray], x: FloatArray, below: FloatArray, above: FloatArray
) -> FloatArray:
    """Central differences, one-sided at an edge of the box, (points, parameters)."""
    columns = []
    for i, nudge in enumerate(_NUDGE * np.maximum(np.abs(x), 1e-3)):
        less, more = x.copy(), x.copy()
        less[i], more[i] = max(below[i], x[i] - nudge), min(above[i], x[i] + nudge)
        columns.append((residual(more) - residual(less)) / (more[i] - less[i]))
    return np.stack(columns, axis=1)
