"""Readings of relations: equations solved where that is easy, conditions as sets of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

from ..tree import REALS, Node, symbols
from .evaluation import NoValueError, Value, approximate, numbers, point, value_of
from .expressions import POINTS, Expressions, is_decimal
from .regions import Interval, complement, everything, intersection, union
from .values import Reading, calculated, is_small, minus, near, number_reading, product, quotient, root

_LINES = ("<", ">", "le", "ge")
_NUMBER_SETS = frozenset(f"\\mathbb{{{x}}}" for x in "RZNQC")


class Relations(Expressions):
    """Reads equations, inequalities and ratios."""

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
                return self.of_region(region, is_decimal(node))
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
        return all(map(Relations.is_plain, node.parts))

    def equation(self, difference: Node) -> Reading:
        """difference = 0, solved for the only symbol or for y where that is easy."""
        names = symbols(difference)
        decimal = is_decimal(difference)
        if len(names) == 1:
            (name,) = names
            roots = self.roots(difference, name)
            if roots is not None:
                found = tuple(number_reading(root, decimal) for root in roots)
                return found[0] if len(found) == 1 else ("set", found)
        elif "y" in names:
            points = self.function_of(difference, "y", names - {"y"})
            if points is not None:
                return self.of_values(points, decimal)
        values = self.values(difference, names)
        scale = next((v for v in values if v), Fraction(1))
        return ("equation", tuple(quotient(v, scale) for v in values), decimal)

    def function_of(self, difference: Node, name: str, names: frozenset[str]) -> list[Value] | None:
        """The symbol at each point, if the equation is linear in it with a constant factor."""
        slopes, found = [], []
        for number in range(POINTS):
            at = point(names, number, self.policies.symbols == "positive")
            try:
                a, b, c = (value_of(difference, at | {name: Fraction(k)}) for k in (0, 1, 2))
            except NoValueError:
                return None
            slope = minus(b, a)
            if not slope or not near(minus(c, b), slope):
                return None
            slopes.append(slope)
            found.append(quotient(-a, slope))
        return found if all(near(slope, slopes[0]) for slope in slopes) else None

    def roots(self, difference: Node, name: str) -> list[Value] | None:
        """The roots of a polynomial of degree one or two; None for anything else."""
        try:
            values = [value_of(difference, {name: Fraction(k)}) for k in range(-2, 4)]
        except NoValueError:
            return None
        rows = [values]
        while len(rows) < 4:
            rows.append([minus(b, a) for a, b in itertools.pairwise(rows[-1])])
        if any(not is_small(v, rows[0]) for v in rows[3]):
            return None
        c = values[2]
        a = quotient(rows[2][0], Fraction(2))
        if is_small(a, rows[0]):
            slope = minus(values[3], c)
            return None if is_small(slope, rows[0]) else [quotient(-c, slope)]
        b = quotient(minus(values[3], values[1]), Fraction(2))
        return self.quadratic(a, b, c)

    @staticmethod
    def quadratic(a: Value, b: Value, c: Value) -> list[Value]:
        under = calculated("add", product(b, b), product(Fraction(-4), product(a, c)))
        half = root(under)
        signs = (-half, half) if half else (half,)
        top = [calculated("add", -b, sign) for sign in signs]
        return [quotient(t, product(Fraction(2), a)) for t in top]

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
        return ("less", strict, tuple(quotient(v, scale) for v in values), is_decimal(node))

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
        if node == REALS:
            return everything()
        if node.op in ("cup", "cap", "setminus"):
            left, right = (self.region(part) for part in node.parts)
            if left is None or right is None:
                return None
            if node.op == "setminus":
                return intersection(left, complement(right))
            return (union if node.op == "cup" else intersection)(left, right)
        return self.condition(node) if node.op == "relation" else None

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
