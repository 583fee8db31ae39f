"""The probability of being the likeliest answer, against closed forms and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc

from ttscale.methods.voting.dirichlet import (
    confidence,
    confidences,
    optimistic_gain,
    optimistic_gains,
    probability_largest,
)

alphas = st.lists(st.integers(1, 40), min_size=2, max_size=6)


@given(st.floats(1, 80), st.floats(1, 80))
def test_two_answers_are_the_beta_distribution(a: float, b: float) -> None:
    assert probability_largest([a, b])[0] == pytest.approx(1 - betainc(a, b, 0.5), abs=1e-7)


@given(alphas, st.randoms())
def test_permuting_the_parameters_permutes_the_probabilities(alpha: list[int], rng: object) -> None:
    order = list(range(len(alpha)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    found = probability_largest(alpha)
    assert probability_largest([alpha[i] for i in order]).tolist() == [found[i] for i in order]
    assert confidence([alpha[i] for i in order]) == confidence(alpha)


@given(alphas)
def test_the_integrals_sum_to_one_before_anything_is_normalised(alpha: list[int]) -> None:
    # max_m I_m is not normalised, probability_largest is: they agree if the sum was 1
    assert confidence(alpha) == pytest.approx(max(probability_largest(alpha)), abs=2e-7)
    assert 1 / len(alpha) - 1e-7 <= confidence(alpha) <= 1


@pytest.mark.parametrize("m", [2, 4, 16])
def test_without_votes_all_answers_are_equally_likely(m: int) -> None:
    assert probability_largest([1] * m) == pytest.approx([1 / m] * m, abs=1e-7)
    assert confidence([1] * m) == pytest.approx(1 / m, abs=1e-7)


def test_an_answer_on_its_own_is_certain() -> None:
    assert probability_largest([3]).tolist() == [1.0]


def test_simulation_agrees() -> None:
    alpha = [5, 3, 2.5, 1]
    sampled = np.random.default_rng(0).gamma(alpha, size=(200_000, 4)).argmax(axis=1)
    # a standard error of at most .0011: a false alarm in 10^5 runs at 4.4
    assert np.bincount(sampled) / 200_000 == pytest.approx(probability_largest(alpha), abs=0.005)


def test_the_largest_parameter_is_the_likeliest() -> None:
    alpha = [2, 9, 4]
    assert confidence(alpha) == pytest.approx(probability_largest(alpha)[1], abs=1e-7)


def test_an_even_question_can_gain_a_settled_one_cannot() -> None:
    assert optimistic_gain([31, 1, 1, 1]) < 1e-7
    assert optimistic_gain([4, 4, 1, 1]) > 0.05


@given(alphas, st.sampled_from([0.5, 1.0, 3.0]))
def test_the_gain_is_the_best_of_all_next_votes(alpha: list[int], step: float) -> None:
    grown = [[a + step * (i == m) for i, a in enumerate(alpha)] for m in range(len(alpha))]
    expected = max(0.0, *(confidence(g) for g in grown)) - confidence(alpha)
    assert optimistic_gain(alpha, step) == pytest.approx(expected, abs=1e-12)
    assert optimistic_gains([alpha], step).tolist() == [optimistic_gain(alpha, step)]


def test_many_questions_at_once_equal_one_by_one() -> None:
    rows = np.random.default_rng(0).integers(1, 6, (50, 4))
    assert confidences(rows).tolist() == [confidence(r) for r in rows.tolist()]
    assert optimistic_gains(rows).tolist() == [optimistic_gain(r) for r in rows.tolist()]
