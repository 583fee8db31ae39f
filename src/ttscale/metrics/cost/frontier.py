"""What accuracy can be bought at each cost, when every question may choose its setting.

Kinetics, arXiv:2506.05333: for each cost level, take per question the best accuracy among settings
it can afford there, average over questions, and then the best model. An oracle's envelope: knowing
which setting is best for a question takes its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The oracle envelope.

    Attributes:
        levels: costs, (levels,).
        accuracy: of the best model at each, (levels,).
        model: that model's name at each; the earlier of equals.
        by_model: name -> accuracy, (levels,).
    """

    levels: FloatArray
    accuracy: FloatArray
    model: tuple[str, ...]
    by_model: Mapping[str, FloatArray]


def oracle_envelope(models: Mapping[str, tuple[ArrayLike, ArrayLike]], levels: ArrayLike) -> Envelope:
    """The envelope of several models.

    Args:
        models: name -> (cost, accuracy), both (settings, questions).
        levels: cost levels, (levels,). A question that can afford nothing counts 0.
    """
    grid = np.asarray(levels, dtype=float)
    by_model = {name: _best(np.asarray(c), np.asarray(a), grid) for name, (c, a) in models.items()}
    table = np.array(list(by_model.values()))  # (models, levels)
    names = list(by_model)
    best = table.argmax(axis=0)
    return Envelope(grid, table.max(axis=0), tuple(names[i] for i in best), by_model)


def pareto(cost: ArrayLike, value: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other point beats, (points,): none is as cheap and better, or as good and
    cheaper."""
    c, v = np.asarray(cost, dtype=float), np.asarray(value, dtype=float)
    better = (c[None] <= c[:, None]) & (v[None] >= v[:, None])
    strictly = (c[None] < c[:, None]) | (v[None] > v[:, None])
    return np.logical_not((better & strictly).any(axis=1))


def _best(cost: FloatArray, accuracy: FloatArray, levels: FloatArray) -> FloatArray:
    affordable = cost[None] <= levels[:, None, None]  # (levels, settings, questions)
    best: FloatArray = np.where(affordable, accuracy[None], 0.0).max(axis=1).mean(axis=1)
    return best
