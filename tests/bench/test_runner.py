"""The grid and its runner: who draws what, and what is counted."""

from __future__ import annotations

from functools import partial

import pytest
import slow_bench
from fakes import Boxed, Scripted, problem, said
from recorded_benches import bench, recording

from ttscale.bench import Plan, Settings, Store, Task, arrange, pools_from_store, run_bench
from ttscale.core import (
    Budget,
    Card,
    Configured,
    Method,
    Outcome,
    PoolExhausted,
    Price,
    RecordError,
    UnknownName,
    UsageError,
)
from ttscale.engines.catalogue.source import ModelSource
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods.registry import parse


class Nothing:
    pass


class Eight:
    n = 8


def test_one_sample_is_repeated_until_every_recorded_draw_is_used(tmp_path):
    row = bench(tmp_path, recording(), "simple")["simple"]
    assert (row.items, row.questions, row.repeats) == (40, 5, 8)
    assert row.accuracy == 5 / 8
    assert row.completion_tokens_mean == 45
    assert row.completion_tokens_total == 40 * 45


def test_a_vote_over_all_draws_runs_once_and_over_half_of_them_twice(tmp_path):
    found = bench(tmp_path, recording(), "sc(n=8)", "sc(n=4)", "sc(n=3)")
    assert [found[m].repeats for m in ("sc(n=8)", "sc(n=4)", "sc(n=3)")] == [1, 2, 2]
    assert found["sc(n=4)"].completion_tokens_total == found["sc(n=8)"].completion_tokens_total
    assert found["sc(n=4)"].accuracy == 0.5, "the last four samples: one right, three wrong"


def test_more_repeats_than_disjoint_draws_shuffle_the_recording(tmp_path):
    row = bench(tmp_path, recording(), "sc(n=8)", repeats=3)["sc(n=8)"]
    assert (row.items, row.repeats, row.completion_tokens_mean) == (15, 3, 360)


def test_more_draws_than_any_question_has_are_refused_beforehand(tmp_path):
    with pytest.raises(PoolExhausted, match=r"holds 8: give it n=8, or draw with replacement"):
        arrange([parse("sc(n=9)")], [(recording(), [Task("t", recording().pools[0].problems)])])


def test_a_budget_holds_for_every_question_and_for_a_set_altogether(tmp_path):
    async def everything(problems, ctx, cfg):
        outcomes = []
        for p in problems:
            own = ctx.of(p)
            traces = await own.sample_all(p.prompt, 4)
            ctx.advance(own.sequential)  # the next question waits for this one
            outcomes.append(Outcome(p.answer(traces[0]), traces[0], "drawn"))
        return outcomes

    card = Card(name="all", title="all", what="parallel", stops="never", scope="set", draws="n", knob="n")
    a_set = Configured(Method(card, everything, Eight), Eight(), "all")
    settings = Settings(budget=Budget(samples=4))
    found = bench(tmp_path, recording(), "sc(n=8)", a_set, settings=settings)
    assert found["sc(n=8)"].samples_mean == 4
    assert found["sc(n=8)"].stopped_by == {"budget:samples": 5}
    assert found["all"].samples_mean == 4
    assert found["all"].set_sequential_tokens == 5 * 40
    assert found["all"].sequential_tokens_mean < found["all"].set_sequential_tokens


def test_tokens_are_split_by_what_became_of_them(tmp_path):
    row = bench(tmp_path, recording(), "ffs(n=8, k=1)")["ffs(n=8, k=1)"]
    assert row.completion_tokens_mean == 80
    assert (row.useful_tokens_mean, row.cancelled_tokens_mean) == (10, 70)
    assert row.sequential_tokens_mean == 10
    assert row.seconds_mean == pytest.approx(0.1)


def test_the_difference_is_to_the_first_method_on_the_same_questions(tmp_path):
    found = bench(tmp_path, recording(), "simple", "sc(n=8)")
    assert found["simple"].difference is None
    assert found["sc(n=8)"].difference.value == pytest.approx(1 - 5 / 8)


def test_cost_is_unknown_without_a_price_and_counted_with_one(tmp_path):
    import dataclasses

    assert bench(tmp_path, recording(), "simple")["simple"].cost_mean is None
    paid = dataclasses.replace(recording(), price=Price(0, 1_000_000))
    assert bench(tmp_path, paid, "simple", name="paid.db")["simple"].cost_mean == 45


def test_methods_that_ask_the_same_get_the_same_draws_live(tmp_path):
    source = ModelSource(name="s", spec="", make=lambda: Synthetic(binary(0.5)))
    problems = [problem(str(i)) for i in range(30)]
    found = bench(tmp_path, source, "sc(n=4)", "ffs(n=4, k=4)", problems=problems, repeats=2)
    one, two = found.values()
    assert one.completion_tokens_total == two.completion_tokens_total
    assert one.accuracy == pytest.approx(two.accuracy, abs=0.2)
    assert one.items == 60


def test_repeats_of_a_live_model_draw_anew(tmp_path):
    source = ModelSource(name="s", spec="", make=lambda: Synthetic(binary(0.5)))
    problems = [problem(str(i)) for i in range(10)]
    grid = arrange([parse("simple")], [(source, [Task("t", problems)])], repeats=2)
    with Store.create(tmp_path / "r.db", {}) as store:
        run_bench(store, grid)
        first, second = ([i.usage.completion_tokens for i in store.items(c)] for c in store.cells())
    assert first != second


def test_a_bug_in_a_method_is_an_error_with_its_place_not_a_wrong_answer(tmp_path):
    async def broken(problem, ctx, cfg):
        await ctx.sample(problem.prompt)
        return 1 / 0

    card = Card(name="broken", title="broken", what="parallel", stops="never")
    method = Configured(Method(card, broken, Nothing), Nothing(), "broken")
    row = bench(tmp_path, recording(), method)["broken"]
    assert (row.items, row.errors, row.accuracy) == (0, 40, None)
    assert row.error_tokens_total == 40 * 45, "what was spent is counted all the same"
    with Store.open(tmp_path / "run.db") as store:
        item = next(store.items(store.cells()[0]))
    assert item.error.startswith("ZeroDivisionError")
    assert "test_runner.py:" in item.error


def test_what_a_set_spent_before_it_failed_is_counted_question_by_question(tmp_path):
    async def broken(problems, ctx, cfg):
        await ctx.of(problems[0]).sample(problems[0].prompt)
        await ctx.of(problems[1]).sample(problems[1].prompt)
        return 1 / 0

    card = Card(name="broken", title="broken", what="parallel", stops="never", scope="set")
    method = Configured(Method(card, broken, Nothing), Nothing(), "broken")
    row = bench(tmp_path, recording(), method)["broken"]
    assert (row.items, row.errors) == (0, 40)
    with Store.open(tmp_path / "run.db") as store:
        spent = [item.usage.samples for cell in store.cells() for item in store.items(cell)]
    assert sorted(spent) == [0] * 24 + [1] * 16


def test_traces_of_recordings_are_not_kept_unless_asked_for(tmp_path):
    for keep, expected in (("auto", 0), ("all", 40)):
        bench(tmp_path, recording(), "sc(n=8)", settings=Settings(keep_traces=keep), name=keep)
        with Store.open(tmp_path / keep) as store:
            assert sum(1 for c in store.cells() for _ in store.traces(c)) == expected


def test_live_traces_are_kept_unless_they_are_not_wanted(tmp_path):
    for keep, expected in (("auto", 8), ("none", 0)):
        bench(
            tmp_path,
            slow_bench.model(),
            "sc(n=4)",
            settings=Settings(keep_traces=keep),
            problems=slow_bench.questions(2),
            name=keep,
        )
        with Store.open(tmp_path / keep) as store:
            assert sum(1 for c in store.cells() for _ in store.traces(c)) == expected


def test_progress_counts_up_to_the_end(tmp_path):
    seen = []
    task = Task("t", recording().pools[0].problems)
    with Store.create(tmp_path / "run.db", {}) as store:
        grid = arrange([parse("simple")], [(recording(), [task])])
        run_bench(store, grid, None, lambda p: seen.append((p.done, p.total, p.accuracy)))
    assert seen[0] == (0, 40, None)
    assert seen[-1] == (40, 40, 5 / 8)


def test_a_need_that_is_not_met_is_refused_before_anything_is_drawn(tmp_path):
    from ttscale.core import CapabilityError
    from ttscale.core.cards import roles

    card = Card(
        name="needy", title="needy", what="parallel", stops="never", needs={"prm": roles.judges("reward")}
    )

    async def needy(problem, ctx, cfg):
        raise AssertionError

    method = Configured(Method(card, needy, Nothing), Nothing(), "needy")
    with pytest.raises(CapabilityError, match="reward"):
        bench(tmp_path, recording(), "simple", method)
    with Store.open(tmp_path / "run.db") as store:
        assert not [i for c in store.cells() for i in store.items(c)]


@pytest.mark.parametrize(
    ("change", "said_"),
    [
        ({"methods": ()}, "no method"),
        ({"n": 0}, "n=0"),
        ({"repeats": 0}, "repeats=0"),
        ({"concurrency": 0}, "concurrency=0"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, said_):
    with pytest.raises(UsageError, match=said_):
        Plan(**{"methods": ("simple",), "models": ("m",), **change})


def test_a_plan_survives_json():
    plan = Plan(methods=("a", "b"), models=("m",), budget={"tokens": 5}, roles={"prm": "x"}, n=3)
    import orjson

    assert Plan.from_dict(orjson.loads(orjson.dumps(plan.as_dict()))) == plan


def test_tasks_without_questions_or_with_equal_ids_are_refused():
    source = recording()
    for problems, reason in (([], "no questions"), ([problem("a"), problem("a")], "equal ids")):
        with pytest.raises(RecordError, match=reason):
            arrange([parse("simple")], [(source, [Task("t", problems)])])


def test_the_same_method_twice_is_refused():
    with pytest.raises(UsageError, match="given twice"):
        arrange([parse("simple"), parse("simple")], [])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sc(n=8)", "self-consistency(n=8)"),
        ("ffs", "ffs(n=8)"),
        ("sc(n=8, tie=first)", "sc(n=8)"),
        ("ffs(k=2, n=4)", "ffs(n=4, k=2)"),
    ],
)
def test_one_method_written_in_two_ways_is_refused(one, other):
    with pytest.raises(UsageError, match="written in another way: name it once"):
        arrange([parse("simple"), parse(one), parse(other)], [])


def test_methods_that_differ_in_one_parameter_are_two():
    methods = [parse(spec) for spec in ("ffs(n=8)", "ffs(n=8, k=2)", "lfs(n=8, k=2)", "sc(n=2)")]
    cells = arrange(methods, [(recording(), [Task("t", [problem("q0")])])], repeats=1)
    assert [cell.method.label for cell in cells] == [m.label for m in methods]


def test_an_unknown_budget_names_the_nearest():
    with pytest.raises(UnknownName, match="tokens"):
        Plan(methods=("simple",), models=("m",), budget={"token": 5})


def test_rewards_are_kept_with_their_draws_and_judge_a_replay(tmp_path):
    def reward(trace):
        return 1.0 / trace.tokens  # the judge likes short traces

    judge = ModelSource(
        name="judge",
        spec="x",
        make=lambda **_: Scripted(lambda call: said("-"), capabilities={"reward"}, rewards=reward),
    )
    source = ModelSource(
        name="m", spec="x", make=lambda **_: Scripted(lambda call: said("a", 20 - call.index))
    )
    task, methods = Task("t", [problem(f"q{i}") for i in range(3)]), [parse("bon(n=6)")]
    settings = Settings(roles={"prm": judge}, keep_traces="all")
    with Store.create(tmp_path / "live.db", {}) as store:
        run_bench(store, arrange(methods, [(source, [task])]), settings)
        winners = [item.winner for cell in store.cells() for item in store.items(cell)]
    (pool,) = pools_from_store(tmp_path / "live.db", lambda name: Boxed())
    assert "reward" in pool.capabilities
    first = pool.find(pool.problems[0], "main", pool.problems[0].prompt)
    assert [t.reward for t in first] == [1.0 / (20 - k) for k in range(6)]
    replayed = ModelSource(name="m", spec="x", make=partial(Replay, pool), pools=[pool])
    with Store.create(tmp_path / "replay.db", {}) as store:
        run_bench(store, arrange(methods, [(replayed, [Task("t", pool.problems)])]))
        again = [item.winner for cell in store.cells() for item in store.items(cell)]
    assert again == winners
    assert None not in winners


def judged_bench(tmp_path, script, *methods):
    """A live bench whose samples a judge scores by their tokens; the pool it makes."""
    judge = ModelSource(
        name="judge",
        spec="x",
        make=lambda **_: Scripted(
            lambda call: said("-"), capabilities={"reward"}, rewards=lambda t: t.tokens / 100
        ),
    )
    source = ModelSource(name="m", spec="x", make=lambda **_: Scripted(script))
    task = Task("t", [problem(f"q{i}") for i in range(2)])
    with Store.create(tmp_path / "live.db", {}) as store:
        planned = arrange([parse(m) for m in methods], [(source, [task])])
        run_bench(store, planned, Settings(roles={"prm": judge}, keep_traces="all"))
    (pool,) = pools_from_store(tmp_path / "live.db", lambda name: Boxed())
    return pool


@pytest.mark.parametrize("methods", [("sc(n=4)", "bon(n=4)"), ("bon(n=4)", "sc(n=4)")])
def test_draws_that_two_methods_share_keep_their_rewards(tmp_path, methods):
    pool = judged_bench(tmp_path, lambda call: said("a", 20 - call.index), *methods)
    assert "reward" in pool.capabilities
    first = pool.find(pool.problems[0], "main", pool.problems[0].prompt)
    assert [t.reward for t in first] == [0.2, 0.19, 0.18, 0.17]


def test_samples_without_an_answer_need_no_reward(tmp_path):
    def script(call):
        mute = call.problem.id == "q0" or call.index == 1
        return said(None if mute else "a", 10)

    pool = judged_bench(tmp_path, script, "bon(n=4)")
    assert "reward" in pool.capabilities
    again = ModelSource(name="m", spec="replay:x", make=partial(Replay, pool), pools=[pool])
    with Store.create(tmp_path / "replay.db", {}) as store:
        run_bench(store, arrange([parse("bon(n=4)")], [(again, [Task("t", pool.problems)])]))
        answers = [item.answer for cell in store.cells() for item in store.items(cell)]
    assert answers == [None, "a"]


def test_a_pool_of_which_only_some_draws_were_judged_cannot_judge(tmp_path):
    pool = judged_bench(tmp_path, lambda call: said("a"), "bon(n=2)", "sc(n=4)")
    assert pool.size() == 4
    assert "reward" not in pool.capabilities
