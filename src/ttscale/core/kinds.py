"""Kinds of values: what a declared field takes, said in words and as JSON Schema.

An annotation may carry a bound: `Annotated[int, AtLeast(1)]`, `Annotated[float, Within(0, 1)]`. A
number is finite, and `True` is not one. A whole float counts as a whole number, a list as a tuple,
a single text as a tuple of one.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import UsageError, nearest

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


def refused(place: str, value: Any, fix: str, fact: str = "") -> UsageError:
    """The error for a value that cannot stand at a place: the value, and what can."""
    error = UsageError(f"{place}={_SHORT.repr(value)}{fact}", fix=fix)
    error.place = place
    return error


# -- bounds, given in annotations


class Bound:
    """Which numbers may stand."""

    __slots__ = ()

    def __contains__(self, value: float) -> bool:
        raise NotImplementedError

    def schema(self) -> dict[str, float]:
        raise NotImplementedError

    def check(self, **values: float | None) -> None:
        """Raise UsageError unless every given number is within; for bounds that depend on others."""
        for name, value in values.items():
            if value is not None and value not in self:
                raise refused(name, value, f"give a number {self}")


@dataclass(frozen=True, slots=True)
class AtLeast(Bound):
    low: float

    def __contains__(self, value: float) -> bool:
        return value >= self.low

    def __str__(self) -> str:
        return f"of at least {self.low}"

    def schema(self) -> dict[str, float]:
        return {"minimum": self.low}


@dataclass(frozen=True, slots=True)
class Above(Bound):
    low: float

    def __contains__(self, value: float) -> bool:
        return value > self.low

    def __str__(self) -> str:
        return f"above {self.low}"

    def schema(self) -> dict[str, float]:
        return {"exclusiveMinimum": self.low}


@dataclass(frozen=True, slots=True)
class Within(Bound):
    """Both ends included."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"from {self.low} to {self.high}"

    def schema(self) -> dict[str, float]:
        return {"minimum": self.low, "maximum": self.high}


class NotEmpty:
    """Marks a text that says something."""


class OneOf:
    """Marks a text that is one of these names, where they are not known to a type checker."""

    def __init__(self, *names: str) -> None:
        self.names = names


# -- kinds


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field takes. The base takes anything."""

    @property
    def said(self) -> str:
        """In words, as in "give a whole number of at least 1"."""
        return "anything"

    @property
    def plural(self) -> str:
        """Several of them, in words."""
        return self.said

    def take(self, value: Any, place: str) -> Any:
        """The value as it is kept.

        Raises:
            UsageError: if it is of another kind or out of bounds, with place, value and fix.
        """
        return value

    def parsed(self, text: str) -> Any:
        """A value written as text; the text itself if it cannot be read, for `take` to refuse."""
        return text

    def schema(self) -> dict[str, Any]:
        """JSON Schema."""
        return {}

    def refuse(self, value: Any, place: str, fact: str = "") -> UsageError:
        return refused(place, value, f"give {self.said}", fact)


@dataclass(frozen=True, slots=True)
class Flag(Kind):
    @property
    def said(self) -> str:
        return "true or false"

    def take(self, value: Any, place: str) -> Any:
        if not isinstance(value, bool):
            raise self.refuse(value, place)
        return value

    def parsed(self, text: str) -> Any:
        written = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        return written.get(text.lower(), text)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Number(Kind):
    whole: bool
    bound: Bound | None = None

    @property
    def said(self) -> str:
        return f"a {'whole ' if self.whole else ''}number {self.bound or ''}".rstrip()

    @property
    def plural(self) -> str:
        return f"{'whole ' if self.whole else ''}numbers {self.bound or ''}".rstrip()

    def take(self, value: Any, place: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(value, place)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise self.refuse(value, place, " is not finite")
            if self.whole:
                if not value.is_integer():
                    raise self.refuse(value, place)
                value = int(value)
        if self.bound is not None and value not in self.bound:
            raise self.refuse(value, place)
        return value

    def parsed(self, text: str) -> Any:
        for read in (int, float) if self.whole else (float,):
            try:
                return read(text)
            except ValueError:
                continue
        return text

    def schema(self) -> dict[str, Any]:
        bounds = self.bound.schema() if self.bound else {}
        return {"type": "integer" if self.whole else "number", **bounds}


@dataclass(frozen=True, slots=True)
class Text(Kind):
    filled: bool = False

    @property
    def said(self) -> str:
        return "a text that is not empty" if self.filled else "a text"

    @property
    def plural(self) -> str:
        return "texts"

    def take(self, value: Any, place: str) -> Any:
        if not isinstance(value, str) or (self.filled and not value):
            raise self.refuse(value, place)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1} if self.filled else {"type": "string"}


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    names: tuple[str, ...]

    @property
    def said(self) -> str:
        return f"one of: {', '.join(name for name in self.names if name)}"

    def take(self, value: Any, place: str) -> Any:
        if not isinstance(value, str) or value not in self.names:
            near = nearest(value, self.names) if isinstance(value, str) else None
            raise refused(place, value, f"did you mean {near!r}?" if near else f"use {self.said}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.names)}


@dataclass(frozen=True, slots=True)
class Optional(Kind):
    kind: Kind

    @property
    def said(self) -> str:
        return f"{self.kind.said}, or none"

    def take(self, value: Any, place: str) -> Any:
        return None if value is None else self.kind.take(value, place)

    def parsed(self, text: str) -> Any:
        return self.kind.parsed(text)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.kind.schema(), {"type": "null"}]}

    def refuse(self, value: Any, place: str, fact: str = "") -> UsageError:
        return self.kind.refuse(value, place, fact)


@dataclass(frozen=True, slots=True)
class Several(Kind):
    kind: Kind

    @property
    def said(self) -> str:
        return f"several {self.kind.plural}"

    def take(self, value: Any, place: str) -> Any:
        if isinstance(value, str) and isinstance(self.kind, (Text, Choice)):
            value = (value,)
        if not isinstance(value, (tuple, list)):
            raise self.refuse(value, place)
        return tuple(self.kind.take(item, place) for item in value)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.kind.schema()}


@dataclass(frozen=True, slots=True)
class Table(Kind):
    """Values of one kind by names of the user's own."""

    kind: Kind

    @property
    def said(self) -> str:
        return "a table, as in { name = value }"

    def take(self, value: Any, place: str) -> Any:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise self.refuse(value, place)
        if type(self.kind) is Kind:
            return value
        return {name: self.kind.take(item, at(place, name)) for name, item in value.items()}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.kind.schema()}


@dataclass(frozen=True, slots=True)
class Instance(Kind):
    """An object of a class that has no written form."""

    cls: type

    @property
    def said(self) -> str:
        return f"a {self.cls.__name__}"

    def take(self, value: Any, place: str) -> Any:
        if not isinstance(value, self.cls):
            raise self.refuse(value, place)
        return value


def at(place: str, name: str) -> str:
    """The place of a name: `models.qwen`, or `file.toml: models` after a colon."""
    if not place:
        return name
    return f"{place} {name}" if place.endswith(":") else f"{place}.{name}"
