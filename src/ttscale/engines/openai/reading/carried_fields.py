"""Fields of a reply that only its client can read: kept as they are, for the reply a client gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....core.carried import MESSAGE, REPLY, USAGE
from .content import THINKING_FIELDS
from .json_values import writable_json
from .merging import merged

_READ_OF_MESSAGE = frozenset({"role", "content", "refusal", "tool_calls", "function_call", *THINKING_FIELDS})
_READ_OF_REPLY = frozenset({"id", "object", "created", "model", "choices", "usage", "timings", "error"})
_OF_THE_SERVER = frozenset(
    {"system_fingerprint", "service_tier", "prompt_logprobs", "prompt_token_ids", "kv_transfer_params"}
)
UNCARRIED = _READ_OF_REPLY | _OF_THE_SERVER
"""Fields of a reply that are read, or say something of the server or the prompt, not of the answer."""
TOTALS = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
"""The counts that every server reports."""


class CarriedFields:
    """Takes events and their messages, and keeps what nothing else reads of them.

    Attributes:
        message: fields beside the content (annotations, audio, images, reasoning_details).
        reply: fields beside the choices (citations).
        usage: counts beside the totals.
    """

    __slots__ = ("message", "reply", "usage")

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}
        self.reply: dict[str, Any] = {}
        self.usage: dict[str, Any] = {}

    def of_message(self, message: Mapping[str, Any]) -> None:
        """Take in a message or a piece of one."""
        if not message.keys() <= _READ_OF_MESSAGE:
            for name in message.keys() - _READ_OF_MESSAGE:
                if message[name] not in (None, [], {}):
                    self.message[name] = merged(self.message.get(name), message[name], name)

    def of_reply(self, event: Mapping[str, Any]) -> None:
        """Take in what stands beside the choices."""
        for name in event.keys() - UNCARRIED:
            if event[name] not in (None, [], {}):
                self.reply[name] = event[name]  # whole, again and again

    def of_usage(self, usage: Mapping[str, Any]) -> None:
        """Take in the counts."""
        self.usage |= {k: v for k, v in usage.items() if k not in TOTALS and v is not None}

    def meta(self) -> dict[str, Any]:
        """Them as part of a trace's `meta`."""
        found = {MESSAGE: self.message, REPLY: self.reply, USAGE: self.usage}
        return {name: known for name, fields in found.items() if fields and (known := writable_json(fields))}
