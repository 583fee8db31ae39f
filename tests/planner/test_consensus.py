"""What stands in for a gold answer where there is none."""

from __future__ import annotations

from fakes import problem, said

from ttscale.core import Problem
from ttscale.core.verdict import AGREED
from ttscale.engines.recordings.pool import Pool
from ttscale.planner.consensus import agreed


def test_the_plurality_of_the_samples_takes_the_gold_answers_place() -> None:
    asked = [problem("q"), problem("mute", None)]
    asked[0] = Problem("q", asked[0].prompt, asked[0].rule, "right", meta={"grade": "x", "level": 3})
    records = {
        ("q", "main", ""): [said(x) for x in ("right", "b", "c", "B", None, None, None)],
        ("mute", "main", ""): [said(None)],
    }
    made = agreed(Pool("m", "t", asked, records))
    assert [p.reference for p in made.problems] == ["b", None]
    assert made.problems[0].meta["level"] == 3
    assert made.problems[0].meta[AGREED] is True  # nobody takes it for a gold answer
    assert "grade" not in made.problems[0].meta
    assert asked[0].reference == "right"
