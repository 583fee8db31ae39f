"""Metered resources: what is asked of them is priced before it starts, booked by role and unit, and
chained like tokens."""

from __future__ import annotations

import asyncio
import random

import pytest
from fakes import answer, method_of, said
from hypothesis import given, settings
from hypothesis import strategies as st
from random_programs import MAIN, SLOW, At, Evaluate, World, length_of, method, oracle, random_program

from ttscale.core import Budget, EngineError, Outcome, Prompt, Used


def evals(program) -> int:
    """All that a program without cancellations asks for."""
    if program[0] == "use":
        return program[1] * program[2]
    if program[0] in ("seq", "map", "group", "solve", "graph"):
        return sum(evals(part) for part in program[1])
    return 0


@pytest.mark.parametrize("block", range(4))
def test_units_and_their_chains_are_exact_for_any_program(block):
    differ = 0
    for seed in range(block * 100, block * 100 + 100):
        program = random_program(random.Random(seed), 3, (MAIN, SLOW), cancels=False, uses=True)
        expected = oracle(program, At(0, 0), {MAIN: 1, SLOW: 7})
        engines = {MAIN: World(), SLOW: World(speed=7)}
        usage = answer(engines, method(program)).usage
        assert usage.sequential_tokens == expected.sequential, (seed, program)
        assert usage.sequential_units.get("evals", 0) == expected.evals, (seed, program)
        assert usage.seconds * 100 == pytest.approx(expected.time), (seed, program)
        assert usage.units.get("evals", 0) == evals(program)
        for role, engine in engines.items():
            booked = usage.by[role].units.get("evals", 0) if role in usage.by else 0
            assert booked == engine.used, role
            assert len(engine.begun) == (usage.by[role].uses if role in usage.by else 0)
        differ += 0 < expected.evals < evals(program)
    assert differ > 25  # the programs do tell chains from sums


@settings(max_examples=250)
@given(
    seed=st.integers(0, 10**6),
    limit=st.integers(1, 60),
    inner=st.none() | st.integers(1, 30),
    saves=st.booleans(),
)
def test_no_budget_of_units_is_ever_exceeded(seed, limit, inner, saves):
    program = random_program(random.Random(seed), 2, (MAIN,), cancels=True, uses=True)

    async def play(p, ctx, cfg):
        budget = None if inner is None else Budget(units={"evals": inner})
        got = await ctx.solve(method(program).bind(None), p, budget=budget)
        if inner is not None:
            assert got.usage.units.get("evals", 0) <= inner
        return Outcome("done", stopped_by="played")

    free = answer(World(saves=saves), play)
    world = World(saves=saves)
    held = answer(world, play, budget=Budget(units={"evals": limit}))
    spent = held.usage.units.get("evals", 0)
    assert world.used <= spent <= limit
    if held.stopped_by != "played":
        assert held.stopped_by == "budget:evals"
    if inner is None and free.usage.units.get("evals", 0) > limit and not saves:
        assert held.stopped_by == "budget:evals"


def test_a_request_that_would_overshoot_does_not_start():
    left = []

    async def main(p, ctx, cfg):
        for n in range(3):
            left.append(ctx.remaining("evals"))
            await ctx.use(Evaluate(4, wide=2))
            ctx.offer(str(n))
        return Outcome("never")

    world = World()
    held = answer(world, main, budget=Budget(units={"evals": 20}))
    assert (held.answer, held.stopped_by) == ("1", "budget:evals")
    assert left == [20, 12, 4]
    assert len(world.begun) == 2
    assert (held.usage.units, held.usage.sequential_units) == ({"evals": 16}, {"evals": 8})


def test_eight_at_once_under_a_budget_of_five_are_five_that_finish():
    done = []

    async def one(branch, n):
        await branch.use(Evaluate(1))
        done.append(n)
        branch.offer(str(len(done)))

    async def main(p, ctx, cfg):
        await ctx.map(one, range(8))
        return Outcome("never")

    world = World()
    held = answer(world, main, budget=Budget(units={"evals": 5}))
    assert sorted(done) == list(range(5))
    assert (held.answer, held.stopped_by) == ("5", "budget:evals")
    assert len(world.begun) == world.used == held.usage.units["evals"] == 5


def test_what_a_request_did_not_need_is_there_for_the_one_that_waits():
    class Thrifty(World):
        async def use(self, request):
            await asyncio.sleep(request.evals)
            return Used("painted", {"evals": 1.0})

    async def main(p, ctx, cfg):
        await ctx.map(lambda branch, n: branch.use(Evaluate(n)), [4, 4])
        assert ctx.remaining("evals") == 3
        assert ctx.remaining("renders") is None
        return Outcome("done", stopped_by="all")

    held = answer(Thrifty(), main, budget=Budget(units={"evals": 5}))
    assert (held.answer, held.stopped_by) == ("done", "all")
    assert held.usage.seconds == 0.08  # one after the other
    assert held.usage.units == {"evals": 2.0}


def test_a_request_that_is_stopped_is_booked_in_full():
    async def main(p, ctx, cfg):
        async with ctx.group() as group:
            group.start(lambda branch: branch.use(Evaluate(9)))
            await ctx.sample(Prompt(raw="x|3"))
            group.cancel()
        return Outcome("done")

    usage = answer(World(), main).usage
    assert (usage.seconds, usage.units, usage.by[MAIN].uses) == (0.03, {"evals": 9.0}, 1)
    assert usage.sequential_units == {}


def test_a_resource_that_takes_more_than_was_said_is_an_error_and_is_booked():
    class Greedy(World):
        async def use(self, request):
            return Used("painted", {"evals": 99.0})

    async def main(p, ctx, cfg):
        with pytest.raises(EngineError, match=r"took .*99.* for a request of .*2"):
            await ctx.use(Evaluate(2))
        return Outcome("done")

    assert answer(Greedy(), main).usage.units == {"evals": 99.0}


def test_a_renamed_role_is_asked_and_pays():
    async def inner(p, ctx, cfg):
        await ctx.use(Evaluate(2, role="painter"))
        return Outcome("done")

    async def outer(p, ctx, cfg):
        return await ctx.solve(method_of(inner).bind(None), p, roles={"painter": SLOW})

    slow = World()
    usage = answer({MAIN: World(), SLOW: slow}, outer).usage
    assert len(slow.begun) == 1
    assert usage.by[SLOW].units == {"evals": 2.0}


def test_units_of_samples_are_chained_side_by_side_and_one_after_the_other():
    async def main(p, ctx, cfg):
        await ctx.sample_all(p.prompt, 3)
        await ctx.use(Evaluate(2))
        await ctx.sample(p.prompt)
        return Outcome("done")

    world = World(lambda call: said("x", 5, units={"evals": 10.0}))
    usage = answer(world, main).usage
    assert (usage.units, usage.sequential_units) == ({"evals": 42.0}, {"evals": 22.0})


def test_a_set_books_units_on_the_problem_they_were_for():
    from fakes import problem

    from ttscale.core import Run, run_in_token_time

    async def both(problems, ctx, cfg):
        async def one(branch, p):
            await branch.use(Evaluate(int(p.id)))
            return Outcome("done")

        await ctx.use(Evaluate(5))
        return await ctx.map(one, problems, of=lambda p: p)

    async def main():
        run = Run({MAIN: World(length_of)})
        asked = [problem("2"), problem("3")]
        return await run.answer_set(method_of(both, scope="set").bind(None), asked)

    outcomes = run_in_token_time(main())
    assert [o.usage.units for o in outcomes] == [{"evals": 2.0}, {"evals": 3.0}]
    assert [o.usage.sequential_units for o in outcomes] == [{"evals": 2.0}, {"evals": 3.0}]
