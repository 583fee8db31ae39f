r"""The six questions that mathematics does not answer, and how the math rule answers them by default.

A policy chooses one reading of a notation; none makes one text equal to two that differ.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from ..core import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    r"""How a notation is read that people read in more than one way.

    Attributes:
        units: `5 cm` is 5 ("drop"), or an amount that is equal only to one in cm ("keep").
        percent: `50\%` is 50 ("number") or 1/2 ("fraction").
        rounding: decimal places to which a number with a decimal point is compared; below 0.1 as
            many significant digits. Numbers without a decimal point are compared exactly.
        bases: `1010_2` is its digits and its base ("written") or ten ("value").
        words: `twenty-one` is 21 ("number") or a word ("text").
        symbols: letters stand for numbers of any sign ("any"), so that \sqrt{x^2} is not x, or for
            positive ones only ("positive"), so that it is, and \sqrt{ab} is \sqrt{a}\sqrt{b}.
    """

    units: Literal["drop", "keep"] = "drop"
    percent: Literal["number", "fraction"] = "number"
    rounding: int = 6
    bases: Literal["written", "value"] = "written"
    words: Literal["number", "text"] = "number"
    symbols: Literal["any", "positive"] = "any"

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(type(self)).items():
            value: Any = getattr(self, name)
            known = get_args(kind)
            if known and value not in known:
                raise UsageError(f"{name}={value!r}", fix=f"one of {', '.join(known)}")
        if not 0 < self.rounding <= 15:
            raise UsageError(f"rounding={self.rounding}", fix="between 1 and 15 places")


DEFAULTS = Policies()
NAMES = tuple(field.name for field in fields(Policies))
