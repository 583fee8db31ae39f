"""First Finish Search against its integrals, and its two modes against lockstep by hand."""

from __future__ import annotations

import math

import pytest
from fakes import Scripted, Ticking, answer, problem, said
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from ttscale.core import Generation, GenerationRequest, Run, UsageError, run_in_token_time
from ttscale.core.known_generation import KnownGeneration
from ttscale.engines.synthetic import Synthetic, World
from ttscale.methods.voting.first_finish import Config, LastConfig, first_finish, last_finish
from ttscale.methods.voting.self_consistency import Config as VoteConfig
from ttscale.methods.voting.self_consistency import self_consistency

C = 0.6  # P(right)


def integrals(mu: float, s: float, wrong_mu: float, wrong_s: float, n: int) -> tuple[float, float]:
    """(accuracy, expected shortest length) of the first of n to finish."""

    def below(x: float) -> float:
        return C * norm.cdf(x, mu, s) + (1 - C) * norm.cdf(x, wrong_mu, wrong_s)

    low, high = min(mu - 9 * s, wrong_mu - 9 * wrong_s), max(mu + 9 * s, wrong_mu + 9 * wrong_s)
    accuracy, _ = quad(lambda x: n * (1 - below(x)) ** (n - 1) * C * norm.pdf(x, mu, s), low, high, limit=400)
    shortest, _ = quad(lambda x: (1 - below(x)) ** n, low, high, limit=400)
    return accuracy, low + shortest


WORLDS = {
    "right is shorter": (2000, 300, 2400, 300),
    "right is longer": (2400, 300, 2000, 300),
    "equal": (2000, 300, 2000, 300),
    "wrong spreads more": (2000, 200, 2200, 500),
}


@pytest.mark.parametrize("n", [1, 3, 8])
@pytest.mark.parametrize("name", WORLDS)
def test_accuracy_and_shortest_length_match_the_integrals(name, n):
    """400 questions, 5 standard errors; lengths are rounded, half a token is allowed for that."""
    mu, s, wrong_mu, wrong_s = WORLDS[name]
    accuracy, shortest = integrals(mu, s, wrong_mu, wrong_s, n)
    world = World(
        answers={"right": C, "wrong": 1 - C}, length=mu, spread=s, wrong_length=wrong_mu, wrong_spread=wrong_s
    )
    run, trials = Run({"main": Synthetic(world)}, seed=n), 400

    async def main() -> tuple[int, list[int]]:
        outcomes = [await run.answer(first_finish(n=n), problem(f"q{i}")) for i in range(trials)]
        right = sum(o.answer == "right" for o in outcomes)
        return right, [o.usage.sequential_tokens for o in outcomes]

    right, chains = run_in_token_time(main())
    assert abs(right / trials - accuracy) < 5 * math.sqrt(accuracy * (1 - accuracy) / trials)
    mean = sum(chains) / trials
    spread = math.sqrt(sum((c - mean) ** 2 for c in chains) / (trials - 1))
    assert abs(mean - shortest) < 0.5 + 5 * spread / math.sqrt(trials)
    if n == 8:  # racing helps if the right answers are the short ones, and hurts if the long ones are
        gain = right / trials - C
        expected = {
            "right is shorter": gain > 0.15,
            "right is longer": gain < -0.15,
            "equal": abs(gain) < 0.13,
        }
        assert expected.get(name, True)


@settings(max_examples=100)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=10), mode=st.sampled_from(["sync", "async"]))
def test_at_equal_speeds_the_total_is_exactly_n_times_the_shortest(lengths, mode):
    engine = Ticking([said(f"a{i}", n) for i, n in enumerate(lengths)])
    outcome = answer(engine, first_finish, Config(n=len(lengths), mode=mode))
    shortest = min(lengths)
    assert outcome.usage.completion_tokens == engine.generated == len(lengths) * shortest
    assert outcome.usage.sequential_tokens == shortest
    assert outcome.answer == f"a{lengths.index(shortest)}"  # a tie goes to the one started first
    assert outcome.stopped_by == "k_finished"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_the_winner_is_the_same_seed_decoded_alone(mode):
    engine = Synthetic(World(answers={"right": 0.5, "wrong": 0.5}, confidence=9.0, wrong_confidence=8.0))
    run = Run({"main": engine}, seed=3)
    calls: list[GenerationRequest] = []
    start = engine.start
    engine.start = lambda call: calls.append(call) or start(call)  # type: ignore[method-assign]

    async def main():
        return await run.answer(first_finish(n=8, mode=mode), problem())

    winner = run_in_token_time(main()).winner
    alone = engine.sample_trace(engine.worlds, problem(), calls[winner.index].seed)  # type: ignore[arg-type]
    assert (winner.text, winner.tokens) == (alone.text, alone.tokens)
    assert list(winner.conf) == list(alone.conf)


class Uneven(Scripted):
    """Draw i takes speeds[i] ticks a token."""

    speeds: tuple[int, ...] = ()

    def start(self, call: GenerationRequest) -> Generation:
        self.calls.append(call)
        return KnownGeneration(call, self.script(call), self.speeds[call.index])


def test_at_unequal_speeds_sync_takes_the_shortest_and_async_the_first():
    def engine() -> Uneven:
        made = Uneven([said("fast", 30), said("short", 10), said("long", 90)])
        made.speeds = (1, 5, 1)
        return made

    first = answer(engine(), first_finish, Config(n=3, mode="async"))
    assert (first.answer, first.usage.seconds) == ("fast", 0.30)
    assert first.usage.completion_tokens == 30 + 6 + 30
    lockstep = answer(engine(), first_finish, Config(n=3, mode="sync"))
    assert (lockstep.answer, lockstep.usage.seconds) == ("short", 0.50)
    assert lockstep.usage.completion_tokens == 30 + 10 + 30  # nobody beyond the thirty


@pytest.mark.parametrize(("k", "slow"), [(1, 12), (2, 30)])
def test_in_lockstep_nobody_goes_beyond_the_kth_shortest(k, slow):
    engine = Uneven([said("long", 30), said("short", 10), said("slow", 90)])
    engine.speeds = (1, 5, 4)
    outcome = answer(engine, first_finish, Config(n=3, k=k, mode="sync"))
    # when the short one ends, after 50 ticks, the slow one has 12 tokens: they were spent
    assert outcome.usage.completion_tokens == 30 + 10 + slow


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_instant_or_empty_end_does_not_win(mode):
    script = [said(None, 0), said(None, 1), said("A", 20), said("B", 30)]
    outcome = answer(Scripted(script), first_finish, Config(n=4, mode=mode))
    assert (outcome.answer, outcome.usage.sequential_tokens) == ("A", 20)


def test_without_the_guard_the_empty_end_wins_the_race():
    script = [said(None, 1), said("A", 20)]
    outcome = answer(Scripted(script), first_finish, Config(n=2, valid_only=False))
    assert (outcome.answer, outcome.usage.completion_tokens) == (None, 2)


def test_a_trace_at_the_token_limit_has_not_finished():
    script = [said("A", 5, finish="length"), said("B", 20)]
    for valid_only in (True, False):
        cfg = Config(n=2, valid_only=valid_only)
        assert answer(Scripted(script), first_finish, cfg).answer == "B"


def test_with_fewer_than_k_answers_all_run_to_their_end_and_those_that_answered_vote():
    script = [said("A", 20), said(None, 30), said(None, 40)]
    outcome = answer(Scripted(script), first_finish, Config(n=3, k=2))
    assert (outcome.answer, outcome.stopped_by) == ("A", "n_samples")
    assert outcome.usage.completion_tokens == 90


def test_k_finished_vote_and_ties_go_to_the_shortest():
    script = [said("A", 40), said("B", 30), said("A", 20), said("B", 10), said("C", 90)]
    outcome = answer(Scripted(script), first_finish, Config(n=5, k=4))
    assert (outcome.answer, outcome.usage.sequential_tokens) == ("B", 40)
    assert answer(Scripted(script), first_finish, Config(n=5, k=3)).answer == "B"
    assert answer(Scripted(script), first_finish, Config(n=5, k=4, tie="first")).answer == "B"


@settings(max_examples=60)
@given(
    script=st.lists(
        st.tuples(st.sampled_from(["A", "B", "C", None]), st.integers(1, 40)), min_size=1, max_size=9
    )
)
def test_ffs_and_lfs_with_k_equal_to_n_are_the_vote(script):
    n = len(script)
    traces = [said(a, t) for a, t in script]
    vote = answer(Scripted(traces), self_consistency, VoteConfig(n=n, tie="shortest"))
    ffs = answer(Scripted(traces), first_finish, Config(n=n, k=n))
    lfs = answer(Scripted(traces), last_finish, LastConfig(n=n, k=n))
    # equal counts and equal shortest lengths leave the order of arrival to decide: not compared
    shortest = {a: min(t for b, t in script if b == a) for a, _ in script if a}
    if len(set(shortest.values())) == len(shortest):
        assert vote.answer == ffs.answer == lfs.answer
    assert vote.usage.completion_tokens == ffs.usage.completion_tokens
    assert sorted(vote.extra["votes"]) == sorted(ffs.extra["votes"]) == sorted(lfs.extra["votes"])


def test_lfs_votes_on_the_longest():
    script = [said("A", 10), said("A", 11), said("B", 40), said("B", 50), said("C", 60)]
    outcome = answer(Scripted(script), last_finish, LastConfig(n=5, k=3))
    assert outcome.answer == "B"
    assert answer(Scripted(script), last_finish, LastConfig(n=5, k=1)).answer == "C"
    equals = [said("A", 20), said("B", 20), said(None, 30)]
    assert answer(Scripted(equals), last_finish, LastConfig(n=3, k=1)).answer == "B"


def test_fewer_answers_than_k_are_all_samples_and_the_longest_are_the_samples():
    script = [said("A", 20), said("B", 30), said("B", 40)]
    for method, cfg, reason in (
        (first_finish, Config(n=3, k=2), "k_finished"),
        (first_finish, Config(n=3, k=3), "k_finished"),
        (last_finish, LastConfig(n=3, k=3), "n_samples"),
        (last_finish, LastConfig(n=3, k=2), "n_samples"),
    ):
        assert answer(Scripted(script), method, cfg).stopped_by == reason


def test_k_above_n_is_refused():
    with pytest.raises(UsageError, match="k=9"):
        Config(n=8, k=9)
