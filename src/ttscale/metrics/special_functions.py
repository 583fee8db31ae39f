"""The few special functions that statistics here need, so that scipy need not be installed for them.

Each is one textbook formula, exact to rounding in the range it is used in and tested against scipy.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

_ROUNDING = 1e-16
_FAR = -30.0  # standard deviations from where on a tail is its own asymptotic series
_log_gamma = np.vectorize(math.lgamma, otypes=[float])


def normal_quantile(p: float) -> float:
    """z with Phi(z) = p, for p strictly between 0 and 1."""
    return NormalDist().inv_cdf(p)


def log_normal_cdf(x: ArrayLike) -> FloatArray:
    """log Phi(x), of the shape of `x`; finite also where Phi(x) itself is too small for a float."""
    return _log_normal_cdf(np.asarray(x, dtype=float))


def _log_normal_tail(x: float) -> float:
    if x > 0:
        return math.log1p(-math.erfc(x / math.sqrt(2)) / 2)
    if x > _FAR:
        return math.log(math.erfc(-x / math.sqrt(2)) / 2)
    term, series = 1.0, 1.0
    for k in range(1, 9):
        term *= -(2 * k - 1) / (x * x)
        series += term
    return -x * x / 2 - math.log(-x) - math.log(2 * math.pi) / 2 + math.log(series)


_log_normal_cdf = np.vectorize(_log_normal_tail, otypes=[float])


def fair_binomial_cdf(k: int, n: int) -> float:
    """P(X <= k) for the heads X of n fair coins; exact but for the last rounding."""
    ways, total = 1, 0
    for heads in range(k + 1):
        total += ways
        ways = ways * (n - heads) // (heads + 1)
    return total / 2**n


@lru_cache(maxsize=1 << 10)
def student_quantile(p: float, freedom: int) -> float:
    """t with P(T <= t) = p, for p in [0.5, 1) and a whole number of degrees of freedom.

    Newton's method: from the normal quantile, which is too small, it climbs on the concave
    distribution and never passes the root.
    """
    t, reached = normal_quantile(p), -math.inf
    log_scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    while t > reached:
        reached = t
        density = math.exp(log_scale - (freedom + 1) / 2 * math.log1p(t * t / freedom))
        t += (p - _student_cdf(t, freedom)) / density
    return reached


def _student_cdf(t: float, freedom: int) -> float:
    """P(T <= t) for t >= 0: Abramowitz and Stegun 26.7.3 and 26.7.4."""
    square = freedom / (freedom + t * t)  # cos^2 of the angle
    sine, cosine = t / math.sqrt(freedom + t * t), math.sqrt(square)
    odd = freedom % 2
    term, series = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(freedom // 2):
        series += term
        term *= square * ((2 * k + 2) / (2 * k + 3) if odd else (2 * k + 1) / (2 * k + 2))
    inside = 2 / math.pi * (math.atan2(sine, cosine) + sine * series) if odd else sine * series
    return 0.5 + inside / 2


def log_beta_ratio(n: ArrayLike, a: float, b: float) -> FloatArray:
    """log(B(a, b + n) / B(a, b)), of the shape of `n`: the logarithm of what n failures in a row have
    for a chance if the chance of success is Beta(a, b)."""
    at = b + np.asarray(n, dtype=float)
    found: FloatArray = _log_gamma(at) - _log_gamma(a + at) - (math.lgamma(b) - math.lgamma(a + b))
    return found


def gamma_cdf(a: float, x: ArrayLike) -> FloatArray:
    """P(X <= x) for X ~ Gamma(a, 1), of the shape of `x` >= 0: a power series below the mean, and
    one minus Lentz's continued fraction above."""
    x = np.asarray(x, dtype=float)
    with np.errstate(divide="ignore"):
        scale = np.exp(a * np.log(x) - x - math.lgamma(a))
    below = x < a + 1
    found = np.empty_like(x)
    found[below] = scale[below] * _power_series(a, x[below])
    found[~below] = 1 - scale[~below] * _continued_fraction(a, x[~below])
    return found


def _power_series(a: float, x: FloatArray) -> FloatArray:
    term = np.full_like(x, 1 / a)
    series, k = term.copy(), a
    while term.size and float((term - _ROUNDING * series).max()) > 0:
        k += 1
        term *= x / k
        series += term
    return series


def _continued_fraction(a: float, x: FloatArray) -> FloatArray:
    b = x + 1 - a
    c, d = np.full_like(x, math.inf), 1 / b
    found, change, k = d.copy(), 0.0, 0
    while x.size and np.abs(change - 1.0).max() > 2 * _ROUNDING and k < 10_000:
        k += 1
        factor = -k * (k - a)
        b = b + 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        change = c * d
        found *= change
    return found
