"""Sets of real numbers as unions of intervals, in one order and with nothing to merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .evaluation import numbers


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers between two; an end that is closed belongs to it. A point is closed at both."""

    low: Any
    low_closed: bool
    high: Any
    high_closed: bool


def everything() -> list[Interval]:
    """All real numbers."""
    infinity = numbers().inf
    return [Interval(-infinity, False, infinity, False)]


def union(*regions: list[Interval]) -> list[Interval]:
    """What is in any of the regions."""
    parts = sorted((part for region in regions for part in region), key=lambda p: (p.low, not p.low_closed))
    merged: list[Interval] = []
    for part in parts:
        last = merged[-1] if merged else None
        if last is None or not _touch(last, part):
            merged.append(part)
        elif (part.high, part.high_closed) > (last.high, last.high_closed):
            merged[-1] = Interval(last.low, last.low_closed, part.high, part.high_closed)
    return merged


def _touch(first: Interval, second: Interval) -> bool:
    if second.low == first.high:
        return first.high_closed or second.low_closed
    return bool(second.low < first.high)


def intersection(a: list[Interval], b: list[Interval]) -> list[Interval]:
    """What is in both regions."""
    found = []
    for x in a:
        for y in b:
            low = max((x.low, not x.low_closed), (y.low, not y.low_closed))
            high = min((x.high, x.high_closed), (y.high, y.high_closed))
            if low[0] < high[0] or (low[0] == high[0] and not low[1] and high[1]):
                found.append(Interval(low[0], not low[1], high[0], high[1]))
    return union(found)


def complement(region: list[Interval]) -> list[Interval]:
    """What is not in the region."""
    infinity = numbers().inf
    low, closed, found = -infinity, False, []
    for part in union(region):
        if low < part.low or (low == part.low and closed and not part.low_closed):
            found.append(Interval(low, closed, part.low, not part.low_closed))
        low, closed = part.high, not part.high_closed
    if low < infinity:
        found.append(Interval(low, closed, infinity, False))
    return found
