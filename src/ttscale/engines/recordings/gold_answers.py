"""Gold answers as data sets write them, and the letters of multiple choice.

A gold that is not there ("", nan, null) is unknown, which is not wrong. Several golds mean that any
of them is right. A worked solution counts by what it ends in: what follows `####`, or its last box.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ...answers import last_boxed
from . import parse

_MARKED = re.compile(r"(?:^|\s)####[ \t]*(?=\S)([^\n]*)\s*\Z")
_INSIDE = ("text", "value", "normalized_value", "aliases", "answer")  # of a gold that is an object


def golds(value: Any) -> tuple[str, ...]:
    """The answers that a cell counts as right, first the one to show; empty if it is unknown."""
    return tuple(dict.fromkeys(_each(value)))


def _each(value: Any) -> Iterable[str]:
    if parse.blank(value):
        return
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _listed(value)
    if isinstance(value, dict):
        for name in _INSIDE:
            yield from _each(value.get(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _each(one)
    else:
        yield _stated(parse.text(value) or "")


def _listed(text: str) -> str | list[Any]:
    """The texts of a list that is written as JSON or as Python writes it; anything else, such as
    the interval [1, 2], is a text."""
    for read in (orjson.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, list) and value and _of_texts(value):
            return value
    return text


def _of_texts(value: Any) -> bool:
    """Whether it is a text, or a list of nothing else, however deep."""
    if isinstance(value, list):
        return all(_of_texts(one) for one in value)
    return isinstance(value, str)


def _stated(text: str) -> str:
    """What a worked solution ends in; a short gold is that itself."""
    text = text.strip()
    marked = _MARKED.search(text)
    if marked:
        return marked[1].strip()
    boxed = last_boxed(text)
    return boxed.strip() if boxed and boxed.strip() else text


# -- multiple choice


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of a question: their texts, and the labels they were given, if any."""

    texts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class UnknownChoice(Exception):
    """A gold that names none of its choices, in the row of that number."""

    def __init__(self, row: int, gold: str) -> None:
        super().__init__(gold)
        self.row, self.gold = row, gold


class UnknownFirst(Exception):
    """Golds that are numbers, and may count the choices from 0 or from 1."""


def options(value: Any) -> Options:
    """Choices from a list of texts, its JSON, `{"text": [...], "label": [...]}` as Hugging Face
    writes them, a list of objects with text and label, or `{"A": "first", ...}`.

    Raises:
        ValueError: if it is none of these.
    """
    if parse.blank(value):
        return Options()
    if isinstance(value, str):
        value = orjson.loads(value)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        value = {
            "text": [one.get("text", one.get("content")) for one in value],
            "label": [one["label"] for one in value if "label" in one],
        }
    elif isinstance(value, dict) and "text" not in value:
        value = {"text": list(value.values()), "label": list(value)}
    if not isinstance(value, dict):
        return Options(parse.texts(value))
    texts, labels = parse.texts(value["text"]), parse.texts(value.get("label"))
    return Options(texts, labels if len(labels) == len(texts) else ())


def letters(count: int) -> tuple[str, ...]:
    """A, B, C, ... for so many choices."""
    return tuple(chr(ord("A") + i) for i in range(count))


def lettered(
    rows: Sequence[tuple[tuple[str, ...], Options]], first: int | None = None
) -> list[tuple[str, ...]]:
    """The golds of all rows, (rows,), by the letters of the choices they name.

    A gold names its choice by label, text, letter or position. Where all golds of a file are
    numbers they are positions, unless every one of them is a choice of its question; whether the
    `first` position is 0 or 1 follows from the golds. A row without choices keeps its golds.

    Raises:
        UnknownChoice: for the first gold that is none of its choices.
        UnknownFirst: if positions from 0 and from 1 both fit, and `first` is not given.
    """
    named = [(gold, given) for golds_, given in rows if given.texts for gold in golds_]
    numbers = [(gold, given) for gold, given in named if gold.isdecimal()]
    placed = len(numbers) == len(named) and any(not _is_choice(*pair) for pair in named)
    if not placed:
        numbers = [pair for pair in numbers if not _is_choice(*pair)]
    if first is None:
        first = _first(numbers)
    found = []
    for number, (golds_, given) in enumerate(rows):
        try:
            found.append(tuple(_request_body(g, given, first, placed) for g in golds_))
        except LookupError as error:
            raise UnknownChoice(number, str(error.args[0])) from None
    return found


def _is_choice(gold: str, given: Options) -> bool:
    return gold in given.labels or gold in given.texts


def _first(numbers: Sequence[tuple[str, Options]]) -> int:
    """0 or 1, whichever lets all positions be inside; 0 where neither does, or none is a number."""
    from_zero = all(int(gold) < len(given.texts) for gold, given in numbers)
    from_one = all(0 < int(gold) <= len(given.texts) for gold, given in numbers)
    if numbers and from_zero and from_one:
        raise UnknownFirst
    return int(from_one and not from_zero)


def _request_body(gold: str, given: Options, first: int, placed: bool) -> str:
    if not given.texts:
        return gold
    named = letters(len(given.texts))
    if not placed:
        for names in (given.labels, given.texts):
            if gold in names:
                return named[names.index(gold)]
        if gold.strip("() .").upper() in named:
            return gold.strip("() .").upper()
    if gold.isdecimal() and 0 <= int(gold) - first < len(named):
        return named[int(gold) - first]
    raise LookupError(gold)
