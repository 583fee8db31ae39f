"""How many tokens a prompt has, where no engine has told it yet: an estimate, from what it did tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..prompt import Image, Prompt

_BYTES = 3  # per token: more in English, fewer in code and in many other languages
_TURN = 8  # tokens that a chat template puts around a message, at most
_IMAGE = 1000  # tokens of a picture, whose size is not looked at
_LONG = 300  # bytes from which a prompt tells how many there are to a token


class PromptLengths:
    """The lengths of one engine's prompts.

    The estimate is on the high side, so that a budget of money holds: until something is told, a
    token for every three bytes; then the last prompt told and, for what this one has more or less, as
    many tokens a byte as that had, unless it was too short to say. What a server adds to every prompt
    is learned with it.
    """

    __slots__ = ("_bytes", "_tokens")

    def __init__(self) -> None:
        self._bytes = self._tokens = 0

    def learn(self, size: int, tokens: int) -> None:
        """A prompt of `size` bytes has so many tokens."""
        self._bytes, self._tokens = size, tokens

    def estimate(self, size: int) -> int:
        """Tokens of a prompt of `size` bytes, at least 1."""
        rate = 1 / _BYTES
        if self._bytes >= _LONG:
            rate = min(1.0, self._tokens / self._bytes)  # a token is a byte at least
        return max(1, round(self._tokens + (size - self._bytes) * rate))


def size_of(prompt: Prompt, extra: Mapping[str, Any] | None = None) -> int:
    """Bytes of all that a model reads: the prompt's texts, and the tools among the `extra` fields of its
    request; templates and pictures in proportion to the tokens they take."""
    size = len(prompt.prefix.encode())
    if prompt.raw is not None:
        return size + len(prompt.raw.encode())
    for message in prompt.messages:
        size += _TURN * _BYTES
        for part in (message.content,) if isinstance(message.content, str) else message.content or ():
            size += _IMAGE * _BYTES if isinstance(part, Image) else len(part.encode())
        if message.extra:
            size += len(orjson.dumps(message.extra, default=str))
    if extra and extra.get("tools"):
        size += len(orjson.dumps(extra["tools"], default=str))
    return size
