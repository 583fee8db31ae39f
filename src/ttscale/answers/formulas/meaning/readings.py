r"""What a formula says, as a value that can be compared: numbers, functions, sets, relations.

A reading is a tuple that begins with its kind:

    number (value, decimal, about)    function (values at three points, decimal, about)
    row (brackets, entries)           set (members)
    region (intervals)                matrix (kind, rows)
    equation (values, decimal)        less (strict, values, decimal)
    ratio (terms)                     modulo (reading, modulus)
    based (digits, base)              infinity (sign)
    amount (reading, unit)            compound (amounts)
    clock (hours, minutes, seconds)   form (tree)             text (words)

`about` is a float near the (first) value. Members of a set have no order; a list `1, 2` is one, with
repetitions. Relations of one variable are the set of numbers that fulfil them; an equation that is
linear in y is the function of y.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from ...policies import Policies
from ..tree import REALS, Node, num, symbols
from .evaluation import NoValueError
from .expressions import Calculate, is_decimal
from .regions import Interval, complement, intersection, union
from .relations import Relations
from .values import Reading, number_reading


def reading_of(node: Node, policies: Policies, calculate: Calculate) -> Reading:
    """The reading of a tree; integrals, limits and endless sums are left to `calculate`.

    Raises:
        TooLargeError: a value is out of reach.
    """
    try:
        return Readings(policies, calculate).read(_decided(node, policies))
    except NoValueError:
        return ("form", node)


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


class Readings(Relations):
    """Reads lists, sets, rows and matrices."""

    def read(self, node: Node) -> Reading:
        special: Callable[[Node], Reading] | None = getattr(self, f"on_{node.op}", None)
        return self.expression(node) if special is None else special(node)

    def on_list(self, node: Node) -> Reading:
        named = self.named(node)
        if named is not None:
            return named
        parts = self.shared_name(node.parts)
        if all(self.is_condition(part) for part in parts) and node.value != (",",):
            join = union if "or" in node.value else intersection
            found = self.joint([self.region(part) for part in parts], join)
            if found is not None:
                return self.of_region(found, is_decimal(node))
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
        r"""The numbers that fulfil a condition, where nothing but \mathbb{R} bounds them."""
        first, condition = node.parts
        if self.says_real(first):
            first = first.parts[0]
        parts = condition.parts if condition.op == "list" else (condition,)
        kept = tuple(part for part in parts if not self.says_real(part))
        if first.op != "symbol" or not kept or not all(map(self.is_condition, kept)):
            return ("form", node)
        if len(kept) == len(parts):
            return self.read(condition)
        return self.read(kept[0] if len(kept) == 1 else Node("list", kept, ("and",)))

    @staticmethod
    def says_real(node: Node) -> bool:
        return node.op == "relation" and node.value == ("in",) and node.parts[1] == REALS

    def on_cup(self, node: Node) -> Reading:
        return self.joined(node, union)

    def on_cap(self, node: Node) -> Reading:
        return self.joined(node, intersection)

    def on_setminus(self, node: Node) -> Reading:
        return self.joined(node, lambda a, b: intersection(a, complement(b)))

    def joined(self, node: Node, join: Callable[..., list[Interval]]) -> Reading:
        left, right = (self.region(part) for part in node.parts)
        if left is not None and right is not None:
            return self.of_region(join(left, right), is_decimal(node))
        if node.op == "cup":
            readings = [self.read(part) for part in node.parts]
            if all(reading[0] == "set" for reading in readings):
                together = [member for reading in readings for member in reading[1]]
                return ("set", tuple(dict.fromkeys(together)))
        return ("form", node)

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
        return ("amount", self.read(node.parts[0]), node.value)

    def on_compound(self, node: Node) -> Reading:
        return ("compound", tuple(self.read(part) for part in node.parts))
