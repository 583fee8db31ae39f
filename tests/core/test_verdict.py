"""Verdicts recorded with samples, and what an answer gets of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import problem, said

from ttscale.core import Outcome
from ttscale.core.verdict import AGREED, CORRECT, answer_is_right, is_right, outcome_is_right


def judged(text, verdict, **fields):
    trace = said(text, 3, **fields)
    trace.meta = {} if verdict is None else {CORRECT: verdict}
    return trace


@pytest.mark.parametrize(
    ("verdicts", "right"),
    [
        ([True], True),
        ([False, True, True], True),
        ([True, False, False], False),
        ([True, False], True),  # a tie: as the first that gave it
        ([False, True], False),
        ([None, True], True),
    ],
)
def test_an_answer_has_the_verdict_of_most_samples_that_gave_it(verdicts, right):
    traces = [judged("A", verdict) for verdict in verdicts]
    others = [judged("B", not right)] * 9
    assert answer_is_right(problem(), "A", [*traces, *others]) is right


def test_a_tie_goes_as_the_winner():
    traces = [judged("A", True), judged("A", False)]
    assert answer_is_right(problem(), "A", traces, traces[1]) is False


def test_an_unreadable_winner_has_its_own_verdict():
    trace = judged("?", True, finish="length")
    assert is_right(problem(), trace) is True
    assert outcome_is_right(problem(), Outcome(None, trace, traces=[trace])) is True
    assert outcome_is_right(problem(), Outcome(None, None, traces=[trace])) is not True


def test_a_failed_sample_is_neither_right_nor_wrong():
    trace = judged("A", True, finish="error")
    assert is_right(problem(), trace) is None
    assert outcome_is_right(problem(), Outcome(None, trace, error=ValueError())) is None


def test_verdicts_do_not_count_where_the_gold_is_what_samples_agree_on():
    asked = replace(problem(), meta={AGREED: True})
    trace = judged("A", False)
    assert is_right(asked, trace) == asked.correct(asked.answer(trace))
