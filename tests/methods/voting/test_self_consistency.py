"""Self-consistency against its closed form, and its ties and abstentions."""

from __future__ import annotations

import math

import pytest
from fakes import Scripted, answer, problem, said
from scipy.stats import binom

from ttscale.core import Run, run_in_token_time
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods.voting.self_consistency import Config, self_consistency


def vote(*traces, **cfg):
    return answer(Scripted(list(traces)), self_consistency, Config(n=len(traces), **cfg))


@pytest.mark.parametrize(("p", "n"), [(0.6, 8), (0.7, 9), (0.4, 8)])
def test_accuracy_is_the_binomial_tail_with_half_of_the_ties(p, n):
    """800 questions, 5 standard errors: a false alarm in 1.7 million."""
    trials = 800
    expected = binom.sf(n / 2, n, p) + (0.5 * binom.pmf(n // 2, n, p) if n % 2 == 0 else 0.0)
    run = Run({"main": Synthetic(binary(p, length=10, wrong_length=10, spread=0, wrong_spread=0))})

    async def main() -> float:
        asked = [problem(f"q{i}") for i in range(trials)]
        outcomes = [await run.answer(self_consistency(n=n), q) for q in asked]
        return sum(o.answer == "right" for o in outcomes) / trials

    error = math.sqrt(expected * (1 - expected) / trials)
    assert abs(run_in_token_time(main()) - expected) < 5 * error


def test_one_sample_is_the_sample():
    assert vote(said("A", tokens=7)).answer == "A"


def test_a_tie_goes_to_the_answer_drawn_first_or_to_the_shortest_trace():
    traces = [said("A", tokens=30), said("B", tokens=10), said("B", tokens=40), said("A", tokens=50)]
    assert vote(*traces).answer == "A"
    assert vote(*traces, tie="shortest").answer == "B"


def test_samples_without_an_answer_abstain():
    outcome = vote(said(None), said(None), said("B"), said("A", finish="length"))
    assert (outcome.answer, outcome.extra["votes"]) == ("B", [1])


def test_the_chain_is_the_longest_sample_and_all_tokens_count():
    usage = vote(said("A", tokens=5), said("A", tokens=9)).usage
    assert (usage.sequential_tokens, usage.completion_tokens) == (9, 14)


@pytest.mark.parametrize(("p", "accuracy"), [(0.6, 0.8979), (0.7, 0.9957), (0.8, 1.0), (0.9, 1.0)])
def test_the_published_vote_of_forty_is_the_closed_form(p, accuracy):
    exact = binom.sf(20, 40, p) + binom.pmf(20, 40, p) / 2
    assert exact == pytest.approx(accuracy, abs=5e-5)
