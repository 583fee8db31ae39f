"""Our least squares finds what scipy's finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from ttscale.planner.least_squares import least_squares

N = np.arange(1, 25)


# Below ten times the noise there can be two minima, and either is as far as one comes downhill.
@given(st.floats(0.2, 1), st.floats(0.02, 0.98), st.integers(0, 1000))
def test_a_noisy_curve_is_fitted_as_well_as_by_scipy(ceiling: float, p: float, seed: int) -> None:
    y = ceiling * (1 - (1 - p) ** N) + np.random.default_rng(seed).normal(0, 0.02, len(N))

    def missed(x: np.ndarray) -> np.ndarray:
        return x[0] * (1 - (1 - x[1]) ** N) - y

    ours = least_squares(missed, [0.5, 0.5], [0.0, 1e-12], [1.0, 1.0])
    scipys = optimize.least_squares(missed, [0.5, 0.5], bounds=([0.0, 1e-12], [1.0, 1.0]), xtol=1e-12)
    assert ours.cost <= 2 * scipys.cost * (1 + 1e-6) + 1e-15  # scipy tells half the sum of squares
    assert (ours.x >= 0).all()
    assert (ours.x <= 1).all()


def test_without_noise_the_parameters_come_back() -> None:
    fit = least_squares(
        lambda x: x[0] * (1 - (1 - x[1]) ** N) - 0.7 * (1 - 0.6**N), [0.9, 0.9], [0, 0], [1, 1]
    )
    assert fit.x == pytest.approx([0.7, 0.4], abs=1e-9)
    assert fit.cost < 1e-20


def test_a_minimum_outside_the_box_is_sought_along_its_edge() -> None:
    # (x + y - 3)^2 + (x - y)^2 is least at (1.5, 1.5); where x ends at 1, with y = 1.5
    fit = least_squares(lambda x: np.array([x[0] + x[1] - 3, x[0] - x[1]]), [0, 0], [0, 0], [1, 9])
    assert fit.x == pytest.approx([1.0, 1.5])
    assert fit.cost == pytest.approx(0.5)
