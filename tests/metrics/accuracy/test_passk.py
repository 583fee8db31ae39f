"""pass@k against counting every subset."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import UsageError
from ttscale.metrics import mean_pass_at_k, pass_at_k


@given(st.integers(0, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), st.integers(1, 9))
def test_it_is_the_share_of_subsets_with_a_right_sample(counts, k):
    n, c = counts
    samples = [True] * c + [False] * (n - c)
    subsets = list(combinations(samples, k))
    if not subsets:
        assert math.isnan(pass_at_k(n, c, k))
    else:
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_large_counts_do_not_overflow():
    assert pass_at_k(10_000, 1, 100) == pytest.approx(0.01)


def test_the_mean_leaves_out_questions_with_too_few_samples():
    assert mean_pass_at_k([(4, 2), (1, 1)], 2) == pytest.approx(5 / 6)
    assert math.isnan(mean_pass_at_k([(1, 1)], 2))


@pytest.mark.parametrize("bad", [(3, 4, 1), (3, -1, 1), (3, 1, 0)])
def test_impossible_counts_are_refused(bad):
    with pytest.raises(UsageError, match="0 <= c <= n"):
        pass_at_k(*bad)
