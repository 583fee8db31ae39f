"""Rescue: thinking that has spent its cap is ended and the answer asked for, once, billed and marked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fakes import Live, NoConfig, Scripted, Ticking, answer, problem, said

from ttscale.bench.store.codec import pack, unpack
from ttscale.core import (
    AuthError,
    Budget,
    Context,
    EngineError,
    Outcome,
    Price,
    Problem,
    Prompt,
    Run,
    Sampling,
    Trace,
)
from ttscale.core.execution.rescue import ANSWER_TOKENS
from ttscale.core.thinking import THINK
from ttscale.methods import parse


def thought(text: str = "<think>\nlet me see", tokens: int = 30, **fields: Any) -> Trace:
    return Trace(text, tokens, "length", **fields)


def solved(engine: Any, method: str = "simple", *, budget: Budget | None = None, **run: Any) -> Outcome:
    made = parse(method)
    return answer(engine, made.method, made.cfg, budget=budget, **{"rescue": True, **run})


def test_a_reply_that_is_all_thinking_is_ended_and_continued_once():
    engine = Scripted([thought(), said("right", tokens=7)])
    outcome = solved(engine)
    second = engine.calls[1]
    assert second.prompt.prefix == "<think>\nlet me see\n</think>\n\n"
    assert (second.role, second.part, second.sampling.max_tokens) == ("rescue", "rescue", ANSWER_TOKENS)
    assert outcome.winner is not None
    assert (outcome.answer, outcome.extra["rescued"]) == ("right", True)
    assert (outcome.winner.thinking, outcome.winner.answer_text.strip()) == ("let me see", r"\boxed{right}")
    assert (outcome.usage.tokens, outcome.usage.calls, outcome.usage.sequential_tokens) == (37, 2, 37)


@pytest.mark.parametrize(
    "first",
    [
        said("right"),
        said(None, finish="length"),  # nothing, not even thinking
        Trace("just words", 9, "length"),
        Trace("<think>a</think> so the ans", 9, "length"),  # it has begun to answer
        Trace("<think>a", 9, "stop"),  # it has ended by itself
        Trace("<think>a", 9, "cut"),
        Trace("<think>a", 9, "refused"),
    ],
)
def test_nothing_else_is_rescued(first: Trace):
    engine = Scripted([first, said("wrong")])
    outcome = solved(engine)
    assert (len(engine.calls), "rescued" in outcome.extra) == (1, False)


def test_it_is_off_unless_it_is_asked_for():
    engine = Scripted([thought(), said("right")])
    assert (solved(engine, rescue=False).answer, len(engine.calls)) == (None, 1)


def test_of_many_samples_that_only_think_one_is_rescued():
    engine = Scripted(lambda request: said("right") if request.part == "rescue" else thought())
    outcome = solved(engine, "sc(n=8)")
    assert [call.part for call in engine.calls] == ["answer"] * 8 + ["rescue"]
    assert (outcome.answer, outcome.usage.samples, outcome.usage.tokens) == ("right", 9, 250)


def test_where_any_sample_has_answered_none_is_rescued():
    engine = Scripted([thought(), thought(), said("right"), thought()])
    outcome = solved(engine, "sc(n=4)")
    assert (outcome.answer, len(engine.calls)) == ("right", 4)


def test_methods_inside_a_method_are_not_rescued_one_by_one():
    async def several(problem: Problem, ctx: Context, cfg: NoConfig) -> Outcome:
        for _ in range(3):
            await ctx.solve(parse("simple"), problem)
        return Outcome(None)

    engine = Scripted(lambda request: said("right") if request.part == "rescue" else thought())
    assert answer(engine, several, rescue=True).answer == "right"
    assert len(engine.calls) == 4


def test_a_sample_of_another_prompt_is_not_continued_under_the_problems():
    async def turned(problem: Problem, ctx: Context, cfg: NoConfig) -> Outcome:
        await ctx.sample(Prompt.user("something else"))
        return Outcome(None)

    engine = Scripted([thought()])
    assert "rescued" not in answer(engine, turned, rescue=True).extra


@pytest.mark.parametrize(
    "then",
    [
        EngineError("no"),
        AuthError("no"),
        Trace("", 0, "error", error=AuthError("no longer")),
        Trace("", 0, "error", error=EngineError("lost")),
        Trace("", 12, "length"),
        Trace("<think>", 3, "stop"),
        Trace("I must decline", 3, "refused"),
    ],
)
def test_a_rescue_that_fails_leaves_the_outcome_as_it_was(then: Any):
    outcome = solved(Scripted([thought(), then]))
    assert outcome.winner is outcome.traces[0]
    assert (outcome.answer, outcome.stopped_by, outcome.extra) == (None, "length", {})


def test_an_answer_that_is_cut_is_shown_but_counts_for_none():
    winner = solved(Scripted([thought(), Trace("it is, I th", 512, "length")])).winner
    assert winner is not None
    assert (winner.thinking, winner.answer_text, winner.finish) == ("let me see", "it is, I th", "length")


@pytest.mark.parametrize("kind", ["samples", "calls", "tokens", "sequential"])
def test_a_budget_that_is_spent_allows_none(kind: str):
    budget = Budget.of({kind: 1 if kind in ("samples", "calls") else 30})
    engine = Ticking([thought(), said("right")])
    outcome = solved(engine, budget=budget)
    assert (len(engine.calls), outcome.answer, outcome.usage.tokens) == (1, None, 30)


@pytest.mark.parametrize("budget", [Budget(tokens=34), Budget(sequential=34), Budget(seconds=0.34)])
def test_a_budget_that_ends_it_is_kept_and_told_and_nothing_is_lost(budget: Budget):
    engine = Ticking([thought(), said("right", tokens=9)])
    outcome = solved(engine, budget=budget)
    assert (outcome.answer, outcome.over_budget, outcome.usage.tokens) == (None, True, 34)
    assert outcome.winner is not None
    assert outcome.winner.thinking == "let me see"
    assert engine.generated == 34


def test_where_a_budget_has_ended_the_method_nothing_is_rescued_with_what_is_left():
    async def frugal(problem: Problem, ctx: Context, cfg: NoConfig) -> Outcome:
        trace = await ctx.sample(problem.prompt)
        assert not ctx.can_afford(samples=5)
        return Outcome(None, trace)

    engine = Scripted([thought(), said("right")])
    outcome = answer(engine, frugal, budget=Budget(samples=3), rescue=True)
    assert (len(engine.calls), outcome.answer, outcome.over_budget) == (1, None, True)


def test_what_it_costs_is_the_main_models_price():
    engine = Scripted([thought(prompt_tokens=5), said("right", tokens=10, prompt_tokens=40)])
    outcome = solved(engine, prices={"main": Price(1e6, 1e6)})
    assert outcome.usage.cost == 5 + 30 + 40 + 10


def test_the_caps_of_the_user_were_spent_on_thinking_and_the_rest_holds():
    engine = Scripted([thought(), said("right")])
    solved(engine, request=Sampling(max_tokens=30, min_tokens=20, temperature=0.3, stop=("END",)))
    assert engine.calls[1].sampling == Sampling(max_tokens=ANSWER_TOKENS, temperature=0.3, stop=("END",))


def test_thinking_that_the_prompt_has_opened_is_ended_too():
    asked = Problem("p", problem().prompt.then("<think>\n"), problem().rule)
    engine = Scripted([thought("let me see"), said("right")])
    outcome = answer(engine, parse("simple").method, of=asked, rescue=True)
    assert engine.calls[1].prompt.prefix == "<think>\nlet me see\n</think>\n\n"
    assert outcome.winner is not None
    assert (outcome.answer, outcome.winner.thinking) == ("right", "let me see")


def test_an_answer_that_a_parser_takes_for_thinking_is_the_answer():
    reply = Trace(r"<think>\boxed{right}", 4, thinking_at=[(7, 20)])
    outcome = solved(Scripted([thought(), reply]))
    assert outcome.winner is not None
    assert (outcome.answer, outcome.winner.answer_text) == ("right", r"\boxed{right}")


def live(script: Any, **sampling: Any) -> tuple[Outcome, list[Any]]:
    calls: list[Any] = []

    def play(request: Any) -> Trace:
        calls.append(request)
        return script(request)  # type: ignore[no-any-return]

    run = Run({"main": Live(play)}, rescue=True, request=Sampling(**sampling))
    return asyncio.run(run.answer(parse("simple"), problem())), calls


def test_where_a_reply_cannot_be_continued_it_is_asked_for_without_thinking():
    given = {"chat_template_kwargs": {"enable_thinking": True, "style": "terse"}, "top_a": 1}
    outcome, calls = live(lambda r: said("right") if r.part == "rescue" else thought(), extra=given)
    first, second = calls
    assert first.sampling.extra == given
    assert second.sampling.extra == {
        "chat_template_kwargs": {"enable_thinking": False, "style": "terse"},
        "top_a": 1,
    }
    assert (second.prompt, second.index, second.seed != first.seed) == (first.prompt, 0, True)
    assert outcome.winner is not None
    assert (outcome.answer, outcome.winner.thinking) == ("right", "let me see")


def test_a_model_that_thinks_all_the_same_is_asked_once_more_and_never_again():
    outcome, calls = live(lambda r: thought())
    assert (len(calls), outcome.answer, outcome.extra) == (2, None, {})
    again = Trace(r"<think>a</think>\boxed{b}", 4)
    outcome, _ = live(lambda r: again if r.part == "rescue" else thought())
    assert outcome.winner is not None
    assert (outcome.winner.thinking, outcome.winner.answer_text) == ("let me see", r"\boxed{b}")


def test_a_recording_is_not_asked_what_it_was_never_asked():
    engine = Scripted([thought()], capabilities={"text"})
    assert (solved(engine).answer, len(engine.calls)) == (None, 1)


def test_it_never_votes_and_is_kept_as_what_it_is():
    outcome = solved(Scripted([thought(), said("right")]))
    attempt, rescue = outcome.traces
    kept = unpack(pack(rescue), role=rescue.role, prompt_key=rescue.prompt_key, index=rescue.index)
    assert (attempt.part, rescue.part, kept.part) == ("answer", "rescue", "rescue")
    assert outcome.usage.parts["rescue"].samples == 1


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("<think>\na", "<think>\na\n</think>\n\n"),
        ("<think>\na\n", "<think>\na\n</think>\n\n"),
        ("<think>a</think>", "<think>a</think>"),
        ("<think>a</think>\n\n", "<think>a</think>\n\n"),
    ],
)
def test_thinking_is_ended_once(text: str, ended: str):
    assert THINK.ended(text) == ended
