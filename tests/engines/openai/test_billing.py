"""What is told of money is what a server bills, whether or not it ever tells of a sample that was
stopped; and a budget of money holds."""

from __future__ import annotations

import pytest
from engines.billing_server import PRICE, Biller, billed
from fakes import Boxed, method_of

from ttscale.core import Budget, Outcome, Problem, Prompt, Run
from ttscale.methods.registry import parse

LONG = Problem("long", Prompt.user("word " * 500), Boxed(), "4")


async def paid(biller: Biller, label: str, budget: Budget | None = None) -> Outcome:
    async with billed(biller) as engine:
        run = Run({"main": engine}, prices={"main": PRICE})
        return await run.answer(parse(label), LONG, budget=budget)


@pytest.mark.parametrize(
    ("label", "stops"),
    [
        ("sc(n=8)", False),
        ("ffs(n=8)", True),
        ("ffs(n=8, k=4)", True),
        ("ffs(n=32)", True),
        ("deepconf-online(max_samples=16, warm_up=4, window=16, consensus=2)", True),
    ],
)
async def test_the_cost_told_is_the_servers_bill(label, stops):
    biller = Biller()
    outcome = await paid(biller, label)
    assert outcome.answer == "4"
    assert outcome.usage.prompt_tokens == biller.prompts  # a sibling has told: nothing is estimated
    assert outcome.usage.estimated_prompt_tokens == 0
    # a step of every sample that was stopped is not known
    stopped = sum(t.finish in ("cut", "cancelled") for t in outcome.traces)
    assert abs(outcome.usage.completion_tokens - biller.made) <= stopped
    assert outcome.usage.cost == pytest.approx(biller.bill, rel=0.05)
    assert (stopped > 0) == (outcome.usage.estimated_cost > 0) == stops


async def test_prompts_of_which_no_sibling_ever_told_are_estimated_and_marked():
    biller = Biller(pause=0.01)
    usage = (await paid(biller, "ffs(n=8)", Budget(seconds=0.15))).usage
    assert 0 < usage.completion_tokens < 8 * 30
    assert usage.prompt_tokens == usage.estimated_prompt_tokens
    assert biller.prompts <= usage.prompt_tokens <= 2 * biller.prompts
    assert usage.shared_prompt_tokens == usage.prompt_tokens // 8
    assert usage.cost >= 0.95 * biller.bill
    assert usage.estimated_cost >= PRICE.of(usage.prompt_tokens, 0)


async def test_what_was_booked_with_an_estimate_is_put_right_once_a_sibling_tells():
    biller = Biller()

    async with billed(biller) as engine:
        run = Run({"main": engine}, prices={"main": PRICE})

        async def stops_two_and_asks_once_more(problem, ctx, cfg):
            async with ctx.as_finished(problem.prompt, 2):
                pass  # never sent: nothing is billed
            for _ in range(2):
                async with ctx.stream(problem.prompt) as live:
                    await live.__anext__()
            before = ctx.scope.usage.estimated_prompt_tokens
            trace = await ctx.sample(problem.prompt)
            return Outcome("4", trace, extra={"before": before})

        outcome = await run.answer(method_of(stops_two_and_asks_once_more).bind(None), LONG)
    usage = outcome.usage
    assert outcome.extra["before"] > 0
    assert (usage.prompt_tokens, usage.shared_prompt_tokens) == (biller.prompts, 500)
    assert usage.estimated_prompt_tokens == 0
    assert usage.cost == pytest.approx(biller.bill, abs=PRICE.of(0, 3))
    assert {t.prompt_tokens for t in outcome.traces if t.tokens} == {500}


@pytest.mark.parametrize("label", ["ffs(n=32)", "sc(n=32)", "ffs(n=32, k=4)"])
@pytest.mark.parametrize("limit", [0.003, 0.006, 0.02])
async def test_a_budget_of_money_is_passed_by_no_more_than_a_step_a_sample(label, limit):
    biller = Biller(pause=0.001)
    outcome = await paid(biller, label, Budget(cost=limit))
    assert biller.requests > 0
    assert biller.bill <= limit + PRICE.of(0, biller.requests)
    assert outcome.usage.cost <= limit


async def test_a_prompt_that_the_budget_cannot_buy_is_never_sent():
    biller = Biller()
    outcome = await paid(biller, "ffs(n=8)", Budget(cost=0.0003))
    assert (biller.requests, outcome.stopped_by) == (0, "budget:cost")
