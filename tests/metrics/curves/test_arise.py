"""ARISE: worked values, symmetries, what a slope cannot see, and what noise does to it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import UsageError
from ttscale.metrics.curves.arise import arise, flows, stability
from ttscale.metrics.curves.scaling import end_to_end_slope

DOUBLING = [1000, 2000, 4000]


@pytest.mark.parametrize(
    ("accuracy", "tokens", "score"),
    [
        ([0, 1], [1000, 2000], 0.5),
        ([1, 0], [1000, 2000], -2),
        ([0, 1, 0], DOUBLING, -1.5),
        ([0, 1, 1], DOUBLING, 0.5),
        ([1, 1, 1], DOUBLING, 0),
        ([0, 1], [1000, 500], 2),
        ([1, 0], [1000, 500], -0.5),
        ([1], [1000], 0),
    ],
)
def test_worked_values(accuracy, tokens, score):
    assert arise([accuracy], [tokens]).value == score


paths = st.integers(2, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 1), min_size=n, max_size=n), st.lists(st.floats(1, 1e5), min_size=n, max_size=n)
    )
)


@given(paths)
def test_time_reversal_negates_and_scaling_all_tokens_changes_nothing(path):
    a, t = np.array([path[0]]), np.array([path[1]])
    value = arise(a, t).value
    assert arise(a[:, ::-1], t[:, ::-1]).value == pytest.approx(-value, rel=1e-9, abs=1e-9)
    assert arise(a, 7 * t).value == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(paths, st.integers(0, 4))
def test_a_level_like_its_neighbour_adds_nothing(path, place):
    a, t = path
    place = min(place, len(a) - 1)
    longer = (a[: place + 1] + a[place:], t[: place + 1] + t[place:])
    assert arise([longer[0]], [longer[1]]).value == pytest.approx(arise([a], [t]).value, abs=1e-9)


@given(paths)
def test_at_equal_tokens_only_the_ends_count(path):
    a = path[0]
    equal = [[500.0] * len(a)]
    assert arise([a], equal).value == pytest.approx(a[-1] - a[0], abs=1e-12)


def test_sets_of_items_put_together_give_the_weighted_mean():
    rng = np.random.default_rng(0)
    a, t = rng.random((30, 4)), rng.integers(1, 1000, (30, 4))
    parts = arise(a[:10], t[:10]).value * 10 + arise(a[10:], t[10:]).value * 20
    assert arise(a, t).value == pytest.approx(parts / 30)


def test_two_models_with_one_slope_differ_where_one_of_them_loses_items():
    tokens = np.tile([1000.0, 2000.0], (100, 1))
    steady, shaky = np.zeros((100, 2)), np.zeros((100, 2))
    steady[:40] = shaky[:40] = 1
    steady[40:50, 1] = 1  # +10
    shaky[40:60, 1], shaky[:10, 1] = 1, 0  # +20, -10
    slopes = [end_to_end_slope(tokens.mean(axis=0), m.mean(axis=0)) for m in (steady, shaky)]
    assert slopes[0] == slopes[1] > 0
    assert arise(steady, tokens).value == pytest.approx(0.05)
    assert arise(shaky, tokens).value == pytest.approx(-0.1)
    told = flows(shaky, tokens)
    assert (told.gained, told.lost, told.mixed) == (20, 10, 0)
    assert (told.always_right, told.always_wrong, told.unmoved) == (30, 40, 0)
    assert (told.loss_mean, told.loss_ratio, told.severe) == (1, 2, 10)
    # a loss at one and a half times the tokens is not yet severe
    assert [flows([[1, 0]], [[1000, now]]).severe for now in (1500, 1501)] == [0, 1]


def test_items_are_told_apart_by_where_they_move():
    paths = [
        [0, 0.5, 0.25],
        [0.5, 0.5, 0.5],
        [0, 1, 1],
        [1, 0.5, 0.5],
        [1, 1, 1],
        [0, 0, 0],
        [0, math.nan, 1],
    ]
    told = flows(paths, [[10, 20, 40]] * 7)
    assert (told.gained, told.lost, told.mixed, told.unmoved) == (1, 1, 1, 1)
    assert (told.always_right, told.always_wrong) == (1, 1)
    assert told.accuracy == pytest.approx((2.5 / 6, 3.5 / 6, 3.25 / 6))
    assert told.tokens == (10, 20, 40)
    assert (told.loss_mean, told.loss_ratio) == ((0.25 + 0.5) / 2, 2)
    # a loss at a token count of 0 has a size but no ratio, and one token is a count
    for tokens, ratio in (([0, 1], None), ([1, 0], None), ([1, 1], 1)):
        told = flows([[1, 0]], [tokens])
        assert (told.lost, told.loss_mean, told.loss_ratio) == (1, 1, ratio)
    told = flows([[0, 1]], [[10, 20]])
    assert (told.loss_mean, told.loss_ratio, told.severe) == (None, None, 0)


def test_noise_is_penalised_by_its_closed_form_and_repeats_shrink_it():
    # symmetric delta, tokens doubling: E = -(2 - 1/2) / 2 E|delta|
    rng = np.random.default_rng(1)
    tokens = np.tile([1.0, 2.0], (40_000, 1))
    values = []
    for runs in (1, 4, 16):
        noisy = rng.binomial(runs, 0.5, (40_000, 2)) / runs
        delta = np.abs(np.diff(noisy, axis=1)).mean()
        # a deviation of five standard errors: false alarm below 1 in 10^6
        values.append(arise(noisy, tokens).value)
        assert values[-1] == pytest.approx(-0.75 * delta, abs=5 * 1.3 / 200)
    assert values == sorted(values)


def test_missing_runs_drop_the_item_and_bad_tokens_the_transition():
    found = arise([[0, 1], [0, math.nan], [0, 1]], [[10, 20], [10, 20], [0, 20]])
    assert (found.value, found.dropped, found.skipped) == (0.25, 1, 1)
    assert math.isnan(found.items[1])
    assert math.isnan(arise(np.zeros((0, 3)), np.zeros((0, 3))).value)
    assert math.isnan(arise(np.zeros((0, 1)), np.zeros((0, 1))).value)
    one = arise([[1], [math.nan]], [[10], [10]])
    assert (one.value, one.items[0], one.dropped, one.skipped) == (0, 0, 1, 0)
    # a transition needs tokens on both sides; one is enough
    assert [arise([[0, 1]], [t]).skipped for t in ([0, 1], [1, 0], [-1, 1], [1, 1])] == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("accuracy", "tokens"),
    [([[0, 1]], [[1, 2, 3]]), ([[0, 50]], [[1, 2]]), ([[0, 1], [1]], [[1, 2], [1]]), ([0], [1])],
)
def test_bad_input_is_refused(accuracy, tokens):
    with pytest.raises(UsageError):
        arise(accuracy, tokens)


def test_stability_is_the_spread_over_repeats():
    told = stability([1.0, 2.0, 3.0])
    assert (told.mean, told.std, told.cv) == (2, 1, 0.5)
    assert stability([0.0, 0.0]).cv == 0
    assert stability([-1.0, 1.0]).cv == math.inf
    assert (stability([-4.0, -2.0]).mean, stability([-4.0, -2.0]).cv) == (-3, pytest.approx(math.sqrt(2) / 3))
    assert (stability([2.0]).std, stability([2.0]).cv) == (0, 0)
