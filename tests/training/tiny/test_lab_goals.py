"""The laboratory's goals are judged by their intervals, and the card shows what was measured."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def goals(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return pytest.importorskip("lab_goals")


@pytest.fixture
def table(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return pytest.importorskip("lab_table")


@pytest.mark.parametrize(
    ("value", "low", "reached"),
    [
        (0.75, 0.72, True),
        (0.749, 0.72, False),  # the point is below the goal
        (0.80, 0.71, False),  # it may be no better than before
        (0.80, math.nan, False),  # nobody knows how sure it is
    ],
)
def test_a_goal_takes_the_value_and_an_interval_above_what_was_before(goals, table, value, low, reached):
    goal = goals.Goal("g", "concise", "row", 0.75, before=0.71, tried="")
    assert goal.reached(table.Row("row", value, low, 0.9)) == reached


def test_a_goal_without_a_value_before_asks_for_the_point_alone(goals, table):
    goal = goals.Goal("g", "concise", "row", -0.03, before=None, tried="")
    assert goal.reached(table.Row("row", -0.02, -0.08, 0.04))
    assert not goal.reached(table.Row("row", math.nan))


def test_rows_come_back_from_the_file_as_they_were_and_other_parts_stay(table, tmp_path):
    rows = table.Table()
    rows.add("pass@1", 0.5, 0.4, 0.6, ">= 0.40", holds=True)
    rows.add("arith", math.nan, of="pass@1")
    first, path = table.Part(rows.rows, 50, 1), tmp_path / "report.json"
    table.keep(path, "concise", first)
    table.keep(path, "world", table.Part({}, 3, 2))
    table.keep(path, "world", table.Part({}, 4, 2))
    kept = table.read(path)
    assert str(kept["concise"]) == str(first)
    assert list(kept["concise"].rows) == ["pass@1", "pass@1: arith"]
    assert kept["concise"].rows["pass@1: arith"].holds is None
    assert kept["world"].problems == 4


def test_two_rows_of_one_name_are_refused(table):
    rows = table.Table()
    rows.add("word", 0.5, of="pass@1, level 1")
    rows.add("word", 0.4, of="pass@1, level 2")
    with pytest.raises(ValueError, match="two rows"):
        rows.add("word", 0.3, of="pass@1, level 2")


def test_a_section_of_the_card_is_written_anew_and_the_rest_stays(goals, table):
    card = (
        "# A\n<!-- goals -->\nold\n<!-- end of goals -->\n<!-- world -->\nolder\n<!-- end of world -->\nend\n"
    )
    row = table.Row("looks \\1", 0.25)
    fresh = goals.written(card, {"world": table.Part({row.key: row}, 7, 1)})
    assert "older" not in fresh
    assert "| looks \\1 | 0.25 |" in fresh
    assert "not measured" in fresh
    assert fresh.startswith("# A\n")
    assert fresh.endswith("-->\nend\n")
    with pytest.raises(ValueError, match="no section 'goals'"):
        goals.written("# A", {})


def test_the_card_shows_what_was_measured(goals, table):
    parts = table.read(goals.KEPT)
    card = goals.CARD.read_text()
    assert card == goals.written(card, parts), "run: python benchmarks/lab_goals.py"
    for goal in goals.GOALS:
        assert goal.part not in parts or goal.row in parts[goal.part].rows


def test_a_goal_that_is_reached_and_one_that_is_not_read_differently(goals, table):
    goal = goals.GOALS[0]
    row = table.Row("x", goal.least + 0.1, goal.least, goal.least + 0.2)

    def line(row) -> str:
        part = table.Part({goal.row: row}, 200, 1)
        return next(
            x for x in goals.goal_table({goal.part: part}).split("\n") if x.startswith(f"| {goal.name}")
        )

    assert "| yes, " in line(row)
    assert "| **no**, " in line(replace(row, value=goal.least - 0.1))
    few = goals.goal_table({goal.part: table.Part({goal.row: row}, 199, 1)})
    assert "| yes so far (199 problems), " in few
