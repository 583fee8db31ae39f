"""Answers that are numbers, and the stricter case of integers with few digits."""

from __future__ import annotations

import re
from collections.abc import Hashable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ..extraction import is_cut, last_boxed, statements, tagged
from ..formulas.characters import spelled
from ..formulas.forms import is_formula
from ..formulas.meaning.sameness import same_number
from ..formulas.numerals import last_number, number
from ..policies import DEFAULTS, Policies
from ..prose import trimmed
from ..rule import KeyedRule, is_blank

_CALCULATED = re.compile(r"[\\^_!√{}<>]|\d\s*[a-z]\b|\d\s*[*/+]\s*[\da-z(]")


class NumberRule(KeyedRule):
    """The boxed number, else the tagged, else the stated one, else the last one of the text.

    A box that holds something other than a number has no answer: its exponents, units and last
    digits are none.
    """

    name = "number"

    def __init__(self, **policies: Any) -> None:
        self._policies = Policies(**policies) if policies else DEFAULTS
        vars(self).update(policies)  # public: a store keeps them, and makes the rule again

    def find(self, text: str) -> str | None:
        for place in (last_boxed(text), tagged(text)):
            if place is not None:
                return self.within(place)
        if is_cut(text):
            return None
        for statement in reversed(statements(text)):
            answer = self.within(trimmed(statement))
            if answer is not None or any(map(str.isdigit, statement)):
                return answer
        return last_number(text)

    def within(self, place: str) -> str | None:
        """The number of a place that should hold nothing else, or one number and words."""
        if (answer := self.read(place)) is not None:
            return answer
        if (inner := statements(place)) and (answer := self.read(trimmed(inner[-1]))) is not None:
            return answer
        text = spelled(place)
        digits = re.findall(r"\d[\d.,]*", text)
        alone = len(digits) == 1 and not _CALCULATED.search(text) and not is_formula(place)
        return last_number(text) if alone else None

    def read(self, written: str) -> str | None:
        if is_blank(written) or number(written, self._policies) is None:
            return None
        text = spelled(written) or written.strip()
        right = text.rpartition("=")[2].strip()  # of x = 12, the 12
        return right if number(right, self._policies) is not None else text

    def key(self, answer: str) -> Hashable:
        value = number(answer, self._policies)
        return answer.strip() if value is None else value

    def same(self, a: str, b: str) -> bool:
        x, y = self.key(a), self.key(b)
        if not (isinstance(x, Fraction) and isinstance(y, Fraction)):
            return x == y
        return same_number(x, y, self._policies.rounding if "." in a + b else None)


class IntegerRule(KeyedRule):
    """Integers of at most `max_digits` digits, boxed or stated; AIME answers have one to three.

    Anything else abstains: a longer number is not an answer of such a contest.
    """

    name = "integer"

    def __init__(self, max_digits: int = 3) -> None:
        self.max_digits = max_digits
        self._numbers = NumberRule()

    def find(self, text: str) -> str | None:
        for place in (last_boxed(text), tagged(text)):
            if place is not None:
                return self.read(self._numbers.within(place) or "")
        if is_cut(text):
            return None
        for statement in reversed(statements(text)):
            answer = self._numbers.within(trimmed(statement))
            if answer is not None or any(map(str.isdigit, statement)):
                return self.read(answer or "")
        result = re.search(r"=\s*[$*]*\s*(\d+)\s*[$*.]*\s*\Z", text)
        return self.read(result[1]) if result else None

    def read(self, written: str) -> str | None:
        return _integer(written, self.max_digits)

    def key(self, answer: str) -> Hashable:
        return _integer(answer, self.max_digits) or answer.strip()


@lru_cache(maxsize=65536)
def _integer(written: str, max_digits: int) -> str | None:
    value = number(written) if written.strip() else None
    if value is None or value.denominator != 1 or value < 0 or "." in written.rstrip(". "):
        return None
    return str(value) if len(str(value)) <= max_digits else None
