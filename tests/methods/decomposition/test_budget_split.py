"""Budgets over steps: the allocator's golden values, and the theory against an exhaustive search."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.methods.decomposition.budget_split import (
    Schedule,
    bam_shares,
    least_uncertain,
    schedule_weight,
    split,
    uncertainty,
)

SCHEDULES: tuple[Schedule, ...] = ("constant", "linear", "polynomial", "exponential", "cosine")
DATA = Path(os.environ.get("TTSCALE_DATA") or Path(__file__).parents[4] / "shared" / "data")


@pytest.mark.parametrize(
    ("total", "credits", "schedule", "units"),
    [
        (350, [20, 30, 50], "constant", [70, 105, 175]),
        (350, [20, 30, 50], "polynomial", [180, 120, 50]),  # 9*20, 4*30, 1*50
        (350, [20, 30, 50], "linear", [124, 124, 102]),  # 123.5, 123.5, 102.9: the rest to the largest
        (600, [20, 80], "polynomial", [300, 300]),
        (10, [1, 1, 1], "constant", [4, 3, 3]),
        (2, [0, 0, 0], "constant", [1, 1, 0]),
    ],
)
def test_golden_splits(total, credits, schedule, units) -> None:
    assert split(total, credits, schedule) == units


def test_the_cosine_schedule_falls_from_one_and_a_tenth_to_a_tenth() -> None:
    assert [schedule_weight("cosine", step, 3) for step in range(3)] == pytest.approx([1.1, 0.6, 0.1])
    assert schedule_weight("cosine", 0, 1) == 1.0
    assert split(340, [20, 20, 20], "cosine") == [208, 114, 18]  # 207.8, 113.3, 18.9


@given(
    st.integers(0, 5000), st.lists(st.integers(0, 100), min_size=1, max_size=9), st.sampled_from(SCHEDULES)
)
def test_a_split_adds_up_and_is_within_one_of_its_shares(total, credits, schedule) -> None:
    units = split(total, credits, schedule)
    assert sum(units) == total
    even = credits if any(credits) else [1] * len(credits)
    weights = [c * schedule_weight(schedule, i, len(credits)) for i, c in enumerate(even)]
    for unit, weight in zip(units, weights):
        assert abs(unit - total * weight / math.fsum(weights)) <= 1 + 1e-6


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_one_step_gets_everything(schedule) -> None:
    assert split(350, [37], schedule) == [350]


def test_the_published_credits_are_split_without_a_rest() -> None:
    path = DATA / "plan_and_budget_math500.csv"
    if not path.is_file():
        pytest.skip("needs the recording plan_and_budget_math500.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    steps: dict[str, list[int]] = {}
    for row in rows:
        credits = json.loads(row["credits"])
        assert sum(credits) == 100
        assert len(credits) == int(row["steps"])
        steps.setdefault(row["level"], []).append(len(credits))
        for schedule in SCHEDULES:
            assert sum(split(350, credits, schedule)) == 350
    means = [round(float(np.mean(steps[level])), 2) for level in "12345"]
    assert means == [2.35, 2.58, 3.13, 4.09, 5.0]


C, ALPHA = [3.0, 1.0, 0.3], [0.5, 1.0, 2.0]


def test_the_exact_budgets_leave_least_of_all_on_a_grid() -> None:
    total, step = 30.0, 0.25
    best = min(
        uncertainty([a, b, total - a - b], C, ALPHA)
        for a in np.arange(step, total - 2 * step, step)
        for b in np.arange(step, total - a - step, step)
    )
    exact = least_uncertain(total, C, ALPHA)
    assert math.fsum(exact) == pytest.approx(total)
    assert best - 1e-3 < uncertainty(exact, C, ALPHA) <= best


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=6), st.floats(0.2, 3), st.floats(1, 1000))
def test_with_equal_exponents_the_closed_form_is_exact_and_no_worse_than_equal_shares(
    c, alpha, total
) -> None:
    same = [alpha] * len(c)
    closed = [total * share for share in bam_shares(c, same)]
    assert closed == pytest.approx(least_uncertain(total, c, same), rel=1e-6)
    even = [total / len(c)] * len(c)
    assert uncertainty(closed, c, same) <= uncertainty(even, c, same) * (1 + 1e-9)


def test_with_different_exponents_the_closed_form_leaves_more() -> None:
    closed = [30 * share for share in bam_shares(C, ALPHA)]
    left, least = (uncertainty(b, C, ALPHA) for b in (closed, least_uncertain(30, C, ALPHA)))
    assert left > 1.02 * least


def test_the_share_of_a_step_rises_and_falls_with_how_fast_its_uncertainty_shrinks() -> None:
    # among three others with an exponent of 1: what shrinks slowly and what shrinks at once get less
    alphas = np.linspace(0.05, 6, 60)
    own = [least_uncertain(40, [2.0] * 4, [a, 1.0, 1.0, 1.0])[0] for a in alphas]
    peak = int(np.argmax(own))
    assert 0 < peak < len(own) - 1
    assert all(np.diff(own)[:peak] > 0)
    assert all(np.diff(own)[peak:] < 0)
