r"""Readings of expressions: numbers, functions of their symbols, and both values of a \\pm."""

from __future__ import annotations

import contextlib
import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TypeAlias

from ...policies import Policies
from ..tree import INFINITY, Node, num, symbols
from .evaluation import NoValueError, TooLargeError, Value, approximate, numbers, point, value_of
from .regions import Interval, everything, union
from .values import Reading, about, near, number_reading

Calculate: TypeAlias = Callable[[Node, bool, int], "list[Value] | None"]
"""A tree, whether its symbols are positive, and a number of points -> its values there; None if they
cannot be had in time."""

POINTS = 3
_MOST_SIGNS = 4
_CALCULUS = frozenset({"integral", "limit"})
_COMPOSED = frozenset({"row", "set", "list", "matrix", "relation", "cup", "based"})


class Expressions(ABC):
    """Reads expressions, and the sets of numbers that their values bound."""

    def __init__(self, policies: Policies, calculate: Calculate) -> None:
        self.policies, self.calculate = policies, calculate

    @abstractmethod
    def read(self, node: Node) -> Reading:
        """The reading of any tree."""

    def expression(self, node: Node) -> Reading:
        signs = _signs(node)
        if signs:
            return self.of_signs(node, signs)
        if self.end_of_infinity(node):
            return ("infinity", -1 if node.op == "neg" else 1)
        if node.op in ("row", "set", "list", "matrix", "relation", "cup", "based"):
            return self.read(node)
        names = symbols(node)
        decimal = is_decimal(node)
        try:
            if not names:
                return number_reading(value_of(node, {}), decimal)
            return self.of_values(self.values(node, names), decimal)
        except NoValueError:
            if not takes_calculus(node):
                return ("form", node)
        _within_reach(node)
        values = self.calculate(node, self.policies.symbols == "positive", POINTS)
        if values is None:
            raise TooLargeError("a calculation")
        return self.of_values(values, decimal)

    def on_symbol(self, node: Node) -> Reading:
        if node.value == "\\mathbb{R}":
            return self.of_region(everything())
        return self.expression(node)

    def values(self, node: Node, names: frozenset[str]) -> list[Value]:
        positive = self.policies.symbols == "positive"
        return [value_of(node, point(names, k, positive)) for k in range(POINTS)]

    @staticmethod
    def of_values(values: list[Value], decimal: bool) -> Reading:
        if all(near(value, values[0]) for value in values[1:]):
            return number_reading(values[0], decimal)
        return ("function", tuple(values), decimal, about(values[0]))

    def of_signs(self, node: Node, signs: list[str]) -> Reading:
        r"""Both values of a \pm; several are independent of one another unless there is a \mp."""
        if "mp" in signs or len(signs) == 1:
            choices = [tuple(s == "pm" for s in signs), tuple(s == "mp" for s in signs)]
        elif len(signs) > _MOST_SIGNS:
            return ("form", node)
        else:
            choices = list(itertools.product((True, False), repeat=len(signs)))
        members: list[Reading] = []
        for choice in choices:
            reading = self.expression(_chosen(node, iter(choice)))
            if reading not in members:
                members.append(reading)
        return members[0] if len(members) == 1 else ("set", tuple(members))

    def end(self, node: Node) -> Value | None:
        """A real number or an infinity, to sixty digits; None if it is neither."""
        reading = self.expression(node)
        if reading[0] == "infinity":
            return numbers().inf * reading[1]
        if reading[0] != "number" or isinstance(reading[1], numbers().mpc):
            return None
        return approximate(reading[1])

    @staticmethod
    def end_of_infinity(node: Node) -> bool:
        inner = node.parts[0] if node.op == "neg" else node
        return inner == INFINITY

    @staticmethod
    def joint(
        regions: list[list[Interval] | None], join: Callable[..., list[Interval]] = union
    ) -> list[Interval] | None:
        """All regions joined; None if one is unknown."""
        known = [region for region in regions if region is not None]
        return functools.reduce(join, known) if known and len(known) == len(regions) else None

    def of_region(self, region: list[Interval], decimal: bool = False) -> Reading:
        if not region:
            return ("set", ())
        if all(part.low == part.high for part in region):
            members = tuple(self.of_end(part.low, decimal) for part in region)
            return members[0] if len(members) == 1 else ("set", members)
        parts = tuple(
            (
                "row",
                ("[" if part.low_closed else "(") + ("]" if part.high_closed else ")"),
                (self.of_end(part.low, decimal), self.of_end(part.high, decimal)),
            )
            for part in region
        )
        return parts[0] if len(parts) == 1 else ("region", parts)

    @staticmethod
    def of_end(value: Value, decimal: bool) -> Reading:
        if numbers().isinf(value):
            return ("infinity", 1 if value > 0 else -1)
        return number_reading(value, decimal)


def _signs(node: Node) -> list[str]:
    """The signs of both kinds in a tree, in the order of `_chosen`."""
    own = [node.value] if node.op == "signed" else []
    return own + [sign for part in node.parts for sign in _signs(part)]


def _chosen(node: Node, choice: Iterator[bool]) -> Node:
    if node.op == "signed":
        plus = next(choice)
        inner = _chosen(node.parts[0], choice)
        return inner if plus else Node("neg", (inner,))
    return replace(node, parts=tuple(_chosen(part, choice) for part in node.parts))


def is_decimal(node: Node) -> bool:
    if node.op == "num":
        return bool(node.value[1])
    return any(map(is_decimal, node.parts))


def takes_calculus(node: Node) -> bool:
    if node.op in _CALCULUS:
        return True
    if node.op in ("sum", "prod") and node.parts[1] == INFINITY:
        return True
    return any(map(takes_calculus, node.parts))


def _within_reach(node: Node) -> None:
    """Raise `TooLargeError` if a number within the tree has too many digits to be handed on."""
    if not symbols(node) and not takes_calculus(node):
        with contextlib.suppress(NoValueError):
            value_of(node, {})
            return
    for part in node.parts:
        _within_reach(part)


def folded(node: Node) -> Node:
    """The tree with the numbers in it calculated, as far as they are exact and within reach."""
    if node.op in ("sum", "prod"):
        return node
    if not symbols(node) and node.op not in ("num", "relation", "list", "row", "set", "cells"):
        with contextlib.suppress(NoValueError, TooLargeError, KeyError):
            value = value_of(node, {})
            if isinstance(value, Fraction):
                return num(value)
    return replace(node, parts=tuple(map(folded, node.parts)))
