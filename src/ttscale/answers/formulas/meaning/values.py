"""Arithmetic on values under the rules of evaluation, and the readings that are made of them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, TypeAlias

from ..tree import Node, num
from .evaluation import Value, approximate, numbers, value_of
from .sameness import same_number

Reading: TypeAlias = tuple[Any, ...]


def number_reading(value: Value, decimal: bool) -> Reading:
    """The reading of a number; `decimal` if a decimal point was in it."""
    return ("number", value, decimal, about(value))


def about(value: Value) -> float:
    """The value as a float, by which most pairs are told apart; not a number where there is none."""
    if not isinstance(value, Fraction) and isinstance(value, numbers().mpc):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def near(a: Value, b: Value) -> bool:
    return same_number(a, b, None)


def minus(a: Value, b: Value) -> Value:
    return calculated("add", a, -b)


def product(a: Value, b: Value) -> Value:
    return calculated("mul", a, b)


def quotient(a: Value, b: Value) -> Value:
    return calculated("div", a, b)


def root(value: Value) -> Value:
    return value_of(Node("root", (Node("symbol", (), "v"), num(2))), {"v": value})


def calculated(op: str, *values: Value) -> Value:
    """A sum or product of values under the rules of evaluation."""
    names = [f"v{k}" for k in range(len(values))]
    parts = tuple(Node("symbol", (), name) for name in names)
    return value_of(Node(op, parts), dict(zip(names, values)))


def is_small(value: Value, among: list[Value]) -> bool:
    """Whether a value is nothing but the rounding of a calculation with others."""
    if isinstance(value, Fraction):
        return not value
    largest = max(abs(approximate(v)) for v in among) or 1
    return bool(abs(value) <= largest * numbers().mpf(10) ** -40)
