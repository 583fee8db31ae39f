"""A method inside another: what the inner one spends is the outer one's too, and its budget its own."""

from __future__ import annotations

import pytest
from fakes import Scripted, answer, method_of, problem, said
from random_programs import length_of

from ttscale.core import Budget, Outcome, Price, Prompt, Run, Score, run_in_token_time


class Scoring(Scripted):
    """Scores any text as ten tokens."""

    async def score(self, prompt, text):
        return Score([-1.0] * 3, 10)


def chain(*lengths: int, offer: str = "inner"):
    """A method that takes samples of these lengths one after another."""

    async def samples(p, ctx, cfg):
        for n in lengths:
            await ctx.sample(Prompt(raw=f"s|{n}"))
            ctx.offer(offer)
        return Outcome(offer, stopped_by="all")

    return method_of(samples).bind(None)


@pytest.mark.parametrize("before", [0, 100])
def test_an_inner_budget_of_sequential_tokens_counts_from_where_the_inner_method_begins(before):
    async def outer(p, ctx, cfg):
        if before:
            await ctx.sample(Prompt(raw=f"first|{before}"))
        inner = await ctx.solve(chain(30, 15, 30), p, budget=Budget(sequential=50))
        assert (inner.stopped_by, inner.usage.sequential_tokens) == ("budget:sequential", 50)
        assert [t.finish for t in inner.traces] == ["stop", "stop", "budget"]
        return Outcome("outer", stopped_by="done")

    outcome = answer(Scripted(length_of), outer)
    assert outcome.usage.sequential_tokens == before + 50


def test_the_chain_of_an_inner_method_counts_against_the_outer_budget_while_it_goes_on():
    left = []

    async def inner(p, ctx, cfg):
        for _ in range(3):
            left.append(ctx.remaining("sequential"))
            await ctx.sample(Prompt(raw="s|30"))
        return Outcome("never")

    async def outer(p, ctx, cfg):
        await ctx.solve(method_of(inner).bind(None), p)
        return Outcome("never")

    outcome = answer(Scripted(length_of), outer, budget=Budget(sequential=50))
    assert left == [50, 20, 0]
    assert (outcome.stopped_by, outcome.usage.sequential_tokens) == ("budget:sequential", 50)


def test_what_an_inner_method_has_scored_is_in_every_bill_above_it():
    async def judges(p, ctx, cfg):
        for _ in range(3):
            await ctx.score(p.prompt, "text")
        return Outcome("inner", stopped_by="scored")

    async def outer(p, ctx, cfg):
        inner = await ctx.solve(method_of(judges).bind(None), p)
        assert (inner.usage.verifier_tokens, inner.usage.cost) == (30, pytest.approx(0.3))
        return Outcome("outer", stopped_by="done")

    engine = Scoring(length_of, capabilities=("text", "score"))
    run = Run({"main": engine}, prices={"main": Price(prompt=10_000.0, completion=0.0)})
    outcome = run_in_token_time(run.answer(method_of(outer).bind(None), problem()))
    assert (outcome.usage.verifier_tokens, outcome.usage.cost) == (30, pytest.approx(0.3))
    assert (run.usage.verifier_tokens, run.usage.cost) == (30, pytest.approx(0.3))


def test_a_model_of_its_own_has_no_price_until_one_is_given():
    async def both(p, ctx, cfg):
        await ctx.sample(p.prompt)
        await ctx.sample(p.prompt, cfg)
        return Outcome("x", stopped_by="done")

    def cost(role: str, **prices: Price) -> float | None:
        drawn = Scripted(lambda call: said("x", 10))
        engines = {"main": drawn, "draft": Scripted(lambda call: said("x", 10))}
        given = {"main": Price(prompt=0.0, completion=1000.0), **prices}
        return answer(engines, both, role, prices=given).usage.cost

    assert cost("judge") == pytest.approx(0.02)  # the main model judges
    assert cost("draft") is None
    assert cost("draft", draft=Price(prompt=0.0, completion=100.0)) == pytest.approx(0.011)
