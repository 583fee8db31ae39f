"""Declared tables: a class whose annotations say what each of its fields takes.

    @declared
    class Config:
        n: Annotated[int, AtLeast(1)] = 8
        tie: Literal["first", "shortest"] = "first"
        windows: tuple[Annotated[int, AtLeast(1)], ...] = (3, 5, 8)
        threshold: Annotated[float, Within(0, 1)] | None = None

Such a class is a frozen dataclass with keywords only. It refuses bad values however it is made: by
hand, or by `read` from a mapping (a method's parameters, TOML, JSON, the query of a model), which
also refuses names that are not declared. A rule between several fields stays in `__post_init__`,
which runs when all fields are right.

Annotations are resolved at the first use of a class, each kind of value where a value is first
given: a class with many fields costs little to one who sets a few.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache, cached_property
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from ..errors import UnknownName, UsageError
from . import kinds
from .kinds import Above, AtLeast, Bound, ValueKind, Within, at

__all__ = [
    "Above",
    "AtLeast",
    "Inline",
    "NotEmpty",
    "OneOf",
    "Shorthand",
    "Within",
    "check",
    "check_fields",
    "declared",
    "fields_of",
    "read",
    "read_values",
    "schema_of",
    "with_checked",
]

T = TypeVar("T")
_SECRETS = ("key", "api_key", "token")


class NotEmpty:
    """Marks a text that says something."""


class OneOf(tuple[str, ...]):
    """Marks a text that is one of these names, where a type checker does not know them."""


class Inline:
    """Marks a declared class whose fields stand in the table of the field's own class."""


class Shorthand:
    """Marks the field that a text in place of the whole table gives."""


class Field:
    """A declared field.

    Attributes:
        default: MISSING where it has to be given or is made anew, by `make`.
        inline: the class whose fields stand in its place.
        shorthand: a text in place of the whole table gives it.
    """

    def __init__(self, name: str, annotation: Any, default: Any = MISSING, make: Any = MISSING) -> None:
        self.name, self.annotation, self.default, self.make = name, annotation, default, make
        self.required = default is MISSING and make is MISSING
        marks = [*map(type, getattr(annotation, "__metadata__", ()))]
        self.inline: type | None = get_args(annotation)[0] if Inline in marks else None
        self.shorthand = Shorthand in marks

    @cached_property
    def kind(self) -> ValueKind:
        return value_kind(self.annotation)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def declared(cls: type[T]) -> type[T]:
    """A frozen, keyword-only dataclass that checks its fields."""
    rules: Callable[[T], None] | None = getattr(cls, "__post_init__", None)

    def checked(self: T) -> None:
        check_fields(self)
        if rules is not None:
            rules(self)

    cls.__post_init__ = checked if rules else check_fields  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def check_fields(instance: Any, place: str = "") -> None:
    """Check the fields of a dataclass, and keep each as its kind keeps it.

    Raises:
        UsageError: for the first that is wrong.
    """
    for known in fields_of(instance.__class__).values():
        value = getattr(instance, known.name)
        if value is known.default:
            continue  # was checked with the declaration
        if value.__class__ is known.make and (not value or is_dataclass(value)):
            continue  # is empty, or was checked when it was made
        kept = known.kind.take(value, at(place, known.name) if place else known.name)
        if kept is not value:
            object.__setattr__(instance, known.name, kept)


def with_checked(instance: T, values: Mapping[str, Any]) -> T:
    """A copy with other values, none of which is checked: they come from another instance."""
    copy: T = object.__new__(instance.__class__)
    for name in fields_of(instance.__class__):  # type: ignore[arg-type]
        value = values[name] if name in values else getattr(instance, name)
        object.__setattr__(copy, name, value)
    return copy


def check(annotation: Any, **values: Any) -> None:
    """Raise UsageError unless every value may stand in a field of that annotation."""
    for name, value in values.items():
        value_kind(annotation).take(value, name)


def read(
    cls: type[T], given: Any, place: str = "", *, of: str = "", entry: str = "entry", written: bool = False
) -> T:
    """An instance of a dataclass from a mapping.

    `place` is where the mapping stands, such as `ttscale.toml: models.a`, and begins the place of
    every value in an error. `of` is what it describes, by default its place, and `entry` what a
    name in it is called. With `written` all values are texts, read by the declared kinds.

    Raises:
        UnknownName: for a name that is not declared, with the nearest that is.
        UsageError: for a wrong value, or one that is missing.
    """
    of, known = of or place.rstrip(":"), fields_of(cls)  # type: ignore[arg-type]
    if isinstance(given, str):
        given = {f.name: given for f in known.values() if f.shorthand} or given
    if not isinstance(given, Mapping):
        raise kinds.refused(place or of, given, f"give a table of {', '.join(_names(known))}")
    values = _values(known, given, place, of, entry, written) if given else {}
    missing = [f for f in known.values() if f.required and f.name not in values]
    if missing:
        names = " and ".join(f.name for f in missing)
        fix = f"give {missing[0].kind.words}"
        raise _at(at(place, missing[0].name), UsageError(f"{of} does not say {names}", fix=fix))
    try:
        return cls(**values)
    except UsageError as error:
        if not place:
            raise
        where = error.place or place
        raise _at(where, UsageError(f"{place.rstrip(':')}: {error}")) from None
    except (TypeError, ValueError) as error:  # of rules that another package wrote
        raise UsageError(of or cls.__name__, fix=str(error)) from None


def read_values(
    annotations: Mapping[str, Any], given: Mapping[str, str], of: str, *, entry: str = "entry"
) -> dict[str, Any]:
    """Those of the annotated values that are given, written as texts; else as `read`."""
    if not given:
        return {}
    known = {name: Field(name, annotation) for name, annotation in annotations.items()}
    return _values(known, given, f"{of}:", of, entry, written=True)


def schema_of(cls: type) -> dict[str, Any]:
    """JSON Schema of what `read` takes."""
    known = fields_of(cls)
    properties: dict[str, Any] = {}
    for name, f in known.items():
        properties |= schema_of(f.inline)["properties"] if f.inline else {name: f.kind.schema}
    required = [name for name, f in known.items() if f.required]
    schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": required} if required else schema


@cache
def fields_of(cls: Any) -> Mapping[str, Field]:
    """The declared fields of a dataclass, by name, in order."""
    hints, found = get_type_hints(cls, include_extras=True), {}
    for f in fields(cls):
        known = found[f.name] = Field(f.name, hints[f.name], f.default, f.default_factory)
        if f.default is MISSING or _is_plainly_right(f.default, known.annotation):
            continue
        if known.kind.take(f.default, f.name) != f.default:
            raise TypeError(f"{cls.__name__}.{f.name}={f.default!r} would be kept otherwise")
    return found


def _is_plainly_right(default: Any, annotation: Any) -> bool:
    """Whether a default needs no check: nothing where that may stand, or an empty value of a type
    without marks."""
    if default is None:
        return type(None) in get_args(annotation)
    return not default and default.__class__ in (annotation, get_origin(annotation))


def value_kind(annotation: Any, marks: tuple[Any, ...] = ()) -> ValueKind:
    """The kind of value that an annotation stands for.

    Raises:
        UsageError: if values of that type cannot be declared.
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return value_kind(args[0], args[1:])
    if origin in (Union, types.UnionType) and len(args) == 2 and type(None) in args:
        return kinds.optional(value_kind(args[0] if args[1] is type(None) else args[1], marks))
    if origin is Literal and all(isinstance(name, str) for name in args):
        return kinds.choice(args)
    if origin is tuple and len(args) == 2 and args[1] is ...:
        return kinds.several(value_kind(args[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping) and args[0] is str:
        return kinds.table(value_kind(args[1]))
    if annotation is Any:
        return kinds.ANYTHING
    if annotation is bool:
        return kinds.flag()
    if annotation in (int, float):
        bound = next((mark for mark in marks if isinstance(mark, Bound)), None)
        return kinds.number(annotation is int, bound)
    if annotation is str:
        names = next((mark for mark in marks if isinstance(mark, OneOf)), None)
        return kinds.choice(names) if names else kinds.text(NotEmpty in map(type, marks))
    if isinstance(annotation, type) and origin is None:
        if is_dataclass(annotation):
            return _record(annotation)
        return kinds.instance(annotation, f"a {annotation.__name__}", {})
    raise UsageError(f"{annotation} cannot be declared", fix="see ttscale.core.settings.declared")


def _record(cls: type) -> ValueKind:
    """Tables that make an instance of a dataclass, and instances themselves."""

    def take(value: Any, place: str) -> Any:
        return value if isinstance(value, cls) else read(cls, value, place)

    return ValueKind(f"a table of {', '.join(_names(fields_of(cls)))}", take, schema_of(cls))


def _values(
    known: Mapping[str, Field], given: Mapping[str, Any], place: str, of: str, entry: str, written: bool
) -> dict[str, Any]:
    """The given values by name, taken; those of an inlined class are gathered."""
    names = _names(known)
    for name, value in given.items():
        if name not in names:
            raise _at(at(place, name), _unknown(name, value, names, of, entry))
    values: dict[str, Any] = {}
    for name, f in known.items():
        if f.inline:
            inner = {n: given[n] for n in fields_of(f.inline) if n in given}
            if inner:
                values[name] = read(f.inline, inner, place, of=of, entry=entry, written=written)
        elif name in given:
            value = f.kind.parsed(given[name]) if written else given[name]
            values[name] = f.kind.take(value, at(place, name))
    return values


def _names(known: Mapping[str, Field]) -> list[str]:
    """The names that may be given."""
    return [n for f in known.values() for n in (fields_of(f.inline) if f.inline else (f.name,))]


def _unknown(name: str, value: Any, known: list[str], of: str, entry: str) -> UsageError:
    if isinstance(value, str) and name in _SECRETS:  # a limit on tokens is a number
        return UsageError(
            f"{of}: a key does not belong on the command line or in a config",
            fix="name the environment variable (key_env=NAME) or the file (key_file=PATH) it is in",
        )
    return UnknownName(entry, name, known, of)


def _at(place: str, error: UsageError) -> UsageError:
    error.place = place
    return error
