"""Bins, the choice of strategies, and that nothing leaks from one fold into the other."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import UsageError
from ttscale.methods.routing.difficulty import quantile_cuts
from ttscale.planner import Difficulty, best_strategy, fit_bins, fit_mean, match, quantile_bins, two_fold
from ttscale.planner.compute_optimal import _folds, _hull, in_sample


@given(st.lists(st.floats(0, 1), min_size=5, max_size=60), st.integers(1, 5))
def test_bins_are_equal_within_one_and_the_first_is_the_easiest(rates, bins):
    found = quantile_bins(rates, bins)
    sizes = np.bincount(found, minlength=bins + 1)[1:]
    assert sizes.max() - sizes.min() <= 1
    easiest = [[r for r, b in zip(rates, found, strict=True) if b == n] for n in range(1, bins + 1)]
    for higher, lower in pairwise(easiest):
        assert min(higher) >= max(lower)


def test_more_bins_than_questions_are_refused():
    with pytest.raises(UsageError):
        quantile_bins([0.5, 0.5], 3)


def test_cuts_put_every_score_where_the_quantiles_do():
    scores = np.linspace(0, 1, 20)
    rule = Difficulty(kind="reward", pilot=4, cuts=quantile_cuts(scores, 5))
    assert [rule.bin_of(s) for s in scores] == quantile_bins(scores, 5).tolist()


def test_equal_scores_share_a_bin():
    cuts = quantile_cuts([1.0] * 6 + [0.5] * 4, 5)
    assert cuts == (1.0,)
    rule = Difficulty(kind="agreement", pilot=4, cuts=cuts)
    assert (rule.bin_of(1.0), rule.bin_of(0.5), rule.bin_of(0.0)) == (1, 2, 2)
    assert quantile_cuts([0.3] * 5, 5) == ()


# accuracy of three strategies in five bins; no column has the same winner as its neighbour
TABLE = np.array([[0.9, 0.2, 0.5, 0.1, 0.05], [0.8, 0.6, 0.3, 0.4, 0.0], [0.7, 0.1, 0.2, 0.0, 0.3]])


def drawn(table, per_bin, seed):
    """Trials of a table of accuracies: (right, cost, bins, questions)."""
    bins = np.repeat(np.arange(1, table.shape[1] + 1), per_bin)
    rng = np.random.default_rng(seed)
    right = (rng.random((len(table), len(bins))) < table[:, bins - 1]).astype(float)
    return right, np.ones_like(right), bins, np.arange(len(bins))


def test_the_router_recovers_the_best_strategy_of_each_bin():
    right, cost, bins, questions = drawn(TABLE, 2000, 0)
    assert fit_bins(right, cost, bins, 1, 5) == [0, 1, 0, 1, 2]
    routed = two_fold(right, cost, bins, questions, 1, 5)
    assert routed.accuracy == pytest.approx(TABLE.max(axis=0).mean(), abs=0.02)
    single = two_fold(right, cost, np.ones_like(bins), questions, 1, 1)
    assert routed.accuracy > single.accuracy


def test_on_pure_noise_two_folds_score_lower_than_the_sample():
    noise = np.full((8, 5), 0.5)
    for seed in range(5):
        right, cost, bins, questions = drawn(noise, 20, seed)
        chosen = fit_bins(right, cost, bins, 1, 5)
        lucky = in_sample(right, cost, bins, chosen).accuracy
        honest = two_fold(right, cost, bins, questions, 1, 5, splits=5).accuracy
        assert honest < lucky
        # 100 trials at 1/2: five standard errors
        assert honest == pytest.approx(0.5, abs=0.25)


def test_repeats_of_a_question_stay_on_one_side():
    # one question per strategy that only it answers: what is learnt there must not help there
    right = np.kron(np.eye(4), np.ones((1, 6)))
    questions = np.repeat(np.arange(4), 6)
    ones = np.ones(24, dtype=int)
    assert two_fold(right, np.ones_like(right), ones, questions, 1, 1, splits=8).accuracy == 0
    with pytest.raises(UsageError):
        two_fold(right[:, :6], right[:, :6], ones[:6], questions[:6], 1, 1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(1, 3), st.integers(0, 9))
def test_every_bin_is_halved_and_so_are_all_questions_together(sizes, repeats, seed):
    bins = np.repeat(np.arange(len(sizes)) + 1, sizes)
    questions = np.arange(len(bins))
    side = _folds(np.repeat(bins, repeats), np.repeat(questions, repeats), np.random.default_rng(seed))
    first = side[::repeats]
    assert (side == np.repeat(first, repeats)).all()
    for here in (bins == bins, *(bins == b for b in bins)):
        assert abs(here.sum() - 2 * first[here].sum()) <= 1


def test_a_question_whose_trials_fall_into_several_bins_belongs_to_the_first():
    # question 0 is in bin 1 by its first trial, so bin 2 holds 1 and 2: these are on two sides
    bins, questions = np.array([1, 2, 2, 2, 1]), np.array([0, 0, 1, 2, 2])
    for seed in range(8):
        side = _folds(bins, questions, np.random.default_rng(seed))
        assert (side[0], side[3]) == (side[1], side[4])
        assert side[2] != side[3]


def test_the_budget_is_kept_and_ties_go_to_the_cheaper():
    right = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    cost = np.array([[8.0, 8.0], [4.0, 4.0], [1.0, 1.0]])
    assert best_strategy(right, cost, 8) == 1
    assert best_strategy(right, cost, 2) == 2
    assert best_strategy(right, cost, 0.5) == 2  # nothing is affordable: the cheapest
    assert best_strategy(right, np.ones_like(cost), 8) == 0  # the one named first


def test_a_bin_without_trials_takes_what_is_best_overall():
    right, cost = np.array([[0.0, 1.0], [1.0, 1.0]]), np.ones((2, 2))
    assert fit_bins(right, cost, np.array([1, 3]), 1, 3) == [1, 1, 0]


# -- a limit for the mean of all bins


def outcome(right, cost, bins, chosen):
    judged = in_sample(right, cost, bins, chosen)
    return judged.accuracy, judged.cost


@given(st.integers(0, 10**6), st.floats(1, 9))
def test_of_a_shared_budget_nothing_better_can_be_bought_at_its_cost(seed, limit):
    rng = np.random.default_rng(seed)
    right = rng.random((4, 12))
    cost = np.repeat(rng.integers(1, 9, (4, 1)), 12, axis=1).astype(float)
    bins = rng.integers(1, 4, 12)
    accuracy, spent = outcome(right, cost, bins, fit_mean(right, cost, bins, limit, 3))
    assert spent <= max(limit, cost.min()) + 1e-9
    for chosen in product(range(4), repeat=3):
        other, price = outcome(right, cost, bins, chosen)
        if price <= spent + 1e-9:
            assert other <= accuracy + 1e-9


def test_what_easy_questions_save_is_spent_on_hard_ones():
    # bin 1 is always right; bin 2 needs the dear strategy
    bins = np.repeat([1, 2], 10)
    right = np.array([[1.0] * 10 + [0.0] * 10, [1.0] * 20])
    cost = np.array([[4.0] * 20, [16.0] * 20])
    assert fit_bins(right, cost, bins, 10, 2) == [0, 0]
    assert fit_mean(right, cost, bins, 10, 2) == [0, 1]
    assert fit_mean(right, cost, bins, 9.9, 2) == [0, 0]
    assert fit_mean(right, cost, bins, 1, 2) == [0, 0]  # nothing is affordable: the cheapest
    assert fit_mean(right, cost, np.where(bins == 2, 3, 1), 10, 3) == [0, 0, 1]


def test_of_strategies_on_one_line_only_the_ends_are_on_the_hull():
    assert _hull(np.array([0.0, 0.5, 1.0]), np.array([1.0, 2.0, 3.0])) == [0, 2]
    assert _hull(np.array([0.0, 0.6, 1.0]), np.array([1.0, 2.0, 3.0])) == [0, 1, 2]
    # of the cheapest the most accurate, of equals the first; what gains nothing is not on it
    assert _hull(np.array([0.1, 0.3, 0.3, 0.3]), np.array([1.0, 1.0, 1.0, 2.0])) == [1]


# -- matching one strategy at the least cost


def test_the_least_cost_that_matches_is_found_on_other_questions():
    bins = np.tile([1, 2], 200)
    rng = np.random.default_rng(0)
    hard = (rng.random(400) < 0.9).astype(float)
    right = np.array([np.where(bins == 1, 1.0, 0.0), np.where(bins == 1, 1.0, hard)])
    cost = np.array([[4.0] * 400, [16.0] * 400])
    found, easy = match(
        right, cost, bins, np.arange(400), [4, 8, 10, 16], 2, right[[1, 0]], cost[[1, 0]], spend="mean"
    )
    assert found.policy.accuracy == pytest.approx(found.baseline.accuracy)
    assert (found.policy.cost, found.baseline.cost) == pytest.approx((10, 16))
    assert (found.limit, found.reached) == (10, 1)
    assert (easy.policy.cost, easy.limit) == (pytest.approx(4), 4)
    (per_bin,) = match(right, cost, bins, np.arange(400), [4, 8, 10, 16], 2, right[1:], cost[1:])
    assert per_bin.policy.cost == pytest.approx(10)  # of equal accuracies the cheaper
    assert per_bin.limit == 16


def test_on_noise_nothing_is_claimed_but_the_baselines_own_accuracy():
    rng = np.random.default_rng(1)
    right = (rng.random((10, 300)) < 0.5).astype(float)
    cost = np.repeat(np.arange(1, 11)[:, None], 300, axis=1).astype(float)
    bins = np.tile([1, 2, 3], 100)
    (found,) = match(right, cost, bins, np.arange(300), list(range(1, 11)), 3, right[9:], cost[9:])
    # 300 trials at 1/2: four standard errors; chosen for luck it would be .55 and more
    assert found.policy.accuracy == pytest.approx(0.5, abs=0.116)
    assert found.policy_cost.shape == found.baseline_cost.shape == (300,)


def test_where_nothing_is_as_accurate_the_best_is_taken_and_said():
    right = np.array([[0.0] * 40, [0.5] * 40])
    cost = np.array([[4.0] * 40, [16.0] * 40])
    (found,) = match(right, cost, np.ones(40, dtype=int), np.arange(40), [4, 8], 1, right[1:], cost[1:])
    assert (found.policy.accuracy, found.reached, found.limit) == (0, 0, 4)
