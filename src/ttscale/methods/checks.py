"""Checks that configs share: a bad value is refused with the value, the range and the fix."""

from __future__ import annotations

from ..core import UsageError


def at_least(low: float, **values: float | None) -> None:
    """Raise UsageError unless every given value is a number of at least `low`."""
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= low:
            raise UsageError(f"{name}={value!r}", fix=f"give a number of at least {low:g}")


def within(low: float, high: float, **values: float | None) -> None:
    """Raise UsageError unless every given value is a number in [low, high]."""
    for name, value in values.items():
        if value is None:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not (low <= value <= high)
        ):
            raise UsageError(f"{name}={value!r}", fix=f"give a number from {low:g} to {high:g}")


def whole(**values: int | None) -> None:
    """Raise UsageError unless every given value is a whole number."""
    for name, value in values.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise UsageError(f"{name}={value!r}", fix="give a whole number")


def wholes(low: int, **values: tuple[int, ...]) -> None:
    """Raise UsageError unless every given value is a tuple of whole numbers of at least `low`."""
    for name, value in values.items():
        if not isinstance(value, (tuple, list)):
            raise UsageError(f"{name}={value!r}", fix="give several numbers, as in (3, 5, 8)")
        for number in value:
            whole(**{name: number})
            at_least(low, **{name: number})


def one_of(allowed: tuple[str, ...], **values: str) -> None:
    """Raise UsageError unless every given value is one of `allowed`."""
    for name, value in values.items():
        if value not in allowed:
            raise UsageError(f"{name}={value!r}", fix=f"use one of: {', '.join(allowed)}")
