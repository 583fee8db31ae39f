"""Recorded traces as an engine."""

from __future__ import annotations

import pytest
from fakes import answer, problem, said

from ttscale.core import Outcome, PoolExhausted, UsageError
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.recordings.pool import Pool
from ttscale.methods.registry import parse


def pool(*lengths: int, name: str = "p", **fields) -> Pool:
    asked = problem(name)
    rows = [said(f"a{n}", n, **fields) for n in lengths]
    return Pool("m", "t", [asked], {(name, "main", ""): rows})


def drawn(engine, n, seed=0, spec="sc(n={})") -> list[int]:
    vote = parse(spec.format(n))
    outcome = answer(engine, vote.method, vote.cfg, seed=seed)
    return [t.tokens for t in sorted(outcome.traces, key=lambda t: t.index)]


def test_rows_are_served_in_recorded_order_without_replacement():
    assert drawn(Replay(pool(5, 3, 9, 1)), 3) == [5, 3, 9]


def test_skipping_rows_gives_disjoint_repeats():
    assert drawn(Replay(pool(5, 3, 9, 1), skip=2), 2) == [9, 1]
    assert Replay(pool(5, 3, 9, 1), skip=3).pool_size(problem(), problem().prompt, "main") == 1


def test_shuffling_permutes_by_the_seed():
    lengths = list(range(1, 30))
    one, again, other = (drawn(Replay(pool(*lengths), order="shuffled"), 29, s) for s in (1, 1, 2))
    assert one == again != other
    assert sorted(one) == sorted(other) == lengths
    assert drawn(Replay(pool(*lengths), order="shuffled"), 5, 1) == one[:5]


def test_a_pool_that_runs_dry_says_so():
    with pytest.raises(PoolExhausted, match=r"draw 3 of question 'p'.*holds 2.*resample"):
        drawn(Replay(pool(5, 3)), 3)


def test_resampling_never_runs_dry_and_has_common_random_numbers():
    engine = Replay(pool(5, 3, 9), resample=True)
    many = drawn(engine, 60)
    assert set(many) == {3, 5, 9}
    assert drawn(engine, 20) == many[:20]
    assert drawn(engine, 60, seed=1) != many  # another run draws others
    assert engine.pool_size(problem(), problem().prompt, "main") is None


def test_what_was_never_recorded_is_censored():
    async def fn(p, ctx, cfg):
        trace = await ctx.sample(p.prompt.then("other"))
        return Outcome(p.answer(trace), trace)

    outcome = answer(Replay(pool(5)), fn)
    assert (outcome.answer, outcome.winner.finish, outcome.usage.completion_tokens) == (None, "censored", 0)


def test_a_context_knows_how_many_draws_are_left():
    async def fn(p, ctx, cfg):
        assert ctx.can_afford(samples=2, prompt=p.prompt)
        await ctx.sample(p.prompt)
        assert not ctx.can_afford(samples=2, prompt=p.prompt)
        return Outcome("x")

    assert answer(Replay(pool(5, 3)), fn).stopped_by == ""


def test_recorded_rewards_judge_and_missing_ones_are_named():
    best = parse("bon(n=2)")
    rows = [said("A", 5, reward=0.2), said("B", 6, reward=0.7)]
    made = Pool("m", "t", [problem()], {("p", "main", ""): rows}, capabilities=frozenset({"text", "reward"}))
    judged = answer(Replay(made), best.method, best.cfg)
    assert (judged.answer, judged.usage.verifier_tokens) == ("B", 0)  # nothing is read again
    rows[0].reward = None
    with pytest.raises(UsageError, match="without a recorded reward"):
        answer(Replay(made), best.method, best.cfg)


def test_serving_leaves_the_recording_as_it_was():
    made = pool(5, 3, 9)
    before = [t.copy() for t in made.records["p", "main", ""]]
    drawn(Replay(made), 3, spec="ffs(n={})")
    assert made.records["p", "main", ""] == before


def test_speed_is_ticks_per_token():
    vote = parse("sc(n=2)")
    outcome = answer(Replay(pool(50, 30), ticks_per_token=4), vote.method, vote.cfg)
    assert (outcome.usage.seconds, outcome.usage.sequential_tokens) == (2.0, 50)


@pytest.mark.parametrize(("limit", "finish"), [(49, "length"), (50, "stop"), (51, "stop")])
def test_a_recording_that_fits_its_limit_to_the_token_ends_as_it_did(limit, finish):
    async def fn(p, ctx, cfg):
        trace = await ctx.sample(p.prompt, max_tokens=limit)
        return Outcome(p.answer(trace), trace)

    outcome = answer(Replay(pool(50)), fn)
    assert (outcome.winner.finish, outcome.winner.tokens) == (finish, min(limit, 50))


def test_an_unknown_order_is_refused():
    with pytest.raises(UsageError, match="shuffled"):
        Replay(pool(1), order="random")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="skip=-1"):
        Replay(pool(1), skip=-1)


def test_the_size_of_a_pool_is_its_smallest_question():
    rows = {("p", "main", ""): [said("A")] * 3, ("q", "main", ""): [said("A")] * 2}
    assert Pool("m", "t", [problem("p"), problem("q")], rows).size() == 2
    assert Pool("", "t", [], {}).size() == 0


def test_an_engine_is_named_after_its_model_or_else_its_file():
    assert Replay(pool(1)).name == "replay:m"
    assert Replay(Pool("", "t", [], {}, "file.csv")).name == "replay:file.csv"
