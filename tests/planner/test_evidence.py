"""What a bench store tells of strategies."""

from __future__ import annotations

import pytest
from recorded_benches import bench, recording

from ttscale.core import UsageError
from ttscale.planner import from_results
from ttscale.planner.evidence import graded, single


def test_a_stores_items_are_means_over_repeats_in_the_order_of_the_questions(tmp_path):
    bench(tmp_path, recording(draws=4, right=1), "simple", "sc(n=2)", repeats=2)
    found = from_results(tmp_path / "run.db")
    assert (found.model, found.task, found.strategies) == ("m", "t", ("simple", "sc(n=2)"))
    assert found.names == tuple(f"q{i}" for i in range(5))
    assert found.questions.tolist() == [0, 1, 2, 3, 4]
    assert found.right[0].tolist() == [0.5] * 5  # one of two repeats
    assert found.tokens[0].tolist() == [15] * 5
    assert found.samples.tolist() == [[1] * 5, [2] * 5]
    assert (found.score.tolist(), found.pass_rate.tolist()) == ([0.5] * 5, [0.5] * 5)
    assert (found.pilot, found.counts) == (0, ())
    assert found.cost("samples") is found.samples
    assert found.cost("tokens") is found.tokens


def test_what_is_chosen_has_to_be_in_the_store(tmp_path):
    bench(tmp_path, recording(), "simple")
    assert from_results(tmp_path / "run.db", model="m", task="t").strategies == ("simple",)
    for chosen in ({"model": "other"}, {"task": "other"}):
        with pytest.raises(UsageError, match="nothing that is graded"):
            from_results(tmp_path / "run.db", **chosen)


def test_one_strategy_for_all_is_a_policy_of_one_bin():
    made = single("sc(n=2)", 4, "agreement")
    assert (made.difficulty.pilot, made.difficulty.cuts, made.levels[0].limit) == (4, (), 1)
    assert (made.model, made.task, made.questions, made.unit) == ("", "", 0, "samples")


def test_a_recordings_counts_are_of_its_own_questions():
    assert graded(recording(draws=8, questions=2, right=5).pools[0]) == {"q0": (8, 5), "q1": (8, 5)}
