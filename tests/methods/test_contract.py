"""What every registered method promises, whatever it does. New methods are covered by being
registered: the laboratory engine below gives them what their card asks for."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fakes import Boxed, Scripted, Ticking, nothing_left, problem

from ttscale.core import (
    Budget,
    CapabilityError,
    Card,
    Embeddings,
    EngineError,
    GenerationRequest,
    Method,
    Outcome,
    Price,
    Problem,
    Prompt,
    Run,
    Score,
    Trace,
    Unreachable,
    UsageError,
    run_in_token_time,
)
from ttscale.core.cards.roles import kind_of
from ttscale.methods.registry import methods, parse

METHODS = methods()
STEPS = 3
GIVEN = frozenset({"text", "prefix", "logprobs", "reward", "score", "embed"})
CONSTANT = ("n samples", "the sample ends")  # cards whose method draws the same number, always
PRICES = Price(prompt=0.0, completion=1000.0)
REQUIRED: dict[str, dict[str, Any]] = {}  # method -> its parameters that have no default


@pytest.fixture(scope="module", autouse=True)
def pets_table(tmp_path_factory: pytest.TempPathFactory) -> None:
    """PETS online works from a fitted table."""
    from ttscale.methods.allocation.pets_table import fit_table

    rng = random.Random(0)
    pools = [[rng.choice("AAB") for _ in range(64)] for _ in range(10)]
    path = tmp_path_factory.mktemp("pets") / "table.json"
    fit_table(pools, 8).save(path)
    REQUIRED["pets-online"] = {"table": str(path)}


def configured(method: Method) -> Any:
    """The defaults, with few draws where the method allows it."""
    params = REQUIRED.get(method.name, {})
    cfg = method.configure(params)
    if (most := method.max_samples(cfg)) is not None and most > 8:
        with contextlib.suppress(UsageError):
            return method.configure({**params, method.card.draws: 8})
    return cfg


def script(call: GenerationRequest) -> Trace:
    """A small thinking model: three steps, then an answer; what the prefix holds is not repeated.

    Judges say yes or no. Text, length and confidence depend on the sample's seed alone.
    """
    rng = random.Random(call.seed)
    prefix = call.prompt.prefix
    if call.role in ("judge", "verifier"):
        words = [rng.choice(["Yes", "No"])]
    else:
        thinking = [f"w{rng.randrange(100)} " for _ in range(rng.randint(1, 5))]
        reply = f"\\boxed{{{rng.choices(['right', 'wrong', 'odd'], [5, 3, 1])[0]}}}"
        if rng.random() < 0.1:
            reply = "no idea"
        steps = prefix.count("\n\n")
        if "</think>" in call.sampling.stop:
            words = thinking
        elif "</think>" in prefix or steps >= STEPS - 1:
            words = [*thinking[:3], reply]
        elif "\n\n" in call.sampling.stop:
            words = thinking
        else:
            words = []
            for step in range(steps, STEPS - 1):
                words += [*thinking[step:], f"step{step}\n\n"]
            words.append(reply)
    conf = np.random.default_rng(call.seed).normal(8.0, 2.0, len(words)).astype(np.float32)
    ends = np.cumsum([len(w) for w in words]).tolist()
    return Trace(
        "".join(words),
        len(words),
        ends=ends,
        prompt_tokens=7,
        conf=conf,
        logprobs=-np.exp(-conf / 4).astype(np.float32),
        meta={"stopped_at": call.sampling.stop[0]} if _at_a_stop(call, words) else {},
    )


def _at_a_stop(call: GenerationRequest, words: list[str]) -> bool:
    return bool(call.sampling.stop) and "boxed" not in words[-1] and "idea" not in words[-1]


class Laboratory(Ticking):
    """Generates token by token, counts, scores, embeds and judges."""

    def __init__(self, play=script, capabilities=GIVEN):
        super().__init__(play, capabilities=capabilities, rewards=_reward)

    async def score(self, prompt: Prompt, text: str) -> Score:
        n = max(1, len(text.split()))
        return Score(np.full(n, -1.0, np.float32), n)

    async def embed(self, texts) -> Embeddings:
        made = [np.random.default_rng(len(t)).normal(size=4) for t in texts]
        return Embeddings(np.array(made, np.float32), sum(len(t) for t in texts))


class Recorded(Scripted):
    """The same courses, known beforehand."""

    def __init__(self, play=script):
        super().__init__(play, capabilities=GIVEN, rewards=_reward)

    score, embed = Laboratory.score, Laboratory.embed


def _reward(trace: Trace) -> float:
    return random.Random(trace.text).random()


@pytest.fixture(params=list(METHODS))
def method(request: pytest.FixtureRequest) -> Method:
    found = METHODS[request.param]
    wanted = found.needs(configured(found)).values()
    needed = {capability for role in wanted for capability in role.capabilities}
    if not needed <= GIVEN:
        pytest.skip(f"the laboratory engine does not give {', '.join(needed - GIVEN)}")
    return found


def play(
    method: Method,
    engine: Scripted,
    budget: Budget | None = None,
    seed: int = 0,
    first: int = 0,
    reference: str | None = "right",
) -> list[Outcome]:
    """Outcomes of two problems; nothing may be left over after any of them."""
    run = Run({"main": engine}, seed=seed, prices={"main": PRICES})
    asked = [problem(f"q{n}", reference) for n in range(first, first + 2)]
    cfg = configured(method)

    async def main() -> list[Outcome]:
        if method.card.scope == "set":
            outcomes = await run.answer_set(method.bind(cfg), asked, budget=budget)
        else:
            outcomes = [await run.answer(method.bind(cfg), p, budget=budget) for p in asked]
        nothing_left()
        return outcomes

    return run_in_token_time(main())


def facts(outcome: Outcome) -> object:
    """All that counts of an outcome, for comparison."""
    traces = [(t.text, t.tokens, t.finish, t.role, t.index, t.sequential) for t in outcome.traces]
    winner = outcome.winner and (outcome.winner.text, outcome.winner.tokens)
    return (outcome.answer, winner, outcome.stopped_by, repr(outcome.extra), traces, outcome.usage.as_dict())


def test_the_meter_equals_the_engines_own_count(method):
    engine = Laboratory()
    outcomes = play(method, engine)
    assert sum(o.usage.completion_tokens for o in outcomes) == engine.generated > 0
    assert sum(len(o.traces) for o in outcomes) == len(engine.calls)
    generated = sum(t.tokens for o in outcomes for t in o.traces)
    assert generated == engine.generated
    assert all(f.finished for f in engine.generations)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(method):
    one, again, other = (play(method, Recorded(), seed=s) for s in (1, 1, 2))
    assert [facts(o) for o in one] == [facts(o) for o in again]
    assert [facts(o) for o in one] != [facts(o) for o in other]


def test_a_recording_gives_the_outcome_of_the_engine_that_generates(method):
    live, recorded = play(method, Laboratory()), play(method, Recorded())
    assert [facts(o) for o in live] == [facts(o) for o in recorded]


@pytest.mark.parametrize("tick", [0, 1, 7, 19])
def test_cancellation_leaves_no_task_and_no_flight(method, tick):
    engine = Laboratory()
    run = Run({"main": engine})
    cfg = configured(method)

    async def main() -> None:
        asked = problem("q0")
        work = (
            run.answer_set(method.bind(cfg), [asked, problem("q1")])
            if method.card.scope == "set"
            else run.answer(method.bind(cfg), asked)
        )
        task = asyncio.ensure_future(work)
        await asyncio.sleep(tick)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        nothing_left()
        assert all(f.finished for f in engine.generations)
        generated = engine.generated
        await asyncio.sleep(1000)
        assert engine.generated == generated

    run_in_token_time(main())


AMOUNTS = {"tokens": 1, "sequential": 1, "samples": 1, "seconds": 0.01, "cost": 0.001}


@pytest.mark.parametrize("kind", AMOUNTS)
def test_no_budget_is_exceeded_and_a_run_it_ended_says_so(method, kind):
    unbounded = play(method, Recorded())
    for engine, n in ((Laboratory, 5), (Recorded, 1), (Recorded, 14)):
        limit, free = AMOUNTS[kind] * n, unbounded
        held = play(method, engine(), Budget(**{kind: limit}))
        if method.card.scope == "set":
            held, free = [_together(held)], [_together(free)]
        for unlimited, outcome in zip(free, held, strict=True):
            generated = sum(t.tokens for t in outcome.traces)
            assert outcome.usage.completion_tokens == generated
            assert _spent(kind, outcome) <= limit + 1e-9
            if outcome.over_budget:
                assert outcome.stopped_by == f"budget:{kind}"
            if _spent(kind, unlimited) > limit + 1e-9:
                assert outcome.stopped_by == f"budget:{kind}"


def _spent(kind: str, outcome: Outcome) -> float:
    usage = outcome.usage
    return {
        "tokens": usage.completion_tokens,
        "sequential": usage.sequential_tokens,
        "samples": usage.samples,
        "seconds": usage.seconds,
        "cost": usage.cost or 0.0,
    }[kind]


def _together(outcomes: list[Outcome]) -> Outcome:
    ended = [o.stopped_by for o in outcomes if o.over_budget]
    whole = Outcome(None, stopped_by=ended[0] if ended else outcomes[0].stopped_by)
    for outcome in outcomes:
        whole.usage.add(outcome.usage)
        whole.traces += outcome.traces
    return whole


@pytest.mark.parametrize("budget", [None, Budget(tokens=40), Budget(samples=3), Budget(seconds=0.3)])
def test_whenever_there_is_an_answer_there_is_a_winner_that_gives_it(method, budget):
    for first in (0, 2):
        for outcome in play(method, Recorded(), budget, first=first):
            if outcome.answer is not None:
                assert outcome.winner is not None
                given = Boxed().extract(outcome.winner)
                assert given is not None
                assert Boxed().same(given, outcome.answer)


def _lacks(method: Method) -> Iterator[tuple[str, str]]:
    for role, wanted in method.needs(configured(method)).items():
        for capability in wanted.capabilities:
            yield role, capability


def test_an_engine_that_lacks_a_need_is_refused_before_any_token(method):
    for role, capability in _lacks(method):
        whole, lacking = Laboratory(), Laboratory(capabilities=GIVEN - {capability})
        engines = {"main": whole, role: lacking}
        run = Run(engines)
        ask = run.answer_set if method.card.scope == "set" else run.answer
        asked = [problem()] if method.card.scope == "set" else problem()

        async def main(ask=ask, asked=asked) -> None:
            with pytest.raises(CapabilityError) as refused:
                await ask(method.bind(configured(method)), asked)
            assert capability in str(refused.value)
            assert repr(role) in str(refused.value)
            assert refused.value.fix

        run_in_token_time(main())
        assert not whole.calls
        assert not lacking.calls


def test_the_gold_answer_is_looked_at_by_oracles_only(method):
    if method.card.status == "oracle":
        pytest.skip("an oracle")
    with_, without = (play(method, Recorded(), reference=r) for r in ("right", None))
    assert [facts(o) for o in with_] == [facts(o) for o in without]


def test_constant_methods_make_the_calls_their_card_says_and_no_method_draws_more(method):
    most = method.max_samples(configured(method))
    for first in range(0, 8, 2):
        for outcome in play(method, Recorded(), first=first):
            if method.card.draws:
                assert most is not None
                assert outcome.usage.samples <= most
            if method.card.stops in CONSTANT:
                assert outcome.usage.samples == (most or 1)


def test_what_is_scaled_shows_in_what_is_asked(method):
    """Samples that are scaled in parallel know nothing of one another, in whatever order they were
    drawn; what is scaled in sequence goes on from what was generated before."""
    engine = Recorded()
    play(method, engine)
    draws = [call for call in engine.calls if kind_of(call.part) != "judges"]
    first: dict[str, Prompt] = {}
    building = [call for call in draws if call.prompt != first.setdefault(call.problem.id, call.prompt)]
    if method.card.what in ("parallel", "internal"):
        assert not building
    elif method.name != "auto":  # which runs whatever its policy chooses
        # a thought that nothing interferes with is one sample, whose beginning is given
        assert building or all(call.prompt.prefix for call in draws)
    if method.card.what == "internal":
        assert len(draws) == 2, "one for each problem"


@pytest.mark.parametrize("error", [EngineError("down"), Unreachable("gone")])
def test_if_every_draw_fails_the_outcome_is_an_error_not_a_wrong_answer(method, error):
    def fails(call: GenerationRequest) -> Trace:
        raise error

    for outcome in play(method, Recorded(fails)):
        assert outcome.answer is None
        assert outcome.error is error
        assert all(t.finish == "error" for t in outcome.traces)
        assert outcome.usage.completion_tokens == 0


def test_one_failed_draw_does_not_fail_the_run(method):
    failed = []

    def first_fails(call: GenerationRequest) -> Trace:
        if not failed:
            failed.append(call)
            raise EngineError("hiccup")
        return script(call)

    outcomes = play(method, Recorded(first_fails))
    assert sum(o.usage.by[r].failed for o in outcomes for r in o.usage.by) == 1
    assert any(o.error is None and o.answer is not None for o in outcomes)


def test_unparsable_samples_never_become_an_answer(method):
    def mute(call: GenerationRequest) -> Trace:
        trace = script(call)
        trace.text = trace.text.replace("boxed", "b0xed")
        return trace

    for outcome in play(method, Recorded(mute)):
        assert outcome.answer is None
        assert outcome.error is None


@pytest.mark.parametrize("finish", ["length", "refused", "error"])
def test_samples_that_did_not_finish_never_become_an_answer(method, finish):
    def unfinished(call: GenerationRequest) -> Trace:
        trace = script(call)
        trace.finish = finish
        trace.error = EngineError("refused") if finish == "error" else None
        return trace

    for outcome in play(method, Recorded(unfinished)):
        assert outcome.answer is None


def test_the_card_is_complete_and_makes_the_round_trip_through_json(method):
    card = method.card
    assert Card.from_dict(json.loads(json.dumps(card.as_dict()))) == card
    assert set(method.needs(configured(method))) <= set(card.needs) | {"judge", "prm"}
    for sentence in card.deviations:
        assert sentence.endswith("."), sentence


def test_the_config_is_frozen_and_keyword_only_and_documents_every_field(method):
    config = method.config
    assert config.__dataclass_params__.frozen
    assert all(f.kw_only for f in dataclasses.fields(config))
    for f in dataclasses.fields(config):
        assert f.name in (config.__doc__ or ""), f"{f.name} is not documented"


def test_concurrent_problems_do_not_disturb_one_another(method):
    if method.card.scope == "set":
        pytest.skip("a set method answers its problems together")
    alone = {n: facts(play(method, Recorded(), first=n)[0]) for n in range(4)}
    run = Run({"main": Recorded()}, prices={"main": PRICES})

    async def main() -> list[Outcome]:
        cfg = configured(method)
        return await asyncio.gather(*(run.answer(method.bind(cfg), problem(f"q{n}")) for n in range(4)))

    together = run_in_token_time(main())
    assert {n: facts(o) for n, o in enumerate(together)} == alone
    assert math.isclose(run.usage.completion_tokens, sum(o.usage.completion_tokens for o in together))


@pytest.mark.parametrize(
    ("spec", "traps"),
    [
        ("best-of-n(n=4, verifier='judge')", {"verdict"}),
        ("beam-search(n=4, verifier='judge', lookahead=1)", {"verdict", "rollout"}),
        ("dvts(n=4, verifier='judge')", {"verdict"}),
        ("three-d(batch=3, turns=3, aggregator='judge')", {"verdict", "reflection"}),
        ("turns(turns=3, carry='reflection')", {"reflection"}),
        ("atts(chains=4, calibration=6)", {"calibration"}),
    ],
)
def test_what_judges_calibrates_or_reflects_never_becomes_the_answer(spec, traps):
    """However a budget ends the run, and whatever can be read in a judge's reply."""
    seen = set()

    def trapped(call: GenerationRequest) -> Trace:
        if call.part not in traps:
            return script(call)
        seen.add(call.part)
        return Trace("\\boxed{trap}", 3, ends=[2, 4, 12], prompt_tokens=7)

    answered = 0
    for tokens in range(1, 120, 3):
        run = Run({"main": Recorded(trapped)})

        async def main(run=run, tokens=tokens) -> Outcome:
            return await run.answer(parse(spec), problem("q0"), budget=Budget(tokens=tokens))

        outcome = run_in_token_time(main())
        assert outcome.answer != "trap", tokens
        answered += outcome.over_budget and outcome.answer is not None
    assert seen == traps
    assert answered, "no budget ended a run that had an answer"


def test_there_are_methods_of_every_kind_the_first_release_promises():
    promised = {
        "simple",
        "greedy",
        "self-consistency",
        "best-of-n",
        "budget-forcing",
        "beam-search",
        "dvts",
        "adaptive-consistency",
        "esc",
        "ffs",
        "lfs",
    }
    assert promised <= set(METHODS)


def test_a_problem_is_what_the_fixtures_say_it_is():
    asked: Problem = problem("q0")
    assert asked.correct("RIGHT") is True
    assert asked.correct("wrong") is False
    assert asked.correct(None) is False
    assert problem("q0", None).correct("right") is None
