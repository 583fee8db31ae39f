"""Answers that are numbers, and the stricter case of integers with few digits."""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache

from .boxed import last_boxed, stated
from .numerals import clean, last_number, number, rounded
from .rule import KeyedRule, is_blank


class NumberRule(KeyedRule):
    """The boxed number, else the stated one, else the last one of the text."""

    name = "number"

    def find(self, text: str) -> str | None:
        for look in (last_boxed, stated):
            place = look(text)
            if place is not None and (answer := self.read(place) or last_number(place)):
                return answer
        return last_number(text)

    def read(self, written: str) -> str | None:
        return _written(written)

    def key(self, answer: str) -> Hashable:
        value = number(answer)
        return answer.strip() if value is None else rounded(value)


class IntegerRule(KeyedRule):
    """Integers of at most `max_digits` digits, boxed or stated; AIME answers have one to three.

    Anything else abstains: a longer number is no answer of such a contest.
    """

    name = "integer"

    def __init__(self, max_digits: int = 3) -> None:
        self.max_digits = max_digits

    def find(self, text: str) -> str | None:
        boxed = last_boxed(text)
        if boxed is not None:
            return self.read(boxed)
        said = stated(text)
        if said is None:
            return None
        first = re.match(r"[^\d\n-]{0,40}?(-?\d[\d,.]*)", said)
        return self.read(first[1].rstrip(".,")) if first else None

    def read(self, written: str) -> str | None:
        return _integer(written, self.max_digits)

    def key(self, answer: str) -> Hashable:
        return _integer(answer, self.max_digits) or answer.strip()


@lru_cache(maxsize=65536)
def _written(written: str) -> str | None:
    if is_blank(written) or number(written) is None:
        return None
    return clean(written)


@lru_cache(maxsize=65536)
def _integer(written: str, max_digits: int) -> str | None:
    digits = clean(written)
    if not digits.isascii() or not digits.isdecimal() or len(digits) > max_digits:
        return None
    return str(int(digits))
