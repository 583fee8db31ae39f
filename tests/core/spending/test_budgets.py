"""Budgets end runs, never texts: nothing is overspent, nothing is left over, and what there is comes
back, marked with the limit that ended it."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from fakes import Live, Scripted, Ticking, answer, method_of, nothing_left, problem, said
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import MAIN, Evaluate, World, length_of, method, random_program

from ttscale.core import (
    Budget,
    LiveGeneration,
    Outcome,
    Price,
    Prompt,
    Run,
    UnknownName,
    UsageError,
    Votes,
    execute,
    run_in_token_time,
)
from ttscale.core.known_generation import head, piece
from ttscale.methods.registry import parse

PRICES = {"main": Price(prompt=0.0, completion=1000.0)}  # a thousandth per token
KINDS = ("tokens", "sequential", "samples", "seconds", "cost")
SPENT = {
    "tokens": lambda u: u.completion_tokens,
    "sequential": lambda u: u.sequential_tokens,
    "samples": lambda u: u.samples,
    "seconds": lambda u: u.seconds,
    "cost": lambda u: u.cost or 0.0,
}
AMOUNT = {"tokens": 1, "sequential": 1, "samples": 0.2, "seconds": 0.01, "cost": 0.001}


def limited(kind: str, n: int) -> Budget:
    amount = AMOUNT[kind] * n
    whole = kind in ("tokens", "sequential", "samples")
    return Budget(**{kind: max(1, round(amount)) if whole else amount})


@settings(max_examples=250)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(KINDS),
    limit=st.integers(1, 150),
    engine=st.sampled_from([Scripted, Ticking]),
)
def test_no_budget_of_any_kind_is_ever_exceeded(seed, kind, limit, engine):
    program = random_program(random.Random(seed), 2, (MAIN,), cancels=True)
    free = answer(engine(length_of), method(program), prices=PRICES)
    budget = limited(kind, limit)
    held = answer(engine(length_of), method(program), budget=budget, prices=PRICES)
    most = getattr(budget, kind)
    assert SPENT[kind](held.usage) <= most + 1e-9, (program, held.usage)
    if held.stopped_by != "played":
        assert held.stopped_by == f"budget:{kind}"
    if SPENT[kind](free.usage) > most + 1e-9:
        assert held.stopped_by == f"budget:{kind}"


@settings(max_examples=100)
@given(
    seed=st.integers(0, 10**6),
    limits=st.dictionaries(st.sampled_from(KINDS), st.integers(1, 150), min_size=2),
    inner=st.integers(1, 80),
)
def test_several_limits_and_a_nested_budget_all_hold(seed, limits, inner):
    program = random_program(random.Random(seed), 2, (MAIN,), cancels=True)
    budget = Budget(**{k: getattr(limited(k, n), k) for k, n in limits.items()})

    async def outer(p, ctx, cfg):
        got = await ctx.solve(method(program).bind(None), p, budget=Budget(tokens=inner))
        assert got.usage.completion_tokens <= inner
        return Outcome("outer", stopped_by="played")

    held = answer(Scripted(length_of), outer, budget=budget, prices=PRICES)
    for kind in limits:
        assert SPENT[kind](held.usage) <= getattr(budget, kind) + 1e-9


@settings(max_examples=60)
@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8), limit=st.integers(1, 200))
def test_a_token_budget_in_token_time_is_used_up_to_the_last_tick_that_fits(lengths, limit):
    async def race(p, ctx, cfg):
        async with ctx.as_finished([Prompt(raw=f"{i}|{n}") for i, n in enumerate(lengths)]) as all_:
            async for _ in all_:
                pass
        return Outcome("all", stopped_by="played")

    held = answer(Scripted(length_of), race, budget=Budget(tokens=limit))

    def spent(tick: int) -> int:
        return sum(min(n, tick) for n in lengths)

    best = max(spent(t) for t in range(max(lengths) + 1) if spent(t) <= limit)
    assert held.usage.completion_tokens == best
    assert held.over_budget == (sum(lengths) > limit)


def test_the_last_offer_comes_back():
    async def offers(p, ctx, cfg):
        for n in range(100):
            trace = await ctx.sample(p.prompt)
            ctx.offer(f"offer {n}", trace)
        return Outcome("never")

    outcome = answer(Scripted(lambda c: said("x")), offers, budget=Budget(tokens=35))
    assert outcome.answer == "offer 2"
    assert outcome.winner is outcome.traces[2]
    assert outcome.stopped_by == "budget:tokens"
    assert [t.finish for t in outcome.traces] == ["stop"] * 3 + ["budget"]
    assert outcome.usage.cancelled_tokens == 5


def test_without_an_offer_the_plurality_of_what_finished_comes_back():
    script = [said(a, n) for a, n in (("A", 5), ("B", 6), ("B", 7), ("C", 90), ("C", 90))]

    async def gather(p, ctx, cfg):
        async with ctx.as_finished(p.prompt, 5) as race:
            async for _ in race:
                pass
        return Outcome("never")

    outcome = answer(Scripted(script), gather, budget=Budget(seconds=0.2))
    assert outcome.answer == "B"
    assert outcome.winner is not None
    assert outcome.winner.tokens == 6
    assert outcome.stopped_by == "budget:seconds"


def test_a_vote_of_eight_under_a_budget_of_five_samples_is_a_vote_of_five():
    script = [said(a) for a in "AABBBCCC"]

    async def vote(p, ctx, cfg):
        votes = Votes(p)
        for trace in await ctx.sample_all(p.prompt, 8):
            votes.add(trace)
        return Outcome(votes.top(), votes.winner(), "voted")

    outcome = answer(Scripted(script), vote, budget=Budget(samples=5))
    assert (outcome.answer, outcome.stopped_by) == ("B", "budget:samples")
    assert outcome.usage.samples == len(outcome.traces) == 5


class Dripping(Live):
    """Lives in real time and shows a token whenever the event loop comes to it."""

    def start(self, request):
        return Drops(request, self.script(request))


class Drops(LiveGeneration):
    def __init__(self, request, known):
        super().__init__(request)
        self.known, self.tokens = known, 0
        request.loop.call_soon(self.drop)

    def drop(self):
        if self.finished:
            return
        self.tokens += 1
        self.show(piece(self.known, self.tokens - 1, self.tokens), ended=self.tokens == self.known.tokens)
        if self.tokens == self.known.tokens:
            self.end("stop")
        self.request.loop.call_soon(self.drop)

    def seen(self, at=None):
        return self.tokens

    def _stop(self, finish):
        return 0

    def _trace(self, finish, kept):
        return head(self.known, kept)


@pytest.mark.parametrize("limits", [{"tokens": 31}, {"cost": 0.031}, {"tokens": 40, "cost": 0.031}])
def test_in_real_time_too_samples_are_stopped_by_what_they_have_shown_together(limits):
    run = Run({"main": Dripping(lambda call: said("x", 100))}, prices=PRICES)
    vote = parse("sc(n=2)")
    held = execute(run, lambda: run.answer(vote, problem(), budget=Budget(**limits)))
    assert held.stopped_by == ("budget:cost" if "cost" in limits else "budget:tokens")
    assert [t.tokens for t in held.traces] == [16, 15]


@pytest.mark.parametrize("engine", [Scripted, Ticking])
@pytest.mark.parametrize(
    ("tokens", "cost", "kind"),
    [
        (31, 1.0, "tokens"),
        (60, 0.031, "cost"),
        (33, 0.031, "cost"),
        (31, 0.031, "tokens"),
        (31, 0.033, "tokens"),
    ],
)
def test_of_tokens_and_money_the_one_that_ends_first_is_named(engine, tokens, cost, kind):
    # two samples make 30 tokens in 15 ticks, and would have made 32 in the next
    vote, drawn = parse("sc(n=2)"), engine(lambda call: said("x", 100))
    budget = Budget(tokens=tokens, cost=cost)
    held = answer(drawn, vote.method, vote.cfg, budget=budget, prices=PRICES)
    assert (held.stopped_by, [t.tokens for t in held.traces]) == (f"budget:{kind}", [15, 15])


@pytest.mark.parametrize("engine", [Scripted, Ticking])
def test_prompts_count_against_a_budget_of_money_while_draws_are_under_way(engine):
    price = {"main": Price(prompt=100.0, completion=100.0)}  # 20 tokens of prompt, 0.002

    async def main(p, ctx, cfg):
        await ctx.sample(p.prompt)  # from now on the prompt's length is known of every engine
        async with ctx.as_finished(p.prompt, 4) as race:
            async for _ in race:
                pass
        return Outcome("done")

    drawn = engine(lambda call: said("x", 100 if call.index else 10, prompt_tokens=20))
    held = answer(drawn, main, budget=Budget(cost=0.02), prices=price)
    assert held.stopped_by == "budget:cost"
    # 30 tokens for the first sample, 4 prompts of 20 and 4 x 22 tokens: 198 of 200 are spent
    assert held.usage.cost == pytest.approx(0.0198)


def test_parallel_draws_under_a_budget_of_money_do_not_starve_together():
    engine = Scripted(lambda call: said("A", 100))
    vote = parse("sc(n=8)")
    held = answer(engine, vote.method, vote.cfg, budget=Budget(cost=0.35), prices=PRICES)
    assert held.answer == "A"  # eight at once would have had 43 tokens each
    assert held.usage.cost <= 0.35


def test_a_budget_of_money_without_a_price_is_refused_before_anything_is_spent():
    engine = Scripted(lambda call: said("x"))
    with pytest.raises(UsageError, match="needs the price of role 'main'"):
        answer(engine, parse("simple").method, parse("simple").cfg, budget=Budget(cost=1))
    assert not engine.calls


def test_given_texts_are_not_scored_once_a_budget_is_used_up():
    class Scores(Scripted):
        async def score(self, prompt, text):
            raise AssertionError("nothing is left to pay for it")

    async def main(p, ctx, cfg):
        await ctx.sample(p.prompt)
        await ctx.score(p.prompt, "text")

    engine = Scores(lambda call: said("x", 10), capabilities=("text", "score"))
    held = answer(engine, main, budget=Budget(tokens=10))
    assert (held.answer, held.stopped_by) == ("x", "budget:tokens")


def test_parallel_draws_under_a_token_budget_do_not_starve_together():
    async def vote(p, ctx, cfg):
        votes = Votes(p)
        for trace in await ctx.sample_all(p.prompt, 8, max_tokens=50):
            votes.add(trace)
        return Outcome(votes.top(), votes.winner(), "voted")

    outcome = answer(Scripted(lambda c: said("A", 40)), vote, budget=Budget(tokens=100))
    assert outcome.answer == "A"
    assert sum(t.finish == "stop" for t in outcome.traces) == 2


def test_an_inner_budget_ends_inside_solve_and_the_outer_method_goes_on():
    async def inner(p, ctx, cfg):
        ctx.offer("inner's best")
        await ctx.sample(Prompt(raw="long|500"))
        return Outcome("never")

    async def outer(p, ctx, cfg):
        first = await ctx.solve(method_of(inner).bind(None), p, budget=Budget(tokens=50))
        assert (first.answer, first.stopped_by) == ("inner's best", "budget:tokens")
        await ctx.sample(Prompt(raw="after|7"))
        return Outcome("outer", stopped_by="done")

    outcome = answer(Scripted(length_of), outer, budget=Budget(tokens=1000))
    assert (outcome.answer, outcome.stopped_by) == ("outer", "done")
    assert outcome.usage.completion_tokens == outcome.usage.sequential_tokens == 57


def test_an_outer_budget_passes_through_solve():
    reached = []

    async def inner(p, ctx, cfg):
        try:
            await ctx.sample(Prompt(raw="long|500"))
        finally:
            reached.append("inner left")
        return Outcome("never")

    async def outer(p, ctx, cfg):
        ctx.offer("outer's best")
        await ctx.solve(method_of(inner).bind(None), p, budget=Budget(tokens=400))
        reached.append("outer went on")
        return Outcome("never")

    outcome = answer(Scripted(length_of), outer, budget=Budget(tokens=50))
    assert (outcome.answer, outcome.stopped_by) == ("outer's best", "budget:tokens")
    assert reached == ["inner left"]
    assert outcome.usage.completion_tokens == 50


def test_inner_and_outer_budgets_that_end_at_the_same_tick_both_end():
    async def inner(p, ctx, cfg):
        await ctx.sample(Prompt(raw="long|500"))
        return Outcome("never")

    async def outer(p, ctx, cfg):
        await ctx.solve(method_of(inner).bind(None), p, budget=Budget(tokens=50))
        ctx.offer("went on")
        await ctx.sample(Prompt(raw="more|500"))
        return Outcome("never")

    outcome = answer(Scripted(length_of), outer, budget=Budget(tokens=50))
    assert outcome.stopped_by == "budget:tokens"
    assert outcome.usage.completion_tokens == 50


def test_a_method_that_returns_in_the_step_in_which_its_budget_ends_leaves_no_cancellation_behind():
    """Python 3.11 keeps a cancellation that was not delivered through `uncancel`."""

    async def returns_at_once(p, ctx, cfg):
        async with ctx.as_finished([Prompt(raw="a|50"), Prompt(raw="b|500")]) as race:
            async for trace in race:
                return Outcome("just in time", trace, "first")
        return Outcome("never")

    async def main() -> None:
        run = Run({"main": Scripted(length_of)})
        for limit in (99, 100, 101):
            outcome = await run.answer(
                method_of(returns_at_once).bind(None), problem(), budget=Budget(tokens=limit)
            )
            assert outcome.usage.completion_tokens <= limit
            await asyncio.sleep(1)  # a cancellation left behind would arrive here
            task = asyncio.current_task()
            assert task is not None
            assert task.cancelling() == 0
            nothing_left()

    run_in_token_time(main())


def test_a_method_that_ends_its_own_budget_by_spending_and_returns_is_not_cancelled_later():
    async def evaluates(p, ctx, cfg):
        for n in range(10):
            await ctx.use(Evaluate(1))
            ctx.offer(str(n))
        return Outcome("never")

    outcome = answer(World(length_of), evaluates, budget=Budget(units={"evals": 3}))
    assert (outcome.answer, outcome.stopped_by) == ("2", "budget:evals")
    assert outcome.usage.units == {"evals": 3.0}


@pytest.mark.parametrize("engine", [Scripted, Ticking])
def test_a_spent_budget_of_units_stops_samples_and_scores_too(engine):
    async def renders_and_samples(p, ctx, cfg):
        first = await ctx.sample(p.prompt)
        ctx.offer("first", first)
        await (ctx.sample(p.prompt) if cfg is None else ctx.reward([first]))
        return Outcome("never")

    for cfg in (None, "reward"):
        drawn = engine(lambda call: said("x", units={"renders": 1.0}))
        held = answer(drawn, renders_and_samples, cfg, budget=Budget(units={"renders": 1}))
        assert (held.answer, held.stopped_by) == ("first", "budget:renders")
        assert len(drawn.calls) == 1


def test_a_unit_cannot_bear_the_name_of_a_kind_of_budget():
    with pytest.raises(UsageError, match="'tokens' is a kind of its own"):
        Budget(units={"tokens": 3})


def test_a_method_that_swallows_its_cancellation_gains_nothing():
    async def stubborn(p, ctx, cfg):
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await ctx.sample(Prompt(raw="x|100"))
        return Outcome("stubborn")

    outcome = answer(Scripted(length_of), stubborn, budget=Budget(tokens=50))
    assert outcome.usage.completion_tokens == 50
    assert outcome.stopped_by == "budget:tokens"


def test_the_user_can_ask_what_remains():
    left = []

    async def asks(p, ctx, cfg):
        left.append((ctx.remaining("tokens"), ctx.remaining("samples"), ctx.remaining("seconds")))
        await ctx.sample(Prompt(raw="x|30"))
        left.append((ctx.remaining("tokens"), ctx.remaining("samples"), ctx.remaining("seconds")))
        left.append((ctx.can_afford(tokens=70), ctx.can_afford(tokens=71)))
        left.append((ctx.can_afford(samples=1), ctx.can_afford(samples=2)))
        return Outcome("x")

    answer(Scripted(length_of), asks, budget=Budget(tokens=100, samples=2, seconds=1.0))
    assert left == [(100, 2, 1.0), (70, 1, 0.7), (True, False), (True, False)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_budget_that_is_not_positive_is_refused(kind, value):
    with pytest.raises(UsageError, match=rf"budget\.{kind}="):
        Budget(**{kind: value})


def test_an_unknown_kind_of_budget_names_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'tokens'"):
        Budget.of({"token": 5})
    assert Budget.of({"tokens": 5}).given() == {"tokens": 5}
