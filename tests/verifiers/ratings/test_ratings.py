"""Ratings in the many forms that judges write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import Trace
from ttscale.verifiers.ratings.reading import mean_rating, pair_of_ratings, single_rating


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("<rating_A>8</rating_A>\n<rating_B>3</rating_B>", (8, 3)),
        ("<rating_a> 8/10 </rating_a> <Rating B>3</Rating B>", (8, 3)),
        ("<think>\nA: 1\nB: 1\n</think>\n\nA: 9\nB: 2", (9, 2)),
        ("**Solution A**: 7/10\n**Solution B:** 4/10", (7, 4)),
        ('```json\n{"A": 8, "B": 3}\n```', (8, 3)),
        ('{"rating_a": 6.5, "rating_b": 2}', (6.5, 2)),
        ("Solution A: 12 + 5 = 17 is right. Solution B: 12 + 5 = 18.\nA: 10\nB: 1", (10, 1)),
        ("Rating A: 3. On reflection, A: 5, B: 6.", (5, 6)),
        ("Solution A's rating: 9 out of 10\nSolution B's rating: 2 out of 10", (9, 2)),
        ("A: 99\nB: -4", (10, 1)),
        ("A: 9", (9, None)),
        ("Both look right to me. A is better.", (None, None)),
        ("A has 3 errors, B has 1.", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_pair_of_ratings_is_read(reply: str, expected: tuple[float | None, float | None]) -> None:
    assert pair_of_ratings(Trace(reply, 5)) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("<rating>7</rating>", 7),
        ("It has 3 steps, all right.\n<rating> 9/10</rating>", 9),
        ("Rating: 8/10", 8),
        ("**6**", 6),
        ("<think>no</think>\n\nYes", 10),
        ("No, step 2 is wrong.", 1),
        ("It has 3 steps.", None),
        ("", None),
    ],
)
def test_a_single_rating_is_read(reply: str, expected: float | None) -> None:
    assert single_rating(Trace(reply, 5)) == expected


def test_a_judgement_that_was_cut_short_says_nothing() -> None:
    assert pair_of_ratings(Trace("A: 9\nB: 2", 5, "length")) == (None, None)
    assert single_rating(Trace("9", 5, "error")) is None


def test_what_cannot_be_read_is_left_out_of_a_mean() -> None:
    assert mean_rating([4.0, None, 8.0]) == 6.0
    assert mean_rating([None]) is None


@given(st.text(max_size=300))
def test_any_reply_is_read_or_left(reply: str) -> None:
    for found in (*pair_of_ratings(Trace(reply, 5)), single_rating(Trace(reply, 5))):
        assert found is None or 1 <= found <= 10
