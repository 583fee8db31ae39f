"""Plain numbers as people and models write them, read exactly."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

from ..policies import DEFAULTS, Policies
from .characters import spelled
from .notation.grammar import parse
from .notation.number_words import SCALES, numbered
from .notation.tokens import UnreadableError
from .tree import Node

_DIGITS = r"(?:\d{1,3}(?:(?:,|\{,\}|\\,|\\!,|,\\!\s*)\d{3})+(?!\d)|\d+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.\d+)?|\.\d+)"
_FRAC = r"\\[dtc]?frac\s*(?:\{\s*-?\d+\s*\}|\d)\s*(?:\{\s*\d+\s*\}|\d)"
_SCALE = rf"(?:\s*(?:{'|'.join(SCALES)})\b)?"
_WITHIN = re.compile(
    rf"[+-]?\s*(?:\d*\s*{_FRAC}|\d+\s+\d+/\d+|{_DECIMAL}\s*/\s*{_DECIMAL}"
    rf"|{_DECIMAL}(?:[eE][+-]?\d{{1,3}}|\s*(?:\\times|\\cdot|×|\*)\s*10\s*\^\s*"
    rf"(?:\{{\s*[+-]?\d{{1,3}}\s*\}}|[+-]?\d+))?{_SCALE})"
)
_PLAIN = re.compile(r"[+-]?(?:\d{1,400}|\d{1,3}(?:,\d{3}){1,99})(\.\d{1,400})?|[+-]?\d{1,400}/\d{1,400}")
_MINUS = str.maketrans("−–﹣－\u00a0", "---- ")
_LONGEST = 400  # characters: no answer is a longer number, and huge ones are slow to handle
_SEARCHED = 4000  # characters from the end of a text


def exact(text: str) -> Fraction | None:
    """The number of the plainest texts (42, -1,234.5, 3/4), without a grammar; None for others."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    try:
        return Fraction(text.replace(",", ""))
    except ZeroDivisionError:
        return None


@lru_cache(maxsize=65536)
def number(text: str, policies: Policies = DEFAULTS) -> Fraction | None:
    """The number that the whole text is, or that it says something equals; None if it is none.

    Units, currencies and, by default, percent signs are dropped: 50% is 50. What would have to be
    calculated (7!, a root, a power) is not a plain number.
    """
    if len(text) > _LONGEST:
        return None
    value = exact(text)
    if value is not None:
        return value
    try:
        written = spelled(text)
        return _plain(parse(numbered(written) if policies.words == "number" else written), policies)
    except (UnreadableError, RecursionError):
        return None


def last_number(text: str) -> str | None:
    """The last number in a text, as it is written there; None if there is none."""
    text = text[-_SEARCHED:].translate(_MINUS)
    found = None
    for match in _WITHIN.finditer(text):
        if len(match.group()) <= _LONGEST:
            found = match
    if found is None:
        return None
    written, start = found.group().strip(), found.start()
    before = text[start - 1 : start] if start else ""
    if written[0] in "+-" and (before.isalnum() or before in (")", "}")):
        written = written[1:].strip()  # a subtraction or a hyphen, no sign
    return written


def _plain(node: Node, policies: Policies) -> Fraction | None:
    """The value of a tree that is a number as it is written; None for any other."""
    parts = [_plain(part, policies) for part in node.parts[-2:]]
    if node.op == "num":
        return Fraction(node.value[0])
    if node.op == "relation" and set(node.value) <= {"=", "approx"}:
        return parts[-1]
    if node.op == "set" and len(node.parts) == 1:
        return parts[0]
    if node.op == "based" and node.value[1] == 10:
        return Fraction(int(node.value[0]))
    if None in parts or not parts:
        return None
    values = [part for part in parts if part is not None]
    if node.op == "neg":
        return -values[0]
    if node.op == "percent" and policies.percent == "fraction":
        return values[0] / 100
    if node.op in ("degree", "amount", "percent"):
        return values[0]
    if node.op == "div" and all(part.op in ("num", "neg") for part in node.parts):
        return values[0] / values[1] if values[1] else None
    if node.op == "mul" and _is_scale(node.parts[1]):
        return values[0] * values[1]
    if node.op == "pow" and _is_scale(node):
        return values[0] ** int(values[1])
    return None


def _is_scale(node: Node) -> bool:
    """Whether a factor is a power of ten (in 1.5 x 10^3) or a word (in 5 million)."""
    if node.op == "num":
        return node.value[0] in SCALES.values()
    if node.op != "pow" or node.parts[0].op != "num" or node.parts[0].value[0] != 10:
        return False
    exponent = node.parts[1].parts[0] if node.parts[1].op == "neg" else node.parts[1]
    return exponent.op == "num" and abs(exponent.value[0]) < 1000
