"""Kinds of values: what a declared field takes, in words, as a check and as JSON Schema.

A number is finite, and `True` is not one. One of numpy is kept as Python's own, a whole float as an
int, a list as a tuple, a single text as a tuple of one.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral, Real
from typing import Any, NamedTuple

from ..errors import UsageError, nearest

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


class ValueKind(NamedTuple):
    """What a field takes.

    Attributes:
        words: in words, as in "give a whole number of at least 1".
        take: (value, place) -> the value as it is kept; a UsageError if it cannot stand there.
        schema: JSON Schema.
        parsed: reads a text; what it cannot read it returns, for `take` to refuse.
        plural: several of them in words, "" if there is no tuple of them.
    """

    words: str
    take: Callable[[Any, str], Any]
    schema: Mapping[str, Any]
    parsed: Callable[[str], Any] = str
    plural: str = ""


def refused(place: str, value: Any, fix: str, fact: str = "") -> UsageError:
    """The error for a value that cannot stand at a place: the value, and what can."""
    error = UsageError(f"{place}={_SHORT.repr(value)}{fact}", fix=fix)
    error.place = place
    return error


def at(place: str, name: str) -> str:
    """The place of a name: `models.qwen`, or `file.toml: models` after a colon."""
    if not place:
        return name
    return f"{place} {name}" if place.endswith(":") else f"{place}.{name}"


class Bound:
    """Which numbers may stand; `AtLeast(1)` and its like in an annotation."""

    def __init__(self, words: str, holds: Callable[[float], bool], schema: dict[str, float]) -> None:
        self.words, self.holds, self.schema = words, holds, schema

    def check(self, **values: float | None) -> None:
        """Raise UsageError unless the numbers are within; for bounds that depend on other fields."""
        for name, value in values.items():
            if value is not None and not self.holds(value):
                raise refused(name, value, f"give a number {self.words}")


class AtLeast(Bound):
    def __init__(self, low: float) -> None:
        super().__init__(f"of at least {low}", lambda v: v >= low, {"minimum": low})


class Above(Bound):
    def __init__(self, low: float) -> None:
        super().__init__(f"above {low}", lambda v: v > low, {"exclusiveMinimum": low})


class Within(Bound):
    """Both ends included."""

    def __init__(self, low: float, high: float) -> None:
        schema = {"minimum": low, "maximum": high}
        super().__init__(f"from {low} to {high}", lambda v: low <= v <= high, schema)


ANYTHING = ValueKind("anything", lambda value, place: value, {})


def instance(cls: type, words: str, schema: Mapping[str, Any]) -> ValueKind:
    """Objects of a class."""

    def take(value: Any, place: str) -> Any:
        if not isinstance(value, cls):
            raise refused(place, value, f"give {words}")
        return value

    return ValueKind(words, take, schema)


def flag() -> ValueKind:
    """True or false."""
    written = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    kind = instance(bool, "true or false", {"type": "boolean"})
    return kind._replace(parsed=lambda text: written.get(text.lower(), text))


def text(filled: bool) -> ValueKind:
    """Texts, or only those that say something."""
    kind = instance(str, "a text", {"type": "string"})._replace(plural="texts")
    if not filled:
        return kind

    def take(value: Any, place: str) -> Any:
        if not kind.take(value, place):
            raise refused(place, value, "give a text that is not empty")
        return value

    return kind._replace(words="a text that is not empty", take=take)


def number(whole: bool, bound: Bound | None) -> ValueKind:
    """Numbers, within a bound if there is one."""
    noun, end = "whole number" if whole else "number", f" {bound.words}" if bound else ""
    refuse = partial(refused, fix=f"give a {noun}{end}")

    def take(value: Any, place: str) -> Any:
        if value.__class__ not in (int, float):  # of numpy, say
            if isinstance(value, bool) or not isinstance(value, Real):
                raise refuse(place, value)
            value = int(value) if isinstance(value, Integral) else float(value)
        if not _finite(value, whole):
            raise refuse(place, value, fact=" is not finite")
        if (whole and value != int(value)) or (bound is not None and not bound.holds(value)):
            raise refuse(place, value)
        return int(value) if whole else value

    def parsed(text: str) -> Any:
        for read in (int, float) if whole else (float,):
            try:
                return read(text)
            except ValueError:
                continue
        return text

    schema = {"type": "integer" if whole else "number", **(bound.schema if bound else {})}
    return ValueKind(f"a {noun}{end}", take, schema, parsed, f"{noun}s{end}")


def _finite(value: int | float, whole: bool) -> bool:
    """Whether it is a number of its kind's range: a whole one may have any size, but not as a float."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return whole


def choice(names: tuple[str, ...]) -> ValueKind:
    """Texts that are one of these names."""
    words = f"one of: {', '.join(name for name in names if name)}"

    def take(value: Any, place: str) -> Any:
        if not isinstance(value, str) or value not in names:
            near = nearest(value, names) if isinstance(value, str) else None
            raise refused(place, value, f"did you mean {near!r}?" if near else f"use {words}")
        return value

    return ValueKind(words, take, {"enum": list(names)})


def optional(kind: ValueKind) -> ValueKind:
    """A kind, or None."""
    return ValueKind(
        f"{kind.words}, or none",
        lambda value, place: None if value is None else kind.take(value, place),
        {"anyOf": [kind.schema, {"type": "null"}]},
        kind.parsed,
    )


def several(kind: ValueKind) -> ValueKind:
    """Tuples of a kind."""
    words = f"several {kind.plural or 'of ' + kind.words}"

    def take(value: Any, place: str) -> Any:
        if isinstance(value, str) and kind.schema.get("type") == "string":
            value = (value,)
        if not isinstance(value, (tuple, list)):
            raise refused(place, value, f"give {words}")
        return tuple(kind.take(item, place) for item in value)

    return ValueKind(words, take, {"type": "array", "items": kind.schema})


def table(kind: ValueKind) -> ValueKind:
    """A kind by names of the user's own."""
    words = "a table, as in { name = value }"

    def take(value: Any, place: str) -> Any:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise refused(place, value, f"give {words}")
        if kind is ANYTHING:
            return value
        return {name: kind.take(item, at(place, name)) for name, item in value.items()}

    return ValueKind(words, take, {"type": "object", "additionalProperties": kind.schema})
