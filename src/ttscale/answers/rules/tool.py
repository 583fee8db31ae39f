"""Tool calls: the functions called and their arguments."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any

from ...core import Trace
from ..rule import KeyedRule, is_blank


class ToolRule(KeyedRule):
    """The calls of a trace as canonical JSON, `[{"arguments": {...}, "name": "..."}]`.

    A call whose arguments are no JSON object makes the trace abstain.
    """

    name = "tool"

    def extract(self, trace: Trace) -> str | None:
        if trace.answer is not None:
            return self.read(trace.answer)
        return _canonical(list(trace.tool_calls))

    def find(self, text: str) -> str | None:
        return self.read(text)

    def read(self, written: str) -> str | None:
        return None if is_blank(written) else _read(written)

    def key(self, answer: str) -> Hashable:
        return self.read(answer) or answer.strip()


@lru_cache(maxsize=16384)
def _read(written: str) -> str | None:
    try:
        calls = json.loads(written)
    except (ValueError, RecursionError):
        return None
    return _canonical(calls if isinstance(calls, list) else [calls])


def _canonical(calls: list[Any]) -> str | None:
    """The calls in OpenAI's shape or flat; None if there are none or one is malformed."""
    try:
        plain = [_call(call) for call in calls]
        if not plain:
            return None
        return json.dumps(plain, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _call(call: Any) -> dict[str, Any]:
    body = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(body.get("name"), str) or not body["name"]:
        raise TypeError("no call")
    arguments = body.get("arguments", {})
    if isinstance(arguments, str):
        arguments = json.loads(arguments) if arguments.strip() else {}
    if not isinstance(arguments, Mapping):
        raise TypeError("arguments are no object")
    return {"name": body["name"], "arguments": _values(arguments)}


def _values(value: Any) -> Any:
    """The same values with 2.0 written as 2: JSON does not tell them apart."""
    if isinstance(value, Mapping):
        return {str(k): _values(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_values(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
