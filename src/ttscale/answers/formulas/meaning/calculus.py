"""Integrals, limits and endless sums, calculated with sympy: within the parser process only."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from ..notation.vocabulary import pairs
from ..tree import Node, symbols
from .evaluation import NoValueError, point

_DIGITS = 50
_NAMES = pairs("ln:log abs:Abs ceil:ceiling arcsin:asin arccos:acos arctan:atan arccot:acot sgn:sign")


def calculated(node: Node, positive: bool, points: int) -> list[tuple[str, str]]:
    """The value of a tree at each of the points, as the digits of its real and imaginary part.

    Raises:
        NoValueError: it holds something that sympy is not asked about, or has no value.
    """
    import sympy

    names = symbols(node)
    known = {name: sympy.Symbol(name, positive=True if positive else None) for name in names}
    found = _converted(node, known).doit()
    return [_digits(found, known, point(names, number, positive)) for number in range(points)]


def warm() -> None:
    """Load what sympy loads late, so that the first formula does not wait for it."""
    import sympy

    k, x = sympy.Symbol("k", integer=True), sympy.Symbol("x")
    sympy.Sum(1 / 2**k, (k, 0, sympy.oo)).doit()
    sympy.Integral(x * sympy.exp(-x), (x, 0, 1)).doit()
    sympy.limit(sympy.sin(x) / x, x, 0)


def _digits(found: Any, known: Mapping[str, Any], at: Mapping[str, Any]) -> tuple[str, str]:
    import sympy

    places = {known[name]: sympy.Rational(str(value)) for name, value in at.items()}
    real, imaginary = sympy.N(found.subs(places), _DIGITS).as_real_imag()
    if not (real.is_Number and imaginary.is_Number and real.is_finite and imaginary.is_finite):
        raise NoValueError("no number")
    return str(real), str(imaginary)


def _converted(node: Node, known: Mapping[str, Any]) -> Any:
    """The tree as sympy's."""
    import sympy

    if node.op in ("sum", "prod", "integral"):
        variable = sympy.Dummy(node.value, integer=True if node.op != "integral" else None)
        low, high, body = (_converted(part, {**known, node.value: variable}) for part in node.parts)
        kinds = {"sum": sympy.Sum, "prod": sympy.Product, "integral": sympy.Integral}
        return kinds[node.op](body, (variable, low, high))
    if node.op == "limit":
        variable = sympy.Dummy(node.value)
        target, body = (_converted(part, {**known, node.value: variable}) for part in node.parts)
        return sympy.limit(body, variable, target)
    if node.op == "num":
        value: Fraction = node.value[0]
        return sympy.Rational(value.numerator, value.denominator)
    if node.op == "constant" and node.value not in known:
        return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "infty": sympy.oo}[node.value]
    if node.op in ("symbol", "constant"):
        return known[node.value]
    parts = [_converted(part, known) for part in node.parts]
    if node.op == "call":
        return _called(node, parts)
    simple = {
        "add": lambda *x: sympy.Add(*x),
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "pow": lambda a, b: a**b,
        "neg": lambda a: -a,
        "root": lambda a, n: sympy.root(a, n),
        "factorial": sympy.factorial,
        "binom": sympy.binomial,
    }
    if node.op not in simple:
        raise NoValueError(node.op)
    return simple[node.op](*parts)


def _called(node: Node, parts: list[Any]) -> Any:
    import sympy

    if node.value == "log":
        return sympy.log(parts[0], parts[1] if len(parts) > 1 else 10)
    if len(parts) != 1:
        raise NoValueError(node.value)
    argument = parts[0] * sympy.pi / 180 if node.parts[0].op == "degree" else parts[0]
    return getattr(sympy, _NAMES.get(node.value, node.value))(argument)
