"""Tools, the choice among them, and calls of them: between this API's shape and that of chat
completions. A call keeps the fields that this API does not have, in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ...errors import wrong
from ...json_types import type_of

CALLS = {"function_call": "function", "custom_tool_call": "custom"}
"""The types of items that are calls, and what the tools are called."""
_WRITTEN = {"function": "arguments", "custom": "input"}
_PREFIX = {"function": "fc", "custom": "ctc"}
_READ = frozenset({"type", "id", "call_id", "status", "name", "arguments", "input"})


# -- what a request may call


def chat_tools(tools: Any, choice: Any) -> dict[str, Any]:
    """`tools` and `tool_choice` of a chat request. Of tools that are allowed by the choice alone, the
    others are left out: most servers do not know such a choice.

    Raises:
        ApiError: 400 for tools that are not called by the client, and for a choice among none.
    """
    if tools is not None and not isinstance(tools, list):
        raise wrong("'tools' must be a list", "tools")
    if type_of(choice) == "allowed_tools":
        tools, choice = _allowed(tools or [], choice), choice.get("mode", "auto")
    fields: dict[str, Any] = {}
    if tools:
        fields["tools"] = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(tools)]
        if choice is not None:
            fields["tool_choice"] = _choice(choice)
    elif choice is not None and choice not in ("auto", "none"):
        raise wrong("'tool_choice' asks for a tool, and 'tools' has none", "tool_choice")
    return fields


def _tool(tool: Any, where: str) -> dict[str, Any]:
    kind = type_of(tool)
    if kind not in _WRITTEN or not isinstance(tool.get("name"), str):
        raise wrong("only tools of type 'function' or 'custom' with a name are available here", where)
    fields = {k: v for k, v in tool.items() if k != "type" and v is not None}
    form = fields.get("format")
    if isinstance(form, dict) and form.get("type") == "grammar" and "grammar" not in form:
        fields["format"] = {
            "type": "grammar",
            "grammar": {name: value for name, value in form.items() if name != "type"},
        }
    return {"type": kind, kind: fields}


def _choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    kind = type_of(choice)
    if kind not in _WRITTEN:
        raise wrong(
            "'tool_choice' must be a word, a tool of type 'function' or 'custom', or allowed tools",
            "tool_choice",
        )
    return {"type": kind, kind: {"name": choice.get("name")}}


def _allowed(tools: list[Any], choice: Mapping[str, Any]) -> list[Any]:
    """The tools that a choice allows."""
    allowed = choice.get("tools")
    if not isinstance(allowed, list) or not all(isinstance(tool, dict) for tool in allowed):
        raise wrong("'tool_choice.tools' must be a list of tools", "tool_choice.tools")
    names = {_named(tool) for tool in allowed}
    found = [tool for tool in tools if isinstance(tool, dict) and _named(tool) in names]
    missing = names - {_named(tool) for tool in found}
    if missing:
        name = sorted(name for _, name in missing)[0]
        raise wrong(f"'tool_choice' allows {name!r}, which is not among 'tools'", "tool_choice.tools")
    return found


def _named(tool: dict[str, Any]) -> tuple[str | None, str]:
    return type_of(tool), str(tool.get("name"))


# -- calls


def as_item(call: Mapping[str, Any], item_id: str) -> dict[str, Any]:
    """A call of a reply as an output item; `item_id` tells it from the others."""
    kind = "custom" if call.get("type") == "custom" else "function"
    body, name = call.get(kind) or {}, _WRITTEN[kind]
    more = {k: v for k, v in body.items() if k not in ("name", name)}
    return {
        **{k: v for k, v in call.items() if k not in ("id", "type", kind)},
        **({kind: more} if more else {}),
        "type": next(item for item, tool in CALLS.items() if tool == kind),
        "id": f"{_PREFIX[kind]}_{item_id}",
        "status": "completed",
        "call_id": call.get("id") or f"call_{item_id}",
        "name": body.get("name", ""),
        name: body.get(name, ""),
    }


def as_call(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The inverse of `as_item`, for a call that is given back.

    Raises:
        ApiError: 400 if it does not say what was called.
    """
    kind = CALLS[item["type"]]
    written = item.get(_WRITTEN[kind])
    if not isinstance(item.get("call_id"), str) or not isinstance(item.get("name"), str):
        raise wrong(f"'{where}' must have a 'call_id' and a 'name'", where)
    if not isinstance(written, str):
        written = "{}" if written is None and kind == "function" else orjson.dumps(written or "").decode()
    more = item.get(kind)
    body = {**(more if isinstance(more, dict) else {}), "name": item["name"], _WRITTEN[kind]: written}
    rest = {k: v for k, v in item.items() if k not in _READ and k != kind and v is not None}
    return {**rest, "id": item["call_id"], "type": kind, kind: body}
