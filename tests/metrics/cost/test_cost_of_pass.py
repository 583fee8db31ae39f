"""Cost-of-pass in closed form, by simulation, and as a rule for choosing; E3 beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import UsageError
from ttscale.metrics import e3
from ttscale.metrics.accuracy.intervals import wilson
from ttscale.metrics.cost.cost_of_pass import (
    Setting,
    cheapest,
    cost_of_pass,
    interval,
    marginal_cost,
    with_oracle,
)


def test_it_is_the_expected_cost_until_the_first_success():
    # sum over n of n C R (1 - R)^(n - 1) = C / R
    series = sum(n * 0.5 * 0.3 * 0.7 ** (n - 1) for n in range(1, 400))
    assert cost_of_pass(0.5, 0.3) == pytest.approx(series)
    assert cost_of_pass(0.52, 0.5333) == pytest.approx(0.975, abs=1e-3)  # as published: 0.98
    assert cost_of_pass(1, 0) == math.inf
    assert (cost_of_pass(0, 0.5), cost_of_pass(3, 1)) == (0, 3)
    for cost, success in ((-0.1, 0.5), (1, -0.1), (1, 1.1)):
        with pytest.raises(UsageError):
            cost_of_pass(cost, success)


@given(st.floats(1e-3, 10), st.floats(1e-6, 1), st.integers(1, 64))
def test_parallel_attempts_never_make_a_pass_cheaper(cost, success, n):
    assert with_oracle(cost, success, n) >= cost_of_pass(cost, success) * (1 - 1e-9)


def test_they_cost_the_same_only_where_success_is_rare():
    assert with_oracle(1, 0.5, 4) == pytest.approx(4 / (1 - 0.5**4))
    assert with_oracle(2, 1, 4) == 8
    assert with_oracle(1, 1e-9, 8) == pytest.approx(1e9, rel=1e-7)
    # a judge that picks the right one with 0.8 makes it dearer still
    assert cost_of_pass(4, 0.8 * (1 - 0.5**4)) > with_oracle(1, 0.5, 4)


def test_the_interval_holds_the_value_and_narrows_with_questions():
    rng = np.random.default_rng(0)
    widths = []
    for n in (50, 800):
        costs, right = rng.exponential(1, n), rng.random(n) < 0.4
        low, high = interval(costs, right)
        assert low < costs.mean() / right.mean() < high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_the_interval_leaves_a_fortieth_of_the_resamples_outside_on_either_side():
    costs, right = np.array([1.0, 5.0, 2.0, 9.0, 4.0]), np.array([1.0, 0.5, 0.125, 1.0, 0.25])
    picks = np.random.default_rng(3).integers(0, 5, (500, 5))
    ratios = costs[picks].mean(axis=1) / right[picks].mean(axis=1)
    for level, tail in ((0.95, 0.025), (0.5, 0.25)):
        low, high = interval(costs, right, level=level, resamples=500, seed=3)
        assert low == np.quantile(ratios, tail, method="lower")
        assert high == np.quantile(ratios, 1 - tail, method="higher")
    # what is always wrong but for a half is no certainty
    assert interval([7.0] * 9, [0.5] * 9) == (14, 14)


@pytest.mark.parametrize("n", [1, 4, 20, 500])
def test_all_right_or_none_leaves_the_accuracy_open_as_far_as_its_interval(n):
    least, most = wilson(n, n)
    assert interval([7.0] * n, [1.0] * n) == pytest.approx((7.0 / most, 7.0 / least))
    low, high = interval([7.0] * n, [0.0] * n)
    assert (low, high) == (pytest.approx(7.0 / (1 - least)), math.inf)


@pytest.mark.parametrize(
    ("costs", "right"), [(1.0, 1.0), ([], []), ([1.0], [1.0, 0.0]), ([[1.0, 2.0]], [[1.0, 0.0]])]
)
def test_costs_and_successes_have_to_be_one_of_each_a_question(costs, right):
    with pytest.raises(UsageError):
        interval(costs, right)


def test_marginal_cost_reproduces_the_published_step():
    # two steps of Reflexion bought the same four points: 325.5 - 56.0 s against 25.6 - 16.9 s
    first, second = marginal_cost([16.9, 25.6], [0, 4])[0], marginal_cost([56.0, 325.5], [0, 4])[0]
    assert second / first == pytest.approx(31.0, abs=0.05)
    assert marginal_cost([1, 2, 2], [0.5, 0.5, 0.5])[0] == math.inf
    assert math.isnan(marginal_cost([1, 2, 2], [0.5, 0.5, 0.5])[1])


def test_the_choice_is_the_cheapest_pass_that_does_not_lose_too_much():
    settings = {
        "big": Setting(0.62, 2.2, 165),
        "middling": Setting(0.60, 0.6, 165),
        "tiny": Setting(0.18, 0.02, 165),
    }
    assert cheapest(settings) == "middling"
    assert cheapest(settings, tolerance=0) == "big"
    # a standard error of .62 over 165 questions is .0378
    for accuracy, chosen in ((0.5825, "near"), (0.582, "big")):
        near = {"big": settings["big"], "near": Setting(accuracy, 0.1, 10)}
        assert cheapest(near) == chosen
    assert cheapest(settings, tolerance=1) == "tiny"
    # an attempt of the small one costs less, a pass more
    assert cheapest({"small": Setting(0.5, 0.9, 100), "large": Setting(0.62, 1, 100)}, tolerance=1) == "large"
    with pytest.raises(UsageError):
        cheapest({})


def test_e3_squares_the_accuracy_and_halves_when_tokens_double():
    assert e3(0.5, 1000) == 2.5
    assert e3(0.5, 2000) == e3(0.5, 1000) / 2
    assert e3(0, 1000) == 0
    assert math.isnan(e3(0, 0))
    for accuracy, tokens in ((50, 1000), (-0.5, 1000), (0.5, -1)):
        with pytest.raises(UsageError):
            e3(accuracy, tokens)
