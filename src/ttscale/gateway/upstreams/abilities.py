"""What a request asks of a model, held against what the model is known not to do.

Only what is certain counts: a server elsewhere may do what it did not show, and says itself what it
refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ApiError, wrong
from .upstream import Upstream

_IMAGES = ("image_url", "input_image")


def require(body: Mapping[str, Any], upstream: Upstream) -> None:
    """Let a body of chat completions or responses pass, if its model may be able to answer it.

    Raises:
        ApiError: 400 for images that the model cannot see, and for a tool it must but cannot call.
    """
    choice = body.get("tool_choice")
    if choice == "required" or isinstance(choice, dict):
        if not upstream.elsewhere and not body.get("tools"):
            raise wrong("'tool_choice' demands a tool call, and the request has no 'tools'", "tool_choice")
        if upstream.lacks("tools"):
            raise _unable(f"model {upstream.name!r} calls no tools", "tool_choice")
    if _has_image(body.get("messages") or body.get("input")) and upstream.lacks("images"):
        raise _unable(f"model {upstream.name!r} reads text, not images", "messages")


def _has_image(messages: Any) -> bool:
    return any(
        part.get("type") in _IMAGES
        for message in _objects(messages)
        for part in _objects(message.get("content"))
    )


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _unable(message: str, param: str) -> ApiError:
    return wrong(message, param, "unsupported_by_model")
