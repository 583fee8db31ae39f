r"""Values of formulas: exact where they are rational, else to sixty digits, at a bounded cost.

Every step is small: a number that would have more than `_BITS` bits is `TooLargeError` before it is
calculated, and a formula of more than `_STEPS` steps is too. So `2^{12!}` costs nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

from ..tree import Node

Value: TypeAlias = Any
"""A `Fraction`, or a real or complex number of mpmath."""

_BITS = 100_000  # of a numerator or denominator
_RANGE = 1 << 20  # binary orders of magnitude of an approximate number
_STEPS = 20_000
_DIGITS = 60
_NOISE = 150  # bits by which a sum must fall below its terms to be nothing


class TooLargeError(Exception):
    """The value is out of reach: too large, or too long to calculate."""


class NoValueError(Exception):
    """There is no value: a division by zero, or something that is not a number."""


@lru_cache(maxsize=1)
def numbers() -> Any:
    """mpmath, in a context of our own. Imported late: most answers are plain numbers."""
    from mpmath import MPContext

    context = MPContext()
    context.dps = _DIGITS
    return context


def approximate(value: Value) -> Value:
    """The value to sixty digits."""
    if isinstance(value, Fraction):
        return numbers().mpf(value.numerator) / value.denominator
    return value


def value_of(node: Node, at: Mapping[str, Value]) -> Value:
    """The value of a formula for given values of its symbols.

    Raises:
        TooLargeError, NoValueError.
    """
    try:
        return _Evaluator(at).value(node)
    except (ZeroDivisionError, ValueError, TypeError, ArithmeticError) as error:
        raise NoValueError(str(error)) from None


def point(names: frozenset[str], number: int, positive: bool) -> dict[str, Value]:
    """Values for symbols, made from their names: all positive, mixed, and all negative in turn."""
    context = numbers()
    return {name: _coordinate(context, name, number, positive) for name in names}


@lru_cache(maxsize=4096)
def _coordinate(context: Any, name: str, number: int, positive: bool) -> Value:
    digest = hashlib.blake2b(f"{name}/{number}".encode(), digest_size=8).digest()
    size = 1 + context.mpf(int.from_bytes(digest, "big")) / (1 << 64)
    minus = not positive and (number == 2 or (number == 1 and digest[0] % 2))
    return -size if minus else size


class _Evaluator:
    def __init__(self, at: Mapping[str, Value]) -> None:
        self.at = dict(at)
        self.steps = 0
        self.context = numbers()

    def value(self, node: Node) -> Value:
        self.spend(1)
        found = getattr(self, f"on_{node.op}", self.nothing)(node)
        return self.checked(found)

    def spend(self, steps: int) -> None:
        self.steps += steps
        if self.steps > _STEPS:
            raise TooLargeError("too many steps")

    def checked(self, found: Value) -> Value:
        """The value, if it is of a size to go on with."""
        if isinstance(found, Fraction):
            bits = found.numerator.bit_length() + found.denominator.bit_length()
            if bits > 2 * _BITS:
                raise TooLargeError("too many digits")
            self.spend(bits // 500)
            return found
        if isinstance(found, self.context.mpc):
            if abs(found.imag) == 0:
                found = found.real
            elif not self.context.isfinite(found):
                raise NoValueError("not a finite number")
        if not self.context.isfinite(found):
            raise NoValueError("not a finite number")
        if found and abs(self.context.mag(found)) > _RANGE:
            raise TooLargeError("out of range")
        return found

    def nothing(self, node: Node) -> Value:
        raise NoValueError(node.op)

    # -- arithmetic

    def on_num(self, node: Node) -> Value:
        return node.value[0]

    def on_symbol(self, node: Node) -> Value:
        return self.at[node.value]

    def on_constant(self, node: Node) -> Value:
        if node.value in self.at:
            return self.at[node.value]
        if node.value == "i":
            return self.context.mpc(0, 1)
        if node.value == "infty":
            raise NoValueError("infinity")
        return +self.context.pi if node.value == "pi" else +self.context.e

    def on_apply(self, node: Node) -> Value:
        if len(node.parts) != 1:
            raise NoValueError("a function that is not known")
        return self.times(self.at[node.value], self.value(node.parts[0]))

    def on_amount(self, node: Node) -> Value:
        return self.value(node.parts[0])

    def on_percent(self, node: Node) -> Value:
        return self.value(node.parts[0])

    def on_degree(self, node: Node) -> Value:
        return self.value(node.parts[0])

    def on_neg(self, node: Node) -> Value:
        return -self.value(node.parts[0])

    def on_add(self, node: Node) -> Value:
        values = [self.value(part) for part in node.parts]
        total = values[0]
        for value in values[1:]:
            total = self.plus(total, value)
        return total

    def on_mul(self, node: Node) -> Value:
        return self.times(self.value(node.parts[0]), self.value(node.parts[1]))

    def on_div(self, node: Node) -> Value:
        top, bottom = (self.value(part) for part in node.parts)
        if not bottom:
            raise NoValueError("a division by zero")
        if isinstance(top, Fraction) and isinstance(bottom, Fraction):
            return top / bottom
        return approximate(top) / approximate(bottom)

    def plus(self, a: Value, b: Value) -> Value:
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a + b
        a, b = approximate(a), approximate(b)
        total = a + b
        if not total or not a or not b:
            return total
        if self.context.mag(total) < max(self.context.mag(a), self.context.mag(b)) - _NOISE:
            return Fraction(0)  # what is left is rounding
        if isinstance(total, self.context.mpc):
            floor = self.context.mag(total) - _NOISE
            parts = [x if x and self.context.mag(x) > floor else 0 for x in (total.real, total.imag)]
            return self.context.mpc(*parts)
        return total

    def times(self, a: Value, b: Value) -> Value:
        if isinstance(a, Fraction) and isinstance(b, Fraction):
            return a * b
        return approximate(a) * approximate(b)

    # -- powers and roots

    def on_pow(self, node: Node) -> Value:
        return self.power(self.value(node.parts[0]), self.value(node.parts[1]))

    def on_root(self, node: Node) -> Value:
        radicand, index = (self.value(part) for part in node.parts)
        if not index:
            raise NoValueError("a root of order zero")
        inverse = 1 / index if isinstance(index, Fraction) else self.context.mpf(1) / index
        return self.power(radicand, inverse)

    def power(self, base: Value, exponent: Value) -> Value:
        if isinstance(exponent, Fraction) and isinstance(base, Fraction):
            exact = self.exact_power(base, exponent)
            if exact is not None:
                return exact
        if not base:
            if self.real_part(exponent) > 0:
                return Fraction(0)
            raise NoValueError("a power of zero")
        base = approximate(base)
        if isinstance(exponent, Fraction):
            if exponent.denominator % 2 and exponent.denominator > 1 and self.is_negative(base):
                # the real root, as in \sqrt[3]{-8}
                root = self.power(-base, exponent)
                return -root if exponent.numerator % 2 else root
            if abs(exponent) * max(1, abs(self.context.mag(base))) > 4 * _RANGE:
                raise TooLargeError("a large power")
            if exponent.denominator == 1:
                return base ** int(exponent)
            exponent = approximate(exponent)
        logarithm = self.context.log(base)
        product = self.checked(logarithm * exponent)
        return self.exponential(product)

    def exact_power(self, base: Fraction, exponent: Fraction) -> Fraction | None:
        """A rational power of a rational number that is rational; None if it is none."""
        if not base and exponent <= 0:
            raise NoValueError("a power of zero")
        if base in (0, 1):
            return base
        if exponent.denominator > 64:
            return None
        root: Fraction | None = base
        if exponent.denominator > 1:
            root = _root(abs(base), exponent.denominator)
            if root is None or (base < 0 and exponent.denominator % 2 == 0):
                return None
            root = -root if base < 0 else root
        assert root is not None
        power = exponent.numerator
        bits = max(root.numerator.bit_length(), root.denominator.bit_length())
        if root == -1:
            return root if power % 2 else -root
        if bits * abs(power) > _BITS:
            raise TooLargeError("a large power")
        self.spend(bits * abs(power) // 500)
        return root**power

    def exponential(self, x: Value) -> Value:
        if self.context.mag(x) > 20:
            raise TooLargeError("a large power")
        return self.context.exp(x)

    def real_part(self, value: Value) -> Value:
        return value if isinstance(value, Fraction) else self.context.re(value)

    def is_negative(self, value: Value) -> bool:
        return not isinstance(value, self.context.mpc) and value < 0

    # -- whole numbers

    def whole(self, node: Node, most: int) -> int:
        value = self.value(node)
        if not isinstance(value, Fraction) or value.denominator != 1:
            raise NoValueError("no whole number")
        if abs(value) > most:
            raise TooLargeError("a large whole number")
        return int(value)

    def on_factorial(self, node: Node) -> Value:
        n = self.whole(node.parts[0], 8_000)
        if n < 0:
            raise NoValueError("a factorial of a negative number")
        self.spend(n // 10)
        return Fraction(math.factorial(n))

    def on_binom(self, node: Node) -> Value:
        bottom = self.whole(node.parts[1], 8_000)
        top = self.value(node.parts[0])
        if bottom < 0 or not isinstance(top, Fraction) or top.denominator != 1 or top < 0:
            return self.general_binomial(top, bottom)
        bottom = min(bottom, int(top) - bottom) if bottom <= top else -1
        if bottom < 0:
            return Fraction(0)
        if bottom * int(top).bit_length() > _BITS:
            raise TooLargeError("a large binomial")
        self.spend(bottom // 2)
        return Fraction(math.comb(int(top), bottom))

    def general_binomial(self, top: Value, bottom: int) -> Value:
        product: Value = Fraction(1)
        for k in range(max(bottom, 0)):
            self.spend(1)
            product = self.times(product, self.plus(top, Fraction(-k)))
            product = self.times(product, Fraction(1, k + 1))
        return product if bottom >= 0 else Fraction(0)

    def on_sum(self, node: Node) -> Value:
        return self.series(node, self.plus, Fraction(0))

    def on_prod(self, node: Node) -> Value:
        return self.series(node, self.times, Fraction(1))

    def series(self, node: Node, join: Any, total: Value) -> Value:
        low, high = (self.whole(part, 10**9) for part in node.parts[:2])
        if high - low > _STEPS:
            raise TooLargeError("a long sum")
        outer = self.at.get(node.value)
        for k in range(low, high + 1):
            self.at[node.value] = Fraction(k)
            total = self.checked(join(total, self.value(node.parts[2])))
        if outer is None:
            self.at.pop(node.value, None)
        else:
            self.at[node.value] = outer
        return total

    # -- functions

    def on_call(self, node: Node) -> Value:
        parts = [self.value(part) for part in node.parts]
        name = node.value
        if name in ("gcd", "lcm", "mod"):
            whole = [int(p) for p in parts if isinstance(p, Fraction) and p.denominator == 1]
            if len(whole) != len(parts):
                raise NoValueError("no whole numbers")
            if name == "mod":
                return Fraction(whole[0] % whole[1])
            return Fraction((math.gcd if name == "gcd" else math.lcm)(*whole))
        if name in ("max", "min"):
            if any(isinstance(p, self.context.mpc) for p in parts):
                raise NoValueError("no order")
            return (max if name == "max" else min)(parts)
        if name == "abs":
            return abs(parts[0])
        if name in ("floor", "ceil"):
            if isinstance(parts[0], Fraction):
                return Fraction((math.floor if name == "floor" else math.ceil)(parts[0]))
            return Fraction(int(getattr(self.context, name)(parts[0])))
        if name == "log":
            return self.logarithm(parts[0], parts[1] if len(parts) > 1 else Fraction(10))
        return self.elementary(name, parts[0], node.parts[0])

    def logarithm(self, x: Value, base: Value) -> Value:
        if not x or not base or base == 1:
            raise NoValueError("a logarithm of zero")
        quotient = self.context.log(approximate(x)) / self.context.log(approximate(base))
        return self.tidied(quotient)

    def tidied(self, value: Value) -> Value:
        """A whole number or a half that an approximation has missed by rounding alone."""
        if isinstance(value, self.context.mpc):
            return value
        twice = self.context.nint(2 * value)
        if abs(2 * value - twice) < self.context.mpf(2) ** -_NOISE and abs(twice) < 1 << 40:
            return Fraction(int(twice), 2)
        return value

    def elementary(self, name: str, x: Value, node: Node) -> Value:
        x = approximate(x)
        if node.op == "degree":
            x = x * self.context.pi / 180
        if name == "exp":
            return self.exponential(x)
        if name == "ln":
            if not x:
                raise NoValueError("a logarithm of zero")
            return self.tidied(self.context.log(x))
        if x and self.context.mag(x) < -_NOISE // 2:
            raise NoValueError("a small angle")
        if x and self.context.mag(x) > 2000:
            raise TooLargeError("a large angle")
        if name == "arccot":
            return self.context.pi / 2 - self.context.atan(x)
        name = _NAMES.get(name, name)
        if name not in _ELEMENTARY:
            raise NoValueError(name)
        if name in _QUOTIENTS:
            above, below = _QUOTIENTS[name]
            bottom = self.tidied(getattr(self.context, below)(x))
            if not bottom:
                raise NoValueError("a pole")
            top = getattr(self.context, above)(x) if above else self.context.mpf(1)
            return self.tidied(top / approximate(bottom))
        return self.tidied(getattr(self.context, name)(x))


_NAMES = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "sgn": "sign"}
_QUOTIENTS = {
    "tan": ("sin", "cos"),
    "cot": ("cos", "sin"),
    "sec": ("", "cos"),
    "csc": ("", "sin"),
    "tanh": ("sinh", "cosh"),
    "coth": ("cosh", "sinh"),
}
_ELEMENTARY = {"sin", "cos", "sinh", "cosh", "asin", "acos", "atan", "sign", *_QUOTIENTS}


def _root(base: Fraction, index: int) -> Fraction | None:
    """The exact root of a positive rational number; None if it is irrational."""
    top, bottom = _whole_root(base.numerator, index), _whole_root(base.denominator, index)
    return None if top is None or bottom is None else Fraction(top, bottom)


def _whole_root(n: int, index: int) -> int | None:
    if n.bit_length() > 20_000:
        return None
    if index == 2:
        root = math.isqrt(n)
        return root if root * root == n else None
    low, high = 0, 1 << (n.bit_length() // index + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**index < n:
            low = middle + 1
        else:
            high = middle
    return low if low**index == n else None
