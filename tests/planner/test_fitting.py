"""From trials made by hand to a policy and its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fakes import problem, said

from ttscale.core import UsageError
from ttscale.engines.recordings.pool import Pool
from ttscale.metrics import accuracy_interval, paired_difference
from ttscale.planner import fit_policy
from ttscale.planner.evidence import Evidence, graded
from ttscale.planner.fitting import EPSILON, SPLITS, placed, pool_labels, saturation
from ttscale.planner.saturation import budgets, fit, hit_curve, observed_saturation


def evidence(**changed: Any) -> Evidence:
    """Four easy questions and four hard ones, in two repeats each: "low" is right on the easy ones
    for 4 samples and 40 tokens, "high" on all for 16 samples and 30 tokens."""
    easy = np.repeat([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0], 2)
    fields: dict[str, Any] = {
        "model": "m",
        "task": "t",
        "strategies": ("low", "high"),
        "names": tuple(f"q{i}" for i in range(8)),
        "questions": np.repeat(np.arange(8), 2),
        "right": np.array([easy, np.ones(16)]),
        "tokens": np.array([np.full(16, 40.0), np.full(16, 30.0)]),
        "samples": np.array([np.full(16, 4.0), np.full(16, 16.0)]),
        "score": np.where(easy > 0, 1.0, 0.5),
        "pass_rate": np.where(easy > 0, 1.0, 0.25),
        "pilot": 4,
    }
    return Evidence(**{**fields, **changed})


def test_every_level_has_its_strategies_and_all_their_figures():
    made = fit_policy(evidence(), [16, 4, 16], bins=2)
    assert (made.model, made.task, made.questions, made.unit, made.spend) == ("m", "t", 8, "samples", "bin")
    assert (made.difficulty.kind, made.difficulty.pilot, made.difficulty.cuts) == ("agreement", 4, (1.0,))
    assert [(level.limit, level.strategies) for level in made.levels] == [
        (4, ("low", "low")),
        (16, ("low", "high")),
    ]
    small, large = (level.figures for level in made.levels)
    assert large["by_bin"] == [
        {"trials": 8, "oracle_pass_rate": 1.0, "accuracy": 1.0, "cost": 4.0},
        {"trials": 8, "oracle_pass_rate": 0.25, "accuracy": 1.0, "cost": 16.0},
    ]
    assert small["by_bin"][1] == {"trials": 8, "oracle_pass_rate": 0.25, "accuracy": 0.0, "cost": 4.0}
    all_right = accuracy_interval({f"q{i}": (2, 2) for i in range(8)})
    half = accuracy_interval({f"q{i}": (2 * (i < 4), 2) for i in range(8)})
    for name in ("in_sample", "two_fold"):
        assert (large[name]["accuracy"], large[name]["cost"]) == pytest.approx((1, 10))
        assert large[name]["accuracy_ci"] == pytest.approx(all_right)
        assert (small[name]["accuracy"], small[name]["cost"]) == pytest.approx((0.5, 4))
        assert small[name]["accuracy_ci"] == pytest.approx(half, abs=0.02)
    assert (large["best_single"]["strategy"], small["best_single"]["strategy"]) == ("high", "low")
    assert (large["best_single"]["accuracy"], large["best_single"]["cost"]) == pytest.approx((1, 16))
    same = paired_difference({f"q{i}": (2, 2) for i in range(8)}, {f"q{i}": (2, 2) for i in range(8)})
    assert large["difference"]["value"] == 0
    assert (large["difference"]["low"], large["difference"]["questions"]) == (same.low, 8)


def test_limits_count_the_unit_they_are_given_in():
    by_tokens = fit_policy(evidence(), [30], bins=2, unit="tokens")
    assert by_tokens.unit == "tokens"
    assert by_tokens.levels[0].strategies == ("high", "high")  # 30 tokens against 40
    assert by_tokens.levels[0].figures["in_sample"]["cost"] == 30
    assert fit_policy(evidence(), [15.9], bins=2).levels[0].strategies == ("low", "low")


def test_a_store_without_a_pilot_gives_an_oracle_only():
    without = evidence(pilot=0)
    with pytest.raises(UsageError, match="keep-traces"):
        fit_policy(without, [4])
    made = fit_policy(without, [16], kind="oracle", bins=2)
    assert (made.difficulty.kind, made.difficulty.pilot, made.difficulty.cuts) == ("oracle", 0, (1.0,))
    assert fit_policy(evidence(), [16], kind="oracle", bins=2).difficulty.pilot == 0


def test_an_oracles_bins_are_of_questions_and_its_cuts_the_lowest_rate_of_each_but_the_last():
    rates = np.array([0.9, 0.1, 0.5, 0.7, 0.3, 0.0])
    made = evidence(
        names=tuple("abcdef"),
        questions=np.repeat(np.arange(6), 3),
        pass_rate=np.repeat(rates, 3),
        score=np.zeros(18),
        right=np.ones((2, 18)),
    )
    place, cuts = placed(made, "oracle", 3)
    assert place[::3].tolist() == [1, 3, 2, 1, 2, 3]
    assert (place == np.repeat(place[::3], 3)).all()
    assert cuts == (0.7, 0.3)


def test_what_a_recording_shows_of_saturation():
    counts = ((8, 4), (8, 8), (8, 1), (16, 3))
    told = saturation(evidence(counts=counts), 0.02)
    measured = hit_curve(counts)
    one, spread = fit(measured), fit(measured, spread=True)
    assert told["measured"] == pytest.approx(measured, abs=5e-7)
    assert told["observed"] == observed_saturation(measured, 0.02)
    assert told["epsilon"] == 0.02
    assert told["per_question_mean"] == budgets([0.5, 1, 1 / 8, 3 / 16], 0.02, len(measured)).mean()
    for name, curve in (("one_p", one), ("spread_p", spread)):
        assert told[name]["p"] == curve.p
        assert told[name]["good_fit"] == curve.good
        assert told[name]["saturates_at"] == curve.saturation(0.02)
        assert told[name]["extrapolated"] == (curve.saturation(0.02) > len(measured))
    assert "a" not in told["one_p"]
    assert told["spread_p"]["a"] == spread.a
    # beyond what was measured, and just there
    assert saturation(evidence(counts=((4, 1), (4, 1))), 0.001)["one_p"]["extrapolated"]
    certain = saturation(evidence(counts=((4, 4), (4, 4))), 0.5)["one_p"]
    assert (certain["saturates_at"], certain["extrapolated"]) == (1, False)


def test_too_few_samples_show_no_saturation():
    assert saturation(evidence()) == {}
    assert saturation(evidence(counts=((3, 1), (8, 1)))) == {}
    assert saturation(evidence(counts=((4, 1), (8, 1)))) != {}
    assert (EPSILON, SPLITS) == (0.005, 10)
    assert fit_policy(evidence(counts=((4, 1), (8, 1))), [4], bins=2).saturation["epsilon"] == EPSILON


def test_what_is_graded_is_every_whole_answer_with_a_gold_one():
    asked = [problem(name, None if name == "open" else "right") for name in ("both", "open", "none", "parts")]
    records = {
        ("both", "main", ""): [said("right"), said("wrong"), said(None), said("right", finish="error")],
        ("open", "main", ""): [said("right")],
        ("parts", "main", ""): [
            said("right"),
            said("right", part="verdict"),
            said("wrong", part="pilot"),
            said("right", finish="length"),
        ],
    }
    counts = graded(Pool("m", "t", asked, records))
    assert counts["both"] == (3, 1)
    assert set(counts) == {"both", "parts"}
    assert counts["parts"][0] == 3


def test_pets_learns_from_questions_with_the_four_answers_it_looks_at():
    records = {
        ("four", "main", ""): [said(a) for a in ("a", None, "b", "A", "c")],
        ("three", "main", ""): [said(a) for a in ("a", None, "b", "a")],
    }
    pool = Pool("m", "t", [problem("four"), problem("three")], records)
    assert pool_labels(pool) == [[0, None, 1, 0, 2]]
