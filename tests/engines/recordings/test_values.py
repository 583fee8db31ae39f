"""Single cells as files write them, what a column looks like, and golds among choices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ttscale.engines.recordings import parse
from ttscale.engines.recordings.column_values import LOOKED_AT, ColumnValues
from ttscale.engines.recordings.gold_answers import (
    Options,
    UnknownChoice,
    UnknownFirst,
    golds,
    lettered,
    options,
)


@pytest.mark.parametrize("value", ["", "  ", "NaN", "null", "None", "n/a", "<NA>", None, math.nan])
def test_nothing_is_written_in_many_ways(value):
    assert parse.blank(value)
    assert parse.whole(value) is parse.real(value) is parse.verdict(value) is None
    assert parse.finish(value) == "stop"
    assert not parse.failure(value)
    assert (parse.texts(value), parse.array(value)) == ((), None)


@pytest.mark.parametrize("value", [0, 0.0, False, "0", [], "no"])
def test_what_is_written_is_not_nothing(value):
    assert not parse.blank(value)


def test_whole_numbers_end_where_floats_are_not_exact():
    assert [parse.whole(v) for v in ("0", "7", 7.0, "7.0", "1e3", 2**53)] == [0, 7, 7, 7, 1000, 2**53]
    for bad in ("-1", -1, "1.5", 0.5, 2**53 + 2, str(2**53 + 1), "inf", "many"):
        with pytest.raises((ValueError, OverflowError)):
            parse.whole(bad)
    assert parse.real("-2.5") == -2.5
    for bad in ("inf", -math.inf, "x"):
        with pytest.raises(ValueError, match=r"finite|convert"):
            parse.real(bad)


@pytest.mark.parametrize(
    ("values", "means"),
    [
        ([True, "True", 1, "1", 1.0, "yes", "T", "Right", "correct", "pass", "passed", "C"], True),
        (["success", "resolved", " 1.0 "], True),
        ([False, "false", 0, "0", 0.0, "no", "F", "wrong", "incorrect", "fail", "failed", "I"], False),
        (["failure", "unresolved", "timeout"], False),
    ],
)
def test_verdicts_however_they_are_written(values, means):
    assert [parse.verdict(v) for v in values] == [means] * len(values)


def test_what_is_neither_true_nor_false_is_no_verdict():
    for bad in ("2", 0.5, "maybe"):
        with pytest.raises(ValueError, match="neither"):
            parse.verdict(bad)


@pytest.mark.parametrize(
    ("written", "finish"),
    [
        ("stop eos end_turn eos_token completed complete stop_sequence finished", "stop"),
        ("tool_calls tool_use function_call", "stop"),
        ("length MAX_TOKENS max_length truncated", "length"),
        ("refused refusal content_filter safety", "refused"),
        ("error failed", "error"),
        ("cancelled abort", "cancelled"),
        ("cut", "cut"),
        ("budget", "budget"),
        ("censored", "censored"),
    ],
)
def test_ends_however_they_are_written(written, finish):
    assert {parse.finish(word) for word in written.split()} == {finish}
    assert parse.finish([written.split()[0]]) == finish


def test_what_is_inside_of_a_value():
    assert parse.inner([[["a"]]]) == "a"
    assert parse.inner(["a", "b"]) == "a"
    assert parse.inner(["a", 1]) == ["a", 1]
    assert parse.inner([]) == []
    assert [parse.text(v) for v in ("a", 3.0, 3.5, 3, True, None, [1, "x"])] == [
        "a",
        "3",
        "3.5",
        "3",
        "True",
        None,
        '[1,"x"]',
    ]
    assert [parse.failure(v) for v in ("timeout", True, "False", "0", "[]", "{}", [], 0)] == [True] * 2 + [
        False
    ] * 6
    assert parse.texts('["a", 2, null]') == parse.texts(["a", 2, None]) == ("a", "2", "")
    assert parse.array("[1, 2.5]").tolist() == [1, 2.5]
    assert parse.array([]).shape == (0,)
    assert parse.array(np.array([1.0])).dtype == np.float32
    for bad in ("[[1]]", "3", [math.inf]):
        with pytest.raises(ValueError, match="list of finite"):
            parse.array(bad)
    for bad in ('"text"', "3"):
        with pytest.raises(ValueError, match="not a list"):
            parse.texts(bad)


# -- columns


class Rows:
    """A table in memory."""

    def __init__(self, *rows):
        self.columns, self.lines = list(rows[0]), rows

    def rows(self, columns):
        return ((n, [row[c] for c in columns]) for n, row in enumerate(self.lines))


def column(*values):
    return ColumnValues(Rows(*({"c": value} for value in values)))


def test_most_means_more_than_half():
    long, edge = "x" * 81, "x" * 80
    assert column(long, long, "a").are_prose("c")
    assert not column(long, edge).are_prose("c")
    assert column("\\boxed{1}", "two\nlines").are_prose("c")
    assert not column("padded\n", "a").are_prose("c")
    assert column("so #### 3", "so #### 4", "a").are_worked("c")
    assert not column("so #### 3", "a").are_worked("c")
    assert not column("", "").are_worked("c")
    assert not column("", "").are_prose("c")


def test_a_column_is_what_all_its_values_are():
    assert column("a", ["b"], "").are_texts("c")
    assert not column("a", 1).are_texts("c")
    assert column("a", 1, 2.5, True).are_answers("c")
    assert not column("a", {"b": 1}).are_answers("c")
    assert column("1", 0, "").are_verdicts("c")
    assert not column("1", 0.5).are_verdicts("c")
    assert not column("", None).are_verdicts("c")
    assert column("1.5", [1, 2], "").are_numbers("c")
    assert not column("1.5", [1, "x"]).are_numbers("c")


def test_a_column_may_tell_rows_or_samples_apart():
    assert column("a", "b").identifies_rows("c")
    assert not column("a", "a").identifies_rows("c")
    assert not column("a").identifies_rows("c")
    assert not column("a", "").identifies_rows("c")
    assert column("a", "b", "a", "").distinct("c") == 2
    rows = [{"q": q, "c": c} for q, c in ((1, "a"), (1, "a"), (2, "b"), (2, ""))]
    assert ColumnValues(Rows(*rows)).varies("c", "q") is False
    assert ColumnValues(Rows(*rows, {"q": 1, "c": "z"})).varies("c", "q") is True
    assert ColumnValues(Rows(*rows[1:])).varies("c", "q") is None
    assert ColumnValues(Rows(*rows)).varies("c", None) is None


def test_an_answer_stands_in_the_text_it_was_read_from():
    rows = [{"c": " 7 ", "t": "so 7"}, {"c": "", "t": "none"}, {"c": "8", "t": ""}]
    assert ColumnValues(Rows(*rows)).is_inside("c", "t")
    assert not ColumnValues(Rows(*rows, {"c": "9", "t": "so 7"})).is_inside("c", "t")


def test_only_the_first_rows_are_looked_at_and_only_those_asked_for():
    assert len(column(*["a"] * LOOKED_AT, "b").of("c")) == LOOKED_AT == 1000
    rows = [{"m": "x", "c": "a"}, {"m": "y", "c": "b"}]
    assert ColumnValues(Rows(*rows), {"m": "y", "elsewhere": "z"}).of("c") == ["b"]


# -- golds


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("nan", ()),
        (" 7 ", ("7",)),
        (7.0, ("7",)),
        ("[1, 2]", ("[1, 2]",)),  # an interval
        ('["a", "b", "a"]', ("a", "b")),
        ("['a', ['b']]", ("a", "b")),
        ("[]", ("[]",)),
        (["a", ["", "b"]], ("a", "b")),
        ({"value": "a", "aliases": ["b", "a"], "else": "c"}, ("a", "b")),
        ("We add.\n#### 8 ", ("8",)),
        ("#### 8", ("8",)),
        ("no mark: x#### 8", ("no mark: x#### 8",)),
        ("#### 8\nand more", ("#### 8\nand more",)),
        ("so \\boxed{ 9 }", ("9",)),
        ("so \\boxed{}", ("so \\boxed{}",)),
    ],
)
def test_golds_of_a_cell(cell, found):
    assert golds(cell) == found


def test_choices_of_a_cell():
    assert options(None) == Options()
    assert options(["x", "y"]) == options('["x", "y"]') == Options(("x", "y"))
    assert options({"text": ["x", "y"], "label": ["1", "2"]}) == Options(("x", "y"), ("1", "2"))
    assert options({"text": ["x", "y"], "label": ["1"]}) == Options(("x", "y"))
    assert options([{"text": "x", "label": "P"}, {"content": "y", "label": "Q"}]) == Options(
        ("x", "y"), ("P", "Q")
    )
    assert options({"A": "x", "B": "y"}) == Options(("x", "y"), ("A", "B"))


GIVEN = Options(("ant", "bee", "cow"))


def test_a_gold_that_is_none_of_its_choices_names_its_row():
    with pytest.raises(UnknownChoice) as told:
        lettered([(("ant",), GIVEN), (("bee", "elk"), GIVEN)])
    assert (told.value.row, told.value.args) == (1, ("elk",))
    for positions in (("0", "3"), ("3", "4"), ("4",)):
        with pytest.raises(UnknownChoice):
            lettered([((gold,), GIVEN) for gold in positions])


def test_positions_count_from_where_all_of_them_fit():
    assert lettered([(("0",), GIVEN), (("2",), GIVEN)]) == [("A",), ("C",)]
    assert lettered([(("1",), GIVEN), (("3",), GIVEN)]) == [("A",), ("C",)]
    assert lettered([((), GIVEN), (("free",), Options())]) == [(), ("free",)]
    assert lettered([(("(b).",), GIVEN), (("3",), GIVEN)]) == [("B",), ("C",)]
    with pytest.raises(UnknownFirst):
        lettered([(("1",), GIVEN), (("2",), GIVEN)])
    assert lettered([(("1",), GIVEN), (("2",), GIVEN)], first=0) == [("B",), ("C",)]
