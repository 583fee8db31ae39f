"""How replies are written: one shape per API, the same reply in each."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ...core import Configured, Trace
from ..errors import ApiError
from .choice import Choice
from .event_stream import DONE, event
from .reply_fields import carried_message, carried_reply, extension, finish_reason, logprobs, refusal, usage
from .requests import ApiRequest


class Shape(ABC):
    """Writes one reply, whole or as events."""

    splits = True  # whether thinking is told apart from the answer

    def __init__(self, request: ApiRequest, method: Configured) -> None:
        self.request, self.method = request, method
        self.id, self.created = secrets.token_hex(12), int(time.time())

    @abstractmethod
    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        """The reply as one document."""

    @abstractmethod
    def begin(self) -> list[bytes]:
        """The first events of a stream."""

    @abstractmethod
    def delta(self, choice: int, thinking: str, answer: str) -> list[bytes]:
        """More of a choice's thinking, or of its answer."""

    @abstractmethod
    def end(self, choices: Sequence[Choice]) -> list[bytes]:
        """The last events, after all pieces: how it ended, and what it cost."""

    def failed(self, error: ApiError) -> bytes:
        """The last event of a stream that fails."""
        return error.event()

    def extension(self, choices: Sequence[Choice]) -> dict[str, Any]:
        return extension(choices, self.method, self.request.options)


class Chat(Shape):
    """/v1/chat/completions."""

    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        return {
            **carried_reply(choices),
            **self._head("chat.completion"),
            "choices": [
                {
                    "index": number,
                    "message": self._message(choice.trace),
                    "logprobs": self._logprobs(choice),
                    "finish_reason": self._finish_reason(choice.trace),
                }
                for number, choice in enumerate(choices)
            ],
            "usage": usage(choices),
            "ttscale": self.extension(choices),
        }

    def begin(self) -> list[bytes]:
        return [
            self._chunk(number, {"role": "assistant", "content": ""})
            for number in range(self.request.choices)
        ]

    def delta(self, choice: int, thinking: str, answer: str) -> list[bytes]:
        deltas = [{"reasoning_content": thinking}] if thinking else []
        if answer:
            deltas.append({"content": answer})
        return [self._chunk(choice, delta) for delta in deltas]

    def end(self, choices: Sequence[Choice]) -> list[bytes]:
        events = []
        for number, choice in enumerate(choices):
            beside = carried_message(choice.trace) | self._calls(choice.trace, numbered=True)
            if words := refusal(choice.trace):
                beside["refusal"] = words
            if beside:
                events.append(self._chunk(number, beside))
            last = number == len(choices) - 1
            more = {**carried_reply(choices), "ttscale": self.extension(choices)} if last else {}
            finish = self._finish_reason(choice.trace)
            events.append(self._chunk(number, {}, finish, self._logprobs(choice), **more))
        if self.request.include_usage:
            used = {**self._head("chat.completion.chunk"), "choices": [], "usage": usage(choices)}
            events.append(event(used))
        return [*events, DONE]

    def _message(self, trace: Trace) -> dict[str, Any]:
        calls = self._calls(trace)
        thinking = {"reasoning_content": trace.thinking} if trace.thinking else {}
        return {
            **carried_message(trace),
            "role": "assistant",
            "content": trace.answer_text or None if calls else trace.answer_text,
            "refusal": refusal(trace),
            **thinking,
            **calls,
        }

    def _calls(self, trace: Trace, *, numbered: bool = False) -> dict[str, Any]:
        """The tool calls of a message; in a delta they are numbered."""
        if not trace.tool_calls:
            return {}
        if self._old:
            return {"function_call": trace.tool_calls[0].get("function")}
        calls = [{"index": i, **call} if numbered else call for i, call in enumerate(trace.tool_calls)]
        return {"tool_calls": calls}

    def _finish_reason(self, trace: Trace) -> str:
        reason = finish_reason(trace)
        return "function_call" if reason == "tool_calls" and self._old else reason

    @property
    def _old(self) -> bool:
        """Whether the client offered functions, of which one is called, in place of tools."""
        return bool(self.request.body.get("functions")) and not self.request.body.get("tools")

    def _logprobs(self, choice: Choice) -> dict[str, Any] | None:
        if not self.request.logprobs:
            return None
        return {"content": logprobs(choice.trace), "refusal": None}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.request.model,
        }

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

    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        return {
            **carried_reply(choices),
            **self._head(),
            "choices": [
                self._choice(number, choice.trace.text, choice) for number, choice in enumerate(choices)
            ],
            "usage": usage(choices),
            "ttscale": self.extension(choices),
        }

    def begin(self) -> list[bytes]:
        return []

    def delta(self, choice: int, thinking: str, answer: str) -> list[bytes]:
        return [event({**self._head(), "choices": [self._choice(choice, thinking + answer)]})]

    def end(self, choices: Sequence[Choice]) -> list[bytes]:
        events = []
        for number, choice in enumerate(choices):
            last = number == len(choices) - 1
            more = {**carried_reply(choices), "ttscale": self.extension(choices)} if last else {}
            entry = self._choice(number, "", choice)
            events.append(event({**self._head(), "choices": [entry], **more}))
        if self.request.include_usage:
            events.append(event({**self._head(), "choices": [], "usage": usage(choices)}))
        return [*events, DONE]

    def _choice(self, number: int, text: str, ended: Choice | None = None) -> dict[str, Any]:
        scores = None
        if ended is not None and self.request.logprobs:
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
            "id": f"cmpl-{self.id}",
            "object": "text_completion",
            "created": self.created,
            "model": self.request.model,
        }
