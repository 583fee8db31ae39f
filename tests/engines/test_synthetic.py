"""Engines with known truth tell the truth."""

from __future__ import annotations

import math

import pytest
from fakes import problem

from ttscale.core import Trace, UsageError, run_in_token_time
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.recordings.pool import Pool
from ttscale.engines.synthetic import StepWorld, Synthetic, World, binary

N, SIGMAS = 4000, 5.0  # a false alarm in 1.7 million


def test_answers_lengths_and_confidences_have_their_distributions():
    world = World(
        answers={"right": 0.5, "odd": 0.3},
        length=500,
        spread=50,
        wrong_length=800,
        wrong_spread=100,
        confidence=9.0,
        wrong_confidence=7.0,
        noise=0.5,
        between=0.5,
    )
    engine, asked = Synthetic(world), problem()
    traces = [engine.sample_trace(world, asked, seed) for seed in range(N)]
    answers = [asked.answer(t) for t in traces]
    for given, p in (("right", 0.5), ("odd", 0.3), (None, 0.2)):
        assert abs(answers.count(given) / N - p) < SIGMAS * math.sqrt(p * (1 - p) / N)
    for right, mean, spread, level in ((True, 500, 50, 9.0), (False, 800, 100, 7.0)):
        chosen = [t for t, a in zip(traces, answers, strict=True) if (a == "right") == right]
        lengths = sum(t.tokens for t in chosen) / len(chosen)
        assert abs(lengths - mean) < SIGMAS * spread / math.sqrt(len(chosen))
        conf = sum(float(t.conf.mean()) for t in chosen) / len(chosen)
        assert abs(conf - level) < SIGMAS * math.hypot(0.5, 0.05) / math.sqrt(len(chosen))
    assert all(len(t.conf) == len(t.logprobs) == t.tokens for t in traces[:50])


def test_a_seed_gives_one_trace():
    world = binary(0.5)
    one, again = (Synthetic(world).sample_trace(world, problem(), 7) for _ in range(2))
    assert one == again


def test_what_is_no_distribution_is_refused():
    with pytest.raises(UsageError, match="not a distribution"):
        World(answers={"a": 0.7, "b": 0.4})
    with pytest.raises(UsageError, match=r"answers\.a=-0\.1: give a number of at least 0"):
        World(answers={"a": -0.1})


def test_a_speed_at_which_nothing_takes_time_is_refused():
    for speed in (0, -3):
        with pytest.raises(UsageError, match="give at least 1"):
            Synthetic(binary(0.5), ticks_per_token=speed)
        with pytest.raises(UsageError, match="give at least 1"):
            Replay(Pool("m", "t", [], {}), ticks_per_token=speed)


def test_log_probabilities_are_promised_only_where_there_are_confidences():
    assert Synthetic(binary(0.5)).capabilities == {"text"}
    assert "logprobs" in Synthetic(binary(0.5, confidence=9.0)).capabilities


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0.7**3),
        ("ok\n\n", 0.7**2),
        ("ok\n\nok\n\n", 0.7),
        ("ok\n\nok\n\nok\n\n", 1.0),
        ("ok\n\nbad\n\n", 0.0),
        ("ok\n\nok\n\nok\n\n\\boxed{right}", 1.0),
        ("skipped\n\n", 0.0),
    ],
)
def test_the_exact_value_of_a_beginning_is_q_to_the_steps_left(text, value):
    world = StepWorld(0.7, 3)
    rewards = run_in_token_time(world.reward(problem(), [Trace(text)]))
    assert rewards.values == [pytest.approx(value)]
