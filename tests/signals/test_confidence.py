"""Measures of confidence against closed forms and against the obvious loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale import signals
from ttscale.signals.confidence import CEILING, bounded

confs = st.lists(st.floats(0, 40, width=32), min_size=1, max_size=60)


@pytest.mark.parametrize("vocabulary", [2, 20, 50_000])
def test_uniform_logits_have_confidence_ln_v(vocabulary: int) -> None:
    top = np.full((3, min(20, vocabulary)), -math.log(vocabulary))
    assert signals.token_confidence(top) == pytest.approx([math.log(vocabulary)] * 3, rel=1e-15)


def test_a_nearly_certain_token_has_a_large_confidence() -> None:
    logits = np.zeros(1000)
    logits[0] = 50.0
    logprobs = np.sort(logits - np.logaddexp.reduce(logits))[::-1][:20]
    assert signals.token_confidence(logprobs) > 45


def test_an_impossible_candidate_counts_as_the_ceiling() -> None:
    assert signals.token_confidence([[-0.1, -math.inf]])[0] == CEILING
    assert math.isfinite(signals.lowest_group([1.0, math.inf, 1.0], 2))


@given(confs, st.integers(1, 70))
def test_groups_are_the_means_of_full_windows(conf: list[float], window: int) -> None:
    naive = [np.mean(conf[i : i + window]) for i in range(len(conf) - window + 1)]
    assert signals.groups(conf, window) == pytest.approx(naive, abs=1e-9)


@given(confs, st.integers(1, 70), st.integers(1, 70))
def test_measures_equal_the_obvious_loops(conf: list[float], window: int, last: int) -> None:
    means = [sum(conf[i : i + window]) / window for i in range(len(conf) - window + 1)]
    means = means or [sum(conf) / len(conf)]
    smallest = sorted(means)[: max(1, math.floor(0.1 * len(means)))]
    found = signals.measured(conf, window, last)
    assert found.mean == pytest.approx(sum(conf) / len(conf), abs=1e-9)
    assert found.lowest == pytest.approx(min(means), abs=1e-9)
    assert found.bottom == pytest.approx(sum(smallest) / len(smallest), abs=1e-9)
    assert found.tail == pytest.approx(sum(conf[-last:]) / len(conf[-last:]), abs=1e-9)
    for name in signals.MEASURES:
        assert signals.measure(name, conf, window, last) == pytest.approx(found.of(name), abs=1e-9)


def test_a_trace_shorter_than_the_window_is_measured_by_its_mean() -> None:
    found = signals.measured([1.0, 2.0, 6.0])
    assert found == signals.Confidence(mean=3.0, lowest=3.0, bottom=3.0, tail=3.0)


def test_a_trace_as_long_as_the_window_has_one_group() -> None:
    assert signals.groups([1.0, 2.0, 6.0], 3).tolist() == [3.0]


def test_bottom_is_the_mean_of_a_tenth_of_the_groups() -> None:
    conf = np.arange(100.0)  # 91 windows of 10: the 9 smallest have means 4.5, 5.5, ... 12.5
    assert signals.bottom_groups(conf, 10) == pytest.approx(8.5)


def test_an_empty_trace_has_no_confidence() -> None:
    with pytest.raises(ValueError, match="without tokens"):
        signals.mean([])


@given(confs, st.integers(1, 20), st.lists(st.integers(0, 60), max_size=8))
def test_running_groups_do_not_depend_on_the_pieces(conf: list[float], window: int, cuts: list[int]) -> None:
    values = np.array(conf, dtype=np.float32)
    running, found, done = signals.RunningGroups(window), list[float](), 0
    for piece in np.split(values, sorted(min(c, len(values)) for c in cuts)):
        first, groups = running.feed(piece)
        assert done + first == len(found) + window - 1 or not len(groups)
        found += groups.tolist()
        done += len(piece)
    assert found == signals.groups(values, window).tolist()  # to the bit


def test_bounded_keeps_what_is_finite() -> None:
    assert bounded(np.array([0.5, np.inf], dtype=np.float32)).tolist() == [0.5, CEILING]


class TestPercentiles:
    def test_ten_percent_survive_at_keep_ten(self) -> None:
        values = np.random.default_rng(0).permutation(1000)
        assert signals.most_confident(values, 10).sum() == 100
        assert signals.most_confident(values, 90).sum() == 900

    def test_keep_one_hundred_keeps_all(self) -> None:
        assert signals.most_confident([3.0, 1.0, 2.0], 100).all()

    def test_all_that_tie_at_the_threshold_are_kept(self) -> None:
        kept = signals.most_confident([5.0, 5.0, 5.0, 1.0], 10)
        assert kept.tolist() == [True, True, True, False]

    def test_low_is_the_ninetieth_percentile(self) -> None:
        assert signals.threshold(np.arange(101), 10) == 90.0
        assert signals.threshold(np.arange(101), 90) == 10.0

    def test_nothing_is_kept_of_nothing(self) -> None:
        assert not len(signals.most_confident([], 10))

    @pytest.mark.parametrize(("keep", "expected"), [(10, 2.5 / 17), (90, 14.5 / 17)])
    def test_with_sixteen_warm_ups_the_share_of_survivors_is_coarse(
        self, keep: float, expected: float
    ) -> None:
        # The percentile lies at rank 1 + 15 q of 16, between order statistics whose levels are
        # i / 17: with q = .9 at rank 14.5, so that a new trace is above with 1 - 14.5 / 17 = .147.
        # Of the sixteen themselves two are kept at 10, fourteen at 90
        rng = np.random.default_rng(1)
        warm, new = rng.random((20_000, 16)), rng.random(20_000)
        level = np.percentile(warm, 100 - keep, axis=1)
        # one standard error is .0025: a false alarm in 10^5 runs at 4.4
        assert np.mean(new >= level) == pytest.approx(expected, abs=0.011)
        assert set((warm >= level[:, None]).sum(axis=1)) == {2 if keep == 10 else 14}


def test_the_package_exports_what_it_says() -> None:
    assert all(hasattr(signals, name) for name in signals.__all__)
