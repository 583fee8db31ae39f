"""Cancelling the caller stops generations and branches at once, and passes through."""

from __future__ import annotations

import asyncio

import pytest
from fakes import Live, Scripted, Ticking, answer, method_of, nothing_left, problem, said
from random_programs import length_of

from ttscale.core import Budget, GivenUp, Outcome, Prompt, Run, run_in_token_time


async def nested(p, ctx, cfg):
    """Generations in branches, in a race, in a stream and in a method within the method."""

    async def leaf(branch, n):
        await branch.sample(Prompt(raw=f"leaf {n}|1000"))

    async def racing(branch, n):
        async with branch.as_finished([Prompt(raw=f"race {i}|1000") for i in range(3)]) as race:
            async for _ in race:
                pass

    async def streaming(branch, n):
        async with branch.stream(Prompt(raw="stream|1000")) as live:
            async for _ in live:
                pass

    async def within(q, inner, cfg):
        await inner.map(leaf, [1, 2])
        return Outcome("never")

    async def solving(branch, n):
        await branch.solve(method_of(within).bind(None), p, budget=Budget(tokens=10**6))

    async with ctx.group() as group:
        for fn in (leaf, racing, streaming, solving):
            group.start(fn, 0)
    return Outcome("never")


@pytest.mark.parametrize("budget", [None, Budget(tokens=10**7), Budget(seconds=10**6)])
def test_a_timeout_around_the_run_leaves_no_flight_and_no_task(budget):
    engine = Ticking(length_of)

    async def main() -> None:
        run = Run({"main": engine})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(200):
                await run.answer(method_of(nested).bind(None), problem(), budget=budget)
        nothing_left()
        assert run.usage.completion_tokens == engine.generated  # what it cost is known all the same
        assert len(engine.generations) == 7
        assert all(f.finished for f in engine.generations)
        generated = engine.generated
        await asyncio.sleep(500)
        assert engine.generated == generated  # nobody goes on

    run_in_token_time(main())


def test_cancelling_the_task_passes_through_and_everything_is_charged():
    engine, scopes = Ticking(length_of), []

    async def method(p, ctx, cfg):
        scopes.append(ctx.scope)
        return await nested(p, ctx, cfg)

    async def main() -> None:
        run = Run({"main": engine})
        task = asyncio.ensure_future(run.answer(method_of(method).bind(None), problem()))
        await asyncio.sleep(100)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        nothing_left()
        assert all(f.finished for f in engine.generations)
        usage = scopes[0].usage
        assert usage.completion_tokens == usage.cancelled_tokens == engine.generated == 7 * 100

    run_in_token_time(main())


@pytest.mark.parametrize("limit", range(95, 106))
def test_a_cancellation_at_the_tick_at_which_a_budget_ends_is_not_lost(limit):
    """Whoever cancelled must see it: the run ends as cancelled, or its answer came first."""
    engine = Ticking(length_of)

    async def one(p, ctx, cfg):
        ctx.offer("best")
        await ctx.sample(Prompt(raw="x|1000"))
        return Outcome("never")

    async def main() -> None:
        run = Run({"main": engine})
        with pytest.raises(TimeoutError) if limit > 100 else _maybe():
            async with asyncio.timeout(100):
                outcome = await run.answer(method_of(one).bind(None), problem(), budget=Budget(tokens=limit))
                assert outcome.stopped_by == "budget:tokens"
                assert outcome.answer == "best"
                await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        nothing_left()
        assert engine.generated <= limit
        await asyncio.sleep(10)

    run_in_token_time(main())


class _maybe:  # noqa: N801 - reads like pytest.raises
    """A timeout may or may not come."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return kind is TimeoutError


@pytest.mark.parametrize("first", ["budget", "caller"])
def test_both_at_the_very_same_moment_count_as_the_callers(first):
    async def one(p, ctx, cfg):
        await ctx.sample(Prompt(raw="x|1000"))
        return Outcome("never")

    async def main() -> None:
        run = Run({"main": Scripted(length_of)})
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(
            run.answer(method_of(one).bind(None), problem(), budget=Budget(seconds=1.0))
        )
        # the budget of 100 ticks has rank 1
        loop.at(100, lambda: task.cancel(), rank=0 if first == "caller" else 2)  # type: ignore[attr-defined]
        with pytest.raises(asyncio.CancelledError):
            await task
        nothing_left()

    run_in_token_time(main())


def test_a_flight_that_a_method_leaks_is_stopped_and_charged():
    engine = Ticking(length_of)

    async def leaks(p, ctx, cfg):
        ctx.run.launch(ctx, ctx.sample_request(Prompt(raw="leak|1000")), lambda draw, trace: None)
        await ctx.sample(Prompt(raw="x|10"))
        return Outcome("done", stopped_by="done")

    outcome = answer(engine, leaks)
    assert (outcome.answer, outcome.stopped_by) == ("done", "done")
    assert outcome.usage.completion_tokens == engine.generated == 20
    assert {t.finish for t in outcome.traces} == {"stop", "cancelled"}


def test_a_race_left_by_break_stops_the_rest_at_once():
    engine = Ticking(length_of)

    async def first(p, ctx, cfg):
        async with ctx.as_finished([Prompt(raw=f"{n}|{n}") for n in (30, 10, 20)]) as race:
            async for trace in race:
                break
        await ctx.sample(Prompt(raw="after|100"))
        return Outcome("done", trace)

    outcome = answer(engine, first)
    assert engine.generated == outcome.usage.completion_tokens == 3 * 10 + 100


def test_a_race_left_by_an_error_stops_the_rest():
    engine = Ticking(length_of)

    async def fails(p, ctx, cfg):
        async with ctx.as_finished([Prompt(raw=f"{n}|{n}") for n in (30, 10, 20)]) as race:
            async for _ in race:
                raise ZeroDivisionError("mine")
        return Outcome("never")

    with pytest.raises(ZeroDivisionError, match="mine"):
        answer(engine, fails)
    assert engine.generated == 30


class TestBranches:
    def test_the_error_of_a_branch_is_raised_as_itself_and_stops_its_siblings(self):
        engine = Ticking(length_of)

        async def work(branch, n):
            await branch.sample(Prompt(raw=f"{n}|{n}"))
            if n == 10:
                raise KeyError("branch")

        async def main(p, ctx, cfg):
            await ctx.map(work, [30, 10, 1000])
            return Outcome("never")

        with pytest.raises(KeyError, match="branch"):
            answer(engine, main)
        assert engine.generated == 30
        assert all(f.finished for f in engine.generations)

    def test_of_two_errors_at_one_tick_the_branch_that_started_first_is_raised(self):
        async def work(branch, n):
            await branch.sample(Prompt(raw=f"{n}|10"))
            raise KeyError(n)

        async def main(p, ctx, cfg):
            await ctx.map(work, [1, 2, 3])

        with pytest.raises(KeyError, match="1"):
            answer(Scripted(length_of), main)

    def test_an_error_in_the_block_itself_stops_the_branches(self):
        engine = Ticking(length_of)

        async def work(branch):
            await branch.sample(Prompt(raw="long|1000"))

        async def main(p, ctx, cfg):
            async with ctx.group() as group:
                group.start(work)
                await ctx.sample(Prompt(raw="short|5"))
                raise ValueError("block")

        with pytest.raises(ValueError, match="block"):
            answer(engine, main)
        assert engine.generated == 10

    def test_next_gives_branches_in_order_of_arrival_and_raises_their_errors(self):
        order = []

        async def work(branch, n):
            await branch.sample(Prompt(raw=f"{n}|{n}"))
            if n == 30:
                raise KeyError("late")
            return n

        async def main(p, ctx, cfg):
            async with ctx.group() as group:
                for n in (20, 10, 30):
                    group.start(work, n)
                while (branch := await group.next()) is not None:
                    order.append(branch.task.result())

        with pytest.raises(KeyError, match="late"):
            answer(Scripted(length_of), main)
        assert order == [10, 20]

    def test_next_is_none_when_all_have_been_taken(self):
        async def work(branch, n):
            return n

        async def main(p, ctx, cfg):
            async with ctx.group() as group:
                group.start(work, 1)
                one, two = await group.next(), await group.next()
                assert one is not None
                assert one.task.result() == 1
                assert two is None
            return Outcome("done")

        assert answer(Scripted(length_of), main).answer == "done"

    def test_a_branch_can_be_given_up_alone(self):
        engine = Ticking(length_of)

        async def work(branch, n):
            await branch.sample(Prompt(raw=f"{n}|{n}"))

        async def main(p, ctx, cfg):
            async with ctx.group() as group:
                branches = [group.start(work, n) for n in (50, 10)]
                await group.next()
                branches[0].cancel()
            return Outcome("done")

        outcome = answer(engine, main)
        assert engine.generated == outcome.usage.completion_tokens == 20
        assert outcome.usage.sequential_tokens == 10

    def test_waiting_for_a_branch_that_was_given_up_says_so_and_does_not_hang(self):
        async def work(branch, n):
            await branch.sample(Prompt(raw=f"{n}|{n}"))

        async def waits(branch, other):
            await other.into(branch)

        async def main(p, ctx, cfg):
            async with ctx.group() as group:
                slow = group.start(work, 50)
                group.start(waits, slow)
                await ctx.sample(Prompt(raw="x|5"))
                slow.cancel()

        # as an error of the method: a bare cancellation would pass for the caller's own
        with pytest.raises(GivenUp, match="branch 0 was given up"):
            answer(Scripted(length_of), main)

    def test_next_passes_over_branches_that_were_given_up(self):
        async def work(branch, n):
            await branch.sample(Prompt(raw=f"{n}|{n}"))
            return n

        async def main(p, ctx, cfg):
            async with ctx.group() as group:
                branches = [group.start(work, n) for n in (50, 10, 70)]
                await ctx.sample(Prompt(raw="x|5"))
                branches[0].cancel()
                came = []
                while (branch := await group.next()) is not None:
                    came.append(branch.task.result())
            return Outcome(str(came))

        assert answer(Scripted(length_of), main).answer == "[10, 70]"

    def test_a_second_cancellation_during_cleanup_leaves_nothing_behind(self):
        engine = Ticking(length_of)

        async def stubborn(branch):
            try:
                await branch.sample(Prompt(raw="a|1000"))
            finally:
                await asyncio.sleep(50)

        async def main_method(p, ctx, cfg):
            await ctx.map(lambda b, _: stubborn(b), [1, 2])

        async def main() -> None:
            run = Run({"main": engine})
            task = asyncio.ensure_future(run.answer(method_of(main_method).bind(None), problem()))
            await asyncio.sleep(10)
            task.cancel()
            await asyncio.sleep(10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            nothing_left()

        run_in_token_time(main())


def test_live_flights_are_stopped_by_a_cancellation_in_real_time():
    engine = Live(lambda call: said("x"), seconds=5.0)

    async def waits(p, ctx, cfg):
        await ctx.sample_all(p.prompt, 3)
        return Outcome("never")

    async def main() -> None:
        run = Run({"main": engine})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await run.answer(method_of(waits).bind(None), problem())
        nothing_left()

    asyncio.run(main())
