"""JSON of unknown make as values of a known kind: what is none of that kind is unknown, never an error.

Servers write counts as texts, lists or -1, NaN where JSON has none, and half a letter where they cut a
text between two chunks.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from typing import Any

import orjson

_MOST = 1 << 24  # tokens: no context is as long
_LONE = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")
_HIGH = "\ud800", "\udbff"


def load(data: bytes) -> Any:
    """What a JSON text says, also one with NaN, lone surrogates or broken UTF-8.

    Raises:
        ValueError: if it says nothing.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data.decode("utf-8-sig", "replace")
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def mapping(value: Any) -> dict[str, Any]:
    """An object; an empty one for anything else."""
    return value if type(value) is dict else {}


def items(value: Any) -> list[Any]:
    """A list; an empty one for anything else."""
    return value if type(value) is list else []


def string(value: Any) -> str:
    """A text; "" for anything else."""
    return value if type(value) is str else ""


def count(value: Any) -> int | None:
    """A number of tokens, also one written as a text or as 5.0; None if it is none."""
    if type(value) is int:
        return value if 0 <= value <= _MOST else None
    written = type(value) is str and value.isascii() and value.isdigit() and len(value) < 9
    if written or (type(value) is float and value.is_integer()):
        return count(int(value))
    return None


def number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def writable(written: str) -> str:
    """The text with its surrogates put together, and what is half a letter replaced."""
    try:
        written.encode()
        return written
    except UnicodeEncodeError:
        return _LONE.sub("\ufffd", written).encode("utf-16", "surrogatepass").decode("utf-16")


def writable_json(value: Any) -> Any:
    """A value that can be written as JSON again: what cannot be is replaced; None if it is too deep."""
    for replace in (_unchanged, _replaced):
        with contextlib.suppress(TypeError, RecursionError):
            orjson.dumps(made := replace(value))
            return made
    return None


def _unchanged(value: Any) -> Any:
    return value


def _replaced(value: Any) -> Any:
    if type(value) is dict:
        return {writable(str(name)): _replaced(one) for name, one in value.items()}
    if type(value) is list:
        return [_replaced(one) for one in value]
    if type(value) is int and not -(1 << 63) <= value < 1 << 64:
        return float(value) if abs(value) < 1 << 1023 else None
    return writable(value) if type(value) is str else value


class Joiner:
    """Puts a letter together that was cut in half between two pieces of a text."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        """The piece as it can be written; half a letter at its end waits for the next."""
        if piece.isascii() and not self._half:
            return piece
        piece, self._half = self._half + piece, ""
        if _HIGH[0] <= piece[-1:] <= _HIGH[1]:
            piece, self._half = piece[:-1], piece[-1]
        return writable(piece)
