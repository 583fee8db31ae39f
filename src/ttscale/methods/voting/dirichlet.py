"""The probability that an answer is the most likely one, given votes: exact Dirichlet integrals.

With a uniform prior, answer probabilities after counts c are Dirichlet(c + 1). The probability that
component m is the largest is
    I_m = integral of f_Gamma(a_m)(x) * prod over j != m of F_Gamma(a_j)(x) dx.
The trapezoidal rule in log x converges exponentially: 127 points leave errors below 1e-7, where as
many quantile points (Gauss-Legendre) leave 2e-6. Results depend on the sorted parameters only and
are cached by them, and the rows f and F by single parameters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...metrics.special_functions import gamma_cdf

FloatArray = NDArray[np.float64]
Alpha = tuple[float, ...]

POINTS = 127  # of the quadrature
_TAIL = 37.0  # the density is integrated to where at most exp(-37) lies beyond, on either side
_NEWTON = 8  # steps; from its starts the method has converged after six


def probability_largest(alpha: Sequence[float]) -> FloatArray:
    """I_m for every component of Dirichlet(alpha), (components,); sums to 1."""
    order = np.argsort(-np.asarray(alpha, dtype=float), kind="stable")
    result = np.empty(len(order))
    result[order] = _all(tuple(float(alpha[i]) for i in order))
    return result


def confidence(alpha: Sequence[float]) -> float:
    """h = max_m I_m, in [1/components, 1]: how sure the leading answer is the likeliest."""
    return _confidence(tuple(sorted(map(float, alpha), reverse=True)))


def optimistic_gain(alpha: Sequence[float], step: float = 1.0) -> float:
    """R+ = max_m h(alpha + step * e_m) - h(alpha): what one more vote can add at best."""
    return _gain(tuple(sorted(map(float, alpha), reverse=True)), step)


def confidences(alphas: ArrayLike) -> FloatArray:
    """h for many questions, (questions, components) -> (questions,); equal rows are done once."""
    return _each(alphas, _confidence)


def optimistic_gains(alphas: ArrayLike, step: float = 1.0) -> FloatArray:
    """R+ for many questions, (questions, components) -> (questions,)."""
    return _each(alphas, lambda row: _gain(row, step))


def _each(alphas: ArrayLike, of: object) -> FloatArray:
    rows = -np.sort(-np.asarray(alphas, dtype=np.float64), axis=1)
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    values = [of(tuple(row)) for row in distinct.tolist()]  # type: ignore[operator]
    return np.array(values, dtype=np.float64)[inverse.reshape(-1)]


@lru_cache(maxsize=1 << 16)
def _gain(alpha: Alpha, step: float) -> float:
    best, before = 0.0, 0.0
    for m, a in enumerate(alpha):
        if m and a == before:
            continue  # equal components gain alike
        before, grown = a, a + step
        # keep the order: the component moves in front of everything smaller
        ahead = [b for b in alpha[:m] if b >= grown]
        rest = alpha[len(ahead) : m]
        best = max(best, _confidence((*ahead, grown, *rest, *alpha[m + 1 :])))
    return best - _confidence(alpha)


@lru_cache(maxsize=1 << 17)
def _confidence(alpha: Alpha) -> float:
    """h of parameters in falling order: the largest one is also the likeliest to be the largest."""
    return _largest(alpha, 0)


@lru_cache(maxsize=1 << 14)
def _all(alpha: Alpha) -> tuple[float, ...]:
    values: list[float] = []
    for m, a in enumerate(alpha):
        values.append(values[-1] if m and a == alpha[m - 1] else _largest(alpha, m))
    total = sum(values)
    return tuple(v / total for v in values)


def _largest(alpha: Alpha, m: int) -> float:
    """I_m."""
    a = alpha[m]
    product = _density(a)[1]
    for b, equal in groupby((*alpha[:m], *alpha[m + 1 :])):
        times = sum(1 for _ in equal)
        row = _distribution(a, b)
        product = product * (row if times == 1 else row**times)
    return min(1.0, float(product.sum()))


@lru_cache(maxsize=1 << 12)
def _density(a: float) -> tuple[FloatArray, FloatArray]:
    """Points x, and f_Gamma(a)(x) dx at them, (POINTS,) each."""
    t = np.log(a) + np.linspace(*_reach(_TAIL / a), POINTS)
    x = np.exp(t)
    weights = np.exp(a * t - x - (a * np.log(a) - a if a > 1 else 0.0))  # near 1 at the mode
    return x, weights / weights.sum()


@lru_cache(maxsize=1 << 14)
def _distribution(a: float, b: float) -> FloatArray:
    """F_Gamma(b) at the points of `a`, (POINTS,)."""
    return gamma_cdf(b, _density(a)[0])


def _reach(tail: float) -> tuple[float, float]:
    """The two t, below and above 0, at which exp(t) - 1 - t is `tail`, by Newton's method.

    By Chernoff's bound a Gamma(a) variable lies beyond a * exp(t) with a probability of at most
    exp(-a * (exp(t) - 1 - t)). Both starts are outside, from where the method never passes a root of
    a convex function.
    """
    ends = []
    for t in (-1 - tail, math.log1p(tail + math.sqrt(2 * tail))):
        for _ in range(_NEWTON):
            t -= (math.expm1(t) - t - tail) / math.expm1(t)
        ends.append(t)
    return ends[0], ends[1]
