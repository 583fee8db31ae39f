"""Figures of merit of a bench store that no other test looks at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes import Scripted, problem, said
from recorded_benches import bench

from ttscale.answers import rule_for
from ttscale.bench import Settings
from ttscale.bench.report.figures_of_merit import figures_of_merit
from ttscale.core import GenerationRequest, Trace
from ttscale.engines.catalogue.source import ModelSource

SAYS = {
    "q0": ["2", "1", "2"],
    "q1": ["1", "1", "1"],
    "q2": ["1", None, "3"],
    "q3": ["1", "1", "1"],
    "q4": ["2", "3", "2"],
}  # 1 is right


def figures(folder: Path, method: str) -> dict[str, Any]:
    """Of a bench of a method whose samples say, question by question, what SAYS has."""
    turn: dict[str, int] = {}

    def script(call: GenerationRequest) -> Trace:
        number = turn[call.problem.id] = turn.get(call.problem.id, -1) + 1
        return said(SAYS[call.problem.id][number])

    source = ModelSource(name="m", spec="scripted", make=lambda: Scripted(script), pools=[])
    questions = [replace(problem(q), rule=rule_for("number"), reference="1") for q in SAYS]
    bench(folder, source, method, settings=Settings(keep_traces="all"), problems=questions, repeats=1)
    ((found,),) = (part["methods"] for part in figures_of_merit(folder / "run.db"))
    return dict(found)


def test_turns_tell_how_often_they_repair_an_answer_and_how_often_they_lose_one(tmp_path):
    found = figures(tmp_path, "turns(turns=3)")
    # wrong four times with another turn to come, and repaired once; right six times, and lost twice
    assert (found["repaired_per_turn"], found["lost_per_turn"]) == (1 / 4, 1 / 3)


def test_a_method_without_turns_tells_no_rates(tmp_path):
    found = figures(tmp_path, "sc(n=3)")
    assert (found["repaired_per_turn"], found["lost_per_turn"]) == (None, None)
