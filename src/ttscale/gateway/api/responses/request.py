"""A body of /v1/responses as a request for chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...config import Limits
from ...errors import wrong
from .. import requests
from ..options import Options
from ..requests import ApiRequest
from .conversation import messages
from .tools import chat_tools

_OWN = frozenset(
    {
        "input",
        "instructions",
        "max_output_tokens",
        "text",
        "tools",
        "tool_choice",
        "store",
        "include",
        "truncation",
        "previous_response_id",
        "reasoning",
        "background",
        "conversation",
    }
)


def as_chat_request(body: Mapping[str, Any], limits: Limits, options: Options) -> ApiRequest:
    """A body of /v1/responses.

    Raises:
        ApiError: 400 for what cannot be translated.
    """
    for name in ("previous_response_id", "conversation"):
        if body.get(name) is not None:
            raise wrong(f"{name!r} needs stored responses, and none are stored here", name)
    if body.get("background"):
        raise wrong("'background' is not available here", "background")
    if body.get("n") not in (None, 1):
        raise wrong("'n' is not part of this API", "n")
    chat = {name: value for name, value in body.items() if name not in _OWN}
    chat["messages"] = messages(body.get("input"))
    if body.get("instructions") is not None:
        chat["messages"].insert(0, {"role": "system", "content": body["instructions"]})
    chat["max_tokens"] = requests.limit(body, ["max_output_tokens"])
    chat |= chat_tools(body.get("tools"), body.get("tool_choice"))
    form = body["text"].get("format") if isinstance(body.get("text"), dict) else None
    if isinstance(form, dict) and form.get("type") != "text":
        kind = form.get("type")
        rest = {k: v for k, v in form.items() if k != "type"}
        chat["response_format"] = {"type": kind, "json_schema": rest} if kind == "json_schema" else form
    if isinstance(body.get("reasoning"), dict) and body["reasoning"].get("effort"):
        chat["reasoning_effort"] = body["reasoning"]["effort"]
    return requests.chat(chat, limits, options)
