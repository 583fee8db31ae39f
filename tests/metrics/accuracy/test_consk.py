"""cons@k against all subsets, one by one."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import UsageError
from ttscale.metrics import cons_at_k


def brute(answers, right, k):
    """Mean over all subsets; ties at random; None abstains."""
    total = 0.0
    for subset in combinations(answers, k):
        counts = Counter(a for a in subset if a is not None)
        top = max(counts.values(), default=0)
        leaders = [a for a, c in counts.items() if c == top]
        total += (right in leaders) / max(1, len(leaders))
    return total / math.comb(len(answers), k)


@given(st.lists(st.sampled_from(["A", "B", "C", "D", None]), min_size=1, max_size=9), st.data())
def test_it_is_the_mean_over_all_subsets(answers, data):
    k = data.draw(st.integers(1, len(answers)))
    counts = Counter(a for a in answers if a is not None)
    value = cons_at_k(counts, "A", k, abstained=answers.count(None))
    assert value == pytest.approx(brute(answers, "A", k), abs=1e-12)


def test_one_sample_is_the_accuracy_and_all_samples_are_the_vote():
    assert cons_at_k({"A": 5, "B": 3}, "A", 1) == pytest.approx(5 / 8)
    assert cons_at_k({"A": 5, "B": 3}, "A", 8) == 1
    assert cons_at_k({"A": 4, "B": 4}, "A", 8) == 0.5
    assert cons_at_k({"B": 4}, "A", 2) == 0
    assert math.isnan(cons_at_k({"A": 2}, "A", 3))


def test_many_samples_stay_exact():
    assert cons_at_k({"A": 150, "B": 100, "C": 6}, "A", 255) == pytest.approx(1)
    assert cons_at_k({"A": 128, "B": 128}, "A", 101) == pytest.approx(0.5)


def test_bad_input_is_refused():
    with pytest.raises(UsageError):
        cons_at_k({"A": 1}, "A", 0)
    with pytest.raises(UsageError):
        cons_at_k({"A": 3, "B": -1}, "A", 1)
    with pytest.raises(UsageError):
        cons_at_k({"A": 3}, "A", 1, abstained=-1)
