"""Tool calls: the functions called and their arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any

from ...core import Trace
from ..rule import KeyedRule, is_blank
from ..thinking import reply_of

_TAGGED = re.compile(
    r"<\|?tool_calls?(?:_begin)?\|?>(?P<a>.*?)(?:</tool_calls?>|<\|?/?tool_calls?(?:_end)?\|?>|\Z)"
    r"|<function=(?P<name>[\w.-]+)>(?P<b>.*?)</function>"
    r"|\[TOOL_CALLS\](?P<c>.*?)(?:\[/TOOL_CALLS\]|\Z)|<\|python_tag\|>(?P<d>.*?)(?:<\||\Z)",
    re.DOTALL,
)
_FENCED = re.compile(
    r"^[ \t]*```(?:json|tool_call|tool_code|tool)?[ \t]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE
)
_BEGINS = re.compile(r"^[ \t]*\{(?=\s*\"(?:name|type|function)\")", re.MULTILINE)


class ToolRule(KeyedRule):
    """The calls of a trace as canonical JSON, `[{"arguments": {...}, "name": "..."}]`, in an order
    of their own: parallel calls have none. A custom tool has an `input`, a text, in place of arguments.

    Calls that the server did not tell apart from the text are read there. A call whose arguments
    are not a JSON object makes the trace abstain.
    """

    name = "tool"

    def extract(self, trace: Trace) -> str | None:
        if trace.answer is not None:
            return self.read(trace.answer)
        if trace.tool_calls:
            return _canonical(list(trace.tool_calls))
        return self.find(reply_of(trace))

    def find(self, text: str) -> str | None:
        return self.read(text)

    def read(self, written: str) -> str | None:
        return None if is_blank(written) else _read(written)

    def key(self, answer: str) -> Hashable:
        return self.read(answer) or answer.strip()


@lru_cache(maxsize=16384)
def _read(written: str) -> str | None:
    """The calls in a text: all of it JSON, or in tags, or in the last fenced block."""
    tagged = [
        _document(match["b"], match["name"]) if match["name"] else _document(_inside(match))
        for match in _TAGGED.finditer(written)
    ]
    if tagged:
        found: list[Any] = []
        for document in tagged:
            found += document if isinstance(document, list) else [document]
        return _canonical(found)
    whole = _document(written)
    if whole is None:
        blocks = [_document(block) for block in _FENCED.findall(written)]
        calls = [block for block in blocks if block is not None] or _in_prose(written)
        whole = [c for block in calls for c in (block if isinstance(block, list) else [block])]
    if isinstance(whole, Mapping) and isinstance(whole.get("tool_calls"), list):
        whole = whole["tool_calls"]
    return _canonical(whole if isinstance(whole, list) else [whole])


def _in_prose(text: str) -> list[Any]:
    """The calls that stand on lines of their own between words."""
    found, decoder, end = [], json.JSONDecoder(), 0
    for match in _BEGINS.finditer(text):
        if match.end() - 1 >= end:
            try:
                call, end = decoder.raw_decode(text, match.end() - 1)
            except (ValueError, RecursionError):
                return []
            found.append(call)
    return found


def _inside(match: re.Match[str]) -> str:
    return next(text for text in match.group("a", "c", "d") if text is not None)


def _document(text: str, name: str | None = None) -> Any:
    """What a JSON text says (the arguments of `name`, if given); None if it is none."""
    text = re.sub(r"\A\s*```\w*\s*|\s*```\s*\Z", "", text).strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:  # one call after another, a line each or parted by semicolons
            lines = [line for line in re.split(r"[\n;]\s*(?=\{)", text) if line.strip()]
            value = [json.loads(line) for line in lines] if len(lines) > 1 else None
        except (ValueError, RecursionError):
            value = None
    return {"name": name, "arguments": value} if name else value


def _canonical(calls: list[Any]) -> str | None:
    """The calls in OpenAI's shape or flat; None if there are none or one is malformed."""
    try:
        plain = [
            json.dumps(_call(call), sort_keys=True, ensure_ascii=False, allow_nan=False) for call in calls
        ]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return f"[{', '.join(sorted(plain))}]" if plain else None


def _call(call: Any) -> dict[str, Any]:
    body = call.get("custom") or call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(body.get("name"), str) or not body["name"]:
        raise TypeError("no call")
    if isinstance(body.get("input"), str) and not {"arguments", "parameters"} & body.keys():
        return {"name": body["name"], "input": body["input"]}
    arguments = body.get("arguments", body.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = json.loads(arguments) if arguments.strip() else {}
    if not isinstance(arguments, Mapping):
        raise TypeError("arguments are not an object")
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
