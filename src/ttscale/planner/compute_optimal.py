"""The compute-optimal policy: which strategy for which difficulty at which budget.

arXiv:2408.03314, Sec. 3: theta*(d, N) = the strategy with the highest mean accuracy over validation
questions of bin d among those that cost at most N. Judged by two-fold cross-validation inside each
bin: chosen on one half of its questions, scored on the other, both ways. Equal accuracies go to the
cheaper strategy, then to the one named first (inferred).

In the paper every question gets N (`spend="bin"`): what easy ones save is lost. With `spend="mean"`
(ours) N is the mean over all questions, and goes to the bins in which a unit of it gains most.

A *trial* is one run of every strategy on one question; repeats of a question stay on one side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..core import UsageError
from ..methods.routing.policy import Spend

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Fit = Callable[[FloatArray, FloatArray, IntArray, float, int], list[int]]


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


def fit_bins(right: FloatArray, cost: FloatArray, bins: IntArray, limit: float, count: int) -> list[int]:
    """The strategy of each bin, (count,); a bin without trials takes the best of all trials."""
    overall = best_strategy(right, cost, limit)
    chosen = []
    for b in range(1, count + 1):
        here = bins == b
        chosen.append(best_strategy(right[:, here], cost[:, here], limit) if here.any() else overall)
    return chosen


def fit_mean(right: FloatArray, cost: FloatArray, bins: IntArray, limit: float, count: int) -> list[int]:
    """The strategy of each bin, (count,), at a mean cost of at most `limit` over all trials.

    From the cheapest of every bin, the step that gains most accuracy per cost, among those between
    neighbours on the bin's upper concave hull, until the next does not fit: the greedy solution,
    which no other choice of the same cost beats. A bin without trials takes the best of all trials.
    """
    overall = best_strategy(right, cost, limit)
    chosen, steps = [overall] * count, list[tuple[float, int, int, float]]()
    spent = 0.0
    for b in range(1, count + 1):
        here = bins == b
        if not here.any():
            continue
        share = float(here.mean())
        accuracy, mean = np.round(right[:, here].mean(axis=1), 12), cost[:, here].mean(axis=1)
        hull = _hull(accuracy, mean)
        chosen[b - 1] = hull[0]
        spent += share * float(mean[hull[0]])
        for low, high in pairwise(hull):
            gain, price = accuracy[high] - accuracy[low], mean[high] - mean[low]
            steps.append((-float(gain / price), b, high, share * float(price)))
    for _, b, strategy, price in sorted(steps):
        if spent + price > limit + 1e-9:
            break
        spent += price
        chosen[b - 1] = strategy
    return chosen


def _hull(accuracy: FloatArray, cost: FloatArray) -> list[int]:
    """Strategies on the upper concave hull of accuracy over cost, by rising cost: the first is the
    most accurate of the cheapest, each further one gains less per cost than the one before."""
    hull = [int(np.lexsort((np.arange(len(cost)), -accuracy, cost))[0])]
    while True:
        last = hull[-1]
        better = np.flatnonzero(accuracy > accuracy[last] + 1e-12)
        if not len(better):
            return hull
        slope = (accuracy[better] - accuracy[last]) / np.maximum(cost[better] - cost[last], 1e-12)
        hull.append(int(better[np.lexsort((better, -cost[better], -np.round(slope, 12)))[0]]))


FITS: dict[Spend, Fit] = {"bin": fit_bins, "mean": fit_mean}


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
    spend: Spend = "bin",
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
        spend: whether every bin keeps to the limit, or their mean does.

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
            chosen = FITS[spend](right[:, learn], cost[:, learn], bins[learn], limit, count)
            rows = np.asarray(chosen)[bins[test] - 1]
            scored[test] += right[rows, trials[test]] / splits
            spent[test] += cost[rows, trials[test]] / splits
    return _judged(scored, spent)


@dataclass(frozen=True, slots=True)
class Matched:
    """The least a policy needs to be as accurate as one fixed strategy, on questions it did not see.

    Attributes:
        policy, baseline: how either did, trial by trial.
        policy_cost, baseline_cost: of each trial, (trials,).
        limit: mean of the limits that were found to be enough.
        reached: share of the halves in which any limit was.
    """

    policy: Judged
    baseline: Judged
    policy_cost: FloatArray
    baseline_cost: FloatArray
    limit: float
    reached: float


def match(
    right: FloatArray,
    cost: FloatArray,
    bins: IntArray,
    questions: IntArray,
    limits: Sequence[float],
    count: int,
    goals: FloatArray,
    goal_costs: FloatArray,
    *,
    seed: int = 0,
    splits: int = 10,
    spend: Spend = "bin",
) -> list[Matched]:
    """Match fixed strategies at the least cost, honestly: on one half of the questions the smallest
    limit is found whose policy, itself judged two-fold within that half, is as accurate as the
    strategy there (the most accurate limit if none is); policy and strategy are then scored on the
    other half. Neither strategies nor limit are chosen on the questions they are scored on.

    Args:
        right: (strategies, trials).
        cost: (strategies, trials).
        bins: bin of each trial, from 1, (trials,).
        questions: number of each trial's question, (trials,).
        limits: candidates, in any order.
        count: bins there are.
        goals: what the strategies to match got right, (goals, trials); they need not be candidates.
        goal_costs: and what they cost, (goals, trials).
        seed: of the splits.
        splits: random splits to average over.
        spend: as in `two_fold`.
    """
    trials, tried = np.arange(right.shape[1]), sorted(set(limits))
    scored, spent = np.zeros(goals.shape), np.zeros(goals.shape)
    enough: list[list[float]] = [[] for _ in goals]
    reached = np.zeros(len(goals))
    rng = np.random.default_rng(seed)
    for number in range(splits):
        fold = _folds(bins, questions, rng)
        for side in (0, 1):
            learn, test = fold != side, fold == side
            known, price, place = right[:, learn], cost[:, learn], bins[learn]
            inner = [
                two_fold(
                    known,
                    price,
                    place,
                    questions[learn],
                    limit,
                    count,
                    seed=seed + number,
                    splits=4,
                    spend=spend,
                ).accuracy
                for limit in tried
            ]
            for which, wanted in enumerate(goals[:, learn].mean(axis=1) - 1e-9):
                at = next((i for i, a in enumerate(inner) if a >= wanted), int(np.argmax(inner)))
                reached[which] += inner[at] >= wanted
                enough[which].append(tried[at])
                chosen = FITS[spend](known, price, place, tried[at], count)
                rows = np.asarray(chosen)[bins[test] - 1]
                scored[which, test] += right[rows, trials[test]] / splits
                spent[which, test] += cost[rows, trials[test]] / splits
    return [
        Matched(
            _judged(scored[i], spent[i]),
            _judged(goals[i], goal_costs[i]),
            spent[i],
            goal_costs[i],
            float(np.mean(enough[i])),
            float(reached[i] / len(enough[i])),
        )
        for i in range(len(goals))
    ]


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
