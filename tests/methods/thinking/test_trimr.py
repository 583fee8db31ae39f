"""TrimR on thinking whose answers are known, thought by thought."""

from __future__ import annotations

import math
import random
from statistics import fmean, stdev

import pytest
from fakes import Boxed, Scripted, Ticking, answer
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import EngineError, GenerationRequest, Problem, Prompt, Trace, Unreachable
from ttscale.methods.thinking.trimr import Config, Convergence, lost, trimr
from ttscale.reproduce.worlds.thinker import LENGTH, Thinker, spoken


def stops_at(answers: str, agreements: int | None) -> int | None:
    """After how many thoughts the rule ends the thinking; "-" states no answer."""
    rule, before = Convergence(agreements), ""
    for k, stated in enumerate(answers, 1):
        if stated != "-":
            if rule.add(stated == before):
                return k
            before = stated
    return None


@pytest.mark.parametrize(
    ("answers", "agreements", "stop"),
    [
        ("AAA", 2, 3),
        ("BAAAA", 2, 4),
        ("ABABAB", 2, None),
        ("AABAA", 2, None),
        ("A--A-AB", 2, 6),
        ("AA", 1, 2),
        ("AB", 0, 2),
        ("A", 0, None),
        ("AAAAAA", 3, 4),
        ("AAAAAA", None, None),
    ],
)
def test_a_run_of_agreements_ends_the_thinking_exactly_there(answers, agreements, stop):
    assert stops_at(answers, agreements) == stop


@given(st.text("AB-", max_size=20), st.integers(1, 3))
def test_the_rule_is_the_first_run_among_the_thoughts_that_state_an_answer(answers, agreements):
    stated = [(k, a) for k, a in enumerate(answers, 1) if a != "-"]
    runs = [
        stated[i + agreements][0]
        for i in range(len(stated) - agreements)
        if len({a for _, a in stated[i : i + agreements + 1]}) == 1
    ]
    assert stops_at(answers, agreements) == min(runs, default=None)


@given(st.integers(0, 40), st.integers(0, 2000), st.integers(0, 4), st.booleans())
def test_a_lost_search_needs_the_budget_the_thoughts_and_no_agreement(thoughts, tokens, longest, consensus):
    cfg = Config(max_tokens=1000, consensus=consensus)
    expected = thoughts >= 20 and tokens >= 500 and (longest < 2 or not consensus)
    assert lost(tokens, thoughts, longest, cfg) == expected
    assert not lost(tokens, thoughts, longest, Config(consensus=consensus)), "without a budget it rests"


@pytest.mark.parametrize(("p", "agreements"), [(0.5, 1), (0.5, 2), (0.8, 2), (0.6, 3)])
def test_thoughts_until_a_run_are_as_many_as_the_closed_form_says(p, agreements):
    rng, counts = random.Random(7), []
    for _ in range(3000):
        rule, before, k = Convergence(agreements), -1, 0
        while True:
            k += 1
            stated = 0 if rng.random() < p else k
            if rule.add(stated == before):
                break
            before = stated
        counts.append(k)
    run = agreements + 1
    expected = (1 - p**run) / ((1 - p) * p**run)
    # chance of a false alarm 6e-5
    assert abs(fmean(counts) - expected) < 4 * stdev(counts) / math.sqrt(len(counts))


def question(name: str = "q") -> Problem:
    return Problem(name, Prompt.user("What is it?"), Boxed(), "right")


def settings(**more) -> Config:
    return Config(**{"send_every": 1, **more})


@pytest.mark.parametrize("make", [Scripted, Ticking])
@pytest.mark.parametrize("agreements", [1, 2, 3])
def test_the_stop_comes_when_the_next_marker_shows_that_the_thought_is_complete(make, agreements):
    world = Thinker(thoughts=12, p=1.0)
    engine = make(world._reply)
    outcome = answer(engine, trimr, settings(agreements=agreements), of=question())
    assert (outcome.answer, outcome.stopped_by) == ("right", "overthinking")
    # the marker's paragraph has to be long enough to be told from a longer marker: three words here
    late = outcome.extra["thinking_tokens"] - (agreements + 1) * LENGTH
    assert 0 < late <= 6
    assert outcome.winner is not None
    assert "**Final Answer**" in outcome.winner.text
    assert outcome.winner.text.count("</think>") == 1
    assert outcome.usage.by["verifier"].completion_tokens == outcome.extra["verdicts"] == 2 * agreements + 1
    assert outcome.usage.prompt_tokens is not None
    assert outcome.usage.by["verifier"].prompt_tokens == 10 * outcome.extra["verdicts"]
    main = [t for t in outcome.traces if t.role == "main"]
    assert outcome.winner.tokens == sum(t.tokens for t in main)


def test_thinking_that_never_agrees_runs_to_its_end_and_is_plain_decoding():
    world = Thinker(thoughts=6, s=0.0, c=0.0)
    engine = Scripted(world._reply)
    outcome = answer(engine, trimr, settings(), of=question())
    assert (outcome.answer, outcome.stopped_by) == ("wrong5", "thinking_ended")
    assert len([c for c in engine.calls if c.role == "main"]) == 1
    assert outcome.winner is not None
    assert outcome.winner.text == "<think>\n" + "".join(world.words("q")) + "</think>\n\n\\boxed{wrong5}"


def test_thoughts_that_state_nothing_do_not_break_a_run():
    world = Thinker(thoughts=30, p=1.0, silent=0.5)
    outcome = answer(Scripted(world._reply), trimr, settings(), of=question())
    assert outcome.stopped_by == "overthinking"
    assert outcome.extra["conclusive"] == 3
    assert outcome.extra["thoughts"] > 3


@pytest.mark.parametrize(
    ("more", "stop"),
    [
        ({"max_tokens": 1000, "thoughts": 20}, "underthinking"),
        ({"max_tokens": 1000, "thoughts": 31}, "thinking_ended"),
        ({"max_tokens": 2000, "thoughts": 20}, "thinking_ended"),
    ],
)
def test_a_search_without_agreement_is_ended_by_force(more, stop):
    world = Thinker(thoughts=30, s=0.0, c=0.0)
    outcome = answer(Scripted(world._reply), trimr, settings(**more), of=question())
    assert outcome.stopped_by == stop
    if stop == "underthinking":
        assert 500 <= outcome.extra["thinking_tokens"] <= 520
        assert outcome.winner is not None
        assert "for a long time" in outcome.winner.text
        assert outcome.winner.text.index("for a long time") < outcome.winner.text.index("</think>")


@pytest.mark.parametrize("consensus", [True, False])
def test_agreement_saves_a_long_search_unless_only_the_counts_are_looked_at(consensus):
    world = Thinker(thoughts=30, p=1.0)
    cfg = settings(max_tokens=1000, agreements=None, consensus=consensus)
    outcome = answer(Scripted(world._reply), trimr, cfg, of=question())
    assert outcome.stopped_by == ("thinking_ended" if consensus else "underthinking")


def looping(request: GenerationRequest) -> Trace:
    if request.role == "verifier":
        return spoken(["No"])
    if "</think>" in request.prompt.prefix:
        return spoken(["\\boxed{right}"])
    return spoken([f"w{n % 40} " for n in range(2000)])


def test_thinking_that_says_the_same_again_is_ended_by_force():
    outcome = answer(Scripted(looping), trimr, settings(window=16), of=question())
    assert (outcome.answer, outcome.stopped_by) == ("right", "repetition")
    assert outcome.extra["thinking_tokens"] == 2 * 40 + 16
    unwatched = answer(Scripted(looping), trimr, settings(window=None, max_tokens=500), of=question())
    assert unwatched.stopped_by == "length"
    assert unwatched.answer is None


@pytest.mark.parametrize("error", [EngineError("down"), Unreachable("gone")])
def test_a_verifier_that_fails_changes_nothing(error):
    world = Thinker(thoughts=8, p=1.0)

    def broken(request: GenerationRequest) -> Trace:
        if request.role == "verifier":
            raise error
        return world._reply(request)

    outcome = answer(Scripted(broken), trimr, settings(), of=question())
    assert (outcome.answer, outcome.stopped_by) == ("right", "thinking_ended")
    assert outcome.extra["no_verdict"] == outcome.extra["thoughts"] > 0


def test_a_verdict_that_comes_after_the_thinking_has_ended_is_discarded():
    """Verdicts that take longer than all of the thinking: the plain reply, to the letter."""
    slow = Thinker(thoughts=6, p=1.0, verdict_ticks=400)
    outcome = answer(Scripted(slow._reply), trimr, settings(verdict_tokens=400), of=question())
    assert outcome.stopped_by == "thinking_ended"
    assert outcome.winner is not None
    assert "Final Answer" not in outcome.winner.text
    assert outcome.usage.by["verifier"].completion_tokens > 0, "what was given up is counted"


@pytest.mark.parametrize("lag", [1, 10, 50, 100])
def test_sending_seldom_costs_at_most_the_tokens_between_two_times(lag):
    world = Thinker(thoughts=40, p=1.0)
    at_once, late = (
        answer(Scripted(world._reply), trimr, Config(send_every=n), of=question()).extra["thinking_tokens"]
        for n in (1, lag)
    )
    assert 0 <= late - at_once <= lag + 2


def test_more_agreements_cost_more_tokens():
    def tokens(agreements: int | None) -> int:
        world = Thinker(thoughts=20, p=0.6)
        return sum(
            answer(
                Scripted(world._reply), trimr, settings(agreements=agreements), of=question(f"q{n}")
            ).extra["thinking_tokens"]
            for n in range(4)
        )

    spent = [tokens(agreements) for agreements in (0, 1, 2, 3, None)]
    assert spent == sorted(spent)
    assert len(set(spent)) == 5


def test_a_verifier_of_its_own_is_the_one_that_is_paid():
    world = Thinker(thoughts=12, p=1.0)
    main, verifier = Scripted(world._reply), Scripted(world._reply)
    answer({"main": main, "verifier": verifier}, trimr, settings(), of=question())
    assert {c.role for c in main.calls} == {"main"}
    assert {c.role for c in verifier.calls} == {"verifier"}
    assert all(c.sampling.max_tokens == 1 and c.sampling.temperature == 0 for c in verifier.calls)
