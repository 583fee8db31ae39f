"""Adaptive-Consistency against its tables, closed forms and an exact dynamic programme."""

from __future__ import annotations

import math
import random
from functools import cache

import pytest
from fakes import Scripted, answer, problem, said
from scipy.special import betainc
from scipy.stats import binom

from ttscale.core import Run, run_in_token_time
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods.voting.adaptive_consistency import (
    Config,
    adaptive_consistency,
    crp_confidence,
    dirichlet_confidence,
    leader_confidence,
    relative_entropy,
    stop_rule,
)

SIGMAS = 5.0  # a random assertion fails by accident once in 1.7 million


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((3, 0), 0.9375),
        ((4, 0), 0.9688),
        ((5, 1), 0.9375),
        ((6, 1), 0.9648),
        ((7, 2), 0.9453),
        ((8, 2), 0.9673),
        ((9, 3), 0.9539),
    ],
)
def test_the_beta_rule_has_the_published_values(counts, expected):
    assert leader_confidence(counts) == pytest.approx(expected, abs=5e-5)


def test_the_beta_rule_is_the_incomplete_beta_function():
    for a in range(41):
        for b in range(a + 1):
            expected = 1 - betainc(a + 1, b + 1, 0.5)
            assert leader_confidence((a, b)) == pytest.approx(expected, abs=1e-12)
    assert leader_confidence(()) == 0.0
    assert leader_confidence((4,)) == leader_confidence((4, 0, 0))


@cache
def exact(p: float, threshold: float = 0.95, most: int = 40) -> tuple[float, float, float]:
    """(expected samples, expected squared samples, accuracy) of the Beta rule with two answers."""
    states, samples, squares, right = {(0, 0): 1.0}, 0.0, 0.0, 0.0
    for n in range(1, most + 1):
        reached: dict[tuple[int, int], float] = {}
        for (a, b), mass in states.items():
            reached[a + 1, b] = reached.get((a + 1, b), 0.0) + mass * p
            reached[a, b + 1] = reached.get((a, b + 1), 0.0) + mass * (1 - p)
        states = {}
        for (a, b), mass in reached.items():
            done = 1 - betainc(max(a, b) + 1, min(a, b) + 1, 0.5) >= threshold or n == most
            if done:
                samples, squares = samples + mass * n, squares + mass * n * n
                # a tie goes to the answer drawn first, which is either with equal chance
                right += mass * (1.0 if a > b else 0.5 if a == b else 0.0)
            else:
                states[a, b] = mass
    return samples, squares, right


@pytest.mark.parametrize(
    ("p", "samples", "accuracy"),
    [(0.6, 24.16, 0.8756), (0.7, 15.11, 0.9851), (0.8, 8.72, 0.9981), (0.9, 5.62, 0.9999)],
)
def test_samples_and_accuracy_are_those_of_the_table(p, samples, accuracy):
    """False alarms: below one in a million for each of the two simulated figures."""
    mean, squares, right = exact(p)
    assert mean == pytest.approx(samples, abs=0.005)
    assert right == pytest.approx(accuracy, abs=5e-5)

    trials = 600
    sampled, correct = simulate(adaptive_consistency, Config(), p, trials)
    spread = math.sqrt((squares - mean**2) / trials)
    assert abs(sampled - mean) < SIGMAS * spread
    # a normal bound fails near 1: the binomial tail itself
    assert binom.cdf(correct, trials, right) > 3e-7
    assert binom.sf(correct - 1, trials, right) > 3e-7


def simulate(method, cfg, p: float, trials: int) -> tuple[float, int]:
    """(mean samples, right answers) of a method over so many questions with P(right) = p."""
    run = Run({"main": Synthetic(binary(p, length=10, wrong_length=10, spread=0, wrong_spread=0))})

    async def main() -> tuple[float, int]:
        sampled = correct = 0
        for n in range(trials):
            asked = problem(f"q{n}")
            outcome = await run.answer(method.bind(cfg), asked)
            sampled += outcome.usage.samples
            correct += outcome.answer == "right"
        return sampled / trials, correct

    return run_in_token_time(main())


def drawn_on(script: str, cfg: Config) -> tuple[int, str | None, str]:
    outcome = answer(Scripted([said(a) for a in script]), adaptive_consistency, cfg)
    return outcome.usage.samples, outcome.answer, outcome.stopped_by


@pytest.mark.parametrize(
    ("script", "stops_after"), [("AAAA", 4), ("AAABAAA", 7), ("ABABAAAAAA", 10), ("ABABABAAAAAA", 12)]
)
def test_the_beta_rule_stops_at_4_0_then_6_1_then_8_2_then_9_3(script, stops_after):
    assert drawn_on(script, Config()) == (stops_after, "A", "beta")


def test_a_threshold_of_one_draws_all_forty():
    assert drawn_on("A" * 40, Config(threshold=1.0)) == (40, "A", "max_samples")


def test_a_threshold_of_zero_draws_one():
    assert drawn_on("AB", Config(threshold=0.0))[0] == 1


def test_batches_are_checked_when_they_are_complete():
    assert drawn_on("A" * 40, Config(batch=3))[0] == 6
    assert drawn_on("A" * 7, Config(batch=3, max_samples=7, threshold=1.0))[0] == 7


def test_samples_without_an_answer_do_not_vote_but_count():
    script = [said(a) for a in (None, "A", None, "A", "A", "A")]
    outcome = answer(Scripted(script), adaptive_consistency, Config())
    assert (outcome.usage.samples, outcome.answer) == (6, "A")
    outcome = answer(Scripted([said(None)] * 40), adaptive_consistency, Config())
    assert (outcome.usage.samples, outcome.answer, outcome.stopped_by) == (40, None, "max_samples")


def test_the_majority_rule_stops_at_a_share_of_four_fifths_after_two():
    assert drawn_on("AA", Config(rule="majority")) == (2, "A", "majority")
    assert drawn_on("ABAAA", Config(rule="majority"))[0] == 5
    assert drawn_on("AB" * 20, Config(rule="majority"))[0] == 40


def test_the_entropy_rule_stops_below_three_quarters_of_the_largest_entropy():
    assert drawn_on("AA", Config(rule="entropy")) == (2, "A", "entropy")
    # H(4/5) = .722 of one bit, H(3/4) = .811, H(7/9) = .764
    assert drawn_on("ABAAA", Config(rule="entropy"))[0] == 5
    assert drawn_on("ABABAAAAAA", Config(rule="entropy"))[0] == 10
    assert relative_entropy((1, 1)) == pytest.approx(1.0)
    assert relative_entropy((2, 1, 1)) == pytest.approx(1.5 / math.log2(3))
    assert relative_entropy((3,)) == relative_entropy(()) == 0.0


def test_the_random_rule_stops_with_its_probability():
    """Geometric with mean 1 / p; 400 questions, 5 standard errors."""
    p = 0.25
    mean, _ = simulate(adaptive_consistency, Config(rule="random", threshold=p), 0.7, 400)
    assert abs(mean - 1 / p) < SIGMAS * math.sqrt((1 - p) / p**2 / 400)


def test_the_random_rule_stops_after_one_sample_in_ten():
    stops = stop_rule(Config(rule="random"), random.Random(1))
    share = sum(stops((1,)) for _ in range(20_000)) / 20_000
    assert abs(share - 0.1) < SIGMAS * math.sqrt(0.1 * 0.9 / 20_000)


def test_the_dirichlet_rule_is_the_beta_rule_for_two_answers_and_symmetric_for_equals():
    assert dirichlet_confidence((5, 2)) == leader_confidence((5, 2))
    # .935 at 6-1-1, .963 at 7-1-1
    assert drawn_on("ABCAAAAAA", Config(rule="dirichlet")) == (9, "A", "dirichlet")
    assert dirichlet_confidence((3, 3, 3)) == pytest.approx(1 / 3, abs=1e-9)
    assert dirichlet_confidence((2, 2, 2, 2)) == pytest.approx(1 / 4, abs=1e-9)


def test_the_dirichlet_rule_agrees_with_sampling_the_posterior():
    """200,000 draws; 5 standard errors."""
    import numpy as np

    for counts in ((4, 2, 1), (6, 3, 2, 1), (5, 5, 1, 1, 1)):
        draws = np.random.default_rng(0).dirichlet(np.array(counts) + 1.0, 200_000)
        share = float(np.mean(draws.argmax(1) == 0))
        error = math.sqrt(share * (1 - share) / 200_000)
        assert abs(dirichlet_confidence(counts) - share) < SIGMAS * error


@cache
def leads(tables: tuple[int, ...], guests: int, concentration: float) -> float:
    """P(the first table is still a largest one after so many more guests), exactly."""
    if not guests:
        return float(tables[0] == max(tables))
    total = sum(tables) + concentration
    later = 0.0
    if concentration:
        later = concentration / total * leads((*tables, 1), guests - 1, concentration)
    for i, size in enumerate(tables):
        grown = (*tables[:i], size + 1, *tables[i + 1 :])
        later += size / total * leads(grown, guests - 1, concentration)
    return later


@pytest.mark.parametrize(
    ("counts", "most", "concentration"),
    [((3, 1), 40, 0.0), ((6, 5), 40, 0.0), ((1,), 4, 5.0), ((2, 1), 9, 1.0), ((2, 2, 1), 10, 3.0)],
)
def test_the_restaurant_agrees_with_exact_recursion(counts, most, concentration):
    """20,000 futures; 5 standard errors."""
    expected = leads(counts, most - sum(counts), concentration)
    simulated = crp_confidence(counts, most, concentration, random.Random(1), draws=20_000)
    assert abs(simulated - expected) < SIGMAS * math.sqrt(expected * (1 - expected) / 20_000)


def test_the_restaurant_at_its_end_is_certain():
    assert crp_confidence((30, 10), 40, 1.0, random.Random(0)) == 1.0
    assert crp_confidence((), 40, 1.0, random.Random(0)) == 0.0
    assert drawn_on("A" * 40, Config(rule="crp"))[0] < 40
