"""Mathematical answers: numbers, expressions, relations, intervals, tuples, sets and matrices."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

from ..extraction import conclusions, is_cut, last_boxed, statements, tagged
from ..formulas.forms import form, is_formula
from ..formulas.meaning.sameness import same_reading
from ..formulas.numerals import last_number
from ..policies import DEFAULTS, Policies
from ..prose import formulas, right_side, trimmed, without_lead
from ..rule import KeyedRule, is_blank

_LONGEST = 2000  # characters; what is longer is a text that lost its way
_TAIL = 1000  # characters at the end of a text in which an answer that is not announced may be


class MathRule(KeyedRule):
    """The boxed answer, else the tagged one, else the stated one, else the last formula or number.

    `policies` are those of `Policies`, by name.
    """

    name = "math"

    def __init__(self, **policies: Any) -> None:
        self._policies = Policies(**policies) if policies else DEFAULTS
        vars(self).update(policies)  # public: a store keeps them, and makes the rule again

    def find(self, text: str) -> str | None:
        boxed = last_boxed(text)
        if boxed is not None:
            return self.read(boxed)
        if is_cut(text):
            return None
        field = tagged(text)
        if field is not None:
            return self.read(field) if is_formula(field) else self.stated(field) or self.read(field)
        found = next(filter(None, map(self.stated, reversed(statements(text)))), None)
        return found if found is not None else self.concluded(text) or self.last(text)

    def stated(self, statement: str) -> str | None:
        """The answer in what follows "the answer is"."""
        answer = trimmed(statement)
        if is_formula(answer):
            return self.read(answer)
        number = re.search(r"\d", answer)
        if number and not re.search(r"[\\^_{}]", answer):
            return last_number(_first_number(answer))
        return self.read(answer)

    def concluded(self, text: str) -> str | None:
        """The formula in the last "the solutions are"; words there are no answer."""
        found = [trimmed(statement) for statement in conclusions(text)]
        known = [answer for answer in found if re.search(r"\d", answer) and is_formula(answer)]
        return self.read(known[-1]) if known else None

    def last(self, text: str) -> str | None:
        """The last formula of a text, else its last number."""
        whole = text.strip()
        alone = without_lead(whole.strip("$*` ."))
        if len(whole) < _TAIL and "\n" not in whole and is_formula(alone):
            return self.read(right_side(alone))
        tail = whole[-_TAIL:]
        marked = [right_side(f) for f in formulas(tail) if is_formula(f)]
        return self.read(marked[-1]) if marked else last_number(tail)

    def read(self, written: str) -> str | None:
        return None if is_blank(written) or len(written) > _LONGEST else written.strip()

    def key(self, answer: str) -> Hashable:
        return form(answer, self._policies)

    def same(self, a: str, b: str) -> bool:
        return a == b or same_reading(
            form(a, self._policies), form(b, self._policies), self._policies.rounding
        )


def _first_number(text: str) -> str:
    """The text up to the end of its first number."""
    match = re.search(r"-?[\d.,/]*\d(?:\s*(?:hundred|thousand|million|billion)\b)?", text)
    return text[: match.end()] if match else text
