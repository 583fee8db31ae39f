"""How many samples or rounds are worth buying: saturating curves and where they saturate.

TTSPM, arXiv:2505.20522: F(N) = F_max (1 - (1 - p)^N), for N parallel samples (p: one is right) and
for N rounds of rethinking (p: a wrong answer becomes right, right ones stay). The gain of unit N + 1
is F_max p (1 - p)^N; the saturation point N* is the smallest N at which it is at most epsilon. (The
paper's own indexing was not seen; counting the gain of the N-th unit would shift N* by one.)

One p for all questions is the model's weak spot: over a spread of p the mean curve is slower than
any exponential, and its tail is what is sold short. The alternatives stand beside it: p spread as a
Beta distribution, and rounds that can also lose a right answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core import UsageError
from ..metrics.accuracy.passk import pass_at_k
from ..metrics.special_functions import log_beta_ratio
from .least_squares import least_squares

FloatArray = NDArray[np.float64]
GOOD_FIT = 0.01  # root mean squared error of an accuracy curve (ours)
_LOG_BOX = (-14.0, -14.0), (14.0, 14.0)  # of log a and log b


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve of one or of many probabilities.

    Attributes:
        ceiling: F_max, in [0, 1].
        p: of one sample; the mean where it is spread.
        a, b: parameters of the Beta distribution of p; None if it is one value.
        rmse: root mean squared error on the fitted points.
        first_error: the curve at 1 minus the measured single-shot accuracy: far from 0, the model
            is mis-specified.
        fitted_to: largest N that was measured; beyond it the curve extrapolates.
    """

    ceiling: float
    p: float
    rmse: float
    first_error: float
    fitted_to: int
    a: float | None = None
    b: float | None = None

    @property
    def good(self) -> bool:
        """Whether the curve follows the measurements, also at one sample."""
        return self.rmse <= GOOD_FIT and abs(self.first_error) <= 3 * GOOD_FIT

    def at(self, n: ArrayLike) -> FloatArray:
        """F(n)."""
        if self.a is None or self.b is None:
            return success(n, self.p, self.ceiling)
        return spread_success(n, self.a, self.b, self.ceiling)

    def saturation(self, epsilon: float, most: int = 1 << 20) -> int:
        """N*: the smallest N whose next unit gains at most epsilon; `most` if none is that small."""
        if self.a is None:
            return saturation_point(self.p, epsilon, self.ceiling)
        low, high = 0, most  # gains only fall: bisect
        while low < high:
            middle = (low + high) // 2
            gain = float(self.at(middle + 1) - self.at(middle))
            low, high = (low, middle) if gain <= epsilon else (middle + 1, high)
        return low


def success(n: ArrayLike, p: float, ceiling: float = 1.0) -> FloatArray:
    """F(n) = F_max (1 - (1 - p)^n), for samples and for rounds alike."""
    return ceiling * (1 - (1 - p) ** np.asarray(n, dtype=float))


def spread_success(n: ArrayLike, a: float, b: float, ceiling: float = 1.0) -> FloatArray:
    """F(n) where questions differ: p ~ Beta(a, b), F_max (1 - B(a, b + n) / B(a, b))."""
    return -ceiling * np.expm1(log_beta_ratio(n, a, b))


def with_losses(n: ArrayLike, p: float, loss: float, start: float = 0.0) -> FloatArray:
    """Accuracy after n rounds that win with p and lose a right answer with `loss`: it tends to
    p / (p + loss) at the rate (1 - p - loss)^n. Ours; loss = 0 is the paper's chain."""
    if p + loss == 0:
        return np.full_like(np.asarray(n, dtype=float), start)
    limit = p / (p + loss)
    return limit + (start - limit) * (1 - p - loss) ** np.asarray(n, dtype=float)


def saturation_point(p: float, epsilon: float, ceiling: float = 1.0) -> int:
    """N* of the paper's curve, in closed form; 0 where one unit already gains at most epsilon."""
    if not 0 <= p <= 1 or not 0 <= ceiling <= 1 or epsilon <= 0:
        raise UsageError(
            f"p={p:g}, ceiling={ceiling:g}, epsilon={epsilon:g}",
            fix="need p and ceiling in [0, 1] and epsilon above 0",
        )
    if ceiling * p <= epsilon:
        return 0
    if p == 1:
        return 1
    n = max(1, math.ceil(math.log(epsilon / (ceiling * p)) / math.log1p(-p)))
    # rounding of the logarithms may miss a boundary by one
    while n > 1 and ceiling * p * (1 - p) ** (n - 1) <= epsilon:
        n -= 1
    while ceiling * p * (1 - p) ** n > epsilon:
        n += 1
    return n


def useful_epsilon(p: float, n: int, ceiling: float = 1.0) -> float:
    """The gain of unit n + 1: buying n units is right for any epsilon from here on."""
    return ceiling * p * (1 - p) ** n


def hit_curve(counts: Sequence[tuple[int, int]], most: int | None = None) -> FloatArray:
    """Measured F(n) = mean pass@n for n = 1..most, (most,), from (samples, right) of each question;
    by default up to the smallest number of samples."""
    if not counts or min(n for n, _ in counts) < 1:
        raise UsageError("no question has samples", fix="record at least one sample a question")
    most = most or min(n for n, _ in counts)
    return np.array([np.mean([pass_at_k(n, c, k) for n, c in counts]) for k in range(1, most + 1)])


def fit(measured: ArrayLike, *, spread: bool = False) -> Curve:
    """Least squares on a measured curve.

    Args:
        measured: F(1), F(2), ..., F(n), at least three (four if spread).
        spread: let p differ between questions, as a Beta distribution; the ceiling is then 1,
            because a low p and a low ceiling cannot be told apart.

    Raises:
        UsageError: for too few points.
    """
    y = np.asarray(measured, dtype=float)
    if len(y) < (4 if spread else 3):
        raise UsageError(
            f"{len(y)} points cannot show how a curve bends", fix="record more samples a question"
        )
    n = np.arange(1, len(y) + 1)
    if y.max() <= 0:
        return Curve(0.0, 0.0, 0.0, 0.0, len(y), *((0.0, 1.0) if spread else ()))
    if spread:

        def residual(x: FloatArray) -> FloatArray:
            missed: FloatArray = spread_success(n, math.exp(x[0]), math.exp(x[1])) - y
            return missed

        starts = [
            (math.log(max(y[0], 1e-3) * s), math.log((1 - min(y[0], 0.999)) * s)) for s in (0.3, 1.0, 5.0)
        ]
        found = min((least_squares(residual, x, *_LOG_BOX) for x in starts), key=lambda f: f.cost)
        a, b = math.exp(found.x[0]), math.exp(found.x[1])
        curve = Curve(1.0, a / (a + b), 0.0, 0.0, len(y), a, b)
    else:

        def error(x: FloatArray) -> FloatArray:
            missed: FloatArray = success(n, float(x[1]), float(x[0])) - y
            return missed

        first = min(max(y[0] / y[-1], 1e-6), 1 - 1e-6)
        inside = [min(max(float(y[-1]), 1e-6), 1 - 1e-9), first]
        best = least_squares(error, inside, [0.0, 1e-12], [1.0, 1.0])
        curve = Curve(float(best.x[0]), float(best.x[1]), 0.0, 0.0, len(y))
    misses = curve.at(n) - y
    rmse = float(np.sqrt((misses**2).mean()))
    return Curve(curve.ceiling, curve.p, rmse, float(misses[0]), len(y), curve.a, curve.b)


def observed_saturation(measured: ArrayLike, epsilon: float) -> int | None:
    """The first n whose next measured gain is at most epsilon; None if no such n was measured."""
    y = np.concatenate(([0.0], np.asarray(measured, dtype=float)))
    small = np.flatnonzero(np.diff(y) <= epsilon)
    return int(small[0]) if len(small) else None


def budgets(rates: ArrayLike, epsilon: float, most: int | None = None) -> NDArray[np.int64]:
    """N* of each question from its own p, (questions,), at most `most`: the paper's allocation."""
    found = [saturation_point(float(p), epsilon) for p in np.asarray(rates, dtype=float)]
    return np.minimum(found, most) if most is not None else np.array(found, dtype=np.int64)
