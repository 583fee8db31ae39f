"""The compute-optimal policy: which strategy for which difficulty at which budget.

arXiv:2408.03314, Sec. 3: theta*(d, N) = the strategy with the highest mean accuracy over validation
questions of bin d among those that cost at most N. Judged by two-fold cross-validation inside each
bin: chosen on one half of its questions, scored on the other, both ways. Equal accuracies go to the
cheaper strategy, then to the one named first (inferred).

A *trial* is one run of every strategy on one question; repeats of a question stay on one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core import UsageError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judged:
    """How a rule for choosing did: its accuracy and mean cost, and which trials it got right.

    Attributes:
        right: share of each trial that was right, (trials,).
    """

    accuracy: float
    cost: float
    right: FloatArray


def best_strategy(right: FloatArray, cost: FloatArray, limit: float) -> int:
    """The row with the highest mean accuracy among those of mean cost at most `limit`; if none is,
    the cheapest.

    Args:
        right: (strategies, trials).
        cost: (strategies, trials).
        limit: N.
    """
    accuracy, mean = right.mean(axis=1), cost.mean(axis=1)
    affordable = mean <= limit + 1e-9
    if not affordable.any():
        return int(mean.argmin())
    # rounded, so that equal accuracies are equal however they were summed
    order = np.lexsort((np.arange(len(mean)), mean, -np.round(accuracy, 12)))
    return int(next(s for s in order if affordable[s]))


def fit_bins(
    right: FloatArray, cost: FloatArray, bins: IntArray, limit: float, count: int
) -> list[int]:
    """The strategy of each bin, (count,); a bin without trials takes the best of all trials."""
    overall = best_strategy(right, cost, limit)
    chosen = []
    for b in range(1, count + 1):
        here = bins == b
        chosen.append(
            best_strategy(right[:, here], cost[:, here], limit) if here.any() else overall
        )
    return chosen


def in_sample(right: FloatArray, cost: FloatArray, bins: IntArray, chosen: Sequence[int]) -> Judged:
    """The policy on the trials it was fitted on: too good by what was chosen for its luck."""
    rows, columns = np.asarray(chosen)[bins - 1], np.arange(right.shape[1])
    return _judged(right[rows, columns], cost[rows, columns])


def two_fold(
    right: FloatArray,
    cost: FloatArray,
    bins: IntArray,
    questions: IntArray,
    limit: float,
    count: int,
    *,
    seed: int = 0,
    splits: int = 1,
) -> Judged:
    """The policy on questions it was not fitted on.

    Args:
        right: (strategies, trials).
        cost: (strategies, trials).
        bins: bin of each trial, from 1, (trials,).
        questions: number of each trial's question, (trials,).
        limit: N.
        count: bins there are.
        seed: of the split.
        splits: random splits to average over.

    Raises:
        UsageError: if there are fewer than two questions.
    """
    if len(np.unique(questions)) < 2:
        raise UsageError("one question cannot be split in two", fix="record more questions")
    trials = np.arange(right.shape[1])
    scored, spent = np.zeros(len(trials)), np.zeros(len(trials))
    rng = np.random.default_rng(seed)
    for _ in range(splits):
        fold = _folds(bins, questions, rng)
        for side in (0, 1):
            learn, test = fold != side, fold == side
            chosen = fit_bins(right[:, learn], cost[:, learn], bins[learn], limit, count)
            rows = np.asarray(chosen)[bins[test] - 1]
            scored[test] += right[rows, trials[test]] / splits
            spent[test] += cost[rows, trials[test]] / splits
    return _judged(scored, spent)


def _folds(bins: IntArray, questions: IntArray, rng: np.random.Generator) -> IntArray:
    """Side of each trial, (trials,): every bin's questions are halved, a question on one side only;
    one whose trials fall into several bins belongs to the first."""
    side: dict[int, int] = {}
    names, first = np.unique(questions, return_index=True)
    for b in np.unique(bins[first]):
        here = rng.permutation(names[bins[first] == b])
        offset = len(side) % 2  # bins of one question alternate
        side.update({int(q): (i + offset) % 2 for i, q in enumerate(here)})
    return np.array([side[int(q)] for q in questions])


def _judged(right: FloatArray, cost: FloatArray) -> Judged:
    return Judged(float(right.mean()), float(cost.mean()), right)
