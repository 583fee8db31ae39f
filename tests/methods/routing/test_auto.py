"""From a recording to a policy file, and the file as a method."""

from __future__ import annotations

from functools import partial

import pytest
from fakes import Scripted, problem, said
from fakes import answer as play
from recorded_benches import bench, recording

from ttscale.core import Budget, CapabilityError, PoolExhausted, RecordError, Run, UsageError, execute
from ttscale.engines.catalogue.source import ModelSource
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.recordings.pool import Pool
from ttscale.methods.registry import parse
from ttscale.methods.routing.difficulty import agreement
from ttscale.planner import Difficulty, Level, Policy, fit_policy, from_results, replayed


def mixed(easy: int = 12, hard: int = 12, draws: int = 16, **fields) -> ModelSource:
    """Easy questions are always right; hard ones are right in 10 of 16, wrong in many ways."""
    problems = [problem(f"q{i}") for i in range(easy + hard)]
    records = {
        (p.id, "main", ""): [
            said("right" if i < easy or d % 8 in (0, 2, 3, 5, 7) else f"wrong {d % 3}", 10, **fields)
            for d in range(draws)
        ]
        for i, p in enumerate(problems)
    }
    given = frozenset({"text", "reward"} if "reward" in fields else {"text"})
    pool = Pool("m", "t", problems, records, "", given)
    return ModelSource(name="m", spec="replay:x", make=partial(Replay, pool), pools=[pool])


STRATEGIES = ("pilot(n=4)", "pilot(n=8)", "pilot(n=16)", "sc(n=8)")


def policy(*strategies, cuts=(1.0,), kind="agreement", pilot=4, limit=16, unit="samples"):
    return Policy(
        model="m",
        task="t",
        questions=24,
        unit=unit,
        difficulty=Difficulty(kind=kind, pilot=pilot, cuts=cuts),
        levels=(Level(limit=limit, strategies=strategies),),
    )


def answer(source, path, budget=None, which=0):
    run = Run({"main": source.make()})
    given = f", budget={budget}" if budget else ""
    chosen = parse(f"auto(policy='{path}'{given})")
    return execute(run, lambda: run.answer(chosen, source.pools[0].problems[which]))


def test_the_whole_cost_of_a_strategy_is_in_its_trials():
    found = replayed(mixed(), STRATEGIES, repeats=3)
    assert found.samples.mean(axis=1).tolist() == [4, 8, 16, 12]
    assert found.tokens.tolist() == (10 * found.samples).tolist()
    assert found.right.shape == (4, 24 * 3)
    assert (found.score[: 12 * 3] == 1).all()
    assert found.counts[0] == (16, 16)
    assert found.counts[-1] == (16, 10)
    assert found.pass_rate.tolist() == [1.0] * 12 * 3 + [10 / 16] * 12 * 3


def test_a_fitted_policy_spends_where_it_helps_and_costs_less_than_one_strategy_for_all():
    fitted = fit_policy(replayed(mixed(), STRATEGIES[:3]), [16], bins=2)
    (level,) = fitted.levels
    assert level.strategies == ("pilot(n=4)", "pilot(n=16)")
    ours, single = level.figures["two_fold"], level.figures["best_single"]
    assert single["strategy"] == "pilot(n=16)"
    assert (single["accuracy"], single["cost"]) == pytest.approx((1, 16))
    assert ours["accuracy"] > 0.95
    assert ours["cost"] < 0.75 * 16
    assert fitted.saturation["measured"][0] == pytest.approx(13 / 16, abs=1e-6)
    assert fitted.saturation["epsilon"] == 0.005
    assert len(fitted.saturation["measured"]) == 16


def test_a_policy_comes_back_from_its_file_and_runs_as_a_method(tmp_path):
    path = tmp_path / "policy.json"
    fitted = fit_policy(replayed(mixed(), STRATEGIES[:3]), [4, 16], bins=2)
    fitted.save(path)
    assert Policy.load(path) == fitted
    easy = answer(mixed(), path)
    assert (easy.answer, easy.usage.samples, easy.extra["bin"]) == ("right", 4, 1)
    hard = answer(mixed(), path, which=20)
    assert hard.usage.samples == 16
    assert answer(mixed(), path, budget=4, which=20).usage.samples == 4


def test_another_method_follows_the_pilot_on_further_samples(tmp_path):
    path = tmp_path / "policy.json"
    policy("pilot(n=4)", "ffs(n=4, k=2)").save(path)
    hard = answer(mixed(), path, which=20)
    assert hard.extra["strategy"] == "ffs(n=4, k=2)"
    assert hard.usage.samples == 8
    assert hard.usage.cancelled_tokens >= 0
    draws = sorted(t.index for t in hard.traces)
    assert draws == list(range(8))


def test_the_pilot_answers_where_the_chosen_method_has_none(tmp_path):
    path, asked = tmp_path / "policy.json", problem("q0")
    policy("sc(n=2)", cuts=()).save(path)
    drawn = [said(x, 10) for x in ("b", "a", "a", "b", None, None)]
    source = Replay(Pool("m", "t", [asked], {("q0", "main", ""): drawn}))
    run = Run({"main": source})
    found = execute(run, lambda: run.answer(parse(f"auto(policy='{path}')"), asked))
    assert (found.answer, found.usage.samples) == ("b", 6)


def test_the_highest_level_within_a_budget_is_followed():
    levels = tuple(Level(limit=n, strategies=(f"pilot(n={n})",)) for n in (4, 8, 16))
    made = Policy(
        model="m",
        task="t",
        questions=1,
        unit="samples",
        difficulty=Difficulty(kind="agreement", pilot=4, cuts=()),
        levels=levels,
    )
    found = {budget: made.level(budget).limit for budget in (None, 1, 4, 7.9, 8, 15, 16, 99)}
    assert found == {None: 16, 1: 4, 4: 4, 7.9: 4, 8: 8, 15: 8, 16: 16, 99: 16}


def test_one_sample_more_than_the_pilot_is_drawn(tmp_path):
    path = tmp_path / "policy.json"
    policy("pilot(n=5)", cuts=()).save(path)
    assert answer(mixed(), path).usage.samples == 5


def test_agreement_is_of_all_the_pilots_samples():
    asked = problem()
    assert agreement(asked, [said("a"), said("a"), said(None), said("b")]) == 0.5
    assert agreement(asked, [said(None)] * 4) == 0


def test_only_samples_that_answered_are_judged(tmp_path):
    path = tmp_path / "policy.json"
    policy("pilot(n=4)", kind="reward", cuts=()).save(path)
    chosen, engine = parse(f"auto(policy='{path}')"), Scripted([said(x, 10) for x in ("a", None, "b", None)])
    found = play(engine, chosen.method, chosen.cfg)
    assert found.usage.by["prm"].scored_tokens == 20
    assert found.extra["score"] == 0.5


def test_the_pilot_is_planning_and_may_answer(tmp_path):
    path = tmp_path / "policy.json"
    policy("pilot(n=4)", "pilot(n=8)").save(path)
    hard = answer(mixed(), path, which=20)
    assert [t.part for t in hard.traces] == ["pilot"] * 4 + ["answer"] * 4
    assert (hard.usage.planning_tokens, hard.usage.useful_tokens, hard.usage.samples) == (40, 40, 8)
    run, found = Run({"main": mixed().make()}), mixed().pools[0].problems[0]
    held = execute(run, lambda: run.answer(parse(f"auto(policy='{path}')"), found, budget=Budget(tokens=20)))
    assert (held.answer, held.stopped_by) == ("right", "budget:tokens")


def test_rewards_predict_difficulty_and_weigh_the_votes(tmp_path):
    path = tmp_path / "policy.json"
    policy("pilot(n=4)", "pilot(n=8)", kind="reward", cuts=(0.5,)).save(path)
    assert answer(mixed(reward=0.9), path).usage.samples == 4
    assert answer(mixed(reward=0.1), path).usage.samples == 8
    with pytest.raises(CapabilityError, match="reward"):
        answer(mixed(), path)


def judged(path, *strategies, kind="agreement"):
    """Eight draws of one question: b is right three times and scored best, a is voted for."""
    entries = [("a", 0.4)] * 4 + [("b", 0.9), ("b", 0.7), ("c", 0.95), ("b", 0.6)]
    asked = problem("q0", "b")
    pool = Pool(
        "m",
        "t",
        [asked],
        {("q0", "main", ""): [said(x, 10, reward=r) for x, r in entries]},
        "",
        frozenset({"text", "reward"}),
    )
    policy(*strategies, cuts=(), kind=kind).save(path)
    return answer(ModelSource(name="m", spec="replay:x", make=partial(Replay, pool), pools=[pool]), path)


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        ("pilot(n=8)", "a"),
        ("pilot(n=8, select=vote)", "a"),
        ("pilot(n=8, select=best)", "c"),
        ("pilot(n=8, select='weighted')", "b"),
        ("pilot(n=4, select=best)", "a"),
    ],
)
def test_best_of_n_goes_on_with_the_pilots_samples(tmp_path, strategy, says):
    found = judged(tmp_path / "p.json", strategy)
    plain = parse("bon(n=8)" if "best" in strategy else "bon(n=8, weighted=true)")  # what it is on its own
    assert found.answer == says
    assert found.winner is not None
    assert found.usage.samples == (4 if "n=4" in strategy else 8)
    if "n=8, select" in strategy and "vote" not in strategy:
        pool = [
            said(x, 10, reward=r)
            for x, r in [("a", 0.4)] * 4 + [("b", 0.9), ("b", 0.7), ("c", 0.95), ("b", 0.6)]
        ]
        asked = problem("q0", "b")
        engine = Replay(
            Pool("m", "t", [asked], {("q0", "main", ""): pool}, "", frozenset({"text", "reward"}))
        )
        run = Run({"main": engine})
        alone = execute(run, lambda: run.answer(plain, asked))
        assert alone.answer == says


def test_rewards_that_tell_the_difficulty_weigh_the_votes_unless_told_otherwise(tmp_path):
    path = tmp_path / "p.json"
    assert judged(path, "pilot(n=8)", kind="reward").answer == "b"
    assert judged(path, "pilot(n=8, select=vote)", kind="reward").answer == "a"


def test_a_strategy_may_stop_as_soon_as_the_vote_is_sure(tmp_path):
    path = tmp_path / "policy.json"
    policy("pilot(n=16, sure=0.95)", cuts=()).save(path)
    easy = answer(mixed(), path)
    assert (easy.usage.samples, easy.stopped_by) == (4, "sure")  # four alike: 31/32
    hard = answer(mixed(), path, which=20)
    assert 4 < hard.usage.samples <= 16
    policy("pilot(n=8, sure=1)", cuts=()).save(path)
    assert answer(mixed(), path).stopped_by == "n_samples"
    policy("pilot(n=16, sure=0.97)", cuts=()).save(path)
    assert answer(mixed(), path).usage.samples == 5


@pytest.mark.parametrize("strategy", ["pilot(n=8)", "pilot(n=8, sure=0.99)"])
def test_samples_after_the_pilot_count_when_a_budget_ends(tmp_path, strategy):
    asked, path = problem("q0"), tmp_path / "policy.json"
    records = {("q0", "main", ""): [said(x, 10) for x in ("a", "a", "b", "b", "b", "b", "b", "b")]}
    source = Replay(Pool("m", "t", [asked], records))
    policy(strategy, cuts=()).save(path)
    chosen, run = parse(f"auto(policy='{path}')"), Run({"main": source})
    budget = Budget(samples=6) if "sure" in strategy else Budget(tokens=65)
    found = execute(run, lambda: run.answer(chosen, asked, budget=budget))
    assert (found.answer, found.over_budget) == ("b", True)


@pytest.mark.parametrize("kind", ["weighted", "best"])
def test_a_strategy_that_judges_needs_a_judge(tmp_path, kind):
    path = tmp_path / "policy.json"
    policy(f"pilot(n=8, select={kind})", cuts=()).save(path)
    with pytest.raises(CapabilityError, match="reward"):
        answer(mixed(), path)


@pytest.mark.parametrize(
    "bad",
    [
        "pilot()",
        "pilot(n=0)",
        "pilot(n=8, select=all)",
        "pilot(n=8, sure=2)",
        "pilot(m=8)",
        "pilot(n=8",
        "pilot(n=8, n=)",
    ],
)
def test_a_strategy_that_cannot_be_read_is_refused(tmp_path, bad):
    path = tmp_path / "policy.json"
    policy(bad, cuts=()).save(path)
    with pytest.raises(UsageError, match="write it as pilot"):
        parse(f"auto(policy='{path}')")


def test_the_needs_of_all_it_may_choose_are_checked_before_any_token(tmp_path):
    path = tmp_path / "policy.json"
    policy("pilot(n=4)", "deepconf(n=4)").save(path)
    with pytest.raises(CapabilityError, match="logprobs"):
        answer(mixed(), path)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (policy("pilot(n=4)", "sc(n=2)", kind="oracle"), "oracle"),
        (policy("pilot(n=4)", "pets(average=4)"), "pets"),
        (policy("pilot(n=4)", "auto"), "auto"),
        (policy("pilot(n=4)", "no-such-method"), "no-such-method"),
        (policy("pilot(n=4)", "pilot(n=x)"), "pilot"),
    ],
)
def test_a_policy_that_cannot_be_followed_is_refused(tmp_path, bad, says):
    path = tmp_path / "policy.json"
    bad.save(path)
    with pytest.raises(UsageError, match=says):
        parse(f"auto(policy='{path}')")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"kind": "ttscale-policy", "version": 2}', '{"kind": "ttscale-policy", "version": 1}'],
)
def test_a_file_that_is_no_policy_says_so(tmp_path, text):
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(RecordError, match="policy"):
        Policy.load(path)
    with pytest.raises(RecordError, match="cannot read"):
        Policy.load(tmp_path / "none.json")


def test_a_level_names_a_strategy_for_every_bin():
    with pytest.raises(UsageError, match="strategies for"):
        policy("pilot(n=4)")


def test_a_shared_budget_is_told_in_the_file(tmp_path):
    found = replayed(mixed(), STRATEGIES[:3])
    fitted = fit_policy(found, [10], bins=2, spend="mean")
    assert fitted.levels[0].strategies == ("pilot(n=4)", "pilot(n=16)")
    assert fit_policy(found, [10], bins=2).levels[0].strategies == ("pilot(n=4)", "pilot(n=8)")
    fitted.save(tmp_path / "p.json")
    assert Policy.load(tmp_path / "p.json").spend == "mean"


def test_a_recording_without_rewards_says_how_to_get_them():
    for strategy, kind in (
        ("pilot(n=8)", "reward"),
        ("pilot(n=8, select = best)", "agreement"),
        ("bon(n=4)", "oracle"),
    ):
        with pytest.raises(UsageError, match=r"best-of-n\(n=16\)"):
            replayed(mixed(), [strategy], kind=kind, repeats=1)


def test_a_pool_smaller_than_what_is_asked_of_it_is_an_error():
    with pytest.raises(PoolExhausted):
        replayed(mixed(draws=8), ("pilot(n=16)",), repeats=1)


def test_questions_without_gold_answers_teach_nothing():
    source = mixed(2, 2)
    source.pools[0].problems[:] = [problem(p.id, None) for p in source.pools[0].problems]
    with pytest.raises(UsageError, match="gold"):
        replayed(source, ("pilot(n=4)",), repeats=1)


def test_a_store_without_traces_gives_an_oracles_bound_only(tmp_path):
    bench(tmp_path, recording(right=5), "simple", "sc(n=8)")
    found = from_results(tmp_path / "run.db")
    assert found.strategies == ("simple", "sc(n=8)")
    assert found.samples.mean(axis=1).tolist() == [1, 8]
    with pytest.raises(UsageError, match="keep-traces"):
        fit_policy(found, [8])
    fitted = fit_policy(found, [8], kind="oracle", bins=2)
    assert fitted.difficulty.pilot == 0
    assert fitted.levels[0].strategies == ("sc(n=8)", "sc(n=8)")


def test_without_a_file_there_is_a_rule_of_thumb():
    run, source = Run({"main": mixed().make()}), mixed()
    chosen = parse("auto(budget=8)")
    outcome = execute(run, lambda: run.answer(chosen, source.pools[0].problems[0]))
    assert (outcome.answer, outcome.usage.samples) == ("right", 4)
