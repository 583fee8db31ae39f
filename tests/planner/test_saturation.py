"""Saturating curves: reference points, brute force, recovery of the truth, and where they fail."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import UsageError
from ttscale.metrics.accuracy.transitions import transition_rates
from ttscale.planner import inference_factor, saturation_point
from ttscale.planner.saturation import (
    Curve,
    budgets,
    fit,
    hit_curve,
    observed_saturation,
    spread_success,
    success,
    useful_epsilon,
    with_losses,
)

N = np.arange(1, 33)


@pytest.mark.parametrize(
    ("p", "hundredth", "thousandth"), [(0.05, 32, 77), (0.1, 22, 44), (0.3, 10, 16), (0.5, 6, 9)]
)
def test_reference_points(p, hundredth, thousandth):
    assert saturation_point(p, 0.01) == hundredth
    assert saturation_point(p, 0.001) == thousandth


@given(st.floats(0.01, 0.99), st.sampled_from([1e-1, 1e-2, 1e-3, 1e-4]), st.floats(0.05, 1))
def test_the_closed_form_is_the_first_small_gain(p, epsilon, ceiling):
    n = 0
    while ceiling * p * (1 - p) ** n > epsilon:
        n += 1
    assert saturation_point(p, epsilon, ceiling) == n
    assert useful_epsilon(p, n, ceiling) == pytest.approx(success(n + 1, p, ceiling) - success(n, p, ceiling))


def test_edges():
    assert saturation_point(1, 0.01) == 1
    assert saturation_point(0, 0.01) == 0
    assert saturation_point(0.5, 0.01, ceiling=0) == 0
    assert saturation_point(0.001, 0.01) == 0  # very small p buys nothing, as large p does
    for bad in ({"p": 2, "epsilon": 0.1}, {"p": 0.5, "epsilon": 0}):
        with pytest.raises(UsageError):
            saturation_point(**bad)


def test_a_point_at_its_boundary():
    assert saturation_point(0.25, 0.25) == 0
    assert saturation_point(0.25, 0.25 * 0.75) == 1  # the second unit gains just that
    assert saturation_point(0.5, 0.125, ceiling=0.5) == 1
    for bad in (
        {"p": -0.1, "epsilon": 0.1},
        {"p": 0.5, "epsilon": -0.1},
        {"p": 0.5, "epsilon": 0.1, "ceiling": 1.1},
        {"p": 0.5, "epsilon": 0.1, "ceiling": -0.1},
    ):
        with pytest.raises(UsageError):
            saturation_point(**bad)
    assert observed_saturation([0.5, 0.75, 0.75], 0.25) == 1
    assert observed_saturation([0.25], 0.25) == 0
    assert budgets([0.5, 0.5], 0.1).tolist() == [3, 3]
    assert useful_epsilon(0.5, 2) == 0.125


@pytest.mark.parametrize(
    ("rmse", "first_error", "good"),
    [(0.01, 0.03, True), (0.01, -0.03, True), (0.0101, 0, False), (0, 0.0301, False), (0, -0.0301, False)],
)
def test_a_good_fit_is_near_everywhere_and_at_one_sample(rmse, first_error, good):
    assert Curve(1.0, 0.5, rmse, first_error, 8).good is good


@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.01, 0.002])
def test_a_spread_saturates_at_its_first_small_gain(epsilon):
    curve = Curve(0.9, 1 / 3, 0.0, 0.0, 8, 0.4, 0.8)
    gains = np.diff(0.9 * spread_success(np.arange(2000), 0.4, 0.8))
    assert curve.at([0, 5]) == pytest.approx(0.9 * spread_success([0, 5], 0.4, 0.8))
    assert curve.saturation(epsilon) == int(np.flatnonzero(gains <= epsilon)[0])
    assert curve.saturation(1e-12, most=64) == 64


def test_a_fit_tells_how_far_it_is_off():
    curve = fit([0.5, 0.6, 0.9, 0.9])
    misses = curve.at([1, 2, 3, 4]) - np.array([0.5, 0.6, 0.9, 0.9])
    assert curve.rmse == pytest.approx(np.sqrt((misses**2).mean()))
    assert (curve.first_error, curve.fitted_to) == (pytest.approx(misses[0]), 4)
    assert fit([0.5, 0.6, 0.7]).fitted_to == 3
    assert fit([0.5, 0.6, 0.7, 0.75], spread=True).fitted_to == 4
    with pytest.raises(UsageError, match="3 points"):
        fit([0.5, 0.6, 0.7], spread=True)
    nothing = fit([0.0] * 4, spread=True)
    assert (nothing.ceiling, nothing.p, nothing.fitted_to, nothing.at(9), nothing.good) == (0, 0, 4, 0, True)
    assert hit_curve([(8, 4)], most=2) == pytest.approx([1 / 2, 11 / 14])
    assert len(hit_curve([(8, 4), (5, 1)])) == 5


def test_samples_and_absorbing_rounds_have_one_curve_and_simulation_follows_it():
    p, runs = 0.2, 4000
    rng = np.random.default_rng(0)
    right = rng.random((runs, 12)) < p
    hits = np.maximum.accumulate(right, axis=1).mean(axis=0)
    n = np.arange(1, 13)
    # five standard errors of a proportion at twelve points: false alarm below 1 in 10^5
    assert hits == pytest.approx(success(n, p), abs=5 * 0.5 / np.sqrt(runs))
    assert with_losses(n, p, 0.0) == pytest.approx(success(n, p))


def test_rounds_that_lose_answers_tend_to_their_balance():
    assert with_losses(1000, 0.2, 0.38) == pytest.approx(0.2 / 0.58)
    rates = transition_rates([[False, True, False], [True, True, True]])
    assert rates == (1.0, pytest.approx(1 / 3))
    assert with_losses(5, 0, 0, start=0.3) == 0.3


@pytest.mark.parametrize(("p", "ceiling"), [(0.1, 0.8), (0.3, 0.5), (0.6, 1.0)])
def test_a_fit_recovers_the_truth(p, ceiling):
    curve = fit(success(N, p, ceiling))
    assert (curve.p, curve.ceiling) == pytest.approx((p, ceiling), abs=1e-4)
    assert curve.good
    assert curve.saturation(0.01) == saturation_point(p, 0.01, ceiling)


def test_one_p_sells_the_tail_of_a_spread_short_and_says_so():
    measured = spread_success(N[:8], 0.4, 0.8)
    one, spread = fit(measured), fit(measured, spread=True)
    assert not one.good
    assert spread.good
    assert (spread.a, spread.b, spread.p) == pytest.approx((0.4, 0.8, 1 / 3), rel=1e-2)
    later = spread_success(64, 0.4, 0.8)
    assert one.at(64) < later - 0.02
    assert spread.at(64) == pytest.approx(later, abs=1e-3)
    assert one.saturation(0.005) < spread.saturation(0.005)


def test_what_four_samples_show_predicts_eight_where_p_may_spread():
    rng = np.random.default_rng(3)
    counts = [(8, int(c)) for c in rng.binomial(8, rng.beta(0.5, 0.5, 4000))]
    measured = hit_curve(counts)
    spread, one = fit(measured[:4], spread=True), fit(measured[:4])
    assert spread.at(8) == pytest.approx(measured[-1], abs=0.01)
    assert one.at(8) < measured[-1] - 0.02


def test_budgets_of_their_own_reach_the_same_coverage_with_fewer_samples():
    rates = np.random.default_rng(1).beta(0.5, 0.5, 2000)
    own = budgets(rates, 0.02)
    covered = (1 - (1 - rates) ** own).mean()
    common = next(n for n in range(1, 1000) if (1 - (1 - rates) ** n).mean() >= covered)
    assert own.mean() < common
    assert budgets([0.05, 0.9], 0.01).tolist() == [32, 2]
    assert budgets([0.05, 0.9], 0.01, most=20).tolist() == [20, 2]


def test_the_measured_curve_is_pass_at_n_and_saturates_where_it_flattens():
    curve = hit_curve([(8, 8), (8, 0), (8, 4)])
    assert curve[0] == pytest.approx(0.5)
    assert curve[-1] == pytest.approx(2 / 3)
    assert hit_curve([(4, 2), (8, 4)]) == pytest.approx(
        [1 / 2, (5 / 6 + 11 / 14) / 2, (1 + 13 / 14) / 2, (2 - 1 / 70) / 2]
    )
    assert observed_saturation([0.5, 0.6, 0.605], 0.01) == 2
    assert observed_saturation([0.5, 0.6], 0.01) is None
    assert fit([0.0, 0.0, 0.0]).saturation(0.01) == 0
    with pytest.raises(UsageError):
        fit([0.5, 0.6])
    with pytest.raises(UsageError):
        hit_curve([(0, 0)])


@pytest.mark.parametrize(("ratio", "factor"), [(0.16, 257.75), (0.79, 63.37), (22, 15.77)])
def test_the_exchange_with_a_model_fourteen_times_as_large(ratio, factor):
    assert round(inference_factor(14, ratio), 2) == factor


def test_an_equal_model_exchanges_one_to_one():
    assert inference_factor(1, 5) == 1
    for size, ratio in ((14, 0), (14, -1), (0.9, 5)):
        with pytest.raises(UsageError):
            inference_factor(size, ratio)
