"""Mathematical answers: numbers, expressions, relations, intervals, tuples, sets and matrices."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ..extraction import last_boxed
from ..formulas.forms import form
from ..formulas.sameness import same_reading
from ..policies import Policies
from ..rule import KeyedRule, is_blank

_LONGEST = 2000  # characters; what is longer is a text that lost its way


class MathRule(KeyedRule):
    """The boxed answer, else the stated one, else the last formula or number.

    `policies` are those of `Policies`, by name.
    """

    name = "math"

    def __init__(self, **policies: Any) -> None:
        self.policies = Policies(**policies)

    def find(self, text: str) -> str | None:
        boxed = last_boxed(text)
        return None if boxed is None else self.read(boxed)

    def read(self, written: str) -> str | None:
        return None if is_blank(written) or len(written) > _LONGEST else written.strip()

    def key(self, answer: str) -> Hashable:
        return form(answer, self.policies)

    def same(self, a: str, b: str) -> bool:
        return a == b or same_reading(
            form(a, self.policies), form(b, self.policies), self.policies.rounding
        )
