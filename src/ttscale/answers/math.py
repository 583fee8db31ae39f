r"""Mathematical answers, read with math-verify.

The last \boxed counts, else the stated answer, else what math-verify finds near the end. Sameness
is equality of normal forms rather than math-verify's own comparison, which is neither symmetric nor
transitive (50\% equals 50 and 0.5 there, x=5 equals 5 and 5 equals y=5): votes need classes.
"""

from __future__ import annotations

from collections.abc import Hashable

from .boxed import last_boxed, stated
from .expressions import form, search
from .rule import KeyedRule, is_blank

_LONGEST = 2000  # characters; what is longer is a text that lost its way


class MathRule(KeyedRule):
    """Numbers, expressions, equations, intervals, tuples, sets and matrices."""

    name = "math"

    def find(self, text: str) -> str | None:
        boxed = last_boxed(text)
        if boxed is not None:
            return self.read(boxed)
        said = stated(text)
        return search(said if said is not None else text[-1000:])

    def read(self, written: str) -> str | None:
        return None if is_blank(written) or len(written) > _LONGEST else written.strip()

    def key(self, answer: str) -> Hashable:
        return form(answer)
