"""V1: budgets, places, and what pairs see that single ratings do not."""

from __future__ import annotations

import math
import random
import re

import numpy as np
import pytest
from fakes import Scripted, answer, problem, said

from ttscale.core import Budget, GenerationRequest, Prompt, Run, Trace, run_in_token_time
from ttscale.methods.registry import parse
from ttscale.methods.search.v1 import Config, v1


def world(n_right: int, n_wrong: int, rate) -> Scripted:  # type: ignore[no-untyped-def]
    """Candidates that say their truth; `rate(rng, truths)` gives the ratings of those a judge is shown."""
    answers = ["wrong"] * n_wrong + ["right"] * n_right

    def play(call: GenerationRequest) -> Trace:
        if call.role != "judge":
            return said(answers[len([c for c in engine.calls if c.role != "judge"]) - 1])
        rng = random.Random(call.seed)
        truths = ["right" in found for found in re.findall(r"boxed\{(right|wrong)\}", call.prompt.text)]
        ratings = rate(rng, truths)
        if len(ratings) == 1:
            return Trace(f"<rating>{ratings[0]}</rating>", 3)
        return Trace(f"<rating_A>{ratings[0]}</rating_A><rating_B>{ratings[1]}</rating_B>", 3)

    engine = Scripted(play, capabilities=("text",))
    return engine


def judged(engine: Scripted) -> list[GenerationRequest]:
    return [call for call in engine.calls if call.role == "judge"]


def share_right(engine, runs: int = 200, **params) -> float:  # type: ignore[no-untyped-def]
    run, cfg = Run({"main": engine()}), v1.configure(params)

    async def main() -> float:
        right = []
        for i in range(runs):
            run = Run({"main": engine()}, seed=i)
            right.append((await run.answer(v1.bind(cfg), problem(f"q{i}"))).answer == "right")
        return float(np.mean(right))

    del run
    return run_in_token_time(main())


def sharp(rng: random.Random, truths: list[bool]) -> list[float]:
    return [10.0 if t else 3.0 for t in truths]


@pytest.mark.parametrize("schedule", ["swiss", "random", "round_robin", "knockout"])
@pytest.mark.parametrize("order", ["fixed", "random", "both"])
def test_a_lone_right_sample_among_wrong_ones_wins(schedule: str, order: str) -> None:
    engine = world(1, 7, sharp)
    outcome = answer(engine, v1, Config(n=8, budget=2, schedule=schedule, order=order))  # type: ignore[arg-type]
    assert outcome.answer == "right"
    assert len(judged(engine)) <= 16


@pytest.mark.parametrize(("budget", "calls"), [(1, 16), (1.5, 24), (2, 32), (3, 48)])
def test_the_budget_is_what_is_spent(budget: float, calls: int) -> None:
    engine = world(4, 12, sharp)
    outcome = answer(engine, v1, Config(n=16, budget=budget))
    assert len(judged(engine)) == calls
    assert outcome.usage.verifier_tokens == 3 * calls


def test_judgements_of_a_round_are_made_at_once() -> None:
    """16 samples at 10 tokens and 48 judgements at 3: about 2 B / N rounds in a row."""
    outcome = answer(world(4, 12, sharp), v1, Config(n=16))
    assert 10 + 3 * 6 <= outcome.usage.sequential_tokens <= 10 + 3 * 9


def test_saturated_single_ratings_leave_the_first_sample_ahead() -> None:
    flat = lambda rng, truths: [10] * len(truths)  # noqa: E731
    assert answer(world(4, 4, flat), v1, Config(n=8, schedule="pointwise")).answer == "wrong"
    assert answer(world(4, 4, sharp), v1, Config(n=8)).answer == "right"


def test_single_ratings_are_repeated_to_the_same_budget() -> None:
    engine = world(4, 4, sharp)
    assert answer(engine, v1, Config(n=8, budget=3, schedule="pointwise")).answer == "right"
    assert len(judged(engine)) == 24


def test_two_candidates_are_right_as_often_as_the_noise_allows() -> None:
    """Ratings are quality + offset of the call + noise: P = Phi(d / (sqrt(2) s)), whatever the offset."""
    gap, noise, runs = 1.0, 0.8, 600

    def rate(rng: random.Random, truths: list[bool]) -> list[float]:
        offset = rng.gauss(0, 0.7)
        return [5 + gap * t + offset + rng.gauss(0, noise) for t in truths]

    expected = 0.5 * (1 + math.erf(gap / (2 * noise)))
    found = share_right(lambda: world(1, 1, rate), runs, n=2)
    # a standard error of .016; a false alarm in 10^4 at 4. Clamping to [1, 10] hits 3 of 1000 ratings
    assert found == pytest.approx(expected, abs=0.065)


def test_a_judge_that_prefers_a_place_decides_only_where_the_place_is_fixed() -> None:
    """It gives A three points more, however good. The first sample is wrong and is named first."""

    def rate(rng: random.Random, truths: list[bool]) -> list[float]:
        return [3 + 2 * truths[0] + 3, 3 + 2 * truths[1]]

    fixed, by_chance, both = (
        share_right(lambda: world(2, 2, rate), 100, n=4, budget=6, order=order)
        for order in ("fixed", "random", "both")
    )
    assert both == 1.0
    assert fixed < by_chance


def test_a_judge_that_says_nothing_readable_is_counted_and_the_first_sample_stands() -> None:
    def play(call: GenerationRequest) -> Trace:
        return Trace("hard to say", 3) if call.role == "judge" else said("right", 10)

    outcome = answer(Scripted(play, capabilities=("text",)), v1, Config(n=4, budget=2))
    assert (outcome.answer, outcome.extra["values"]) == ("right", [0.5] * 4)
    assert outcome.extra["unread_ratings"] == 16


def test_samples_without_an_answer_are_not_compared() -> None:
    engine = Scripted(
        lambda call: said([None, "right", None][len(engine.calls) - 1] if call.role != "judge" else None),
        capabilities=("text",),
    )
    assert answer(engine, v1, Config(n=3)).answer == "right"
    assert judged(engine) == []


def test_a_budget_that_ends_between_rounds_leaves_the_leader() -> None:
    """Tokens for the samples and one round: its winner is right."""
    outcome = answer(world(1, 1, sharp), v1, Config(n=2), budget=Budget(tokens=24))
    assert outcome.answer == "right"


def test_one_sample_is_plain_decoding() -> None:
    plain = parse("simple")
    one = answer(world(1, 0, sharp), v1, Config(n=1))
    other = answer(world(1, 0, sharp), plain.method, plain.cfg)
    assert (one.answer, one.traces) == (other.answer, other.traces)


def test_as_a_verifier_of_best_of_n_it_finds_the_lone_right_sample() -> None:
    for verifier, calls in (("pairwise", 16), ("pointwise", 8)):
        chosen = parse(f"best-of-n(n=8, verifier={verifier})")
        engine = world(1, 7, sharp)
        # solutions are shown to it as their answer text
        assert answer(engine, chosen.method, chosen.cfg, of=_boxed()).answer == "right"
        assert len(judged(engine)) == calls


def _boxed():  # type: ignore[no-untyped-def]
    return problem("b")


def test_what_the_judge_is_shown_is_data() -> None:
    engine = world(1, 1, sharp)
    cfg = Config(n=2, templates={"compare": "{question} | {a} | {b}", "compare.system": "Be strict."})
    answer(engine, v1, cfg)
    (call,) = judged(engine)
    assert isinstance(call.prompt, Prompt)
    assert sorted(call.prompt.text.split(" | ")) == ["\\boxed{right}", "\\boxed{wrong}", "question p"]
    assert call.prompt.messages[0].content == "Be strict."


@pytest.mark.parametrize("schedule", ["swiss", "random", "round_robin", "knockout", "pointwise"])
def test_every_schedule_can_be_written_without_quotes(schedule: str) -> None:
    assert parse(f"v1(schedule={schedule}, order=both)").cfg.schedule == schedule
