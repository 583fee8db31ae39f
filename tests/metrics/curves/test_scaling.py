"""Control, Scaling, Performance, and the efficiency of thoughts: identities and worked cases."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import UsageError
from ttscale.metrics import control, performance, scaling
from ttscale.metrics.cost.thoughts import (
    Reasoning,
    Thought,
    outcome_efficiency,
    process_efficiency,
    underthinking,
)
from ttscale.metrics.curves.scaling import controllable, end_to_end_slope, length_deviation, length_rmse


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=8, unique=True), st.floats(-5, 5))
def test_a_straight_line_scales_by_its_slope(compute, slope):
    line = [3 + slope * c for c in compute]
    assert scaling(compute, line) == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_scaling_weighs_all_pairs_alike():
    assert scaling([1, 2, 4], [0, 1, 1]) == pytest.approx((1 + 0 + 1 / 3) / 3)
    assert scaling([4, 1, 2], [1, 0, 1]) == scaling([1, 2, 4], [0, 1, 1])
    assert math.isnan(scaling([5, 5], [0, 1]))
    assert end_to_end_slope([10, 5], [0, 1]) == 0
    assert performance([0.2, 0.7, 0.5]) == 0.7


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_without_bounds_everything_is_in_control(amounts):
    assert control(amounts) == 1.0


def test_control_and_deviation():
    assert control([1, 5, 9], 2, 9) == pytest.approx(2 / 3)
    assert control([2, 5, 9, 10], 2, 9) == 0.75  # both ends are within
    assert math.isnan(control([]))
    assert length_deviation([90, 120], [100, 100]) == pytest.approx(0.15)
    assert length_rmse([90, 120], [100, 100]) == pytest.approx(math.sqrt(0.025))
    assert controllable([0.2, 0.95], [3, 10], k=10, epsilon=0.05)
    assert not controllable([0.2, 0.95], [3, 10], k=9, epsilon=0.05)
    with pytest.raises(UsageError):
        length_deviation([1], [0])


RIGHT, WRONG = Thought(10, True, "a"), Thought(30, False, "b")


def test_underthinking_is_what_came_after_a_correct_thought():
    assert underthinking([Reasoning((RIGHT, WRONG), False)]) == 0.75
    assert underthinking([Reasoning((WRONG, WRONG), False)]) == 0
    assert underthinking([Reasoning((RIGHT, WRONG), False), Reasoning((WRONG,), False)]) == 0.375
    assert math.isnan(underthinking([Reasoning((RIGHT,), True)]))


def test_outcome_efficiency_is_one_where_the_first_solution_ends_the_answer():
    assert outcome_efficiency([Reasoning((WRONG, RIGHT), True)]) == 1
    assert outcome_efficiency([Reasoning((RIGHT, RIGHT), True, tail=20)]) == 0.25
    assert outcome_efficiency([Reasoning((WRONG,), False)]) == 0
    # an answer of one token counts, one of none does not
    brief, empty = Reasoning((Thought(1, True),), False), Reasoning((), False)
    assert outcome_efficiency([brief, empty]) == process_efficiency([brief, empty]) == 1
    assert underthinking([brief, empty]) == 0
    assert math.isnan(outcome_efficiency([empty]))


thoughts = st.builds(Thought, st.integers(1, 99), st.booleans(), st.sampled_from("abc"))


@given(st.lists(thoughts, min_size=1), st.integers(0, 9))
def test_all_efficiencies_lie_between_zero_and_one(parts, tail):
    answers = [Reasoning(tuple(parts), False, tail)]
    for measure in (underthinking, outcome_efficiency, process_efficiency):
        assert 0 <= measure(answers) <= 1


def test_process_efficiency_counts_a_repeated_solution_once():
    assert process_efficiency([Reasoning((RIGHT, WRONG, RIGHT), True)]) == pytest.approx(40 / 50)
