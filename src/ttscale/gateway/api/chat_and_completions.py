"""How replies are written: one shape per API, the same reply in each."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ...core import Configured
from .choice import Solved
from .event_stream import DONE, event
from .reply_fields import extension, finish_reason, logprobs, usage
from .requests import Asked


class Shape(ABC):
    """Writes one reply, whole or as events."""

    splits = True  # whether thinking is told apart from the answer

    def __init__(self, asked: Asked, method: Configured) -> None:
        self.asked, self.method = asked, method
        self.id, self.created = secrets.token_hex(12), int(time.time())

    @abstractmethod
    def whole(self, solved: Sequence[Solved]) -> dict[str, Any]:
        """The reply as one document."""

    @abstractmethod
    def begin(self) -> list[bytes]:
        """The first events of a stream."""

    @abstractmethod
    def piece(self, choice: int, thought: str, answer: str) -> list[bytes]:
        """More of a choice's thinking, or of its answer."""

    @abstractmethod
    def end(self, solved: Sequence[Solved]) -> list[bytes]:
        """The last events, after all pieces: how it ended, and what it cost."""

    def extension(self, solved: Sequence[Solved]) -> dict[str, Any]:
        return extension(solved, self.method, self.asked.options)


class Chat(Shape):
    """/v1/chat/completions."""

    def whole(self, solved: Sequence[Solved]) -> dict[str, Any]:
        return {
            **self._head("chat.completion"),
            "choices": [
                {
                    "index": number,
                    "message": self._message(choice),
                    "logprobs": self._logprobs(choice),
                    "finish_reason": finish_reason(choice.trace),
                }
                for number, choice in enumerate(solved)
            ],
            "usage": usage(solved),
            "ttscale": self.extension(solved),
        }

    def begin(self) -> list[bytes]:
        return [
            self._chunk(number, {"role": "assistant", "content": ""})
            for number in range(self.asked.choices)
        ]

    def piece(self, choice: int, thought: str, answer: str) -> list[bytes]:
        deltas = [{"reasoning_content": thought}] if thought else []
        if answer:
            deltas.append({"content": answer})
        return [self._chunk(choice, delta) for delta in deltas]

    def end(self, solved: Sequence[Solved]) -> list[bytes]:
        events = []
        for number, choice in enumerate(solved):
            if choice.trace.tool_calls:
                calls = [
                    {"index": i, **request} for i, request in enumerate(choice.trace.tool_calls)
                ]
                events.append(self._chunk(number, {"tool_calls": calls}))
            last = number == len(solved) - 1
            more = {"ttscale": self.extension(solved)} if last else {}
            events.append(
                self._chunk(number, {}, finish_reason(choice.trace), self._logprobs(choice), **more)
            )
        if self.asked.include_usage:
            used = {**self._head("chat.completion.chunk"), "choices": [], "usage": usage(solved)}
            events.append(event(used))
        return [*events, DONE]

    def _message(self, choice: Solved) -> dict[str, Any]:
        trace = choice.trace
        message: dict[str, Any] = {"role": "assistant", "content": trace.reply, "refusal": None}
        if trace.finish == "refused":
            message["refusal"] = str(trace.error or "refused")
        if trace.thinking:
            message["reasoning_content"] = trace.thinking
        if trace.tool_calls:
            message["tool_calls"] = list(trace.tool_calls)
            message["content"] = trace.reply or None
        return message

    def _logprobs(self, choice: Solved) -> dict[str, Any] | None:
        if not self.asked.logprobs:
            return None
        return {"content": logprobs(choice.trace), "refusal": None}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.id}", "object": kind, "created": self.created,
            "model": self.asked.model,
        }  # fmt: skip

    def _chunk(
        self,
        choice: int,
        delta: Mapping[str, Any],
        finish: str | None = None,
        scores: Any = None,
        **more: Any,
    ) -> bytes:
        entry = {"index": choice, "delta": delta, "logprobs": scores, "finish_reason": finish}
        return event({**self._head("chat.completion.chunk"), "choices": [entry], **more})


class Completions(Shape):
    """/v1/completions: texts as they were generated, thinking included."""

    splits = False

    def whole(self, solved: Sequence[Solved]) -> dict[str, Any]:
        return {
            **self._head(),
            "choices": [
                self._choice(number, choice.trace.text, choice)
                for number, choice in enumerate(solved)
            ],
            "usage": usage(solved),
            "ttscale": self.extension(solved),
        }

    def begin(self) -> list[bytes]:
        return []

    def piece(self, choice: int, thought: str, answer: str) -> list[bytes]:
        return [event({**self._head(), "choices": [self._choice(choice, thought + answer)]})]

    def end(self, solved: Sequence[Solved]) -> list[bytes]:
        events = []
        for number, choice in enumerate(solved):
            last = number == len(solved) - 1
            more = {"ttscale": self.extension(solved)} if last else {}
            entry = self._choice(number, "", choice)
            events.append(event({**self._head(), "choices": [entry], **more}))
        if self.asked.include_usage:
            events.append(event({**self._head(), "choices": [], "usage": usage(solved)}))
        return [*events, DONE]

    def _choice(self, number: int, text: str, ended: Solved | None = None) -> dict[str, Any]:
        scores = None
        if ended is not None and self.asked.logprobs:
            entries = logprobs(ended.trace) or []
            scores = {
                "tokens": [e["token"] for e in entries],
                "token_logprobs": [e["logprob"] for e in entries],
                "top_logprobs": None,
                "text_offset": list(ended.trace.ends or ()),
            }
        return {
            "index": number,
            "text": text,
            "logprobs": scores,
            "finish_reason": None if ended is None else finish_reason(ended.trace),
        }

    def _head(self) -> dict[str, Any]:
        return {
            "id": f"cmpl-{self.id}", "object": "text_completion", "created": self.created,
            "model": self.asked.model,
        }  # fmt: skip
