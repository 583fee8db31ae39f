"""Runs: identity and seeds of samples, determinism, journals, failures, and live engines."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import Live, Scripted, Ticking, answer, method_of, nothing_left, problem, said
from random_programs import length_of

from ttscale.core import (
    AuthError,
    Budget,
    CapabilityError,
    EngineError,
    GenerationRequest,
    Journal,
    Observer,
    Outcome,
    PoolExhausted,
    Price,
    Prompt,
    Run,
    SampleCount,
    Sampling,
    Stalled,
    Trace,
    UsageError,
    execute,
    run_in_token_time,
)
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods.registry import parse


class TestIdentity:
    def asked(self, fn, **run) -> list[GenerationRequest]:
        engine = Scripted(lambda call: said("x"))
        answer(engine, fn, **run)
        return engine.calls

    def test_a_draw_is_its_problem_role_prompt_and_ordinal(self):
        async def fn(p, ctx, cfg):
            await ctx.sample_all(p.prompt, 3)
            await ctx.sample(p.prompt.then("so"))
            await ctx.sample(p.prompt, "judge")
            await ctx.sample(p.prompt)
            return Outcome("x")

        calls = self.asked(fn)
        assert [(c.role, c.index) for c in calls] == [
            ("main", 0),
            ("main", 1),
            ("main", 2),
            ("main", 0),
            ("judge", 0),
            ("main", 3),
        ]
        assert len({c.seed for c in calls}) == 6

    def test_seeds_do_not_depend_on_how_a_method_is_written(self):
        async def at_once(p, ctx, cfg):
            await ctx.sample_all(p.prompt, 4)
            return Outcome("x")

        async def in_branches(p, ctx, cfg):
            async def one(branch, _):
                await branch.sample(p.prompt, temperature=0.3)

            await ctx.map(one, range(4))
            return Outcome("x")

        one, other = self.asked(at_once), self.asked(in_branches)
        assert [c.seed for c in one] == [c.seed for c in other]
        assert [c.seed for c in self.asked(at_once, seed=1)] != [c.seed for c in one]

    def test_seeds_are_these_and_stay_these(self):
        """Recordings and journals of earlier versions depend on them."""

        async def fn(p, ctx, cfg):
            await ctx.sample_all(Prompt(raw="2+2="), 2)
            return Outcome("x")

        assert [c.seed for c in self.asked(fn, of=problem("stable"))] == SEEDS

    def test_a_renamed_role_is_the_role_it_is_renamed_to(self):
        async def inner(p, ctx, cfg):
            await ctx.sample(p.prompt)
            return Outcome("x")

        async def fn(p, ctx, cfg):
            await ctx.solve(method_of(inner).bind(None), p, roles={"main": "draft"})
            await ctx.sample(p.prompt)
            return Outcome("x")

        assert [(c.role, c.index) for c in self.asked(fn)] == [("draft", 0), ("main", 0)]

    def test_random_numbers_depend_on_seed_problem_and_key_only(self):
        drawn = []

        async def fn(p, ctx, cfg):
            await ctx.sample(p.prompt)
            drawn.append((ctx.rng("a", 1).random(), ctx.branch().rng("a", 1).random()))
            return Outcome("x")

        for name, seed in (("p", 0), ("p", 0), ("p", 1), ("q", 0)):
            answer(Scripted(lambda call: said("x")), fn, of=problem(name), seed=seed)
        assert drawn[0] == drawn[1]
        assert drawn[0][0] == drawn[0][1]
        assert len(set(drawn)) == 3


SEEDS = [525544730, 1777565812]

LOG = """
import asyncio, json, sys
sys.path.insert(0, {tests!r})
from fakes import problem
from ttscale.core import Budget, Run, run_in_token_time
from ttscale.engines.synthetic import Synthetic, World
from ttscale.methods.registry import parse

def log(at_once, budget):
    world = World(answers={{"right": 0.5, "wrong": 0.3, "odd": 0.2}}, spread=60.0)
    run, log = Run({{"main": Synthetic(world)}}, seed=7), {{}}
    gate = asyncio.Semaphore(at_once)
    async def one(method, n):
        async with gate:
            o = await run.answer(method, problem(f"{{method.label}} {{n}}"), budget=budget)
        log[f"{{method.label}} {{n}}"] = [o.answer, o.stopped_by, o.usage.as_dict(), [
            [t.tokens, t.finish, t.index, t.sequential, t.ended - t.began] for t in o.traces]]
    async def main():
        specs = ["ffs(n=8, k=2)", "sc(n=5)", "esc(window=3, max_samples=9)", "ac(max_samples=9)"]
        await asyncio.gather(*(one(m, n) for m in map(parse, specs) for n in range(16)))
    run_in_token_time(main())
    return json.dumps(log, sort_keys=True)

for budget in (None, Budget(tokens=900), Budget(seconds=2.5)):
    one, many = log(1, budget), log(64, budget)
    assert one == many
    print(one)
"""


def test_the_log_is_the_same_for_every_hash_seed_and_one_or_64_items_at_once():
    script = LOG.format(tests=str(Path(__file__).parents[2]))
    logs = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1")
    }
    assert len(logs) == 1
    assert len(json.loads(logs.pop().splitlines()[0])) == 64


class Memory(Journal):
    """A journal in memory: keeps what ended by itself, as a store does."""

    def __init__(self, kept=None):
        self.kept: dict[tuple, Trace] = dict(kept or {})
        self.served_draws = 0

    def key(self, call: GenerationRequest) -> tuple:
        return (call.problem.id, call.role, call.prompt.key, call.index, call.sampling)

    def served(self, call: GenerationRequest) -> Trace | None:
        found = self.kept.get(self.key(call))
        self.served_draws += found is not None
        return found and found.copy()

    def record(self, call: GenerationRequest, trace: Trace) -> None:
        if trace.finish in ("stop", "length"):
            self.kept[self.key(call)] = trace.copy()


@pytest.mark.parametrize("spec", ["sc(n=6)", "ffs(n=6, k=3)", "lfs(n=6, k=3)", "esc", "ac", "simple"])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_resumed_run_has_the_outcome_of_an_uninterrupted_one(spec, share):
    method = parse(spec)

    def play(journal):
        engine = Synthetic(binary(0.6))
        return answer(engine, method.method, method.cfg, journal=journal)

    whole = Memory()
    first = play(whole)
    kept = dict(list(whole.kept.items())[: int(share * len(whole.kept))])
    again = Memory(kept)
    second = play(again)
    assert again.served_draws == len(kept)
    assert (first.answer, first.stopped_by) == (second.answer, second.stopped_by)
    assert [(t.tokens, t.finish, t.index, t.sequential) for t in first.traces] == [
        (t.tokens, t.finish, t.index, t.sequential) for t in second.traces
    ]
    assert first.usage.as_dict() == second.usage.as_dict()
    assert again.kept.keys() == whole.kept.keys()


class TestFailures:
    async def vote(self, p, ctx, cfg):
        traces = await ctx.sample_all(p.prompt, 3)
        good = [t for t in traces if p.answer(t)]
        return Outcome(p.answer(good[0]) if good else None, good[0] if good else None, "voted")

    def test_a_failed_sample_is_kept_and_counted_and_does_not_fail_the_run(self):
        error = EngineError("hiccup")
        outcome = answer(Scripted([said("A"), error, said("A")]), self.vote)
        assert outcome.answer == "A"
        assert outcome.error is None
        assert [t.finish for t in outcome.traces if t.error is error] == ["error"]
        assert (outcome.usage.calls, outcome.usage.by["main"].failed) == (3, 1)

    def test_without_an_answer_a_failed_draw_makes_the_outcome_an_error(self):
        errors = [EngineError(f"{n}") for n in range(3)]
        assert answer(Scripted(errors), self.vote).error is errors[0]
        mixed = answer(Scripted([said(None), *errors[:2]]), self.vote)
        assert (mixed.answer, mixed.error) == (None, errors[0])
        answered = answer(Scripted([said("A"), *errors[:2]]), self.vote)
        assert (answered.answer, answered.error) == ("A", None)
        abstained = answer(Scripted([said(None)] * 3), self.vote)
        assert (abstained.answer, abstained.error) == (None, None)

    def test_a_solution_that_fails_in_its_last_phase_is_an_error_not_a_wrong_answer(self):
        error = EngineError("the server went away")
        forced = parse("budget-forcing(max_thinking=50)")
        outcome = answer(Scripted([said(None, 50, finish="length"), error]), forced.method, forced.cfg)
        assert (outcome.answer, outcome.error) == (None, error)

    @pytest.mark.parametrize("spec", ["beam-search(n=2, width=2)", "dvts(n=2, width=2)"])
    def test_a_search_whose_beams_all_break_off_is_an_error_not_a_wrong_answer(self, spec):
        error = EngineError("the server went away")
        search = parse(spec)

        def script(call):
            if call.prompt.prefix:
                raise error
            return Trace("a step", 5, meta={"stopped_at": "\n\n"})

        outcome = answer(Scripted(script), search.method, search.cfg)
        assert (outcome.answer, outcome.error) == (None, error)

    @pytest.mark.parametrize("fatal", [AuthError, PoolExhausted])
    def test_an_error_that_would_hit_every_draw_ends_the_run_as_itself(self, fatal):
        engine = Ticking([said("A", 50), fatal("no"), said("A", 50)])
        with pytest.raises(fatal):
            answer(engine, self.vote)
        assert len(engine.calls) == 2
        assert all(f.finished for f in engine.generations)

    def test_a_fatal_error_that_lands_later_ends_the_run_too(self):
        engine = Ticking([said("A", 50), Trace("", 3, "error", error=AuthError("revoked"))])

        async def race(p, ctx, cfg):
            async with ctx.as_finished(p.prompt, 2) as all_:
                async for _ in all_:
                    pass

        with pytest.raises(AuthError):
            answer(engine, race)
        assert engine.generated == 6


def test_waiting_for_nothing_in_token_time_names_the_tasks():
    async def stuck(p, ctx, cfg):
        async def wait(branch):
            await asyncio.get_running_loop().create_future()

        async with ctx.group() as group:
            group.start(wait)

    with pytest.raises(Stalled, match=r"branch 0.*would wait for ever"):
        answer(Scripted(length_of), stuck)


def test_a_live_engine_holds_the_token_clock_while_it_works():
    judge = Live(lambda call: said("Yes", 3), seconds=0.02)

    async def fn(p, ctx, cfg):
        async def recorded(branch):
            await branch.sample(Prompt(raw="r|500"))

        async def judged(branch):
            trace = await branch.sample(p.prompt, "judge")
            assert trace.tokens == 3

        async with ctx.group() as group:
            group.start(recorded)
            group.start(judged)
        await ctx.sample(p.prompt, "judge")
        return Outcome("done")

    outcome = answer({"main": Scripted(length_of), "judge": judge}, fn)
    assert outcome.answer == "done"
    assert outcome.usage.seconds == 5.0  # 500 ticks: the judge's took none
    assert outcome.usage.by["judge"].completion_tokens == 6
    assert outcome.usage.sequential_tokens == 503


def test_a_race_that_leaves_a_live_draw_releases_the_clock():
    judge = Live(lambda call: said("late", 3), seconds=30.0)

    async def fn(p, ctx, cfg):
        async with ctx.as_finished([], 0) as race:
            race.start(ctx.sample_request(p.prompt, "judge"))
        await ctx.sample(Prompt(raw="r|50"))
        return Outcome("done")

    assert answer({"main": Scripted(length_of), "judge": judge}, fn).usage.seconds == 0.5


def test_one_run_can_be_used_on_several_loops_one_after_another():
    run = Run({"main": Scripted(lambda call: said("A"))})
    vote = parse("sc(n=3)")
    for _ in range(2):
        outcome = execute(run, lambda: run.answer(vote, problem()))
        assert outcome.answer == "A"
    assert run.usage.calls == 6


def test_engines_are_opened_once_and_closed_whatever_happens():
    engine = Scripted(lambda call: said("A"))
    run = Run({"main": engine, "judge": engine})

    async def fails():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        execute(run, fails)
    assert (engine.opened, engine.closed) == (1, 1)


def test_a_run_without_a_main_engine_is_refused():
    with pytest.raises(UsageError, match="main"):
        Run({"judge": Scripted(length_of)})


def test_what_a_context_cannot_give_is_refused_with_the_role():
    async def fn(p, ctx, cfg):
        await ctx.score(p.prompt, "text")

    with pytest.raises(CapabilityError, match="needs score"):
        answer(Scripted(length_of), fn)


class TestPrices:
    def cost(self, prices, **fields):
        async def fn(p, ctx, cfg):
            await ctx.sample(p.prompt)
            await ctx.sample(p.prompt, "judge")
            return Outcome("x")

        engine = Scripted(lambda call: said("x", 1000, **fields))
        return answer(engine, fn, prices=prices).usage.cost

    def test_a_role_that_falls_back_to_main_has_mains_price(self):
        assert self.cost({"main": Price(0.0, 2.0)}) == pytest.approx(0.004)

    def test_an_unknown_price_is_an_unknown_cost_and_a_price_of_nothing_is_nothing(self):
        assert self.cost({}) is None
        assert self.cost({"judge": Price(0.0, 2.0)}) is None
        assert self.cost({"main": Price(0.0, 0.0)}) == 0.0

    def test_prompts_are_billed_every_time_and_cached_ones_at_their_price(self):
        price = {"main": Price(prompt=1.0, completion=0.0, cached=0.1)}
        assert self.cost(price, prompt_tokens=1000) == pytest.approx(0.002)
        cached = self.cost(price, prompt_tokens=1000, cached_tokens=500)
        assert cached == pytest.approx(2 * (500 + 50) / 1e6)


class Diary(Observer):
    """Writes down what it is told."""

    def __init__(self):
        self.lines = []

    def started(self, draw):
        self.lines.append(("started", draw.role, draw.index, draw.part))

    def finished(self, draw, trace):
        self.lines.append(("finished", draw.index, trace.finish, trace.tokens))

    def judged(self, problem, traces):
        self.lines.append(("judged", problem.id, [t.reward for t in traces]))

    def offered(self, problem, answer, trace):
        self.lines.append(("offered", problem.id, answer, trace))


def test_observers_are_told_of_starts_ends_rewards_and_offers_in_their_order():
    diary, count = Diary(), SampleCount()

    async def fn(p, ctx, cfg):
        async with ctx.as_finished([Prompt(raw="a|5"), Prompt(raw="b|9")]) as race:
            first = await anext(race)
        await ctx.reward([first])
        ctx.offer("A", first)
        assert (count.begun, count.ended, count.tokens) == (2, 2, 10)
        async with ctx.stream(Prompt(raw="c|7"), part="step") as live:
            await anext(live)
            assert (count.begun, count.ended, count.tokens) == (3, 2, 11)
        return Outcome("A", first)

    outcome = answer(Scripted(length_of), fn, observers=[diary, count])
    assert diary.lines == [
        ("started", "main", 0, "answer"),
        ("started", "main", 0, "answer"),
        ("finished", 0, "stop", 5),
        ("finished", 0, "cancelled", 5),
        ("judged", "p", [0.5]),
        ("offered", "p", "A", outcome.winner),
        ("started", "main", 0, "step"),
        ("finished", 0, "cut", 1),
    ]


def test_samples_that_a_journal_serves_are_observed_and_not_recorded_again():
    first, again, diary = Memory(), Memory(), Diary()
    vote = parse("sc(n=3)")
    answer(Scripted(lambda c: said("A")), vote.method, vote.cfg, journal=first)
    again.kept = dict(first.kept)
    again.record = None  # calling it would fail
    answer(Scripted([]), vote.method, vote.cfg, journal=again, observers=[diary])
    assert [line[0] for line in diary.lines] == ["started"] * 3 + ["finished"] * 3


def test_a_sample_that_a_budget_refuses_is_neither_started_nor_finished():
    diary = Diary()
    vote, engine = parse("sc(n=8)"), Scripted(lambda c: said("A"))
    answer(engine, vote.method, vote.cfg, budget=Budget(samples=2), observers=[diary])
    assert [line[0] for line in diary.lines] == ["started"] * 2 + ["finished"] * 2


def test_in_real_time_the_same_method_runs_and_seconds_are_seconds():
    run = Run({"main": Live(lambda call: said("A", 5), seconds=0.01)})
    vote = parse("sc(n=3)")

    async def main():
        outcome = await run.answer(vote, problem(), budget=Budget(seconds=30))
        nothing_left()
        return outcome

    outcome = asyncio.run(main())
    assert (outcome.answer, outcome.usage.completion_tokens) == ("A", 15)
    assert 0.009 < outcome.usage.seconds < 10


class TestSets:
    async def rounds(self, problems, ctx, cfg):
        async def draw(branch, p):
            return await branch.sample(Prompt(raw=f"{p.id}|10"))

        for _ in range(2):
            await ctx.map(draw, problems, of=lambda p: p)
        return [Outcome(p.id, stopped_by="done") for p in problems]

    def play(self, **kw):
        run = Run({"main": Scripted(length_of)})
        made = method_of(self.rounds, scope="set")
        asked = [problem(n) for n in "abc"]
        return run_in_token_time(run.answer_set(made.bind(None), asked, **kw)), run

    def test_every_problem_has_its_own_ledger_and_the_chain_is_the_sets(self):
        outcomes, run = self.play()
        assert [o.answer for o in outcomes] == ["a", "b", "c"]
        assert [o.usage.completion_tokens for o in outcomes] == [20, 20, 20]
        assert [o.usage.sequential_tokens for o in outcomes] == [20, 20, 20]
        assert [o.usage.seconds for o in outcomes] == [0.2, 0.2, 0.2]  # all answers come at once
        assert run.usage.completion_tokens == 60

    def test_a_method_within_a_set_method_books_into_the_problems_ledger(self):
        async def one(p, ctx, cfg):
            return Outcome("x", await ctx.sample(Prompt(raw=f"{p.id}|10")))

        async def each(problems, ctx, cfg):
            return [await ctx.solve(method_of(one).bind(None), p) for p in problems]

        run = Run({"main": Scripted(length_of)})
        made = method_of(each, scope="set")
        a, b = run_in_token_time(run.answer_set(made.bind(None), [problem("a"), problem("b")]))
        assert [o.usage.completion_tokens for o in (a, b)] == [10, 10]
        assert [len(o.traces) for o in (a, b)] == [1, 1]
        assert run.usage.completion_tokens == 20

    def test_a_budget_of_the_set_gives_every_problem_its_best(self):
        outcomes, run = self.play(budget=Budget(tokens=45))
        assert [o.stopped_by for o in outcomes] == ["budget:tokens"] * 3
        assert run.usage.completion_tokens == 45

    def test_a_single_problem_is_a_set_of_one(self):
        outcome = answer(Scripted(length_of), method_of(self.rounds, scope="set"), of=problem("a"))
        assert outcome.answer == "a"


def test_the_users_sampling_reaches_the_engine_and_the_methods_structure_stays():
    engine = Scripted(lambda call: said("x"))

    async def fn(p, ctx, cfg):
        await ctx.sample(p.prompt, temperature=0.8, max_tokens=100, stop=("\n\n",))
        await ctx.sample(p.prompt, temperature=0.0)
        return Outcome("x")

    answer(
        engine,
        fn,
        request=Sampling(temperature=0.5, max_tokens=50, stop=("END",)),
        defaults=Sampling(top_p=0.9, temperature=1.0),
    )
    first, second = (c.sampling for c in engine.calls)
    assert (first.temperature, first.top_p, first.max_tokens) == (0.5, 0.9, 50)
    assert first.stop == ("\n\n", "END")
    assert second.temperature == 0.0


def test_a_generation_that_cannot_start_for_a_defect_is_not_under_way():
    class Broken(Scripted):
        def start(self, request):
            raise KeyError("a defect")

    seen = []

    async def careful(problem, ctx, cfg) -> Outcome:
        with pytest.raises(KeyError):
            await ctx.sample(problem.prompt)
        seen.append(len(ctx.scope.active))
        return Outcome(None)

    answer(Broken(lambda request: said("A")), careful)
    assert seen == [0]
