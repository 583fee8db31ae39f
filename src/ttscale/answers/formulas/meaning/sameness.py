"""Whether two readings say the same: exactly, and for numbers with a decimal point to some places.

Tolerance is between two readings and cannot be transitive by itself: 0.333333 is 1/3 and also
0.3333333. A vote compares with the first member of each of its groups, so its groups are well defined.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from .evaluation import Value, approximate

_EXACT = 10**30  # one part in so many; values are known to sixty digits
_COMPARED = 64  # members of a set; longer ones are compared in the order they are written


def same_reading(a: Any, b: Any, places: int = 6) -> bool:
    """Whether two readings are equivalent; numbers are compared to so many decimal places."""
    if a is b:
        return True
    kind = a[0]
    if kind != b[0]:
        return False
    if kind in ("number", "function") and _far(a[3], b[3], places):
        return False
    if kind == "number":
        return same_number(a[1], b[1], places if a[2] or b[2] else None)
    if kind in ("function", "equation"):
        tolerance = places if a[2] or b[2] else None
        return all(same_number(x, y, tolerance) for x, y in zip(a[1], b[1]))
    if kind == "less":
        tolerance = places if a[3] or b[3] else None
        return a[1] == b[1] and all(same_number(x, y, tolerance) for x, y in zip(a[2], b[2]))
    if kind == "set":
        return _same_members(a[1], b[1], places)
    if kind in ("row", "matrix") and a[1] != b[1]:
        return False
    if kind == "matrix":
        return len(a[2]) == len(b[2]) and all(_same_rows(x, y, places) for x, y in zip(a[2], b[2]))
    if kind == "row":
        return _same_rows(a[2], b[2], places)
    if kind in ("region", "ratio", "compound"):
        return _same_rows(a[1], b[1], places)
    if kind == "amount":
        return bool(a[2] == b[2]) and same_reading(a[1], b[1], places)
    return bool(a == b)


def same_value(a: Value, b: Value) -> bool:
    """Whether two values are equal but for the rounding of their calculation."""
    return same_number(a, b, None)


def same_number(a: Value, b: Value, places: int | None) -> bool:
    """Whether two numbers are equal: exactly if `places` is None, else to so many decimal places
    (significant digits, of a number below 0.1)."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        if a == b or places is None:
            return bool(a == b)
        return bool(abs(a - b) <= _tolerance(max(abs(a), abs(b)), places))
    a, b = approximate(a), approximate(b)
    distance, size = abs(a - b), max(abs(a), abs(b))
    if distance * _EXACT <= size:
        return True
    return places is not None and bool(distance <= _tolerance(size, places))


def _far(a: float, b: float, places: int) -> bool:
    """Whether two floats tell two values apart; false for those that are not numbers."""
    return bool(abs(a - b) > 10 ** (1 - places) * max(abs(a), abs(b)))


def _tolerance(size: Value, places: int) -> Value:
    # six tenths of a unit in the last place: rounding to it moves a number by half of one
    most = Fraction(6, 10) if isinstance(size, Fraction) else 0.6
    return min(6 * size, most) / 10**places


def _same_rows(a: Any, b: Any, places: int) -> bool:
    return len(a) == len(b) and all(same_reading(x, y, places) for x, y in zip(a, b))


def _same_members(a: Any, b: Any, places: int) -> bool:
    if len(a) != len(b):
        return False
    if len(a) > _COMPARED:
        return _same_rows(a, b, places)
    left = list(b)
    for x in a:
        found = next((k for k, y in enumerate(left) if same_reading(x, y, places)), None)
        if found is None:
            return False
        del left[found]
    return True
