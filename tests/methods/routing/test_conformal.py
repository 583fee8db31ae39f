"""Conformal p-values: exact uniformity, and the rejection rate that follows from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import RecordError, UsageError
from ttscale.methods.routing.conformal import Bank, rejection_rate


def bank(*scores: float) -> Bank:
    return Bank.of(scores, 500, 0.8)


def test_p_is_the_rank_from_above() -> None:
    made = bank(-3, -1, -2)
    assert [made.p_value(s) for s in (-0.5, -1, -1.5, -2.5, -9)] == [0.25, 0.5, 0.5, 0.75, 1.0]


@given(st.lists(st.floats(-20, 0), max_size=30), st.floats(-20, 0))
def test_p_equals_its_definition(scores: list[float], score: float) -> None:
    expected = (sum(score <= b for b in scores) + 1) / (len(scores) + 1)
    assert bank(*scores).p_value(score) == expected


@given(st.permutations(range(8)))
def test_p_is_exactly_uniform_under_exchangeability(order: list[int]) -> None:
    # whichever of N + 1 scores is the new one, each rank occurs once
    ranks = [bank(*(s for j, s in enumerate(order) if j != i)).p_value(order[i]) for i in range(8)]
    assert sorted(ranks) == [(k + 1) / 8 for k in range(8)]


@pytest.mark.parametrize("size", [4, 16, 100])
@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "standard_exponential"])
def test_the_rejection_rate_holds_for_any_distribution(size: int, draw: str) -> None:
    rng = np.random.default_rng(size)
    made = getattr(rng, draw)(size=(20_000, size + 1))
    p = ((made[:, 1:] >= made[:, :1]).sum(axis=1) + 1) / (size + 1)
    for alpha in (0.1, 0.6):
        # a standard error of at most .0035: a false alarm in 10^5 runs at 4.4
        assert np.mean(p > alpha + 1e-9) == pytest.approx(rejection_rate(alpha, size), abs=0.0155)


def test_the_rejection_rate_has_a_closed_form() -> None:
    assert rejection_rate(0.6, 16) == pytest.approx(1 - 10 / 17)
    assert rejection_rate(0.6, 1600) == pytest.approx(0.4, abs=1 / 1601)
    assert (rejection_rate(0.0, 9), rejection_rate(1.0, 9)) == (1.0, 0.0)
    assert rejection_rate(0.6, 4) == pytest.approx(0.4)  # 0.6 * 5 is 3, rounding or not


def test_a_bank_survives_its_file(tmp_path: Path) -> None:
    bank(-2, -1).save(tmp_path / "bank.json")
    loaded = Bank.load(tmp_path / "bank.json")
    assert loaded.scores.tolist() == [-2, -1]
    assert (loaded.segment_tokens, loaded.temperature) == (500, 0.8)


@pytest.mark.parametrize("content", ["{", "{}", '{"version": 9}', '{"version": 1}'])
def test_a_file_that_is_no_bank_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "b.json").write_text(content)
    with pytest.raises(RecordError, match=r"b\.json"):
        Bank.load(tmp_path / "b.json")


def test_a_bank_made_otherwise_is_refused() -> None:
    with pytest.raises(UsageError, match="draft_tokens=500"):
        bank(-1).check(100, 0.8)
