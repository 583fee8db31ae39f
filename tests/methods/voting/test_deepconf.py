"""DeepConf: hand-worked votes, the online rule against the lowest group, and what it gains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import Scripted, Ticking, answer, problem, said
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import CapabilityError, Chunk, Run, Trace, UsageError, run_in_token_time
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.recordings.pool import Pool
from ttscale.engines.synthetic import Synthetic, World, binary
from ttscale.methods import registry
from ttscale.methods.voting.deepconf import Config, OnlineConfig, Unsure, deepconf_online
from ttscale.methods.voting.deepconf import deepconf as offline
from ttscale.signals import lowest_group, threshold


def sure(answer: str | None, *conf: float, **fields: object) -> Trace:
    return said(answer, len(conf), conf=np.array(conf, dtype=np.float32), **fields)


# -- offline


def test_confidence_weighs_votes() -> None:
    # a single sure vote outweighs two unsure ones
    script = [sure("a", 1, 1), sure("a", 1, 2), sure("b", 9, 9)]
    weighted = answer(Scripted(script), offline, Config(n=3, measure="mean", keep=100))
    plain = answer(Scripted(script), offline, Config(n=3, keep=100, weighted=False))
    assert (weighted.answer, plain.answer) == ("b", "a")


def test_only_the_most_confident_vote() -> None:
    script = [sure("a", 1)] * 8 + [sure("b", 5), sure("c", 2)]
    outcome = answer(Scripted(script), offline, Config(n=10, measure="mean", keep=10))
    assert (outcome.answer, outcome.extra["kept"]) == ("b", 1)


def test_traces_without_an_answer_do_not_move_the_threshold() -> None:
    script = [sure(None, 100), sure("a", 2), sure("b", 1)]
    outcome = answer(Scripted(script), offline, Config(n=3, measure="mean", keep=10))
    assert (outcome.answer, outcome.extra["answered"]) == ("a", 2)


def test_equal_confidences_make_it_a_majority_vote() -> None:
    script = [sure("a", 3, 3), sure("b", 3), sure("b", 3)]
    assert answer(Scripted(script), offline, Config(n=3, keep=10)).answer == "b"


def test_nothing_that_parses_gives_no_answer() -> None:
    outcome = answer(Scripted([sure(None, 1), sure(None, 2)]), offline, Config(n=2))
    assert (outcome.answer, outcome.winner) == (None, None)


def test_traces_without_confidences_are_an_error_that_names_the_fix() -> None:
    with pytest.raises(CapabilityError, match="top log-probabilities"):
        answer(Scripted([said("a")] * 2), offline, Config(n=2))


@pytest.mark.parametrize("name", ["deepconf", "deepconf-online"])
def test_an_engine_without_logprobs_is_refused(name: str) -> None:
    engine = Scripted([said("a")], capabilities=("text",))
    method = registry.get(name)
    with pytest.raises(CapabilityError, match="needs logprobs"):
        answer(engine, method, method.configure({}))
    assert not engine.calls


def test_twenty_candidates_per_token_are_asked_for() -> None:
    engine = Scripted([sure("a", 1)])
    answer(engine, offline, Config(n=1))
    assert engine.calls[0].sampling.logprobs == 20


@pytest.mark.parametrize(
    "bad", [{"n": 0}, {"measure": "best"}, {"keep": 101}, {"window": 0}, {"tie": "last"}]
)
def test_bad_values_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        offline.configure(bad)


# -- the online rule


@given(
    st.lists(st.floats(0, 20, width=32), min_size=1, max_size=80),
    st.integers(1, 30),
    st.floats(0, 20),
    st.lists(st.integers(0, 80), max_size=10),
)
def test_a_trace_survives_exactly_if_its_lowest_group_reaches_the_level(
    conf: list[float], window: int, level: float, cuts: list[int]
) -> None:
    values = np.array(conf, dtype=np.float32)
    rule, kept, done = Unsure(level, window), None, 0
    for piece in np.split(values, sorted(min(c, len(values)) for c in cuts)):
        kept = rule.feed(Chunk("", len(piece), conf=piece))
        if kept is not None:
            kept += done
            break
        done += len(piece)
    sums = np.cumsum(np.concatenate([[0.0], values.astype(np.float64)]))
    stops = [i for i in range(window, len(sums)) if (sums[i] - sums[i - window]) / window < level]
    assert kept == (stops[0] if stops else None)
    if len(values) >= window:
        assert (kept is None) == (lowest_group(values, window) >= level)


def test_nothing_dies_before_its_first_window_is_full() -> None:
    assert Unsure(5.0, 4).feed(Chunk("", 3, conf=np.zeros(3, dtype=np.float32))) is None
    assert Unsure(5.0, 4).feed(Chunk("", 9, conf=np.zeros(9, dtype=np.float32))) == 4


def test_the_end_token_without_a_confidence_changes_nothing() -> None:
    assert Unsure(5.0, 1).feed(Chunk("", 1)) is None


# -- online

LEVELS = [float(i) for i in range(1, 9)]  # threshold at keep=10: 7.3


def warm_up() -> list[Trace]:
    return [sure("a" if i % 2 else "b", *[c] * 6) for i, c in enumerate(LEVELS)]


def online(**settings: object) -> OnlineConfig:
    return OnlineConfig(**{"warm_up": 8, "window": 2, "consensus": 2.0, **settings})  # type: ignore[arg-type]


def test_a_trace_below_the_threshold_is_stopped_and_does_not_vote() -> None:
    falling = sure("c", 9, 9, 9, 1, 9, 9)  # its second pair of 5 is below 7.3 after 4 tokens
    outcome = answer(Scripted([*warm_up(), falling]), deepconf_online, online(max_samples=9))
    last = outcome.traces[-1]
    assert outcome.extra["threshold"] == pytest.approx(threshold(LEVELS, 10)) == pytest.approx(7.3)
    assert (last.tokens, last.finish, outcome.extra["stopped"]) == (4, "cut", 1)
    assert (outcome.answer, outcome.usage.completion_tokens) == ("a", 8 * 6 + 4)


def test_a_trace_above_the_threshold_votes_with_its_lowest_group() -> None:
    script = [*warm_up(), sure("c", 20, 9, 9)]
    outcome = answer(Scripted(script), deepconf_online, online(max_samples=9))
    assert (outcome.answer, outcome.extra["votes"]) == ("c", [1, 1])
    assert outcome.extra["agreement"] == pytest.approx(9 / 17)
    plain = answer(Scripted(script), deepconf_online, online(max_samples=9, weighted=False))
    assert (plain.answer, plain.extra["agreement"]) == ("a", 0.5)


def test_who_stands_at_the_threshold_votes_and_who_reaches_the_consensus_settles() -> None:
    # keeping all puts the threshold at the least sure trace, whose vote is with "b"
    outcome = answer(Scripted(warm_up()), deepconf_online, online(keep=100, max_samples=8))
    assert (outcome.extra["threshold"], outcome.extra["votes"]) == (1, [4, 4])
    halves = [sure("a", 2, 2), sure("b", 2, 2)]
    settled = answer(Scripted(halves), deepconf_online, online(warm_up=2, keep=100, consensus=0.5))
    assert (settled.stopped_by, settled.usage.samples) == ("consensus", 2)


def test_a_warm_up_trace_at_its_token_limit_helps_to_set_the_threshold() -> None:
    script = [sure("a", 1, 1), sure(None, 9, 9, finish="length")]
    outcome = answer(Scripted(script), deepconf_online, online(warm_up=2, max_samples=2))
    assert outcome.extra["threshold"] == pytest.approx(8.2)


def test_the_consensus_stops_the_drawing() -> None:
    # of the warm-up only the trace at 8 is above the threshold: all the weight is with "a"
    outcome = answer(Scripted(warm_up()), deepconf_online, online(consensus=0.95))
    assert (outcome.answer, outcome.stopped_by, outcome.usage.samples) == ("a", "consensus", 8)


def test_high_keeps_most_of_the_warm_up() -> None:
    low = answer(Scripted(warm_up()), deepconf_online, online(max_samples=8))
    high = answer(Scripted(warm_up()), deepconf_online, online(max_samples=8, variant="high"))
    assert (sum(low.extra["votes"]), sum(high.extra["votes"])) == (1, 7)
    assert OnlineConfig().survivors == 10
    assert OnlineConfig(variant="high").survivors == 90
    assert OnlineConfig(variant="high", keep=25).survivors == 25


def test_without_a_voter_above_the_threshold_the_warm_up_votes() -> None:
    script = [sure("a", 1, 1), sure("a", 1, 1), sure("b", 2, 2), sure(None, 9, 9), sure(None, 1, 1)]
    outcome = answer(Scripted(script), deepconf_online, online(warm_up=4, max_samples=5, consensus=0.9))
    assert (outcome.answer, outcome.stopped_by, outcome.extra["votes"]) == ("a", "max_samples", [])


def test_a_warm_up_that_never_finishes_gives_no_answer() -> None:
    engine = Scripted([Trace(finish="error")] * 2)
    outcome = answer(engine, deepconf_online, OnlineConfig(warm_up=2, max_samples=4))
    assert (outcome.answer, outcome.stopped_by) == (None, "no_complete_warm_up")


UNSURE = World(
    answers={"right": 0.5, "wrong": 0.5},
    length=60,
    wrong_length=60,
    spread=15,
    wrong_spread=15,
    confidence=11.0,
    wrong_confidence=9.0,
    noise=2.0,
    between=1.0,
)


def test_the_pool_of_voters_is_what_reaches_the_threshold() -> None:
    engine = Synthetic(UNSURE)
    cfg = OnlineConfig(max_samples=60, window=8, consensus=2.0)
    outcome = answer(engine, deepconf_online, cfg)
    # the same samples, complete
    complete = answer(engine, registry.get("self-consistency"), _votes(60)).traces
    complete.sort(key=lambda trace: trace.index)
    level = threshold([lowest_group(t.conf, 8) for t in complete[:16]], 10)
    above = [t for t in complete if lowest_group(t.conf, 8) >= level]
    assert outcome.extra["threshold"] == level
    assert sum(outcome.extra["votes"]) == len(above)
    assert outcome.extra["stopped"] == 60 - 16 - len([t for t in above if t.index >= 16])


def test_live_and_recorded_traces_stop_at_the_same_token() -> None:
    made = Synthetic(UNSURE)
    cfg = OnlineConfig(max_samples=40, window=8, consensus=2.0, batch=4)

    def course(call: object) -> Trace:
        return made.sample_trace(UNSURE, problem(), call.seed)  # type: ignore[attr-defined]

    recorded = answer(Scripted(course), deepconf_online, cfg)
    live = answer(Ticking(course), deepconf_online, cfg)
    key = [(t.index, t.tokens, t.finish) for t in recorded.traces]
    assert sorted(key) == sorted((t.index, t.tokens, t.finish) for t in live.traces)
    assert any(finish == "cut" for _, _, finish in key)
    assert (live.answer, live.usage.completion_tokens) == (recorded.answer, recorded.usage.completion_tokens)


def test_batches_shorten_the_chain_at_equal_samples() -> None:
    one = answer(Synthetic(UNSURE), deepconf_online, OnlineConfig(window=8, consensus=2.0))
    four = answer(Synthetic(UNSURE), deepconf_online, OnlineConfig(window=8, consensus=2.0, batch=4))
    assert one.usage.completion_tokens == four.usage.completion_tokens
    assert four.usage.sequential_tokens < 0.6 * one.usage.sequential_tokens


def test_traces_shorter_than_the_published_window_are_never_stopped() -> None:
    outcome = answer(Synthetic(UNSURE), deepconf_online, OnlineConfig(consensus=2.0))
    assert OnlineConfig().window == 2048
    assert outcome.extra["stopped"] == 0
    # those below the threshold still do not vote: the mean stands for the lowest group
    assert sum(outcome.extra["votes"]) < 32


def test_a_recording_is_enough() -> None:
    engine = Synthetic(UNSURE)
    pool = [engine.sample_trace(UNSURE, problem(), seed) for seed in range(24)]
    recorded = Pool("m", "t", [problem()], {("p", "main", ""): pool})
    recorded.capabilities = frozenset({"text", "logprobs"})
    outcome = answer(Replay(recorded), deepconf_online, OnlineConfig(max_samples=24, window=8, consensus=2.0))
    assert outcome.extra["drawn"] == 24
    assert outcome.usage.completion_tokens < sum(t.tokens for t in pool)


@pytest.mark.parametrize(
    "bad", [{"variant": "mid"}, {"warm_up": 65}, {"keep": -1}, {"batch": 0}, {"window": 0}]
)
def test_bad_online_values_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        deepconf_online.configure(bad)


# -- what it gains, on synthetic truth


def _votes(n: int) -> object:
    return registry.get("self-consistency").configure({"n": n})


def accuracy(name: str, world: World, questions: int, **params: object) -> tuple[float, float]:
    """(share of right answers, tokens per question)."""
    method = registry.get(name)
    run = Run({"main": Synthetic(world)})

    async def main() -> tuple[float, float]:
        right = 0
        for i in range(questions):
            of = problem(f"q{i}")
            outcome = await run.answer(method(**params), of)
            right += bool(of.correct(outcome.answer))
        return right / questions, run.usage.completion_tokens / questions

    return run_in_token_time(main())


def separated(by: float, right: float = 0.45) -> World:
    """Means of right and wrong traces differ by `by` standard deviations, so that the area under
    the curve is Phi(by / sqrt(2))."""
    return binary(
        right,
        length=40,
        wrong_length=40,
        spread=5,
        wrong_spread=5,
        confidence=10 + by,
        wrong_confidence=10.0,
        noise=0.5,
        between=1.0,
    )


@pytest.mark.parametrize(("by", "auc"), [(3.0, 0.983), (0.0, 0.5), (-1.5, 0.144)])
def test_the_synthetic_traces_have_the_area_they_claim(by: float, auc: float) -> None:
    engine, of = Synthetic(separated(by)), problem()
    traces = [engine.sample_trace(separated(by), of, seed) for seed in range(2000)]
    right = [t.conf.mean() for t in traces if of.correct(of.answer(t))]
    wrong = [t.conf.mean() for t in traces if not of.correct(of.answer(t))]
    above = (np.array(right)[:, None] > np.array(wrong)[None]).mean()
    # about 900 against 1,100 traces: a standard error of .013 at most, four of them
    assert above == pytest.approx(auc, abs=0.053)


@pytest.mark.parametrize("measure", ["mean", "lowest", "bottom", "tail"])
def test_confidence_helps_as_far_as_it_separates(measure: str) -> None:
    """Of 16 samples, 60% right, the top tenth is two, and the vote is that of the surer one."""
    common = {"n": 16, "measure": measure, "window": 16, "tail": 16}

    def gained(by: float, **more: object) -> float:
        found, _ = accuracy("deepconf", separated(by, 0.6), 200, **{**common, **more})
        return found

    # 200 questions: standard errors of .034 and less. Majority: P(Bin(16, .6) > 8) and half of a tie
    vote, _ = accuracy("self-consistency", separated(0.0, 0.6), 200, n=16)
    assert vote == pytest.approx(0.787, abs=0.13)
    assert gained(3.0, keep=10) > 0.97  # an area of .98
    assert gained(3.0, keep=100) > vote + 0.02  # weighting alone gains less
    assert gained(0.0, keep=10) < vote - 0.05  # .6 expected: an area of .5 must not help
    assert abs(gained(0.0, keep=100) - vote) < 0.06
    assert gained(-1.5, keep=10) < 0.35  # one below .5 hurts


def test_the_consensus_saves_traces_on_easy_questions() -> None:
    easy = replace(separated(1.0), answers={"right": 0.98, "wrong": 0.02})
    common = {"window": 8, "max_samples": 32}
    with_stop, few = accuracy("deepconf-online", easy, 30, **common)
    without, many = accuracy("deepconf-online", easy, 30, consensus=2.0, **common)
    assert few < 0.75 * many
    assert min(with_stop, without) > 0.95


def test_low_costs_less_than_high_and_both_less_than_voting() -> None:
    world, common = separated(2.0), {"window": 8, "max_samples": 32, "consensus": 2.0}
    low, cheap = accuracy("deepconf-online", world, 60, variant="low", **common)
    _, dear = accuracy("deepconf-online", world, 60, variant="high", **common)
    vote, full = accuracy("self-consistency", world, 60, n=32)
    assert cheap < dear < full
    assert cheap < 0.7 * full
    assert low > vote
