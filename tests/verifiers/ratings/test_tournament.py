"""Tournaments of pairwise ratings: the paper's arithmetic, and what every schedule promises."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.verifiers.ratings.tournament import SCHEDULES, Table, swiss

Rate = Callable[[int, int], tuple[float, float]]


class InThisOrder(random.Random):
    """Shuffles into an order that is given."""

    def __init__(self, order: list[int]) -> None:
        super().__init__(0)
        self.order = order

    def shuffle(self, x) -> None:  # type: ignore[no-untyped-def]
        x[:] = self.order


def play(n: int, calls: int, rate: Rate, schedule=swiss, rng=None) -> tuple[Table, list[tuple[int, int]]]:  # type: ignore[no-untyped-def]
    table, met = Table(n), list[tuple[int, int]]()
    for pairs in schedule(table, rng or random.Random(0)):
        assert len({i for pair in pairs for i in pair}) == 2 * len(pairs), "a round's pairs are disjoint"
        pairs = pairs[: calls - len(met)]
        for a, b in pairs:
            table.add(a, b, *rate(a, b))
        met += pairs
        if len(met) == calls:
            break
    return table, met


def by_quality(quality: list[float]) -> Rate:
    return lambda a, b: (quality[a], quality[b])


def test_the_papers_arithmetic() -> None:
    table = Table(3)
    table.add(0, 1, 4, 8)
    table.add(1, 2, 7, 3)
    table.add(0, 2, 5, 5)
    assert table.won == pytest.approx([0.05, 0.8889, 0.05], abs=1e-4)
    assert table.weight == pytest.approx([0.5444, 0.8889, 0.5444], abs=1e-4)
    assert [table.value(i) for i in range(3)] == pytest.approx([0.0918, 1, 0.0918], abs=1e-4)
    assert table.ranking() == [1, 0, 2]  # 0 before 2 by its mean rating of 4.5 against 4


def test_ratings_are_clamped_and_a_missing_one_counts_as_five() -> None:
    table = Table(2)
    table.add(0, 1, 40, -3)
    assert (table.weight[0], table.mean_rating(0), table.mean_rating(1)) == (1.0, 10.0, 1.0)
    table = Table(2)
    table.add(0, 1, None, 6)
    assert (table.mean_rating(0), table.unread, table.value(1)) == (5.0, 1, 1.0)
    assert table.won[1] == pytest.approx(1 / 9)


def test_only_ties_leave_everybody_in_the_middle_and_the_first_ahead() -> None:
    table, met = play(6, 18, lambda a, b: (7, 7))
    assert [table.value(i) for i in range(6)] == pytest.approx([0.5] * 6)
    assert table.ranking() == list(range(6))
    assert len(met) == 18


@pytest.mark.parametrize("seed", range(10))
def test_a_judge_that_sees_what_is_right_puts_all_right_ones_on_top(seed: int) -> None:
    """10 v 3 between right and wrong, a tie among equals; b = 3."""
    rng = random.Random(seed)
    n = 16
    right = set(rng.sample(range(n), 5))

    def rate(a: int, b: int) -> tuple[float, float]:
        if (a in right) == (b in right):
            return 10, 10
        return (10, 3) if a in right else (3, 10)

    table, _ = play(n, 3 * n, rate, rng=rng)
    assert set(table.ranking()[:5]) == right


@given(st.integers(4, 20), st.integers(0, 40), st.integers(0, 2**32))
def test_everybody_meets_two_others_first_and_nobody_again_while_the_window_has_new_ones(
    n: int, more: int, seed: int
) -> None:
    rng = random.Random(seed)
    quality = [rng.uniform(1, 10) for _ in range(n)]
    calls = int(1.5 * n + 1) + more
    table, met = play(n, calls, by_quality(quality), rng=rng)
    assert len(met) <= calls
    assert min(table.opponents(i) for i in range(n)) >= 2
    if len(met) <= n:  # fewer comparisons than anybody's window of 8 and everybody's two: none is made twice
        assert max(Counter(frozenset(pair) for pair in met).values()) == 1


def test_a_pair_is_repeated_only_when_the_window_holds_nobody_new() -> None:
    table, met = play(4, 6, by_quality([9, 7, 4, 2]))
    assert len({frozenset(pair) for pair in met}) == 6  # all there are, before any again
    _, again = play(4, 8, by_quality([9, 7, 4, 2]))
    assert Counter(frozenset(pair) for pair in again).most_common(1)[0][1] == 2
    assert table.ranking() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["swiss", "round_robin", "knockout"])
@given(seed=st.integers(0, 2**32), n=st.integers(2, 12))
def test_numbers_of_candidates_decide_nothing(name: str, seed: int, n: int) -> None:
    """Renumbered candidates in the renumbered order get the renumbered ranking."""
    rng = random.Random(seed)
    quality = [rng.uniform(1, 10) for _ in range(n)]
    new = rng.sample(range(n), n)  # old number -> new number
    order = rng.sample(range(n), n)
    renumbered = [0.0] * n
    for old, number in enumerate(new):
        renumbered[number] = quality[old]
    one, _ = play(n, 2 * n, by_quality(quality), SCHEDULES[name], InThisOrder(order))
    other, _ = play(n, 2 * n, by_quality(renumbered), SCHEDULES[name], InThisOrder([new[i] for i in order]))
    assert [new[i] for i in one.ranking()] == other.ranking()


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_a_round_robin_is_everybody_once_against_everybody(n: int) -> None:
    _, met = play(n, 1000, lambda a, b: (5, 5), SCHEDULES["round_robin"])
    assert Counter(frozenset(pair) for pair in met) == {
        frozenset((a, b)): 1 for a in range(n) for b in range(a)
    }


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8])
def test_a_knockout_finds_the_best_in_n_minus_one_comparisons(n: int) -> None:
    quality = [float(1 + i) for i in random.Random(n).sample(range(n), n)]
    table, met = play(n, 1000, by_quality(quality), SCHEDULES["knockout"])
    assert len(met) == n - 1
    assert table.ranking()[0] == quality.index(max(quality))


def test_two_candidates_meet_once_and_one_never() -> None:
    assert len(play(2, 6, lambda a, b: (5, 6))[1]) == 1
    for schedule in SCHEDULES.values():
        assert play(1, 3, lambda a, b: (5, 6), schedule)[1] == []
        assert play(0, 3, lambda a, b: (5, 6), schedule)[1] == []
