"""The items of an input as the messages of a conversation.

What the model did between two messages of others is one turn: its reasoning, its words and all its
calls are one assistant message, as they were when it made them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ...errors import ApiError, wrong
from ...json_types import type_of
from .tools import CALLS, as_call

_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_ROLES = ("user", "assistant", "system", "developer")


def messages(given: Any) -> list[dict[str, Any]]:
    """The messages of an `input`.

    Raises:
        ApiError: 400 for an item that cannot be translated.
    """
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise wrong("'input' must be a text or a list of items", "input")
    found: list[dict[str, Any]] = []
    turn: dict[str, Any] | None = None  # the assistant message under way
    for number, item in enumerate(given):
        where = f"input[{number}]"
        if not isinstance(item, dict):
            raise wrong(f"'{where}' must be an object", where)
        kind = "message" if item.get("type") in (None, "") else type_of(item) or "unknown"
        own = kind == "reasoning" or kind in CALLS or (kind == "message" and item.get("role") == "assistant")
        if not own:
            turn = None
            found.append(_of_others(item, kind, where))
            continue
        if turn is None or (kind == "message" and (turn["content"] or "tool_calls" in turn)):
            turn = {"role": "assistant", "content": None}
            found.append(turn)
        _add(turn, item, kind, where)
    # reasoning alone makes up no turn
    return [message for message in found if message["content"] is not None or "tool_calls" in message]


def _of_others(item: Mapping[str, Any], kind: str, where: str) -> dict[str, Any]:
    """A message that is not the model's own, or what a tool gave."""
    if kind in _OUTPUTS:
        if not isinstance(item.get("call_id"), str):
            raise wrong(f"'{where}' must have a 'call_id'", where)
        output = _output(item.get("output"), where)
        return {"role": "tool", "tool_call_id": item["call_id"], "content": output}
    if kind == "item_reference":
        raise wrong(f"'{where}' refers to a stored item, and none are stored here", where)
    if kind != "message":
        raise wrong(f"items of type {kind!r} are not available here", where)
    if item.get("role") not in _ROLES:
        raise wrong(f"'{where}.role' must be one of {', '.join(_ROLES)}", where)
    content = item.get("content")
    if isinstance(content, list):
        content = [_part(part, where) for part in content]
    elif not isinstance(content, str):
        raise wrong(f"'{where}.content' must be a text or a list of parts", where)
    return {"role": item["role"], "content": content}


def _add(turn: dict[str, Any], item: Mapping[str, Any], kind: str, where: str) -> None:
    """Add an item of the model's own to its turn."""
    if kind in CALLS:
        turn.setdefault("tool_calls", []).append(as_call(item, where))
    elif kind == "message":
        turn["content"] = _words(item.get("content"), where)
    else:
        thought = "\n\n".join(
            text
            for name in ("content", "summary")
            for part in item.get(name) or ()
            if isinstance(part, dict) and isinstance(text := part.get("text"), str)
        )
        if thought:
            turn["reasoning_content"] = "\n\n".join(filter(None, (turn.get("reasoning_content"), thought)))
        details = item.get("reasoning_details")
        if isinstance(details, list):
            turn["reasoning_details"] = [*turn.get("reasoning_details", ()), *details]


def _words(content: Any, where: str) -> str:
    """What the model said, a refusal included: servers take a text from an assistant."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not isinstance(content, list):
        raise wrong(f"'{where}.content' must be a text or a list of parts", where)
    return "".join(_text_of(part, where) for part in content)


def _text_of(part: Any, where: str) -> str:
    text = part.get("refusal") if isinstance(part, dict) and part.get("type") == "refusal" else None
    if text is None and isinstance(part, dict) and part.get("type") in ("output_text", "input_text", "text"):
        text = part.get("text")
    if not isinstance(text, str):
        raise _unknown(part, where)
    return text


def _output(output: Any, where: str) -> Any:
    """What a tool gave: a text, or parts where it gave more than text."""
    if isinstance(output, str):
        return output
    if isinstance(output, list) and output and all(isinstance(p, dict) and "type" in p for p in output):
        parts = [_part(part, where) for part in output]
        if all(part["type"] == "text" for part in parts):
            return "\n".join(part["text"] for part in parts)
        return parts
    return "" if output is None else orjson.dumps(output).decode()


def _part(part: Any, where: str) -> dict[str, Any]:
    kind = type_of(part)
    if kind in ("input_text", "output_text", "text") and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "input_image":
        url = part.get("image_url")
        if not isinstance(url, str):
            raise wrong(f"'{where}' has an image without 'image_url': files are not stored here", where)
        image = {"url": url}
        if part.get("detail"):
            image["detail"] = part["detail"]
        return {"type": "image_url", "image_url": image}
    raise _unknown(part, where)


def _unknown(part: Any, where: str) -> ApiError:
    kind = type_of(part)
    return wrong(f"parts of type {kind!r} are not available here", where)
