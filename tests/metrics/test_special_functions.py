"""Our few special functions are scipy's, wherever they are used."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from ttscale.metrics.special_functions import (
    fair_binomial_cdf,
    gamma_cdf,
    log_beta_ratio,
    log_normal_cdf,
    normal_quantile,
    student_quantile,
)


@given(st.floats(1e-12, 1 - 1e-12))
def test_normal_quantiles(p: float) -> None:
    assert normal_quantile(p) == pytest.approx(special.ndtri(p), rel=1e-9, abs=1e-12)


@given(st.lists(st.floats(-1e4, 40), min_size=1))
def test_logarithms_of_normal_tails_however_small(x: list[float]) -> None:
    assert log_normal_cdf(x) == pytest.approx(special.log_ndtr(x), rel=1e-12, abs=1e-300)


@given(st.integers(0, 3000), st.data())
def test_heads_of_fair_coins(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert fair_binomial_cdf(k, n) == pytest.approx(special.bdtr(k, n, 0.5), rel=1e-10)


@given(st.floats(0.5, 0.9999), st.integers(1, 5000))
def test_student_quantiles_from_one_degree_of_freedom_on(p: float, freedom: int) -> None:
    assert student_quantile(p, freedom) == pytest.approx(special.stdtrit(freedom, p), rel=1e-8, abs=1e-12)


@given(st.floats(0.05, 3000), st.lists(st.floats(0, 4), min_size=1))
def test_gamma_distributions_on_both_sides_of_the_mean(a: float, of_mean: list[float]) -> None:
    x = a * np.array(of_mean)
    # a log x and log gamma(a) are up to 2 * 10^4: a rounding there is 4 * 10^-12
    assert gamma_cdf(a, x) == pytest.approx(special.gammainc(a, x), abs=1e-11)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.lists(st.integers(0, 10_000), min_size=1))
def test_chances_of_nothing_but_failures(a: float, b: float, n: list[int]) -> None:
    scipys = special.betaln(a, b + np.array(n, dtype=float)) - special.betaln(a, b)
    assert log_beta_ratio(n, a, b) == pytest.approx(scipys, rel=1e-9, abs=1e-9)


def test_no_failure_has_a_chance_of_one() -> None:
    assert log_beta_ratio([0], 2.5, 7.0).tolist() == [0.0]
    # one failure of Beta(a, b) is b / (a + b)
    assert math.exp(log_beta_ratio([1], 2.0, 6.0)[0]) == pytest.approx(0.75)
