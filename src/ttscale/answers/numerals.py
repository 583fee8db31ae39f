"""Plain numbers as people and models write them, read exactly."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

_DIGITS = r"(?:\d{1,3}(?:(?:,|\{,\}|\\,|\\!,|,\\!\s*)\d{3})+|\d+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.\d*)?|\.\d+)"
_FRAC = r"\\[dtc]?frac\s*(?:\{\s*(-?\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:(?P<whole>\d+)?\s*{_FRAC}"
    rf"|(?P<mixed>\d+)\s+(?P<mn>\d+)\s*/\s*(?P<md>\d+)"
    rf"|(?P<top>{_DECIMAL})\s*/\s*(?P<bottom>{_DECIMAL})"
    rf"|(?P<plain>{_DECIMAL})(?:[eE](?P<exp>[+-]?\d{{1,3}})"
    r"|\s*(?:\\times|\\cdot|×|\*)\s*10\s*\^\s*(?:\{\s*(?P<pow>[+-]?\d{1,3})\s*\}|(?P<pow1>[+-]?\d)))?)"
)
_WRAPPED = re.compile(r"\\(?:text|textbf|mathbf|mathrm|boldsymbol|bm|mathit)\s*\{([^{}]*)\}")
_UNIT = re.compile(
    r"(?:\\?%|\^\s*(?:\\circ|\{\s*\\circ\s*\})|°|\\(?:text|mathrm|textrm|mbox)\s*\{[^{}\d]*\}"
    r"(?:\^\s*\{?[23]\}?)?|\\[,;:! ]|~|\s|\.$)+$"
)
_JUNK = re.compile(r"^(?:\\[$,;:! ]|[$£€¥]|\*\*|\\[()\[\]]|\s)+|(?:\\[)\]]|\$|\*\*|\s)+$")
_MINUS = str.maketrans({"−": "-", "–": "-", "﹣": "-", "－": "-", "\u00a0": " "})
_LONGEST = 400  # characters: no answer is a longer number, and huge ones are slow to handle


def clean(text: str) -> str:
    r"""The text without dollar signs, \text{...}, trailing units and percent or degree signs."""
    text = _JUNK.sub("", text.translate(_MINUS).strip())
    whole = _WRAPPED.fullmatch(text)
    if whole:
        text = whole[1].strip()
    return _JUNK.sub("", _UNIT.sub("", text))


@lru_cache(maxsize=65536)
def number(text: str) -> Fraction | None:
    """The number that the whole text is; None if it is none.

    Percent signs, degree signs, currencies and units are dropped: 50% is 50.
    """
    if len(text) > _LONGEST:
        return None
    match = _NUMBER.fullmatch(clean(text))
    return None if match is None else _value(match)


def last_number(text: str) -> str | None:
    """The last number in a text, as it is written there; None if there is none."""
    found = None
    for match in _NUMBER.finditer(text[-4000:].translate(_MINUS)):
        if len(match.group()) <= _LONGEST and _value(match) is not None:
            found = match
    if found is None:
        return None
    written, start = found.group().strip(), found.start()
    before = text[-4000:][start - 1 : start] if start else ""
    if written[0] == "-" and (before.isalnum() or before in (")", "}")):
        written = written[1:].strip()  # a subtraction or a hyphen, no sign
    return written


def rounded(value: Fraction) -> Fraction:
    """The value to six decimals, or to six significant digits below 0.001; integers exactly.

    Rounding makes 0.333333 the same as 1/3 and yet keeps sameness transitive.
    """
    if value.denominator == 1 or not value:
        return value
    places = 6
    size = abs(value)
    while size < Fraction(1, 1000) and places < _LONGEST:
        size *= 10
        places += 1
    return round(value, places)


def _value(match: re.Match[str]) -> Fraction | None:
    part = match.groupdict()
    top, short_top, bottom, short_bottom = match.group(3, 4, 5, 6)
    try:
        if top or short_top:
            value = Fraction(int(top or short_top), int(bottom or short_bottom))
            if part["whole"]:
                value += int(part["whole"])
        elif part["mixed"]:
            value = int(part["mixed"]) + Fraction(int(part["mn"]), int(part["md"]))
        elif part["top"]:
            value = _decimal(part["top"]) / _decimal(part["bottom"])
        else:
            power = int(part["exp"] or part["pow"] or part["pow1"] or 0)
            value = _decimal(part["plain"]) * Fraction(10) ** power
    except (ZeroDivisionError, ValueError):
        return None
    return -value if part["sign"] == "-" else value


def _decimal(written: str) -> Fraction:
    return Fraction(re.sub(r"[^\d.]", "", written))
