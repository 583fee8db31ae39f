"""What a model is asked: a conversation or a raw text, with the start of the reply if given."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import orjson

MessageRole = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Image:
    """An image part: `url` is an http(s) address or a data URI, which carries the bytes."""

    url: str

    @classmethod
    def read(cls, path: str | Path) -> Image:
        """The image at `path`, as a data URI, so that prompts hash by content."""
        path = Path(path)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return cls(f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is text, or text and images in order; `extra` holds further fields of
    the OpenAI message (tool_calls, tool_call_id, name), passed through untouched."""

    role: MessageRole
    content: str | tuple[str | Image, ...]
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    def as_openai(self) -> dict[str, Any]:
        """The message in OpenAI's JSON shape."""
        if isinstance(self.content, str):
            content: Any = self.content
        else:
            content = [
                {"type": "text", "text": part}
                if isinstance(part, str)
                else {"type": "image_url", "image_url": {"url": part.url}}
                for part in self.content
            ]
        return {"role": self.role, "content": content, **self.extra}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation (`messages`) or a raw text (`raw`), and the beginning of the reply (`prefix`).

    A non-empty prefix is text the model is to continue, not to repeat.
    """

    messages: tuple[Message, ...] = ()
    prefix: str = ""
    raw: str | None = None
    _key: str = field(default="", init=False, repr=False, compare=False, hash=False)

    @classmethod
    def user(cls, text: str, *images: Image, system: str | None = None) -> Prompt:
        """A single user turn, with a system message before it if given."""
        head = (Message("system", system),) if system else ()
        return cls((*head, Message("user", (text, *images) if images else text)))

    def then(self, text: str) -> Prompt:
        """The same prompt with `text` added to the reply's beginning."""
        return replace(self, prefix=self.prefix + text)

    def turn(self, reply: str, text: str) -> Prompt:
        """The conversation continued: the model said `reply`, the user says `text`."""
        added = (Message("assistant", self.prefix + reply), Message("user", text))
        return replace(self, messages=self.messages + added, prefix="")

    @property
    def text(self) -> str:
        """What the user said last, images left out; the raw text of a raw prompt."""
        if self.raw is not None:
            return self.raw
        for message in reversed(self.messages):
            if message.role == "user":
                parts = (message.content,) if isinstance(message.content, str) else message.content
                return "\n".join(p for p in parts if isinstance(p, str))
        return ""

    @property
    def has_images(self) -> bool:
        return any(not isinstance(m.content, str) for m in self.messages)

    @property
    def key(self) -> str:
        """A digest of everything the model sees: equal prompts have equal keys."""
        if not self._key:
            seen = [[m.as_openai() for m in self.messages], self.prefix, self.raw]
            digest = hashlib.blake2b(orjson.dumps(seen, option=orjson.OPT_SORT_KEYS), digest_size=12)
            object.__setattr__(self, "_key", digest.hexdigest())
        return self._key
