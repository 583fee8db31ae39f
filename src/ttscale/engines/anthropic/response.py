"""What a streamed Messages reply has said so far: its events, put into the words of the reader that all
HTTP models share.

Reference: https://docs.anthropic.com/en/api/messages-streaming.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..openai.reading.json_values import count, mapping, string
from ..openai.response import ResponseReader

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_PROMPT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_READ = {*_PROMPT[:2], "output_tokens"}


class MessagesReader(ResponseReader):
    """Takes the data of Messages events and gives chunks; see `ResponseReader`."""

    def __init__(self, prefix: str = "") -> None:
        super().__init__(prefix)
        self._usage: dict[str, Any] = {}
        self._blocks: dict[Any, dict[str, Any]] = {}
        self._calls = 0

    def _event(self, event: Any) -> None:
        kind = event.get("type") if type(event) is dict else None
        if kind == "message":  # a reply that was not streamed
            self._whole(event)
        elif kind == "message_start":
            message = mapping(event.get("message"))
            super()._event({"model": message.get("model"), "usage": self._counted(message.get("usage"))})
        elif kind == "content_block_start":
            self._begin_block(event.get("index"), mapping(event.get("content_block")))
        elif kind == "content_block_delta":
            self._extend_block(event.get("index"), mapping(event.get("delta")))
        elif kind == "content_block_stop":
            self._end_block(event.get("index"))
        elif kind == "message_delta":
            self._end_message(mapping(event.get("delta")), event.get("usage"))
        elif kind == "message_stop":
            self.done = self.settled = True
        elif kind != "ping":
            super()._event(event)  # an error, or nothing that is known

    def _whole(self, message: Mapping[str, Any]) -> None:
        super()._event({"model": message.get("model"), "usage": self._counted(message.get("usage"))})
        for index, block in enumerate(message.get("content") or ()):
            self._begin_block(index, mapping(block))
            self._end_block(index)
        self._end_message(message, message.get("usage"))

    # -- blocks

    def _begin_block(self, index: Any, block: Mapping[str, Any]) -> None:
        kept = self._blocks[index] = dict(block)
        if block.get("type") == "tool_use":
            kept["index"], self._calls = self._calls, self._calls + 1
            given = block.get("input")
            function = {"name": block.get("name"), "arguments": given or ""}
            self._call(kept["index"], {"id": block.get("id"), "type": "function", "function": function})
        elif block.get("type") == "text":
            self._say("content", block.get("text"))
        elif block.get("type") == "thinking":
            self._say("reasoning_content", block.get("thinking"))

    def _extend_block(self, index: Any, delta: Mapping[str, Any]) -> None:
        kept = self._blocks.setdefault(index, {})
        kind = delta.get("type")
        if kind == "text_delta":
            self._say("content", delta.get("text"))
        elif kind == "thinking_delta":
            kept["thinking"] = string(kept.get("thinking")) + string(delta.get("thinking"))
            self._say("reasoning_content", delta.get("thinking"))
        elif kind == "signature_delta":
            kept["signature"] = string(kept.get("signature")) + string(delta.get("signature"))
        elif kind == "input_json_delta":
            self._call(kept.get("index", 0), {"function": {"arguments": delta.get("partial_json")}})

    def _end_block(self, index: Any) -> None:
        """Thinking is kept whole as well: a server wants back what it has signed."""
        kept = self._blocks.pop(index, {})
        if kept.get("type") in ("thinking", "redacted_thinking"):
            self._say("thinking_blocks", [kept])

    def _say(self, field: str, value: Any) -> None:
        if value:
            super()._event({"choices": [{"delta": {field: value}}]})

    def _call(self, index: int, piece: dict[str, Any]) -> None:
        super()._event({"choices": [{"delta": {"tool_calls": [{"index": index, **piece}]}}]})

    # -- the end

    def _end_message(self, delta: Mapping[str, Any], usage: Any) -> None:
        reason, matched = delta.get("stop_reason"), delta.get("stop_sequence")
        choice: dict[str, Any] = {"delta": {}}
        if reason is not None:
            word = string(reason)
            choice |= {"finish_reason": _REASONS.get(word, word), "stop_reason": matched}
        super()._event({"choices": [choice], "usage": self._counted(usage, generated=True)})

    def _counted(self, usage: Any, *, generated: bool = False) -> dict[str, Any]:
        """The counts in OpenAI's words: there, what a cache gave is part of the prompt. Those of generated
        tokens are believed at the end; the one at the beginning is a token ahead of the text."""
        self._usage |= {k: v for k, v in mapping(usage).items() if v is not None}
        parts = [count(self._usage.get(name)) for name in _PROMPT]
        known = {k: v for k, v in self._usage.items() if k not in _READ}
        if parts[0] is not None:
            known["prompt_tokens"] = sum(part or 0 for part in parts)
        if parts[1] is not None:
            known["prompt_tokens_details"] = {"cached_tokens": parts[1]}
        if generated:
            known["completion_tokens"] = self._usage.get("output_tokens")
        return known
