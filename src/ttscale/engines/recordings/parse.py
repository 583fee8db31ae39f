"""Reading single values of recorded samples, from CSV texts or typed values alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import orjson

from ...core import Finish, FloatArray

_FINISH: dict[str, Finish] = {
    **dict.fromkeys(
        (
            "stop",
            "eos",
            "end_turn",
            "eos_token",
            "completed",
            "complete",
            "stop_sequence",
            "tool_calls",
            "tool_use",
            "function_call",
            "finished",
        ),
        "stop",
    ),
    **dict.fromkeys(("length", "max_tokens", "max_length", "truncated"), "length"),
    **dict.fromkeys(("refused", "refusal", "content_filter", "safety"), "refused"),
    **dict.fromkeys(("error", "failed"), "error"),
    **dict.fromkeys(("cancelled", "abort"), "cancelled"),
    "cut": "cut",
    "budget": "budget",
    "censored": "censored",
}
_MOST = 1 << 53  # beyond it floats are not exact, and no model gets that far
_TRUE = frozenset(
    {"true", "1", "yes", "t", "1.0", "right", "correct", "pass", "passed", "c", "success", "resolved"}
)
_FALSE = frozenset(
    {
        "false",
        "0",
        "no",
        "f",
        "0.0",
        "wrong",
        "incorrect",
        "fail",
        "failed",
        "i",
        "failure",
        "unresolved",
        "timeout",
    }
)
_NOTHING = frozenset({"", "nan", "null", "none", "n/a", "<na>"})


def blank(value: Any) -> bool:
    """Whether a cell says that there is nothing: empty, nan, null."""
    if isinstance(value, str):
        return value.strip().casefold() in _NOTHING
    return value is None or (isinstance(value, float) and math.isnan(value))


def inner(value: Any) -> Any:
    """What is inside of lists: of one with a single element that element; of several, the first if
    it is a text."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return value[0]
    return value


def whole(value: Any) -> int | None:
    """A number of tokens; None if nothing is written.

    Raises:
        ValueError: if it is not a whole number of at least 0.
    """
    if blank(value):
        return None
    number = int(value) if isinstance(value, str) and value.isdecimal() else float(value)
    if not 0 <= number <= _MOST or number != int(number):
        raise ValueError("not a whole number of at least 0")
    return int(number)


def real(value: Any) -> float | None:
    """A finite number; None if nothing is written."""
    if blank(value):
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def verdict(value: Any) -> bool | None:
    """True or False, however written; None if nothing is written."""
    if isinstance(value, bool):
        return value
    if blank(value):
        return None
    written = str(value).strip().casefold()
    if written in _TRUE:
        return True
    if written in _FALSE:
        return False
    raise ValueError("neither true nor false")


def text(value: Any) -> str | None:
    """A text; None if there is no value. Numbers and lists come as they are written in JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool | int | float):
        return str(value)
    return orjson.dumps(value).decode()


def answer(value: Any) -> str | None:
    """What a sample says; a list with one text in it, however deep, is that text."""
    return text(inner(value))


def failure(value: Any) -> bool:
    """Whether a cell tells of an error."""
    return not blank(value) and str(value).strip().casefold() not in ("false", "0", "[]", "{}")


def finish(value: Any) -> Finish:
    """How a sample ended; nothing written is taken for a normal end."""
    value = inner(value)
    if blank(value):
        return "stop"
    found = _FINISH.get(str(value).strip().casefold())
    if found is None:
        raise ValueError(f"not one of {', '.join(_FINISH)}")
    return found


def array(value: Any) -> FloatArray | None:
    """Numbers per token, (tokens,): a list, or its JSON text."""
    if not isinstance(value, list) and blank(value):
        return None
    import numpy as np

    numbers = np.asarray(orjson.loads(value) if isinstance(value, str) else value, np.float32)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError("not a list of finite numbers")
    return numbers


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts, or its JSON text."""
    if blank(value):
        return ()
    items = orjson.loads(value) if isinstance(value, str) else value
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise ValueError("not a list")
    return tuple(text(item) or "" for item in items)
