"""Runs set against each other, on figures worked out by hand."""

from __future__ import annotations

import math

import pytest
from fakes import problem, said

from ttscale.bench import Store
from ttscale.bench.report.paired import compare
from ttscale.bench.report.summary import rows
from ttscale.bench.store.results import Cell, Result
from ttscale.core import Problem, StoreError, UnknownName, Usage, UsageError
from ttscale.core.spending.usage import Price

HALF = Price(500_000, 500_000)  # half a unit of money a token


def store(path, answered, *, method="m", model="big", problems=None, repeats=1, price=HALF):
    """A store of question -> (right, tokens) in each repeat; None is an item that failed."""
    with Store.create(path, {}) as made:
        names = sorted({name for repeat in answered for name in repeat})
        task = made.add_task("t", problems or [problem(name) for name in names])
        for repeat, questions in enumerate(answered):
            cell = made.add_cell(Cell(id=0, method=method, model=model, task="t", repeat=repeat), task)
            made.finish(cell, [item(name, one, price) for name, one in questions.items()])
    return Store.open(path)


def item(name, one, price):
    usage = Usage()
    if one is None:
        return Result(
            problem=name, answer=None, correct=None, stopped_by="error", usage=usage, seconds=None, error="x"
        )
    right, tokens = one
    usage.charge(said("right", tokens, prompt_tokens=0), price, 0)
    return Result(problem=name, answer="right", correct=right, stopped_by="stop", usage=usage, seconds=1.0)


def test_a_comparison_equals_hand_arithmetic(tmp_path):
    before = store(
        tmp_path / "a.db", [{"1": (True, 10), "2": (False, 20), "3": (False, 30), "4": (True, 40)}]
    )
    after = store(tmp_path / "b.db", [{"1": (True, 12), "2": (True, 20), "3": (True, 34), "4": (True, 46)}])
    ((pair,), left) = compare([before, after])
    assert left == []
    assert (pair.accuracy.reference, pair.accuracy.value) == (0.5, 1.0)
    # gaps 0, 1, 1, 0; with one won and one lost more: mean 1/3, variance (4 - 6/9)/6 = 5/9
    centre, half = 1 / 3, 1.959964 * math.sqrt(5 / 9 / 6)
    gap = pair.accuracy.difference
    assert gap.value == 0.5
    assert (gap.low, gap.high) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert gap.p == 0.5  # two of two coin flips
    # tokens: gaps 2, 0, 4, 6; mean 3, variance 20/3; t of three degrees of freedom
    tokens = pair.tokens.difference
    assert (pair.tokens.reference, pair.tokens.value, tokens.value) == (25, 28, 3)
    assert tokens.high - 3 == pytest.approx(3.182446 * math.sqrt(20 / 3 / 4), abs=1e-5)
    assert tokens.low == pytest.approx(6 - tokens.high)
    assert pair.cost.difference.value == 1.5


def test_only_common_questions_count_and_repeats_are_one_question(tmp_path):
    before = store(
        tmp_path / "a.db",
        [{"1": (True, 10), "2": (True, 10), "9": (False, 999)}, {"1": (False, 30), "2": (True, 10)}],
    )
    after = store(tmp_path / "b.db", [{"1": (True, 40), "2": None, "8": (False, 999)}])
    ((pair,), _) = compare([before, after])
    assert (pair.accuracy.reference, pair.accuracy.value, pair.accuracy.difference.questions) == (0.5, 1, 1)
    assert (pair.tokens.reference, pair.tokens.value) == (20, 40)
    assert math.isinf(pair.tokens.difference.high)  # of one question nothing follows for others


def test_money_that_is_unknown_somewhere_is_not_compared(tmp_path):
    before = store(tmp_path / "a.db", [{"1": (True, 10)}])
    after = store(tmp_path / "b.db", [{"1": (True, 10)}], price=None)
    ((pair,), _) = compare([before, after])
    assert pair.tokens is not None
    assert pair.cost is None


def test_methods_are_matched_by_name_or_as_chosen_and_models_where_each_store_has_one(tmp_path):
    questions = [{"1": (True, 10)}]
    before = store(tmp_path / "a.db", questions, method="sc(n=4)", model="old")
    after = store(tmp_path / "b.db", questions, method="ffs(n=4, k=2)", model="new")
    with pytest.raises(UsageError, match="nothing that"):
        compare([before, after])
    ((pair,), _) = compare([before, after], ["ffs(n=4,k=2)"], against="sc( n=4 )")
    assert (pair.reference.model, pair.other.model) == ("old", "new")
    with pytest.raises(UnknownName, match=r"did you mean 'ffs\(n=4, k=2\)'"):
        compare([before, after], ["ffs(n=4)"])
    same = store(tmp_path / "c.db", questions, method="sc(n=4)", model="old")
    ((_,), left) = compare([before, same, after])
    assert left == [f"ffs(n=4, k=2) on new · t in {tmp_path / 'b.db'}"]


def test_an_id_that_means_two_questions_is_refused(tmp_path):
    one, other = problem("1", "right"), problem("1", "left")
    before = store(tmp_path / "a.db", [{"1": (True, 10)}], problems=[one])
    after = store(tmp_path / "b.db", [{"1": (True, 10)}], problems=[other])
    with pytest.raises(StoreError, match=r"question '1' of t has the gold answer 'right' in .*'left'"):
        compare([before, after])


def test_a_changed_prompt_is_what_may_be_compared(tmp_path):
    asked = problem("1")
    again = Problem("1", type(asked.prompt).user("asked in another way"), asked.rule, asked.reference)
    before = store(tmp_path / "a.db", [{"1": (False, 10)}], problems=[asked])
    after = store(tmp_path / "b.db", [{"1": (True, 10)}], problems=[again])
    ((pair,), _) = compare([before, after])
    assert pair.accuracy.difference.value == 1


@pytest.mark.parametrize(("margin", "worse"), [(0.0, True), (0.5, True), (0.9, False)])
def test_worse_means_that_the_whole_interval_is(tmp_path, margin, worse):
    names = [str(i) for i in range(60)]
    before = store(tmp_path / "a.db", [dict.fromkeys(names, (True, 1))])
    after = store(tmp_path / "b.db", [{n: (i % 6 == 0, 1) for i, n in enumerate(names)}])
    ((pair,), _) = compare([before, after])
    assert pair.accuracy.difference.value == pytest.approx(-5 / 6)
    assert pair.worse_by(margin) is worse


def test_a_report_of_several_stores_is_paired_with_its_first_row(tmp_path):
    before = store(tmp_path / "a.db", [{"1": (True, 10), "2": (False, 10)}])
    after = store(tmp_path / "b.db", [{"1": (True, 10), "2": (True, 10)}])
    more = store(tmp_path / "c.db", [{"1": (True, 30), "2": (True, 30)}], method="other")
    found = rows(before, after, more)
    assert [row.method for row in found] == ["a: m", "b: m", "other"]
    assert [row.difference and row.difference.value for row in found] == [None, 0.5, 0.5]
    assert rows(before)[0].method == "m"
