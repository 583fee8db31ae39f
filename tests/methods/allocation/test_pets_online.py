"""PETS online: the fit against simulation and brute force, the plan, and the method."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fakes import Boxed, Scripted, answer, problem, said
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from ttscale.core import Problem, RecordError, UsageError
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.recordings.pool import Pool
from ttscale.methods.allocation.pets_curves import agreement_curve, bucket, fit_curve, pattern_shares
from ttscale.methods.allocation.pets_online import Config, Table, fit_table, labels, made_up, pets_online
from ttscale.methods.allocation.pets_table import log_gain, plan

POOLS = [list("a" * 60 + "bbcc"), list("a" * 40 + "b" * 20 + "cccc"), list("a" * 30 + "b" * 34)]


# -- curves


def test_one_draw_agrees_with_the_share_of_the_label() -> None:
    assert agreement_curve([6, 3, 1], 1)[0] == pytest.approx(0.6)


def test_a_unanimous_pool_always_agrees() -> None:
    assert agreement_curve([64], 5).tolist() == [1.0] * 5


def test_two_answers_are_the_binomial_distribution() -> None:
    p = 0.6
    for k, found in enumerate(agreement_curve([60, 40], 12), 1):
        chance = [math.comb(k, i) * p**i * (1 - p) ** (k - i) for i in range(k + 1)]
        even = chance[k // 2] / 2 if k % 2 == 0 else 0.0
        assert found == pytest.approx(sum(chance[k // 2 + 1 :]) + even, abs=1e-12)


@pytest.mark.parametrize("counts", [(5, 3, 2), (4, 3, 2, 1), (1, 1, 1, 1, 1)])
def test_curves_equal_the_sum_over_all_outcomes(counts: tuple[int, ...]) -> None:
    theta = np.array(counts) / sum(counts)
    for k in (1, 2, 5):
        total = 0.0
        for sampled in itertools.product(range(len(theta)), repeat=k):
            votes = Counter(sampled)
            top = max(votes.values())
            tied = [a for a, v in votes.items() if v == top]
            if 0 in tied:
                total += math.prod(theta[a] for a in sampled) / len(tied)
        assert agreement_curve(counts, k)[-1] == pytest.approx(total, abs=1e-12)


def test_curves_of_many_answers_equal_simulation() -> None:
    counts = [20, 15, 8, 6, 5, 4, 3, 2, 1]
    sampled = np.random.default_rng(0).multinomial(31, np.array(counts) / 64, size=40_000)
    top = sampled.max(axis=1, keepdims=True)
    simulated = ((sampled[:, 0] == top[:, 0]) / (sampled == top).sum(axis=1)).mean()
    # a standard error of .0025: a false alarm in 10^5 runs at 4.4
    assert agreement_curve(counts, 40)[30] == pytest.approx(simulated, abs=0.011)


def test_the_fit_recovers_a_probit_curve() -> None:
    a, b = fit_curve(ndtr(0.4 * np.sqrt(np.arange(1, 41)) - 0.7))
    assert (a, b) == (pytest.approx(0.4, abs=1e-9), pytest.approx(-0.7, abs=1e-9))


def test_the_fit_starts_at_three_and_ends_at_forty() -> None:
    curve = ndtr(0.4 * np.sqrt(np.arange(1, 41)) - 0.7)
    curve[:2] = 0.5
    assert fit_curve(curve) == (pytest.approx(0.4, abs=1e-9), pytest.approx(-0.7, abs=1e-9))
    curve[2] = 0.5
    assert fit_curve(curve)[0] != pytest.approx(0.4, abs=1e-6)
    table = fit_table([POOLS[1]], 8, kind="choice")
    slope, offset = fit_curve(agreement_curve([40, 20, 4], 40))
    assert (table.slope[0], table.offset[0]) == pytest.approx((slope, offset))


# -- buckets


@pytest.mark.parametrize(
    ("answers", "number"), [("aaaa", 1), ("abbb", 2), ("abab", 3), ("abca", 4), ("abcd", 5)]
)
def test_buckets_of_multiple_choice_follow_the_pattern(answers: str, number: int) -> None:
    assert bucket("choice", answers) == number - 1


def test_open_questions_have_two_buckets() -> None:
    assert [bucket("open", a) for a in ("xxxx", "xxxy", "wxyz")] == [0, 1, 1]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5).filter(lambda c: sum(c) >= 4))
def test_pattern_shares_equal_the_count_over_all_subsets(counts: list[int]) -> None:
    pool = [a for a, n in enumerate(counts) for _ in range(n)]
    subsets = list(itertools.combinations(pool, 4))
    for kind, buckets in (("choice", 5), ("open", 2), ("patterns", 5)):
        seen = Counter(bucket(kind, s) for s in subsets)  # type: ignore[arg-type]
        expected = [seen[t] / len(subsets) for t in range(buckets)]
        assert pattern_shares(kind, counts) == pytest.approx(expected, abs=1e-12)  # type: ignore[arg-type]


# -- the plan


def best_of_all(share: np.ndarray, a: np.ndarray, b: np.ndarray, average: float, most: int) -> float:
    values = []
    for budgets in itertools.product(range(4, most + 1), repeat=len(share)):
        if np.dot(share, budgets) <= average + 1e-9:
            values.append(value(share, a, b, budgets))
    return max(values)


def value(share: np.ndarray, a: np.ndarray, b: np.ndarray, budgets: object) -> float:
    return float(np.dot(share, ndtr(a * np.sqrt(budgets) + b)))


@given(
    st.lists(st.tuples(st.floats(0.05, 1.0), st.floats(0.0, 0.5)), min_size=2, max_size=3), st.integers(5, 9)
)
def test_on_concave_curves_and_equal_shares_the_plan_is_the_best_of_all(
    curves: list[tuple[float, float]], average: int
) -> None:
    a, b = (np.array(v) for v in zip(*curves, strict=True))
    share = np.full(len(a), 1 / len(a))
    planned = plan(share, a, b, average, max_samples=14)
    assert np.dot(share, planned) <= average + 1e-9
    best = best_of_all(share, a, b, average, 14)
    assert value(share, a, b, planned) == pytest.approx(best, abs=1e-9)


def test_an_s_shaped_curve_can_mislead_the_plan() -> None:
    # the second bucket gains next to nothing at first and much later: stepwise ascent never starts
    share, a, b = np.array([0.5, 0.5]), np.array([0.1, 3.0]), np.array([0.0, -10.0])
    planned = plan(share, a, b, 8, max_samples=12)
    assert planned == [12, 4]
    assert best_of_all(share, a, b, 8, 12) > value(share, a, b, planned) + 0.1


def test_gains_fall_where_the_curve_is_concave() -> None:
    k = np.arange(4, 60)
    gains = log_gain(np.full(len(k), 0.3), np.full(len(k), 0.1), k)
    assert (np.diff(gains) < 0).all()


def test_gains_are_told_apart_where_the_curve_has_long_saturated() -> None:
    easy, easier = log_gain(np.array([3.0, 5.0]), np.zeros(2), np.array([40, 40]))
    assert easier < easy < -150
    assert ndtr(3 * math.sqrt(41)) - ndtr(3 * math.sqrt(40)) == 0  # what the difference would say


def test_a_falling_curve_gets_nothing_more() -> None:
    share = np.array([0.5, 0.5])
    assert plan(share, np.array([-0.1, 0.2]), np.zeros(2), 6)[0] == 4


def test_a_bucket_that_does_not_fit_is_skipped_or_ends_the_plan() -> None:
    share, a, b = np.array([0.7, 0.3]), np.array([0.5, 0.1]), np.zeros(2)
    assert plan(share, a, b, 4.6, when_full="skip") == [4, 6]
    assert plan(share, a, b, 4.6, when_full="stop") == [4, 4]


def test_a_table_for_choices_skips_what_does_not_fit_and_one_for_open_answers_stops() -> None:
    skips = {
        kind: [
            fit_table(POOLS, 5.1, kind=kind, when_full=when).budgets  # type: ignore[arg-type]
            == fit_table(POOLS, 5.1, kind=kind).budgets  # type: ignore[arg-type]
            for when in ("skip", "stop")
        ]
        for kind in ("choice", "patterns", "open")
    }
    assert skips == {"choice": [True, False], "patterns": [True, False], "open": [False, True]}


def test_a_bucket_nobody_fell_into_gets_the_average() -> None:
    assert plan(np.array([1.0, 0.0]), np.array([0.5, 0.0]), np.zeros(2), 9.5)[1] == 9


# -- the table


def test_harder_buckets_get_more() -> None:
    table = fit_table(POOLS, 12, kind="choice")
    assert list(table.budgets[:3]) == sorted(table.budgets[:3])
    assert table.budgets[0] < table.budgets[2]
    assert np.dot(table.share, table.budgets) <= 12 + 1e-9
    assert sum(table.share) == pytest.approx(1)
    assert table.questions == 3


def test_four_on_average_leaves_nothing_to_plan() -> None:
    assert fit_table(POOLS, 4).budgets == (4, 4)


def test_the_order_of_the_pool_does_not_matter() -> None:
    mixed = [list(np.random.default_rng(0).permutation(p)) for p in POOLS]
    assert fit_table(mixed, 10) == fit_table(POOLS, 10)


def test_samples_without_an_answer_are_left_out() -> None:
    assert fit_table([[*p, None] for p in POOLS], 10) == fit_table(POOLS, 10)


@pytest.mark.parametrize(
    ("pools", "average", "says"),
    [([], 8, "no pool"), ([["a"] * 3], 8, "has 3 answers"), (POOLS, 3, "from 4 to 64")],
)
def test_bad_pools_are_refused(pools: list[list[str]], average: float, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        fit_table(pools, average)


def test_all_equal_answers_give_a_table() -> None:
    table = fit_table([["a"] * 64] * 3, 16)
    assert table.share == (1.0, 0.0)
    assert table.budgets[1] == 16


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    table = fit_table(POOLS, 12, kind="choice")
    table.save(tmp_path / "table.json")
    assert Table.load(tmp_path / "table.json") == table


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"version": 2}', '{"version": 1}'])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(RecordError, match=r"t\.json"):
        Config(table=str(tmp_path / "t.json"))


def test_a_missing_table_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(RecordError, match="cannot read"):
        pets_online.configure({"table": "nowhere.json"})


# -- the method


@pytest.fixture
def open_table(tmp_path: Path) -> str:
    path = tmp_path / "open.json"
    Table(
        kind="open",
        budgets=(4, 9),
        share=(0.5, 0.5),
        slope=(1.0, 0.2),
        offset=(0.0, 0.0),
        average=6.5,
        max_samples=64,
        questions=2,
    ).save(path)
    return str(path)


def script(letters: str) -> Scripted:
    return Scripted([said(None if x == "-" else x) for x in letters])


def test_agreeing_answers_end_it(open_table: str) -> None:
    outcome = answer(script("aAaa"), pets_online, Config(table=open_table))
    assert (outcome.answer, outcome.usage.samples, outcome.extra["bucket"]) == ("a", 4, 1)


def test_disagreeing_answers_buy_the_budget_of_their_bucket(open_table: str) -> None:
    outcome = answer(script("aabbbbbaa"), pets_online, Config(table=open_table))
    assert (outcome.answer, outcome.usage.samples) == ("b", 9)
    assert outcome.extra == {"bucket": 2, "budget": 9, "votes": [5, 4]}


def test_samples_without_an_answer_count_and_warm_up_goes_on(open_table: str) -> None:
    outcome = answer(script("a-b-abaaa"), pets_online, Config(table=open_table))
    assert (outcome.usage.samples, outcome.extra["votes"]) == (9, [5, 2])


def test_a_question_that_never_parses_ends(open_table: str) -> None:
    outcome = answer(script("-" * 7), pets_online, Config(table=open_table, max_samples=7))
    assert (outcome.answer, outcome.usage.samples, outcome.extra["bucket"]) == (None, 7, None)


def test_a_short_recording_gives_what_it_has(open_table: str) -> None:
    pool = Pool("m", "t", [problem()], {("p", "main", ""): [said(x) for x in "abbbb"]})
    outcome = answer(Replay(pool), pets_online, Config(table=open_table))
    assert (outcome.answer, outcome.usage.samples) == ("b", 5)


def test_ties_go_to_the_smallest_letter_in_multiple_choice(tmp_path: Path) -> None:
    path = tmp_path / "choice.json"
    Table(
        kind="choice",
        budgets=(4, 4, 4, 4, 4),
        share=(0.2,) * 5,
        slope=(1.0,) * 5,
        offset=(0.0,) * 5,
        average=4,
        max_samples=64,
        questions=1,
    ).save(path)
    assert answer(script("bbaa"), pets_online, Config(table=str(path))).answer == "a"


def test_five_buckets_serve_open_answers_too(tmp_path: Path) -> None:
    table = fit_table(POOLS, 12, kind="patterns")
    choice = fit_table(POOLS, 12, kind="choice")
    assert (table.budgets, table.share) == (choice.budgets, choice.share)
    path = tmp_path / "patterns.json"
    table.save(path)
    assert Table.load(path) == table
    outcome = answer(script("bbaa" * 20), pets_online, Config(table=str(path)))
    assert outcome.extra["bucket"] == 3
    assert outcome.answer == "b"  # a tie goes to the earliest, as with open answers


def test_without_a_table_the_made_up_one_serves() -> None:
    assert made_up("open").budgets[0] < made_up("open").budgets[1]
    outcome = answer(Scripted(lambda call: said("a")), pets_online, Config())
    assert outcome.usage.samples == made_up("open").budgets[0]
    asked = Problem("p", problem().prompt, Boxed(), choices=("a", "b", "c", "d"))
    outcome = answer(Scripted(lambda call: said("a")), pets_online, Config(), of=asked)
    assert outcome.usage.samples == made_up("choice").budgets[0]


def test_labels_are_equal_for_equivalent_answers() -> None:
    assert labels(problem(), [said("x"), said("y"), said("X"), said(None)]) == [0, 1, 0, None]
