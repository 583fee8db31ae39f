r"""What a formula says, as a value that can be compared: numbers, functions, sets, relations.

A reading is a tuple that begins with its kind:

    number (value, decimal, about)    function (values at three points, decimal, about)
    infinity (sign)
    row (brackets, entries)      set (members)             region (intervals)
    equation (values, decimal)   less (strict, values, decimal)
    matrix (kind, rows)          ratio (terms)             modulo (reading, modulus)
    based (digits, base)         compound (amounts)        amount (reading, unit)
    clock (minutes)              form (tree)               text (words)

`about` is a float near the (first) value. Members of a set have no order; a list `1, 2` is one, with repetitions. Relations of one variable are
the set of numbers that fulfil them; an equation that is linear in y is the function of y.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeAlias

from ..policies import Policies
from .evaluation import (
    NoValueError,
    TooLargeError,
    Value,
    approximate,
    numbers,
    point,
    symbols,
    value_of,
)
from .grammar import Node, num
from .regions import Interval, complement, everything, intersection, union

Reading: TypeAlias = tuple[Any, ...]

_POINTS = 3
_LINES = ("<", ">", "le", "ge")
_NUMBER_SETS = frozenset(f"\\mathbb{{{x}}}" for x in "RZNQC")
_CALCULUS = frozenset({"integral", "limit"})
_MOST_SIGNS = 4


Calculate: TypeAlias = Callable[[Node, bool, int], "list[Value] | None"]
"""A tree, whether its symbols are positive, and a number of points -> its values there; None if they
cannot be had in time."""


def reading_of(node: Node, policies: Policies, calculate: Calculate) -> Reading:
    """The reading of a tree; integrals, limits and endless sums are left to `calculate`.

    Raises:
        TooLargeError: a value is out of reach.
    """
    return _Reader(policies, calculate).read(_decided(node, policies))


def _decided(node: Node, policies: Policies) -> Node:
    """The tree with the policies applied to the notations they are about."""
    parts = tuple(_decided(part, policies) for part in node.parts)
    if node.op == "percent" and policies.percent == "fraction":
        return Node("div", (parts[0], num(100)))
    if node.op in ("percent", "degree_alone"):
        return parts[0]
    if node.op == "amount" and policies.units == "drop":
        return parts[0]
    if node.op == "based" and (policies.bases == "value" or node.value[1] == 10):
        digits, base = node.value
        try:
            return num(int(digits, base))
        except ValueError:
            return node
    return replace(node, parts=parts)


class _Reader:
    def __init__(self, policies: Policies, calculate: Calculate) -> None:
        self.policies, self.calculate = policies, calculate

    def read(self, node: Node) -> Reading:
        special: Callable[[Node], Reading] | None = getattr(self, f"on_{node.op}", None)
        return self.expression(node) if special is None else special(node)

    # -- lists, sets and rows

    def on_list(self, node: Node) -> Reading:
        named = self.named(node)
        if named is not None:
            return named
        parts = self.shared_name(node.parts)
        if all(self.is_condition(part) for part in parts) and node.value != (",",):
            join = union if "or" in node.value else intersection
            found = self.joint([self.region(part) for part in parts], join)
            if found is not None:
                return self.of_region(found, _is_decimal(node))
        return ("set", tuple(self.members(parts)))

    def named(self, node: Node) -> Reading | None:
        """x=1, y=2: a row in the order of the names; None for anything else."""
        names: list[str] = []
        values: list[Node] = []
        for part in node.parts:
            if part.op != "relation" or part.value != ("=",) or part.parts[0].op != "symbol":
                return None
            names.append(part.parts[0].value)
            values.append(part.parts[1])
        if len(set(names)) < len(names) or any(set(names) & symbols(v) for v in values):
            return None
        entries = [self.read(value) for _, value in sorted(zip(names, values), key=lambda p: p[0])]
        return ("row", "()", tuple(entries))

    @staticmethod
    def shared_name(parts: tuple[Node, ...]) -> tuple[Node, ...]:
        """n = 2, 3, 4 names all three."""
        first = parts[0]
        if (
            first.op == "relation"
            and first.value == ("=",)
            and first.parts[0].op == "symbol"
            and all(part.op != "relation" for part in parts[1:])
        ):
            return (first.parts[1], *parts[1:])
        return parts

    def members(self, parts: tuple[Node, ...]) -> list[Reading]:
        found: list[Reading] = []
        for part in parts:
            reading = self.read(part)
            flat = reading[0] == "set" and len(reading[1]) > 1 and part.op != "set"
            found += reading[1] if flat else [reading]
        return found

    def on_set(self, node: Node) -> Reading:
        members = self.members(node.parts)
        kept: list[Reading] = []
        for member in members:
            if member not in kept:
                kept.append(member)
        alone = len(kept) == 1 and kept[0][0] != "set"
        return kept[0] if alone else ("set", tuple(kept))

    def on_row(self, node: Node) -> Reading:
        brackets = node.value if len(node.parts) == 2 else "()"
        return ("row", brackets, tuple(self.read(part) for part in node.parts))

    def on_matrix(self, node: Node) -> Reading:
        rows = tuple(tuple(self.read(cell) for cell in row.parts) for row in node.parts)
        return ("matrix", node.value, rows)

    def on_builder(self, node: Node) -> Reading:
        first, condition = node.parts
        domain: Interval | None = None
        if first.op == "relation" and first.value == ("in",) and first.parts[1].op == "symbol":
            if first.parts[1].value == "\\mathbb{R}":
                first = first.parts[0]
        if first.op == "symbol" and domain is None:
            parts = condition.parts if condition.op == "list" else (condition,)
            kept = [p for p in parts if not self.says_real(p)]
            if kept and all(self.is_condition(part) for part in kept):
                if len(kept) == len(parts):
                    return self.read(condition)
                return self.read(
                    kept[0] if len(kept) == 1 else Node("list", tuple(kept), ("and",))
                )
        return ("form", node)

    @staticmethod
    def says_real(node: Node) -> bool:
        return (
            node.op == "relation"
            and node.value == ("in",)
            and node.parts[1] == Node("symbol", (), "\\mathbb{R}")
        )

    def on_cup(self, node: Node) -> Reading:
        return self.joined(node, union)

    def on_cap(self, node: Node) -> Reading:
        return self.joined(node, intersection)

    def on_setminus(self, node: Node) -> Reading:
        return self.joined(node, lambda a, b: intersection(a, complement(b)))

    def joined(self, node: Node, join: Callable[..., list[Interval]]) -> Reading:
        left, right = (self.region(part) for part in node.parts)
        if left is not None and right is not None:
            return self.of_region(join(left, right), _is_decimal(node))
        if node.op == "cup":
            readings = [self.read(part) for part in node.parts]
            if all(reading[0] == "set" for reading in readings):
                together = [member for reading in readings for member in reading[1]]
                return ("set", tuple(dict.fromkeys(together)))
        return ("form", node)

    # -- regions: sets of real numbers

    def region(self, node: Node) -> list[Interval] | None:
        """The set of numbers a tree describes; None if it describes none."""
        if node.op == "row" and len(node.parts) == 2:
            low, high = (self.end(part) for part in node.parts)
            if low is None or high is None or not low < high:
                return None
            return [Interval(low, node.value[0] == "[", high, node.value[1] == "]")]
        if node.op == "set":
            points = [self.end(part) for part in node.parts]
            return self.joint([p if p is None else [Interval(p, True, p, True)] for p in points])
        if node == Node("symbol", (), "\\mathbb{R}"):
            return everything()
        if node.op in ("cup", "cap", "setminus"):
            left, right = (self.region(part) for part in node.parts)
            if left is None or right is None:
                return None
            if node.op == "setminus":
                return intersection(left, complement(right))
            return (union if node.op == "cup" else intersection)(left, right)
        return self.condition(node) if node.op == "relation" else None

    @staticmethod
    def joint(
        regions: list[list[Interval] | None], join: Callable[..., list[Interval]] = union
    ) -> list[Interval] | None:
        """All regions joined; None if one is unknown."""
        known = [region for region in regions if region is not None]
        return functools.reduce(join, known) if known and len(known) == len(regions) else None

    def end(self, node: Node) -> Value | None:
        """A real number or an infinity, to sixty digits; None if it is neither."""
        reading = self.expression(node)
        if reading[0] == "infinity":
            return numbers().inf * reading[1]
        if reading[0] != "number" or isinstance(reading[1], numbers().mpc):
            return None
        return approximate(reading[1])

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

    # -- relations

    @staticmethod
    def is_condition(node: Node) -> bool:
        return node.op == "relation" and set(node.value) <= {*_LINES, "ne"}

    def on_relation(self, node: Node) -> Reading:
        ops = set(node.value)
        if ops == {":"}:
            return self.ratio(node)
        if ops <= {"=", "approx"}:
            return self.equality(node)
        if node.value == ("in",):
            left, right = node.parts
            if right.op == "symbol" and right.value in _NUMBER_SETS - {"\\mathbb{R}"}:
                return ("form", node)
            return self.read(right) if left.op in ("symbol", "constant") else ("form", node)
        if self.is_condition(node):
            region = self.condition(node)
            if region is not None:
                return self.of_region(region, _is_decimal(node))
            if len(node.value) == 1 and node.value != ("ne",):
                return self.inequality(node)
        return ("form", node)

    def ratio(self, node: Node) -> Reading:
        terms = [self.expression(part) for part in node.parts]
        if any(term[0] not in ("number", "function") for term in terms):
            return ("form", node)
        if len(terms) == 2:
            return self.expression(Node("div", node.parts))
        first = node.parts[0]
        return ("ratio", tuple(self.expression(Node("div", (part, first))) for part in node.parts))

    def equality(self, node: Node) -> Reading:
        first, last = node.parts[0], node.parts[-1]
        if first.op == "row" and last.op == "row" and len(node.parts) == 2:
            return self.read(last)
        sides = [symbols(part) if self.is_plain(part) else None for part in node.parts]
        if first.op in ("symbol", "apply", "constant") and not self.binds(first, node):
            return self.read(last)
        if None in sides:
            return ("form", node) if first.op != "symbol" else self.read(last)
        if not any(sides):
            return self.read(last)  # a calculation: its result
        if len(node.parts) > 2:
            return ("form", node)
        if last.op == "symbol" and not sides[0]:
            return self.read(first)
        return self.equation(Node("add", (first, Node("neg", (last,)))))

    def binds(self, name: Node, node: Node) -> bool:
        """Whether a name before an equals sign is a variable of the equation, not a label."""
        others = frozenset[str]().union(*(symbols(part) for part in node.parts[1:]))
        if name.op == "constant":
            return name.value not in ("e", "i")
        if name.op == "apply":
            return name.value in others
        return name.value in others or (name.value in ("x", "z") and bool(others & {"x", "y", "z"}))

    @staticmethod
    def is_plain(node: Node) -> bool:
        """Whether a tree is arithmetic, without rows, sets and signs of both kinds."""
        if node.op in ("row", "set", "list", "matrix", "signed", "relation", "cup", "based"):
            return False
        return all(map(_Reader.is_plain, node.parts))

    def equation(self, difference: Node) -> Reading:
        """difference = 0, solved for the only symbol or for y where that is easy."""
        names = symbols(difference)
        decimal = _is_decimal(difference)
        if len(names) == 1:
            (name,) = names
            roots = self.roots(difference, name)
            if roots is not None:
                found = tuple(number_reading(root, decimal) for root in roots)
                return found[0] if len(found) == 1 else ("set", found)
        elif "y" in names:
            solved = self.solved(difference, "y", names - {"y"})
            if solved is not None:
                return self.of_values(solved, decimal)
        values = self.values(difference, names)
        scale = next((v for v in values if v), Fraction(1))
        return ("equation", tuple(_quotient(v, scale) for v in values), decimal)

    def solved(self, difference: Node, name: str, names: frozenset[str]) -> list[Value] | None:
        """The symbol at each point, if the equation is linear in it with a constant factor."""
        slopes, found = [], []
        for number in range(_POINTS):
            at = point(names, number, self.policies.symbols == "positive")
            try:
                a, b, c = (value_of(difference, at | {name: Fraction(k)}) for k in (0, 1, 2))
            except NoValueError:
                return None
            slope = _minus(b, a)
            if not slope or not _near(_minus(c, b), slope):
                return None
            slopes.append(slope)
            found.append(_quotient(-a, slope))
        return found if all(_near(slope, slopes[0]) for slope in slopes) else None

    def roots(self, difference: Node, name: str) -> list[Value] | None:
        """The roots of a polynomial of degree one or two; None for anything else."""
        try:
            values = [value_of(difference, {name: Fraction(k)}) for k in range(-2, 4)]
        except NoValueError:
            return None
        rows = [values]
        while len(rows) < 4:
            rows.append([_minus(b, a) for a, b in itertools.pairwise(rows[-1])])
        if any(not _is_small(v, rows[0]) for v in rows[3]):
            return None
        c = values[2]
        a = _quotient(rows[2][0], Fraction(2))
        if _is_small(a, rows[0]):
            slope = _minus(values[3], c)
            return None if _is_small(slope, rows[0]) else [_quotient(-c, slope)]
        b = _quotient(_minus(values[3], values[1]), Fraction(2))
        return self.quadratic(a, b, c)

    @staticmethod
    def quadratic(a: Value, b: Value, c: Value) -> list[Value]:
        under = _calculated("add", _product(b, b), _product(Fraction(-4), _product(a, c)))
        root = value_of(Node("root", (num(0), num(2))), {}) if not under else _root(under)
        signs = (root,) if not under else (-root, root)
        top = [_calculated("add", -b, sign) for sign in signs]
        return [_quotient(t, _product(Fraction(2), a)) for t in top]

    def inequality(self, node: Node) -> Reading:
        """A relation of several symbols, up to a positive factor."""
        lesser, greater = node.parts if node.value[0] in ("<", "le") else node.parts[::-1]
        difference = Node("add", (lesser, Node("neg", (greater,))))
        if not self.is_plain(difference):
            return ("form", node)
        try:
            values = self.values(difference, symbols(difference))
        except NoValueError:
            return ("form", node)
        scale = abs(next((v for v in values if v), Fraction(1)))
        strict = node.value[0] in ("<", ">")
        return ("less", strict, tuple(_quotient(v, scale) for v in values), _is_decimal(node))

    def condition(self, node: Node) -> list[Interval] | None:
        """The numbers for which a relation of one symbol holds; None if that is not easy."""
        if node.value == ("in",):
            return self.region(node.parts[1])
        names = symbols(node)
        if len(names) != 1 or not self.is_condition(node):
            return None
        found = everything()
        for (left, right), op in zip(itertools.pairwise(node.parts), node.value):
            part = self.one_condition(left, right, op, next(iter(names)))
            if part is None:
                return None
            found = intersection(found, part)
        return found

    def one_condition(self, left: Node, right: Node, op: str, name: str) -> list[Interval] | None:
        if op in (">", "ge"):
            left, right, op = right, left, {">": "<", "ge": "le"}[op]
        for side, other in ((left, right), (right, left)):
            if self.end_of_infinity(other):
                return everything() if op == "<" and side.op == "symbol" else None
        if left == Node("call", left.parts, "abs") and not symbols(right):
            minus = Node("neg", (right,))
            return self.both(
                self.one_condition(left.parts[0], right, op, name),
                self.one_condition(minus, left.parts[0], op, name),
                intersection,
            )
        if right == Node("call", right.parts, "abs") and not symbols(left):
            minus = Node("neg", (left,))
            return self.both(
                self.one_condition(left, right.parts[0], op, name),
                self.one_condition(right.parts[0], minus, op, name),
                union,
            )
        difference = Node("add", (left, Node("neg", (right,))))
        if not self.is_plain(difference):
            return None
        return self.negative(difference, op, name)

    @staticmethod
    def both(
        a: list[Interval] | None, b: list[Interval] | None, join: Callable[..., list[Interval]]
    ) -> list[Interval] | None:
        return None if a is None or b is None else join(a, b)

    @staticmethod
    def end_of_infinity(node: Node) -> bool:
        inner = node.parts[0] if node.op == "neg" else node
        return inner == Node("constant", (), "infty")

    def negative(self, difference: Node, op: str, name: str) -> list[Interval] | None:
        """Where a polynomial of degree one or two is negative (op <), not positive (le), not zero."""
        roots = self.roots(difference, name)
        if roots is None or isinstance(value_of(difference, {name: Fraction(1, 3)}), numbers().mpc):
            return None
        roots = sorted(approximate(r) for r in roots if not isinstance(r, numbers().mpc))
        zeros = [Interval(root, True, root, True) for root in roots]
        if op == "ne":
            return complement(zeros)
        infinity = numbers().inf
        edges = [-infinity, *roots, infinity]
        found = list(zeros) if op == "le" else []
        for low, high in itertools.pairwise(edges):
            if low == -infinity:
                inside: Value = (high - 1) if high != infinity else Fraction(0)
            else:
                inside = low + 1 if high == infinity else (low + high) / 2
            if value_of(difference, {name: inside}) < 0:
                found.append(Interval(low, False, high, False))
        return union(found)

    # -- expressions

    def on_modulo(self, node: Node) -> Reading:
        inner, modulus = node.parts
        if inner.op == "relation" and inner.value[-1] in ("equiv", "=", "cong"):
            inner = inner.parts[-1]
        size = self.expression(modulus)
        found = self.expression(inner)
        if size[0] != "number" or not isinstance(size[1], Fraction) or not size[1]:
            return ("form", node)
        if found[0] != "number" or not isinstance(found[1], Fraction):
            return ("form", node)
        return ("modulo", number_reading(found[1] % size[1], False), size)

    def on_based(self, node: Node) -> Reading:
        digits, base = node.value
        return ("based", digits.lstrip("0") or "0", base)

    def on_amount(self, node: Node) -> Reading:
        return ("amount", self.read(node.parts[0]), node.value.casefold())

    def on_compound(self, node: Node) -> Reading:
        return ("compound", tuple(self.read(part) for part in node.parts))

    def expression(self, node: Node) -> Reading:
        signs = _signs(node)
        if signs:
            return self.of_signs(node, signs)
        if self.end_of_infinity(node):
            return ("infinity", -1 if node.op == "neg" else 1)
        if node.op in ("row", "set", "list", "matrix", "relation", "cup", "based"):
            return self.read(node)
        names = symbols(node)
        decimal = _is_decimal(node)
        try:
            if not names:
                return number_reading(value_of(node, {}), decimal)
            return self.of_values(self.values(node, names), decimal)
        except NoValueError:
            if not _takes_calculus(node):
                return ("form", node)
        _within_reach(node)
        values = self.calculate(node, self.policies.symbols == "positive", _POINTS)
        if values is None:
            raise TooLargeError("a calculation")
        return self.of_values(values, decimal)

    def on_symbol(self, node: Node) -> Reading:
        if node.value == "\\mathbb{R}":
            return self.of_region(everything())
        return self.expression(node)

    def values(self, node: Node, names: frozenset[str]) -> list[Value]:
        positive = self.policies.symbols == "positive"
        return [value_of(node, point(names, k, positive)) for k in range(_POINTS)]

    @staticmethod
    def of_values(values: list[Value], decimal: bool) -> Reading:
        if all(_near(value, values[0]) for value in values[1:]):
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


def _within_reach(node: Node) -> None:
    """Raise `TooLargeError` if a number within the tree has too many digits to be handed on."""
    if not symbols(node) and not _takes_calculus(node):
        with contextlib.suppress(NoValueError):
            value_of(node, {})
            return
    for part in node.parts:
        _within_reach(part)


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


def _signs(node: Node) -> list[str]:
    """The signs of both kinds in a tree, in the order of `_chosen`."""
    own = [node.value] if node.op == "signed" else []
    return own + [sign for part in node.parts for sign in _signs(part)]


def _chosen(node: Node, choice: Any) -> Node:
    if node.op == "signed":
        plus = next(choice)
        inner = _chosen(node.parts[0], choice)
        return inner if plus else Node("neg", (inner,))
    return replace(node, parts=tuple(_chosen(part, choice) for part in node.parts))


def _is_decimal(node: Node) -> bool:
    if node.op == "num":
        return bool(node.value[1])
    return any(map(_is_decimal, node.parts))


def _takes_calculus(node: Node) -> bool:
    if node.op in _CALCULUS:
        return True
    if node.op in ("sum", "prod") and node.parts[1] == Node("constant", (), "infty"):
        return True
    return any(map(_takes_calculus, node.parts))


def _calculated(op: str, *values: Value) -> Value:
    """A sum or product of values under the rules of evaluation."""
    names = [f"v{k}" for k in range(len(values))]
    parts = tuple(Node("symbol", (), name) for name in names)
    return value_of(Node(op, parts), dict(zip(names, values)))


def _minus(a: Value, b: Value) -> Value:
    return _calculated("add", a, -b)


def _product(a: Value, b: Value) -> Value:
    return _calculated("mul", a, b)


def _quotient(a: Value, b: Value) -> Value:
    return _calculated("div", a, b)


def _root(value: Value) -> Value:
    return value_of(
        Node("root", (Node("symbol", (), "v"), num(2))), {"v": value}
    )


def _near(a: Value, b: Value) -> bool:
    from .sameness import same_value

    return same_value(a, b)


def _is_small(value: Value, among: list[Value]) -> bool:
    """Whether a value is nothing but the rounding of a calculation with others."""
    if isinstance(value, Fraction):
        return not value
    largest = max(abs(approximate(v)) for v in among) or 1
    return bool(abs(value) <= largest * numbers().mpf(10) ** -40)
