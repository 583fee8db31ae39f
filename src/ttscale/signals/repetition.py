"""Repetition: whether a text has begun to say the same again and again.

A rolling hash over the last `window` symbols finds it in constant time per symbol, however long the
text: hash' = (hash * BASE + new - old * BASE^window) mod PRIME. Symbols are what the caller has: token
ids, or words where a server does not give ids.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Hashable

PRIME = (1 << 61) - 1  # so large that two windows of a text of a million symbols meet by chance with 1e-7
BASE = 0x9E3779B97F4A7


class RepetitionFinder:
    """Counts how often the sequence of the last `window` symbols has been there; places may overlap.

    Args:
        window: symbols that are compared, at least 1.
    """

    def __init__(self, window: int) -> None:
        self._window, self._hash = window, 0
        self._leaving = pow(BASE, window, PRIME)
        self._last: deque[int] = deque()
        self._seen: Counter[int] = Counter()
        self._numbers: dict[Hashable, int] = {}

    def feed(self, symbol: Hashable) -> int:
        """How often the sequence that ends with `symbol` has been there, this time included; 0 as long as
        there are fewer symbols than the window."""
        number = self._numbers.setdefault(symbol, len(self._numbers) + 1)
        self._last.append(number)
        self._hash = (self._hash * BASE + number) % PRIME
        if len(self._last) > self._window:
            self._hash = (self._hash - self._last.popleft() * self._leaving) % PRIME
        if len(self._last) < self._window:
            return 0
        self._seen[self._hash] += 1
        return self._seen[self._hash]


class RepeatedWords:
    """The same over the words of a live text, however it comes in pieces."""

    def __init__(self, window: int) -> None:
        self._finder, self._pending = RepetitionFinder(window), ""

    def feed(self, piece: str) -> int:
        """The most times that a sequence of words which `piece` completes has been there."""
        whole, self._pending = _SPACE.split(self._pending + piece), ""
        self._pending = whole.pop()  # the last word may go on
        return max((self._finder.feed(word) for word in whole if word), default=0)


_SPACE = re.compile(r"\s+")
