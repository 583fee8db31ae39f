"""ESC against its closed form, and its control scheme against brute force."""

from __future__ import annotations

import math

import pytest
from fakes import Scripted, answer, problem, said
from scipy.stats import norm

from ttscale.core import Run, UsageError, run_in_token_time
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods.voting.esc import Config, control, esc, expected_samples, risk


def played(script: str, cfg: Config) -> tuple[int, str | None, str]:
    outcome = answer(Scripted([said(None if a == "-" else a) for a in script]), esc, cfg)
    return outcome.usage.samples, outcome.answer, outcome.stopped_by


@pytest.mark.parametrize(("p", "samples"), [(0.6, 29.63), (0.7, 22.75), (0.8, 14.61), (0.9, 8.46)])
def test_expected_samples_are_those_of_the_table_and_of_the_method(p, samples):
    """500 questions, 5 standard errors: a false alarm in 1.7 million."""
    assert expected_samples((p, 1 - p), 5, 40) == pytest.approx(samples, abs=0.005)
    trials, q = 500, p**5 + (1 - p) ** 5
    reached = [(1 - q) ** i for i in range(8)]  # P(window i is drawn)
    mean = 5 * sum(reached)
    square = 25 * sum((2 * i + 1) * r for i, r in enumerate(reached))
    assert mean == pytest.approx(expected_samples((p, 1 - p), 5, 40))
    run = Run({"main": Synthetic(binary(p, length=10, wrong_length=10, spread=0, wrong_spread=0))})

    async def main() -> float:
        outcomes = [await run.answer(esc(), problem(f"q{n}")) for n in range(trials)]
        return sum(o.usage.samples for o in outcomes) / trials

    assert abs(run_in_token_time(main()) - mean) < 5 * math.sqrt((square - mean**2) / trials)


def test_the_unanimous_window_answers_whatever_came_before():
    # six of the eleven votes are for A
    assert played("AAABAAACBBBB", Config(window=4)) == (12, "B", "unanimous_window")


def test_without_a_unanimous_window_the_plurality_of_all_answers():
    assert played("AABBBAABBA", Config(window=3, max_samples=10)) == (10, "A", "max_samples")


def test_a_window_of_one_draws_one_sample():
    assert played("AB", Config(window=1)) == (1, "A", "unanimous_window")


def test_a_last_window_that_is_not_full_cannot_stop():
    assert played("ABCAABBB", Config(window=3, max_samples=8)) == (8, "B", "max_samples")


def test_a_sample_without_an_answer_spoils_its_window_and_does_not_vote():
    assert played("AA-AAA", Config(window=3, max_samples=9)) == (6, "A", "unanimous_window")
    assert played("------", Config(window=3, max_samples=6)) == (6, None, "max_samples")


def test_a_window_is_drawn_at_once_and_windows_one_after_the_other():
    script = [said(a, n) for a, n in (("A", 10), ("B", 30), ("A", 7), ("A", 20))]
    outcome = answer(Scripted(script), esc, Config(window=2, max_samples=4))
    assert outcome.usage.sequential_tokens == 30 + 20


def test_the_risk_is_the_normal_tail_of_a_wrong_answer_filling_a_window():
    expected = 1 - norm.cdf((5 - 5 * 0.3) / math.sqrt(5 * 0.3 * 0.7))
    assert risk((0.3, 0.7), 5) == pytest.approx(expected)
    assert risk((1.0,), 5) == 0.0


def test_control_takes_the_cheapest_pair_of_acceptable_risk():
    p, windows, limits = (0.6, 0.4), (3, 5, 8), (10, 20, 40)
    for most in (1e-6, 3e-4, 1e-2, 0.1):
        safe = [(w, m) for w in windows for m in limits if risk(p, w) <= most]
        chosen = control(p, windows, limits, most)
        if safe:
            cost = min(expected_samples(p, *pair) for pair in safe)
            assert chosen in safe
            assert expected_samples(p, *chosen) == pytest.approx(cost)
        else:
            assert chosen == (8, 40)
    # what costs the same may take more samples where no window agrees
    assert control(p, (5,), (10, 11), 0.1) == (5, 11)


def test_control_keeps_what_was_drawn_and_goes_on_with_the_new_window():
    outcome = answer(
        Scripted([said(a) for a in "AAAAB" + "A" * 40]), esc, Config(control=True, windows=(3,), limits=(40,))
    )
    assert outcome.usage.samples == 5 + 3
    assert outcome.extra["window"] == 3


def test_control_chooses_once_whatever_later_windows_say():
    # .8 and .2 ask for windows of three; .64 and .36 would ask for six
    script = [said(a) for a in "AAAAB" + "ABB" + "ABA" + "AAA"]
    outcome = answer(Scripted(script), esc, Config(control=True, windows=(3, 6), limits=(40,)))
    assert (outcome.usage.samples, outcome.extra["window"]) == (14, 3)


def test_control_judges_by_the_votes_and_takes_back_no_sample():
    # two thirds of the votes, .4 of the samples: what does not vote is no answer
    script = [said(a) for a in ("A", None, "B", None, "A")]
    outcome = answer(Scripted(script), esc, Config(control=True, windows=(3,), limits=(4,), max_risk=0.1))
    assert (outcome.usage.samples, outcome.stopped_by, outcome.answer) == (5, "max_samples", "A")


def test_a_window_larger_than_the_limit_is_refused():
    with pytest.raises(UsageError, match="max_samples=4"):
        Config(window=5, max_samples=4)
