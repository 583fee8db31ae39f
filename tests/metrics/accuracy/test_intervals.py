"""Intervals against scipy, against simulation, and in the cases where a formula usually breaks."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from ttscale.metrics import accuracy_interval, paired_difference, sign_flip_p, wilson
from ttscale.metrics.accuracy.intervals import Difference


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(case):
    right, n = case
    low, high = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((low, high), abs=1e-12)


def test_without_observations_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)
    assert accuracy_interval({}) is None
    assert accuracy_interval({"q": (0, 0)}) is None
    assert paired_difference({"a": (1, 1)}, {"b": (1, 1)}) is None


def test_one_grade_a_question_is_a_plain_proportion():
    graded = {str(i): (int(i < 27), 1) for i in range(30)}
    low, high = binomtest(27, 30).proportion_ci(method="wilson")
    assert accuracy_interval(graded) == pytest.approx((low, high))


def test_repeats_that_always_agree_count_as_one_observation():
    once = {str(i): (int(i < 20), 1) for i in range(30)}
    eight = {q: (8 * right, 8) for q, (right, _) in once.items()}
    low, high = accuracy_interval(eight)
    assert low <= accuracy_interval(once)[0]
    assert high >= accuracy_interval(once)[1]
    assert high - low == pytest.approx(np.diff(accuracy_interval(once))[0], rel=0.1)


def test_repeats_without_a_question_effect_count_in_full():
    rng = np.random.default_rng(0)
    graded = {str(i): (int(rng.binomial(8, 0.5)), 8) for i in range(400)}
    low, high = accuracy_interval(graded)
    full = wilson(sum(r for r, _ in graded.values()), 3200)
    assert high - low == pytest.approx(full[1] - full[0], rel=0.15)


def test_repeats_have_the_effective_number_that_their_clustered_error_gives():
    graded = {"a": (3, 4), "b": (1, 2), "c": (0, 3), "d": (2, 3)}
    p = 6 / 12
    squares = (3 - 4 * p) ** 2 + (1 - 2 * p) ** 2 + (0 - 3 * p) ** 2 + (2 - 3 * p) ** 2
    effective = p * (1 - p) / (4 / 3 * squares / 12**2)
    assert 4 < effective < 12
    expected = wilson(p * effective, effective, z=t.ppf(0.975, 3))
    assert accuracy_interval(graded) == pytest.approx(expected)
    # never fewer than the questions, never more than the grades
    split = {"a": (4, 4), "b": (0, 4)}
    assert accuracy_interval(split) == pytest.approx(wilson(1, 2, z=t.ppf(0.975, 1)))
    alike = {"a": (2, 4), "b": (2, 4), "c": (2, 4)}
    assert accuracy_interval(alike) == pytest.approx(wilson(6, 12, z=t.ppf(0.975, 2)))
    assert accuracy_interval({"a": (2, 4)}) == pytest.approx(wilson(0.5, 1))
    assert accuracy_interval({"a": (0, 4), "b": (0, 2)}) == pytest.approx(wilson(0, 2))


def test_all_right_is_not_certain():
    low, high = accuracy_interval({str(i): (8, 8) for i in range(30)})
    assert high == pytest.approx(1.0)
    assert low == pytest.approx(wilson(30, 30)[0])


@pytest.mark.parametrize(("questions", "repeats", "spread"), list(product((30, 200), (1, 8), (0.5, 5))))
def test_the_interval_covers_what_it_should(questions, repeats, spread):
    # Wilson's own coverage of 0.7 at n = 30 is 0.930: below 0.9 in one of 10,000 such simulations
    rng = np.random.default_rng(questions * repeats)
    truth, covered = 0.7, 0
    for _ in range(1000):
        ease = rng.beta(truth * spread, (1 - truth) * spread, questions)
        right = rng.binomial(repeats, ease)
        low, high = accuracy_interval({str(i): (int(r), repeats) for i, r in enumerate(right)})
        covered += low <= truth <= high
    assert covered / 1000 >= 0.9


@pytest.mark.parametrize(("questions", "repeats"), [(30, 1), (30, 8), (200, 1)])
def test_the_paired_interval_covers_what_it_should(questions, repeats):
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(250):
        ease = rng.beta(1.4, 0.6, questions)
        first = rng.binomial(repeats, np.minimum(1, ease + 0.1 * (ease < 0.9)))
        second = rng.binomial(repeats, ease)
        grades = [{str(i): (int(r), repeats) for i, r in enumerate(x)} for x in (first, second)]
        gap = paired_difference(*grades)
        covered += gap.low <= TRUE_GAP <= gap.high
    assert covered / 250 >= 0.9


def _true_gap() -> float:
    ease = np.random.default_rng(1).beta(1.4, 0.6, 2_000_000)
    return float(np.mean(0.1 * (ease < 0.9)))


TRUE_GAP = _true_gap()


def test_the_p_value_is_mcnemars():
    wins, losses = 9, 2
    grades = [(1, 0)] * wins + [(0, 1)] * losses + [(1, 1)] * 30
    first = {str(i): (a, 1) for i, (a, _) in enumerate(grades)}
    second = {str(i): (b, 1) for i, (_, b) in enumerate(grades)}
    gap = paired_difference(first, second)
    assert gap.p == pytest.approx(binomtest(wins, wins + losses).pvalue)
    assert gap.value == pytest.approx(7 / 41)
    assert gap.low < gap.value < gap.high


def test_flipped_signs_of_means_agree_with_all_flips_counted():
    gaps = [0.5, 0.25, -0.125, 0.75, 0.125, 0.5, -0.25, 0.375, 0.0]
    moved = [g for g in gaps if g]
    observed = abs(sum(moved))
    sums = [abs(sum(s * g for s, g in zip(signs, moved))) for signs in product((1, -1), repeat=8)]
    exact = np.mean([s >= observed - 1e-12 for s in sums])
    # 20,000 flips: a standard error below 0.0024
    assert sign_flip_p(gaps) == pytest.approx(exact, abs=0.01)


def test_a_sum_that_no_flip_reaches_is_told_as_one_of_the_flips():
    assert sign_flip_p(np.arange(1.0, 41.0)) == 1 / 20_001
    assert sign_flip_p([0.0, 0.0]) == sign_flip_p([]) == 1.0
    assert sign_flip_p([0.5, -0.5]) == 1.0  # as often as not


def test_methods_that_always_agree_still_have_an_interval():
    grades = {str(i): (int(i % 3 > 0), 1) for i in range(30)}
    gap = paired_difference(grades, grades)
    assert (gap.value, gap.p) == (0.0, 1.0)
    assert gap.low == -gap.high < 0
    assert math.isclose(gap.high, 1.959964 * math.sqrt(2 / 32 / 32), rel_tol=1e-6)


def test_swapping_the_methods_turns_the_sign():
    rng = np.random.default_rng(3)
    one, two = ({str(i): (int(rng.integers(0, 9)), 8) for i in range(40)} for _ in range(2))
    there, back = paired_difference(one, two), paired_difference(two, one)
    assert there.value == -back.value
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_only_common_questions_are_compared():
    gap = paired_difference({"a": (1, 1), "b": (0, 1), "c": (0, 0)}, {"a": (0, 1), "c": (1, 1)})
    assert (gap.questions, gap.value, gap.high) == (1, 1.0, 1.0)
    back = paired_difference({"a": (0, 1)}, {"a": (1, 1)})
    assert (back.value, back.low) == (-1.0, -1.0)


def test_a_difference_is_clear_where_its_interval_leaves_out_zero():
    assert Difference(0.2, 0.1, 0.3, 0.0, 9).clear
    assert Difference(-0.2, -0.3, -0.1, 0.0, 9).clear
    assert not Difference(0.1, 0.0, 0.3, 0.0, 9).clear
    assert not Difference(-0.1, -0.3, 0.0, 0.0, 9).clear
