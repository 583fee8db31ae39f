"""Double books: an engine that counts what it does, and a meter that must come to the same, for any
program, whatever it is told and whenever it is stopped."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from fakes import Ticking, TickingGeneration, answer, method_of, said
from random_programs import MAIN, SLOW, length_of, method, random_program

from ttscale.core import Budget, Outcome, Price, Prompt, Rewards, Score, Usage
from ttscale.core.cards import roles

PRICES = {
    MAIN: Price(prompt=300.0, completion=1500.0),
    SLOW: Price(prompt=50.0, completion=700.0, cached=5.0),
}


@dataclass
class Books:
    """What an engine has done, by its own count."""

    prompts: int = 0
    cached: int = 0
    made: int = 0
    scored: int = 0
    calls: int = 0
    price: Price = field(default_factory=lambda: PRICES[MAIN])

    @property
    def money(self) -> float:
        return self.price.of(self.prompts + self.scored, self.made, self.cached)


class Clerk(Ticking):
    """Keeps books. `mute`: it tells of a prompt only with a sample that ended by itself."""

    def __init__(self, role: str = MAIN, mute: bool = False) -> None:
        super().__init__(self._length, capabilities=("text", "prefix", "score", "reward"))
        self.books, self.mute = Books(price=PRICES[role]), mute
        self.guesses = 0

    def _length(self, request):
        trace = length_of(request)
        trace.prompt_tokens = len(str(request.prompt.raw))
        trace.cached_tokens = trace.prompt_tokens // 3
        return trace

    def start(self, request):
        self.calls.append(request)
        known = self._length(request)
        self.books.calls += 1
        self.books.prompts += known.prompt_tokens or 0
        self.books.cached += 0 if self.mute else known.cached_tokens or 0
        if self.mute:
            known.cached_tokens = None
        return ClerkGeneration(self, request, known)

    async def score(self, prompt, text):
        await asyncio.sleep(1)
        tokens = (len(str(prompt.raw)) + len(text)) // 4
        self.books.scored += tokens
        self.books.calls += 1
        return Score(np.zeros(len(text), dtype=np.float32), tokens)

    async def reward(self, problem, traces):
        await asyncio.sleep(1)
        tokens = sum(len(problem.prompt.text) + len(t.text) for t in traces) // 4
        self.books.scored += tokens
        self.books.calls += 1
        return Rewards([0.5] * len(traces), tokens)


class ClerkGeneration(TickingGeneration):
    def token(self):
        self.engine.books.made += 1
        super().token()

    def _trace(self, finish, kept):
        trace = super()._trace(finish, kept)
        if self.engine.mute and finish != "stop":
            trace.prompt_tokens = None
        return trace


def judged(program, name=""):
    """The program, with texts scored and judged between its parts."""

    async def play(problem, ctx, cfg):
        await ctx.solve(method(program, name).bind(None), problem)
        await ctx.score(Prompt(raw="a text of some length"), "and its end")
        await ctx.reward([said("x"), said("y")], role=MAIN)
        await ctx.solve(method(program, name + "again").bind(None), problem)
        return Outcome("done", stopped_by="played")

    return method_of(play)


def books_balance(seed: int) -> None:
    rng = random.Random(seed)
    program = random_program(rng, rng.randint(0, 3), (MAIN, SLOW), cancels=True)
    engines = {role: Clerk(role) for role in (MAIN, SLOW)}
    usage = answer(engines, judged(program), prices=PRICES).usage
    for role, engine in engines.items():
        tally, books = usage.by.get(role), engine.books
        if tally is None:
            assert books.calls == 0
            continue
        told = (tally.prompt_tokens, tally.cached_tokens, tally.completion_tokens, tally.scored_tokens)
        assert told == (books.prompts, books.cached, books.made, books.scored), (seed, role)
        assert tally.calls == books.calls
        assert tally.cost == pytest.approx(books.money)
    assert (usage.estimated_tokens, usage.estimated_prompt_tokens, usage.estimated_cost) == (0, 0, 0)
    sums_hold(usage)


def sums_hold(usage: Usage) -> None:
    """Totals are the sums of the roles; what is a part of something is no more than it."""
    for name in ("completion_tokens", "cancelled_tokens", "cut_tokens"):
        assert getattr(usage, name) == sum(getattr(t, name) for t in usage.by.values())
    for tally in usage.by.values():
        assert tally.cached_tokens <= tally.prompt_tokens
        assert tally.cancelled_tokens + tally.cut_tokens <= tally.completion_tokens
        assert tally.shared_prompt_tokens <= tally.prompt_tokens
    assert usage.tokens == usage.completion_tokens + sum(t.scored_tokens for t in usage.by.values())


@pytest.mark.parametrize("block", range(4))
def test_the_meter_and_the_engine_come_to_the_same_for_any_program(block):
    for seed in range(block * 50, block * 50 + 50):
        books_balance(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_the_meter_and_the_engine_come_to_the_same_for_ten_thousand_programs(block):
    for seed in range(1000 + block * 1000, 2000 + block * 1000):
        books_balance(seed)


@pytest.mark.parametrize("block", range(2))
def test_an_engine_that_tells_late_is_never_booked_as_if_its_prompts_were_free(block):
    estimated = 0
    for seed in range(block * 50, block * 50 + 50):
        program = random_program(random.Random(seed), 2, (MAIN,), cancels=True)
        engine = Clerk(mute=True)
        usage = answer(engine, judged(program), prices=PRICES).usage
        known = usage.prompt_tokens - usage.estimated_prompt_tokens
        assert known <= engine.books.prompts
        assert usage.completion_tokens == engine.books.made
        if not usage.estimated_prompt_tokens:
            assert (usage.prompt_tokens, usage.cost) == (
                engine.books.prompts,
                pytest.approx(engine.books.money),
            )
            assert usage.estimated_cost == pytest.approx(0)
        else:
            estimated += 1
            assert usage.estimated_cost == pytest.approx(PRICES[MAIN].of(usage.estimated_prompt_tokens, 0))
    assert estimated > 10  # there are programs that stop samples


KINDS = ("tokens", "sequential", "calls", "samples", "seconds", "cost")
SPENT = {
    "tokens": lambda u: u.tokens,
    "sequential": lambda u: u.sequential_tokens,
    "calls": lambda u: u.calls,
    "samples": lambda u: u.samples,
    "seconds": lambda u: u.seconds,
    "cost": lambda u: u.cost or 0.0,
}
WHOLE = ("tokens", "sequential", "calls", "samples")


@pytest.mark.parametrize("mute", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_no_budget_is_passed_by_more_than_a_step_a_sample_with_prompts_and_scoring_priced(kind, mute):
    rng, ended = random.Random(f"{kind} {mute}"), 0
    for seed in range(25):
        program = random_program(random.Random(seed), 2, (MAIN,), cancels=True)
        free = SPENT[kind](answer(Clerk(mute=mute), judged(program), prices=PRICES).usage)
        limit = free * rng.uniform(0.1, 1.1)
        budget = Budget(**{kind: max(1, round(limit)) if kind in WHOLE else max(limit, 1e-6)})
        engine = Clerk(mute=mute)
        held = answer(engine, judged(program), budget=budget, prices=PRICES)
        most = getattr(budget, kind)
        # of money, and of the tokens of texts, something is known only once the engine has told it
        step = 0.0
        if kind == "cost":
            step = sum(PRICES[MAIN].of(0, 1) for _ in engine.calls)
        assert SPENT[kind](held.usage) <= most + step + 1e-9, (seed, program)
        if kind == "cost" and not held.usage.estimated_cost:
            assert engine.books.money <= most + step + 1e-9
        ended += held.stopped_by == f"budget:{kind}"
    assert ended > 5


def test_calls_are_limited_beside_samples():
    drawn = {"judge": roles.judges("text"), "main": roles.answers("text")}

    async def samples_and_verdicts(p, ctx, cfg):
        ctx.offer("none")
        for number in range(9):
            trace = await ctx.sample(Prompt(raw=f"s{number}|5"))
            await ctx.sample(Prompt(raw=f"v{number}|1"), "judge", part="verdict")
            ctx.offer(str(number), trace)
        return Outcome("never")

    program = method_of(samples_and_verdicts, needs=drawn)
    for budget, calls, samples, last in (
        (Budget(calls=5), 5, 3, "1"),
        (Budget(samples=3), 6, 3, "2"),  # a verdict is no sample
        (Budget(samples=3, calls=4), 4, 2, "1"),
    ):
        held = answer(Clerk(), program, budget=budget)
        assert (held.usage.calls, held.usage.samples, held.answer) == (calls, samples, last), budget


def test_a_text_is_not_scored_if_the_tokens_or_the_money_left_cannot_pay_for_it():
    async def main(p, ctx, cfg):
        ctx.offer("before")
        await ctx.sample(Prompt(raw="s|40"))
        ctx.offer("sampled")
        await ctx.score(Prompt(raw="x" * 900), "y" * 900)
        return Outcome("never")

    for budget in (Budget(tokens=100), Budget(cost=0.1)):
        engine = Clerk()
        held = answer(engine, main, budget=budget, prices=PRICES)
        assert (held.answer, engine.books.scored) == ("sampled", 0)
        assert held.stopped_by in ("budget:tokens", "budget:cost")


def test_texts_scored_side_by_side_are_reserved_before_they_are_read():
    async def score(branch, number):
        await branch.score(Prompt(raw="x" * 300), "y" * 300)

    async def main(p, ctx, cfg):
        await ctx.map(score, range(20))
        return Outcome("all", stopped_by="played")

    for budget in (Budget(tokens=1000), Budget(cost=PRICES[MAIN].of(1000, 0))):
        engine = Clerk()
        held = answer(engine, main, budget=budget, prices=PRICES)
        assert held.over_budget
        assert 450 <= engine.books.scored == held.usage.tokens <= 1000


@pytest.mark.parametrize("limit", [10, 100, 1000, 3000])
def test_thirty_two_children_under_one_ceiling_do_not_pass_it(limit):
    async def child(branch, number):
        async def own(p, ctx, cfg):
            await ctx.sample(Prompt(raw=f"c{number}|{number % 9 * 10 + 5}"))
            await ctx.score(Prompt(raw="some text " * number * 4), "and more of it")
            await ctx.sample(Prompt(raw=f"d{number}|30"))
            return Outcome(str(number))

        return await branch.solve(method_of(own).bind(None), branch.problem)

    async def main(p, ctx, cfg):
        await ctx.map(child, range(32))
        return Outcome("all", stopped_by="played")

    engine = Clerk()
    held = answer(engine, main, budget=Budget(tokens=limit))
    assert held.usage.tokens == engine.books.made + engine.books.scored
    # estimates of what will be scored come from what was scored before: they are near, not exact
    assert held.usage.tokens <= limit + 32
    assert held.stopped_by == "budget:tokens"
