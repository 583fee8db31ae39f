"""Who meets whom: a table of pairwise ratings, and schedules that decide which pairs are judged next.

The table and the Swiss schedule are those of V1 (arXiv:2603.04304, appendix): a comparison weighs as much as
its ratings differ, w = max(|r_a - r_b| / 9, floor), and a candidate's value is its share of what it could
win, mu = sum of w v over sum of w, with v = 1 for a win, 1/2 for a tie, 0 for a loss. (The main text lists
win and loss in reversed order; appendix and code do not.)

A schedule yields rounds of pairs; the pairs of a round do not depend on each other and can be judged at the
same time. The caller adds the results to the table before the next round is asked for, and may
play only the beginning of a round:

    table = Table(n)
    for pairs in swiss(table, rng):
        for (a, b), ratings in zip(pairs, await judge(pairs)):
            table.add(a, b, *ratings)

Every schedule shuffles the candidates first. Their order then decides the opening round and all ties between
pairs: the numbers that candidates happen to have decide nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random

Pair = tuple[int, int]
Schedule = Callable[["Table", Random], Iterator[list[Pair]]]

LOWEST, HIGHEST = 1.0, 10.0
MISSING = 5.0  # what a rating that could not be read counts as
FLOOR = 0.1  # tau: what a comparison weighs at least
OPPONENTS = 2  # d_min: distinct opponents that every candidate meets first
WINDOW = 8  # h: ranks below its own among which a candidate's opponent is sought


class Table:
    """What was found so far about `n` candidates, numbered from 0.

    Args:
        floor: tau, what a comparison weighs at least; above 0, else ties leave no trace.

    Attributes:
        won, weight: sums of w v and of w, one a candidate.
        unread: ratings that were missing.
    """

    def __init__(self, n: int, floor: float = FLOOR) -> None:
        self.n, self.floor = n, floor
        self.won, self.weight = [0.0] * n, [0.0] * n
        self.unread = 0
        self._rated, self._comparisons = [0.0] * n, [0] * n
        self._met: list[Counter[int]] = [Counter() for _ in range(n)]

    def add(self, a: int, b: int, rating_a: float | None, rating_b: float | None) -> None:
        """Count a comparison. A rating outside 1 to 10 is moved to the nearest bound; None is missing."""
        self.unread += (rating_a is None) + (rating_b is None)
        first, second = (min(HIGHEST, max(LOWEST, MISSING if r is None else r)) for r in (rating_a, rating_b))
        weight = max(abs(first - second) / (HIGHEST - LOWEST), self.floor)
        win = 0.5 if first == second else float(first > second)
        for one, other, rating, share in ((a, b, first, win), (b, a, second, 1.0 - win)):
            self.won[one] += weight * share
            self.weight[one] += weight
            self._rated[one] += rating
            self._comparisons[one] += 1
            self._met[one][other] += 1

    def value(self, i: int) -> float:
        """mu, in [0, 1]: 1/2 for a candidate without a comparison."""
        return self.won[i] / self.weight[i] if self.weight[i] else 0.5

    def mean_rating(self, i: int) -> float:
        """In [1, 10]; the middle for a candidate without a comparison."""
        if not self._comparisons[i]:
            return (LOWEST + HIGHEST) / 2
        return self._rated[i] / self._comparisons[i]

    def opponents(self, i: int) -> int:
        """How many different candidates it met."""
        return len(self._met[i])

    def meetings(self, a: int, b: int) -> int:
        """How often these two met."""
        return self._met[a][b]

    def ranking(self, among: Sequence[int] | None = None) -> list[int]:
        """The best first: by value, then by mean rating; equals stay in the order of `among`."""
        places = range(self.n) if among is None else among
        return sorted(places, key=lambda i: (-self.value(i), -self.mean_rating(i)))


def swiss(
    table: Table, rng: Random, *, opponents: int = OPPONENTS, window: int = WINDOW
) -> Iterator[list[Pair]]:
    """V1's tournament: each candidate once, then each against `opponents` others, then near-ties for as long
    as there is budget."""
    order = _shuffled(table, rng)
    if opening := _neighbours(order):
        yield opening
    while covering := _covering(table, order, opponents):
        yield covering
    while table.n > 2 and (near := _near_ties(table, order, window)):
        yield near


def _shuffled(table: Table, rng: Random) -> list[int]:
    order = list(range(table.n))
    rng.shuffle(order)
    return order


def _neighbours(order: Sequence[int]) -> list[Pair]:
    """Disjoint pairs of those who stand beside each other; an odd last one waits."""
    return list(zip(order[::2], order[1::2], strict=False))


def _covering(table: Table, order: Sequence[int], least: int) -> list[Pair]:
    """Pairs, disjoint, for those with fewer than `least` opponents, the neediest first: each takes whom it
    has not met and whose value is nearest. One that has met all others needs nothing."""
    needy = sorted((i for i in order if table.opponents(i) < least), key=table.opponents)
    pairs, used = list[Pair](), set[int]()
    for i in needy:
        if i in used:
            continue
        free = [j for j in order if j != i and j not in used and not table.meetings(i, j)]
        if free:
            j = min(free, key=lambda j: (abs(table.value(i) - table.value(j)), table.opponents(j)))
            pairs.append((i, j))
            used |= {i, j}
    return pairs


def _near_ties(table: Table, order: Sequence[int], window: int) -> list[Pair]:
    """Pairs, disjoint, from the top down: each takes, among those within the window below it, one it has
    not met, of nearly its value; those it has met only where the window has no other."""
    ranked = table.ranking(order)
    pairs, used = list[Pair](), set[int]()
    for place, i in enumerate(ranked):
        below = [j for j in ranked[place + 1 : place + 1 + window] if j not in used]
        if i in used or not below:
            continue

        def key(j: int, i: int = i) -> tuple[bool, float, int]:
            met = table.meetings(i, j)
            return met > 0, abs(table.value(i) - table.value(j)), met

        j = min(below, key=key)
        pairs.append((i, j))
        used |= {i, j}
    return pairs


def round_robin(table: Table, rng: Random) -> Iterator[list[Pair]]:
    """All against all, once, so that after any round all have met as many (give or take one)."""
    order = _shuffled(table, rng)
    ring: list[int | None] = [*order, None] if len(order) % 2 else [*order]
    for _ in range(len(ring) - 1):
        half = len(ring) // 2
        facing = zip(ring[:half], reversed(ring[half:]), strict=True)
        if pairs := [(a, b) for a, b in facing if a is not None and b is not None]:
            yield pairs
        ring.insert(1, ring.pop())  # all but the first move on by a place


def random_pairs(table: Table, rng: Random) -> Iterator[list[Pair]]:
    """Disjoint pairs whatever was found, for as long as there is budget: what choosing is compared with."""
    while pairs := _neighbours(_shuffled(table, rng)):
        yield pairs


def knockout(table: Table, rng: Random) -> Iterator[list[Pair]]:
    """The loser is out, until one is left: n - 1 comparisons. Of a tie the better rated so far goes on,
    then the one that stands first."""
    left = _shuffled(table, rng)
    while pairs := _neighbours(left):
        before = {i: table.won[i] for pair in pairs for i in pair}
        yield pairs
        through = [
            max(pair, key=lambda i: (table.won[i] - before[i], table.mean_rating(i))) for pair in pairs
        ]
        left = through + left[2 * len(pairs) :]


SCHEDULES: Mapping[str, Schedule] = {
    "swiss": swiss,
    "round_robin": round_robin,
    "random": random_pairs,
    "knockout": knockout,
}
"""Name -> schedule with its published constants."""
