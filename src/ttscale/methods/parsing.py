"""Reading what models write when they are asked for a form: lists, numbers, JSON, sections.

Models decorate: code fences, bold type, a sentence before and one after. All of it is tolerated; what
cannot be read is None or empty, never an error, so that a method can fall back and count that it did.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

_ENTRY = re.compile(r"^[ \t]*(?:[*_#>\-]+[ \t]*)?(?:[Ss]tep[ \t]*)?(\d{1,3})[*_]*[.):][*_]*[ \t]+(.*)$")
_FENCE = re.compile(r"```[\w+-]*\n?")
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d+(?:\.\d+)?|\.\d+)(?!\w)")
_LATEX = re.compile(r"(?<!\\)\\(?=[bfrt][a-z])")  # a command, though JSON would read an escape
_ESCAPE = re.compile(r"""(\\["\\/]|\\n(?![a-z])|\\u[0-9a-fA-F]{4})|\\""")
_SKIPPED = 1  # numbers that a list may leave out
_OPENINGS = 20  # braces that may open the object
_MOST = 100_000  # characters that are looked at: a reply that loops may have any length


def numbered(text: str) -> list[str]:
    """The entries of a numbered list, in order, each with the lines below it ("2) ..." and "**Step 2:** ..."
    count too). A list that starts again at 1 counts from there; empty entries are left out."""
    entries: list[list[str]] = []
    last = 0
    for line in _bare(text).splitlines():
        found = _ENTRY.match(line)
        number = int(found[1]) if found else 0
        if found and (number == 1 or (entries and last < number <= last + _SKIPPED + 1)):
            if number == 1:
                entries.clear()
            entries.append([found[2]])
            last = number
        elif entries:
            entries[-1].append(line)
    joined = ("\n".join(lines).strip().strip("*_ ") for lines in entries)
    return [entry for entry in joined if entry]


def number_within(text: str, low: float, high: float) -> float | None:
    """The first number of a text that lies within the bounds; None if there is none."""
    for found in _NUMBER.findall(_bare(text)):
        if low <= (value := float(found)) <= high:
            return value
    return None


def json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object of a text, also with commas left at ends and with single backslashes, as
    LaTeX is written; None if there is none."""
    bare = _bare(text)
    for opening in [found.start() for found in re.finditer(r"\{", bare)][:_OPENINGS]:
        piece = _LATEX.sub(r"\\\\", _balanced(bare, opening))
        for version in (piece, re.sub(r",\s*([}\]])", r"\1", piece), _escaped(piece)):
            try:
                found = json.loads(version)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                return found
    return None


def whole_number(value: Any) -> int | None:
    """A whole number as JSON or a model gives it (40, 40.0, "40", "40%"); None if it is not one."""
    if isinstance(value, str):
        value = number_within(value, -1e9, 1e9)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return int(value) if value == int(value) else None


def sections(text: str, names: Sequence[str]) -> dict[str, str] | None:
    """The texts below headings of these names, which may be bold, marked or followed by a colon; None
    unless all are there, in this order. What stands before the first is left out."""
    bare, places, at = _bare(text), [], 0
    for name in names:
        heading = re.compile(rf"^[ \t#*_>]*{re.escape(name)}[ \t*_]*(?::[ \t*_]*|$)", re.IGNORECASE | re.M)
        if (found := heading.search(bare, at)) is None:
            return None
        places.append((found.start(), found.end()))
        at = found.end()
    ends = [start for start, _ in places[1:]] + [len(bare)]
    return {name: bare[begin:end].strip() for name, (_, begin), end in zip(names, places, ends, strict=True)}


def _bare(text: str) -> str:
    """Without code fences."""
    return _FENCE.sub("", text[:_MOST])


def _balanced(text: str, opening: int) -> str:
    """From a brace to the one that closes it, braces in strings left out; "" if none does."""
    depth, quoted, escaped = 0, False, False
    for i in range(opening, len(text)):
        c = text[i]
        if quoted:
            quoted, escaped = escaped or c != '"', not escaped and c == "\\"
        elif c == '"':
            quoted = True
        elif c in "{}":
            depth += 1 if c == "{" else -1
            if depth == 0:
                return text[opening : i + 1]
    return ""


def _escaped(text: str) -> str:
    """With backslashes doubled where JSON does not know the escape, as before LaTeX's commands."""
    return _ESCAPE.sub(lambda found: found[1] or r"\\", text)
