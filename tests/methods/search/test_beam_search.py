"""Searches over steps, on a world whose exact values are known."""

from __future__ import annotations

import math

import pytest
from fakes import Scripted, answer, problem

from ttscale.core import CapabilityError, Rewards, Run, Trace, UsageError, run_in_token_time
from ttscale.engines.synthetic import StepWorld
from ttscale.methods.search.beam_search import Config, beam_search, dvts
from ttscale.methods.search.best_of_n import Config as BestConfig
from ttscale.methods.search.best_of_n import best_of_n

Q, STEPS, TRIALS = 0.7, 6, 100


def accuracy(method, cfg, world: StepWorld, trials: int = TRIALS) -> tuple[float, float]:
    """(share of right answers, mean generated steps)."""
    run = Run({"main": world, "prm": world})

    async def main():
        return [await run.answer(method.bind(cfg), problem(f"q{n}")) for n in range(trials)]

    outcomes = run_in_token_time(main())
    right = sum(o.answer == "right" for o in outcomes) / trials
    return right, sum(o.usage.completion_tokens for o in outcomes) / trials


def close(share: float, expected: float, trials: int = TRIALS) -> bool:
    """Within 5 standard errors: a false alarm in 1.7 million."""
    return abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / trials)


def test_with_exact_values_beam_search_beats_best_of_n_at_equal_generation():
    beams, steps = accuracy(beam_search, Config(n=4, width=4), StepWorld(Q, STEPS))
    best, same_steps = accuracy(best_of_n, BestConfig(n=4), StepWorld(Q, STEPS))
    assert steps == same_steps == 4 * STEPS
    assert close(beams, (1 - (1 - Q) ** 4) ** STEPS)  # every step has one good extension of four
    assert close(best, 1 - (1 - Q**STEPS) ** 4)  # one of four solutions is all good
    assert beams > best + 0.3


@pytest.mark.parametrize("select", ["best", "weighted"])
def test_a_width_of_one_keeps_all_beams_and_only_selects(select):
    beams, steps = accuracy(beam_search, Config(n=4, width=1, select=select), StepWorld(Q, STEPS))
    assert steps == 4 * STEPS
    assert close(beams, 1 - (1 - Q**STEPS) ** 4)


def test_one_kept_beam_without_a_difference_in_scores_is_one_sample():
    class Indifferent(StepWorld):
        async def reward(self, problem, traces):
            return Rewards([0.5] * len(traces), tokens=0)

    found, steps = accuracy(beam_search, Config(n=4, width=4, select="best"), Indifferent(Q, STEPS))
    assert steps == 4 * STEPS
    assert close(found, Q**STEPS)


def test_one_beam_is_one_sample():
    alone, steps = accuracy(beam_search, Config(n=1, width=1), StepWorld(Q, STEPS))
    assert steps == STEPS
    assert close(alone, Q**STEPS)


def test_subtrees_are_independent_searches():
    found, steps = accuracy(dvts, Config(n=8, width=4), StepWorld(Q, STEPS))
    assert steps == 8 * STEPS
    one = (1 - (1 - Q) ** 4) ** STEPS
    assert close(found, 1 - (1 - one) ** 2)


def test_chains_are_as_deep_as_the_steps():
    world = StepWorld(Q, STEPS)
    for method in (beam_search, dvts):
        outcome = answer({"main": world, "prm": world}, method, Config(n=8, width=4))
        assert outcome.usage.sequential_tokens == STEPS


def test_the_last_iteration_decodes_to_the_end():
    world = StepWorld(1.0, STEPS)
    outcome = answer({"main": world, "prm": world}, beam_search, Config(iterations=2))
    assert outcome.answer == "right"
    assert outcome.winner is not None
    assert outcome.winner.text.count("ok") == STEPS
    assert outcome.winner.tokens == STEPS


def test_a_verifier_that_likes_short_beginnings_is_over_optimised():
    """Searching harder under a wrong verifier finds its mistakes: accuracy falls with n."""
    world = StepWorld(0.9, 4, skip_probability=0.1, short_bias=0.5, noise=0.05)
    exact = StepWorld(0.9, 4, skip_probability=0.1)
    one = (0.9 * 0.9) ** 4  # no step skipped, none bad
    for method, few, many in (
        (best_of_n, BestConfig(n=1), BestConfig(n=8)),
        (beam_search, Config(n=1, width=1, select="best"), Config(n=8, width=8, select="best")),
    ):
        little, _ = accuracy(method, few, world)
        much, _ = accuracy(method, many, world)
        honest, _ = accuracy(method, many, exact)
        assert close(little, one)
        assert much < one - 0.2
        assert honest > 0.9


def test_ended_beams_stay_candidates_and_the_others_go_on():
    def script(call):
        step = call.prompt.prefix.count("\n\n")
        if call.index == 0 and step == 0:
            return Trace("\\boxed{early}", 1, ends=[13])
        return Trace(f"s{step}" if step < 2 else "\\boxed{late}", 1, ends=[2 if step < 2 else 12])

    engine = Scripted(script, rewards=lambda t: 1.0 if "early" in t.text else 0.9)
    best = answer(engine, beam_search, Config(n=4, width=2, select="best"))
    assert best.answer == "early"
    weighted = answer(engine, beam_search, Config(n=4, width=2, select="weighted"))
    assert weighted.answer == "late"


def test_equal_beams_are_dropped_before_copying_if_asked():
    def script(call):
        first = not call.prompt.prefix
        text = ("same", "same", "other", "worst")[call.index] if first else "\\boxed{x}"
        return Trace(text, 1, ends=[len(text)])

    def prefixes(**more):
        worth = {"same": 0.9, "other": 0.5, "worst": 0.1}
        engine = Scripted(script, rewards=lambda t: worth.get(t.text.split("\n\n")[0], 1.0))
        answer(engine, beam_search, Config(n=4, width=2, **more))
        assert {call.sampling.temperature for call in engine.calls} == {0.8}  # as released
        return [call.prompt.prefix.strip() for call in engine.calls[4:]]

    assert prefixes() == ["same"] * 4
    assert prefixes(unique=True) == ["same", "other"] * 2


def ladder(call):
    """Three steps and a box; the first is "good" or "bad", all others tell nothing."""
    done = [part for part in call.prompt.prefix.split("\n\n") if part]
    if not done:
        text = "good" if call.index % 2 else "bad"
    elif len(done) < 3:
        text = "step"
    else:
        text = f"\\boxed{{{done[0]}}}"
    return Trace(text, 1, ends=[len(text)])


@pytest.mark.parametrize(("k", "says"), [(0, "bad"), (1, "bad"), (2, "good"), (3, "good")])
def test_a_beam_is_scored_where_its_rollout_ends(k, says):
    def late(trace):
        # sees what the first step was worth two steps later; before, all look alike
        steps = trace.text.count("step")
        return 0.5 if steps < 2 else 0.9 if "good" in trace.text else 0.1

    engine = Scripted(ladder, rewards=late)
    outcome = answer(engine, beam_search, Config(n=2, width=2, lookahead=k))
    assert outcome.answer == says
    greedy = [call for call in engine.calls if call.sampling.temperature == 0]
    # two beams; of the four rounds the last k roll out less far, and ended beams not at all
    assert len(greedy) == 2 * sum(min(k, left) for left in (3, 2, 1, 0))
    assert outcome.usage.completion_tokens == len(engine.calls)


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        ({"n": 6, "width": 4}, "not a multiple"),
        ({"width": 8, "n": 4}, "width=8"),
        ({"separator": ""}, "separator"),
        ({"lookahead": -1}, "lookahead"),
        ({"verifier": "agreement"}, "beginning"),
        ({"verifier": "prn"}, "prm"),
    ],
)
def test_bad_settings_are_refused(bad, names):
    with pytest.raises(UsageError, match=names):
        Config(**bad)


def test_a_judge_needs_no_reward_model():
    engine = Scripted(lambda c: Trace("\\boxed{x}", 1), capabilities=("text", "prefix"))
    with pytest.raises(CapabilityError, match="reward"):
        answer(engine, beam_search, Config())
    assert answer(engine, beam_search, Config(verifier="judge")).answer == "x"
