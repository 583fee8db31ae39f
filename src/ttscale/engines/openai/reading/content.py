"""What a message holds: texts, thinking, words of refusal, as one text or as a list of parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

THINKING_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
_THINKING_PARTS = ("thinking", "reasoning", "reasoning_text", "reasoning.text", "summary_text")


class Content(NamedTuple):
    """A message or a piece of one."""

    thinking: str
    text: str
    refusal: str


def content_of(message: Mapping[str, Any]) -> Content:
    """The content of a message or a delta, and the thinking its server keeps in a field beside."""
    content, refusal = message.get("content"), message.get("refusal")
    thinking = ""
    for name in THINKING_FIELDS:  # some servers send the same under two names
        value = message.get(name)
        if value:
            thinking = value if type(value) is str else _words(value)
            break
    if type(content) is str or not content:
        text = content or ""
    else:
        inside, text, declined = _parts(content)
        thinking, refusal = thinking + inside, refusal or declined
    return Content(thinking, text, refusal if type(refusal) is str else _words(refusal))


def _parts(content: Any) -> Content:
    """The parts of a content; what is neither text nor thinking nor refusal is not for reading."""
    thinking, text, refusal = "", "", ""
    for part in content if type(content) is list else [content]:
        kind = part.get("type") if type(part) is dict else None
        if kind in _THINKING_PARTS:
            thinking += _words(part)
        elif kind == "refusal":
            refusal += _words(part)
        else:
            text += _words(part.get("text") if type(part) is dict else part)
    return Content(thinking, text, refusal)


def _words(part: Any) -> str:
    """The text in a part, however deep it is wrapped; "" if it has none."""
    words, waiting = "", [part]
    while waiting:
        part = waiting.pop()
        if type(part) is str:
            words += part
        elif type(part) is list:
            waiting += reversed(part)
        elif type(part) is dict:
            names = ("text", "thinking", "reasoning", "summary", "refusal", "content", "value")
            waiting += [next((part[name] for name in names if part.get(name)), "")]
    return words
