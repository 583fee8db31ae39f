"""Verifiers: exact scores, what they need, and who looks at the gold answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fakes import Scripted, answer, said

from ttscale.core import CapabilityError, Outcome, Rewards, Trace, UnknownName, UsageError
from ttscale.verifiers import verifier, verifiers
from ttscale.verifiers.judge import probability_of_yes


def scores(name, traces, engine=None, **run):
    async def fn(p, ctx, cfg):
        return Outcome(None, extra={"scores": await verifier(name)(ctx, p, traces)})

    return answer(engine or Scripted(lambda c: said("x")), fn, **run).extra["scores"]


def test_agreement_is_the_share_of_votes_and_nothing_for_abstentions():
    assert scores("agreement", [said("A"), said("a"), said("B"), said(None)]) == [
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
        0.0,
    ]


def test_logprob_is_the_geometric_mean_probability():
    lps = np.log(np.array([0.5, 0.125], np.float32))
    assert scores("logprob", [said("A", 2, logprobs=lps)]) == [pytest.approx(0.25)]
    assert scores("logprob", [said("A", 2, mean_logprob=math.log(0.3))]) == [pytest.approx(0.3)]
    assert scores("logprob", [Trace("", 0, "error")]) == [0.0]
    with pytest.raises(CapabilityError, match="log-probabilities"):
        scores("logprob", [said("A", 2)])


def test_short_is_minus_the_length():
    assert scores("short", [said("A", 30), said("A", 10)]) == [-30.0, -10.0]


def test_the_oracle_is_one_for_right_and_says_that_it_is_an_oracle():
    assert scores("oracle", [said("right"), said("wrong"), said(None)]) == [1.0, 0.0, 0.0]
    assert [n for n, v in verifiers().items() if v.oracle] == ["oracle"]
    from fakes import problem

    with pytest.raises(UsageError, match="reference"):
        scores("oracle", [said("A")], of=problem(reference=None))


@pytest.mark.parametrize(("name", "expected"), [("prm", 0.5), ("prm-min", 0.2), ("prm-prod", 0.08)])
def test_step_scores_are_aggregated_by_last_min_or_product(name, expected):
    class Stepwise(Scripted):
        async def reward(self, problem, traces):
            steps = [[0.8, 0.2, 0.5], []]
            return Rewards([0.0, 0.0], 7, steps)

    got = scores(name, [said("A"), said("B")], Stepwise(lambda c: said("x")))
    assert got == [pytest.approx(expected), 0.0]


def test_an_outcome_score_is_taken_as_it_is():
    engine = Scripted(lambda c: said("x"), rewards=lambda t: 0.25)
    assert scores("prm-min", [said("A")], engine) == [0.25]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Trace("Yes."), 1.0),
        (Trace("no"), 0.0),
        (Trace("perhaps"), 0.5),
        (Trace(""), 0.5),
        (Trace("Yes", 1, logprobs=np.log(np.array([0.8], np.float32))), 0.8),
        (Trace("No", 1, logprobs=np.log(np.array([0.8], np.float32))), 0.2),
        (Trace("<think>no no</think>Yes", 9), 1.0),
        (
            Trace(
                "<think>no</think>\n\nNo",
                4,
                ends=[7, 9, 19, 21],
                logprobs=np.log(np.array([0.1, 0.2, 0.3, 0.8], np.float32)),
            ),
            0.2,
        ),
    ],
)
def test_a_judges_yes_or_no_is_a_probability(reply, expected):
    assert probability_of_yes(reply) == pytest.approx(expected)


def test_the_judge_is_asked_about_every_solution_and_charged_as_a_verifier():
    engine = Scripted(lambda call: Trace("Yes", 1) if "{A}" in call.prompt.text else Trace("No", 1))

    async def fn(p, ctx, cfg):
        found = await verifier("judge")(ctx, p, [said("A"), said("B")])
        return Outcome(None, extra={"scores": found})

    outcome = answer(engine, fn)
    assert outcome.extra["scores"] == [1.0, 0.0]
    assert (outcome.usage.verifier_tokens, outcome.usage.samples) == (2, 0)
    assert all(c.role == "judge" and c.sampling.temperature == 0.0 for c in engine.calls)


@pytest.mark.parametrize("capabilities", [{"text"}, {"text", "logprobs"}])
def test_a_judge_is_asked_for_log_probabilities_where_its_engine_has_them(capabilities):
    engine = Scripted(lambda call: Trace("Yes", 1), capabilities=capabilities)
    scores("judge", [said("A")], engine)
    assert [c.sampling.logprobs for c in engine.calls] == [0 if "logprobs" in capabilities else None]


def test_scores_said_to_be_probabilities_are_some():
    known = [n for n, v in verifiers().items() if v.probability and not v.needs]
    traces = [said("A", 2, mean_logprob=-0.5), said("B", 2, mean_logprob=-0.1)]
    for name in known:
        assert all(0 <= s <= 1 for s in scores(name, traces)), name


def test_an_unknown_verifier_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'oracle'"):
        verifier("oracel")
