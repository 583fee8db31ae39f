r"""Normal forms of mathematical expressions: equal forms, same answer.

Numbers are compared by value, to six decimals. Other expressions are compared by their values at
fixed points, one positive and one negative per symbol: two expressions that agree there are the
same but for an accident. A lone assignment (x = 5) counts as its right side, as in math-verify.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from .deadline import DeadlineError, deadline
from .numerals import clean, last_number, number, rounded
from .text import plain

SECONDS = 2.0  # of CPU time per expression; only odd ones come near
_LONGEST = 300  # characters given to the parser, whose time grows faster than the text
_WORDS = re.compile(r"[^\W\d_]{3,}(?:[\s'.,-]+[^\W\d_]+)*\.?")
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mbox|textrm|mathbf|boldsymbol)\s*\{([^{}]*)\}")
_LETTER = re.compile(r"\(?\s*([A-Za-z])\s*\)?")
_OPEN, _CLOSE = "([{", ")]}"
# Calculations whose result is astronomically large: no deadline can interrupt the multiplication.
_HUGE = re.compile(
    r"\^\s*\{?\s*[+-]?[\d,]{5,}"  # an exponent of five digits
    r"|\^\s*\{?[^{}^]*\d\s*\}?\s*(?:\^|\*\*)"  # a tower of powers of numbers
    r"|[)}\]]\s*(?:\^|\*\*)\s*\{?\s*\d{2,}.*[)}\]]\s*(?:\^|\*\*)\s*\{?\s*\d{2,}"
    r"|\*\*|\d{4,}\s*\)*\s*!|[!)}]\s*!|binom.{0,9}\d{5}|\d{200}",
    re.DOTALL,
)


class UnreadError(BaseException):
    """Only the parser can tell. No `Exception`, so that no handler of odd texts swallows it."""


@dataclass(slots=True)
class Memory:
    """Forms by answer, and answers by the text the parser found them in."""

    forms: dict[str, Hashable] = field(default_factory=dict)
    found: dict[str, str | None] = field(default_factory=dict)
    size: int = 0  # characters of the texts learnt, an entry (and each repetition) _ENTRY more

    def add(self, other: Memory) -> None:
        self.size += sum(_ENTRY + len(text) for new in (other.forms, other.found) for text in new)
        self.forms.update(other.forms)
        self.found.update(other.found)


_MEMORY = Memory()
_ENTRY, _ROOM = 500, 1 << 24  # when it holds so much, it begins anew
_QUICKLY: ContextVar[bool] = ContextVar("quickly", default=False)


@contextmanager
def quickly() -> Iterator[None]:
    """Raise `UnreadError` instead of asking the parser for anything new."""
    token = _QUICKLY.set(True)
    try:
        yield
    finally:
        _QUICKLY.reset(token)


def learn(memory: Memory) -> None:
    """Remember what was read elsewhere."""
    if _MEMORY.size > _ROOM:
        unlearn()
    _MEMORY.add(memory)


def unlearn() -> Memory:
    """Give away all that is remembered."""
    global _MEMORY
    memory, _MEMORY = _MEMORY, Memory()
    return memory


def form(answer: str) -> Hashable:
    """The normal form. Never raises; what cannot be parsed is compared as a text."""
    known = _MEMORY.forms.get(answer)
    if known is None:
        known = _form(answer, depth=0)
        learn(Memory(forms={answer: known}))
    return known


def search(text: str) -> str | None:
    """What math-verify takes for the answer in a text without a box; None if it finds nothing."""
    text = text.strip().rstrip("*_ ")
    bare = text.rstrip(".").strip()
    if number(bare) is not None:
        return clean(bare)
    if len(bare) <= _LONGEST and bare.count("$") == 2 and bare[0] == bare[-1] == "$":
        return bare.strip("$ ") or None
    if "$" not in text and "\\(" not in text and "\\[" not in text:
        return last_number(text)
    if text not in _MEMORY.found:
        learn(Memory(found={text: _found(text)}))
    return _MEMORY.found[text]


def _found(text: str) -> str | None:
    """The wording of the last expression that can be parsed, else the last number."""
    try:
        _parser()
        with deadline(SECONDS):
            found = _parsed(text)
    except DeadlineError:
        found = []
    if found and isinstance(found[-1], str) and found[-1].strip():
        return str(found[-1]).strip()
    return last_number(text)


def _form(answer: str, depth: int) -> Hashable:
    text = _unwrapped(answer)
    value = number(answer) or number(text)
    if value is not None:
        return ("number", rounded(value))
    letter = _LETTER.fullmatch(text)
    if letter:
        return ("text", letter[1].lower())
    if _WORDS.fullmatch(text):
        return ("text", plain(text))
    if depth < 4 and (composed := _composed(text, depth)) is not None:
        return composed
    if len(text) <= _LONGEST and _matched(text) and not _HUGE.search(text):
        _parser()  # loaded before the clock starts
        try:
            with deadline(SECONDS):
                found = _parsed(f"${text}$")
                if found and not isinstance(found[0], str):
                    return _shape(found[0])
        except (DeadlineError, Exception):  # noqa: BLE001,RUF100 - sympy raises anything at all
            pass
    return ("raw", "".join(text.split()))


def _unwrapped(answer: str) -> str:
    r"""Without dollar signs, \text{...} around the whole, \left and \right, and a final dot."""
    text = answer.strip().strip("$").strip()
    text = re.sub(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\[!,;]", "", text)
    text = text.rstrip(".").strip()
    whole = _TEXT.fullmatch(text)
    return (whole[1] if whole else text).strip()


def _composed(text: str, depth: int) -> Hashable:
    """Pairs, tuples, intervals and lists, taken apart at their commas; None for anything else.

    The parser reads every pair as an interval, and a pair in falling order as the empty set.
    """
    parts = _split(text)
    if len(parts) > 1:
        return ("set", frozenset(_form(part, depth + 1) for part in parts))
    for left, right in (("\\{", "\\}"), ("{", "}")):
        if text.startswith(left) and text.endswith(right):
            inner = _split(text[len(left) : -len(right)])
            if all(inner):
                forms = frozenset(_form(part, depth + 1) for part in inner)
                return next(iter(forms)) if len(forms) == 1 else ("set", forms)
    if text[:1] in ("(", "[") and text[-1:] in (")", "]"):
        inner = _split(text[1:-1])
        if len(inner) > 1 and all(inner):
            row = tuple(_form(part, depth + 1) for part in inner)
            return ("row", text[0] == "(", text[-1] == ")", row)
    return None


def _split(text: str) -> list[str]:
    """The text cut at commas outside all brackets; in one piece if brackets do not match."""
    parts, level, start = [], 0, 0
    for at, char in enumerate(text):
        if char in _OPEN:
            level += 1
        elif char in _CLOSE:
            level -= 1
            if level < 0:
                return [text]
        elif char == "," and not level:
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    return parts if not level and all(parts) else [text]


def _matched(text: str) -> bool:
    """Whether brackets close as often as they open; the parser is very slow where they do not."""
    return sum(text.count(c) for c in _OPEN) == sum(text.count(c) for c in _CLOSE)


def _parsed(text: str) -> list[Any]:
    """math-verify's reading: the expression, if it parses, and its wording last."""
    try:
        return list(_parser()(text, parsing_timeout=None, fallback_mode="first_match"))
    except Exception:  # noqa: BLE001,RUF100 - whatever a parser of arbitrary text may raise
        return []


def _parser() -> Any:
    """math-verify's `parse`. Raises `UnreadError` where it is not to be asked."""
    if _QUICKLY.get():
        raise UnreadError
    return _loaded()


@lru_cache(maxsize=1)
def _loaded() -> Any:
    """Imported late: it brings sympy, which takes a second."""
    from math_verify import parse

    # it warns on every process that timeouts are off; ours is `deadline`
    logging.getLogger("math_verify.parser").setLevel(logging.ERROR)
    return parse


def _shape(found: Any) -> Hashable:
    """The normal form of a parsed expression."""
    import sympy
    from sympy.core.function import AppliedUndef
    from sympy.core.relational import Relational

    if isinstance(found, sympy.Eq):
        left, right = found.lhs, found.rhs
        if isinstance(left, sympy.Symbol | AppliedUndef):
            return _shape(right)
        return ("equation", _direction(left - right))
    if isinstance(found, Relational | sympy.And | sympy.Or):
        return _condition(found)
    if isinstance(found, sympy.Interval):
        ends = (_shape(found.start), _shape(found.end))
        return ("row", bool(found.left_open), bool(found.right_open), ends)
    name = type(found).__name__
    if name in ("FiniteSet", "Union", "Intersection"):
        forms = frozenset(_shape(arg) for arg in found.args)
        if name == "FiniteSet" and len(forms) == 1:
            return next(iter(forms))
        return ("set" if name == "FiniteSet" else name, forms)
    if isinstance(found, sympy.Tuple):
        return ("row", True, True, tuple(_shape(arg) for arg in found))
    if isinstance(found, sympy.MatrixBase):
        return ("matrix", found.shape, tuple(_shape(entry) for entry in found))
    if isinstance(found, sympy.Symbol):
        return ("text", str(found))
    if isinstance(found, sympy.Expr):
        return _values(found)
    return ("text", str(found))


def _condition(found: Any) -> Hashable:
    """An inequality: the set it describes, or for several variables its direction."""
    import sympy

    if len(found.free_symbols) == 1:
        return _interval(found) or _shape(found.as_set())
    if isinstance(found, sympy.And | sympy.Or):
        return (type(found).__name__, frozenset(_condition(arg) for arg in found.args))
    strict = isinstance(found, sympy.StrictLessThan | sympy.StrictGreaterThan)
    return ("less", strict, _direction(found.lts - found.gts, oriented=True))


def _interval(found: Any) -> Hashable:
    """The interval of x < b, a <= x or a < x <= b; None for what takes solving, which is slow."""
    import sympy

    low, high = (True, -sympy.oo), (True, sympy.oo)  # (open, end)
    for part in found.args if isinstance(found, sympy.And) else (found,):
        if not isinstance(part, sympy.Rel) or isinstance(part, sympy.Eq | sympy.Ne):
            return None
        strict = isinstance(part, sympy.StrictLessThan | sympy.StrictGreaterThan)
        if part.lts.is_Symbol and part.gts.is_number and high[1] == sympy.oo:
            high = (strict, part.gts)
        elif part.gts.is_Symbol and part.lts.is_number and low[1] == -sympy.oo:
            low = (strict, part.lts)
        else:
            return None
    return ("row", low[0], high[0], (_shape(low[1]), _shape(high[1])))


def _values(found: Any) -> Hashable:
    """Values at the fixed points; of a constant, the number."""
    import sympy

    if found.is_infinite or found is sympy.nan or found is sympy.zoo:
        return ("text", str(found))
    values = [_number(found.subs(_point(found, second))) for second in (False, True)]
    if values[0] == values[1]:
        return ("number", values[0]) if isinstance(values[0], Fraction) else values[0]
    return ("values", *values)


def _direction(found: Any, oriented: bool = False) -> Hashable:
    """Values up to a factor (a positive one, if `oriented`): 2x = 4y is the same as x = 2y."""
    import sympy

    values = [sympy.N(found.subs(_point(found, second)), 30) for second in (False, True)]
    scale = next((v for v in values if v != 0), sympy.Integer(1))
    if oriented:
        scale = abs(scale)
    return tuple(_number(value / scale) for value in values)


def _number(found: Any) -> Hashable:
    """A constant, rounded: a `Fraction` if it is real, else its two parts."""
    import sympy

    if isinstance(found, sympy.Rational):
        return rounded(Fraction(int(found.p), int(found.q)))
    real, imaginary = sympy.N(found, 30).as_real_imag()
    if not (real.is_Number and imaginary.is_Number and real.is_finite and imaginary.is_finite):
        return str(found)
    parts = [_part(real), _part(imaginary)]
    return ("complex", *parts) if parts[1] else parts[0]


def _part(found: Any) -> Fraction:
    """A real number to 20 of the 30 digits calculated, so that noise cannot split a class."""
    import sympy

    value = Fraction(str(sympy.N(found, 20)))
    return Fraction(0) if abs(value) < Fraction(1, 10**20) else rounded(value)


def _point(found: Any, second: bool) -> dict[Any, Any]:
    """A rational for each symbol, made from its name, negative at the second point; i is i."""
    import sympy

    modulus, sign = (8117, -1) if second else (10007, 1)
    return {
        symbol: sympy.I
        if str(symbol) == "i"
        else sign * sympy.Rational(_hash(str(symbol)) % modulus + modulus // 2, modulus)
        for symbol in found.free_symbols
    }


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
