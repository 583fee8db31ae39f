"""Regret against the pool's own bounds, worked out by hand; an oracle is apart from methods."""

from __future__ import annotations

import json

import pytest

from ttscale.answers import NumberRule
from ttscale.bench import Store, Task, arrange, rows, run_bench
from ttscale.bench.plan import Settings
from ttscale.bench.report.picture import picture
from ttscale.bench.report.plots import frontier
from ttscale.bench.report.regret import regrets
from ttscale.core import Problem, Prompt, Trace
from ttscale.engines import ModelSource, Pool, Replay
from ttscale.methods import parse

RIGHT = {"a": "110", "b": "011", "c": "000", "d": "010"}  # which of three samples are right


@pytest.fixture
def store(tmp_path):
    problems = [Problem(name, Prompt.user(name), NumberRule(), "7") for name in RIGHT]
    records = {
        (name, "main", ""): [
            Trace(rf"\boxed{{{7 if mark == '1' else 10 + i}}}", 10, reward=float(mark))
            for i, mark in enumerate(marks)
        ]
        for name, marks in RIGHT.items()
    }
    pool = Pool("big", "t", problems, records, capabilities=frozenset({"text", "reward"}))
    source = ModelSource(name="big", spec="x", make=lambda **given: Replay(pool, **given), pools=[pool])
    methods = ["sc(n=3)", "best-of-n(n=3)", "best-of-n(n=3, verifier=oracle)"]
    planned = arrange([parse(m) for m in methods], [(source, [Task("t", problems)])])
    with Store.create(tmp_path / "run.db", {}) as made:
        run_bench(made, planned, Settings(keep_traces="all"))
    return tmp_path / "run.db"


def test_regret_equals_hand_arithmetic(store):
    found = {line.name: line for line in regrets(store)}
    assert [line.kind for line in found.values()] == ["bound"] * 2 + ["method"] * 3 + ["bound"]
    assert found["random"].accuracy == pytest.approx((2 + 2 + 0 + 1) / 12)
    assert found["best single"].accuracy == 0.75  # the second sample
    assert found["oracle"].accuracy == 0.75
    vote = found["sc(n=3)"]
    assert (vote.accuracy, vote.regret, vote.tokens) == (0.5, 0.25, 30)  # of d three samples disagree
    assert vote.closed == pytest.approx((0.5 - 5 / 12) / (0.75 - 5 / 12))
    assert (found["best-of-n(n=3)"].regret, found["oracle"].closed) == (0, 1)
    assert found["random"].tokens is None


def test_an_oracle_is_on_no_frontier_and_has_a_mark_of_its_own(store):
    with Store.open(store) as opened:
        found = rows(opened)
    assert [row.is_oracle for row in found] == [False, False, True]
    best = frontier(found, lambda row: row.tokens_mean)
    assert "best-of-n(n=3, verifier=oracle)" not in [row.method for row in best]
    assert best
    (line,) = [one for one in picture(found).splitlines() if "oracle" in one]
    assert line.startswith("◇")
    json.dumps([row.as_dict() for row in found])
