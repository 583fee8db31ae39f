"""The reply of /v1/responses, whole or as events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ....core import Configured
from ...errors import ApiError
from ..chat_and_completions import Shape
from ..choice import Choice
from ..reply_fields import carried_reply, finish_reason, usage
from ..requests import ApiRequest
from . import output
from .events import ItemEvents

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Responses(Shape):
    """Writes one reply. Reasoning comes before the words it led to, and calls come last."""

    def __init__(self, request: ApiRequest, method: Configured) -> None:
        super().__init__(request, method)
        self._events = ItemEvents()
        self._thinking = self._text = ""  # as far as they were written

    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        trace = choices[0].trace
        return self._ended(choices, output.items(trace, self.id, trace.thinking, trace.answer_text))

    def begin(self) -> list[bytes]:
        response = self._response("in_progress")
        return [
            self._events.event("response.created", response=response),
            self._events.event("response.in_progress", response=response),
        ]

    def delta(self, choice: int, thinking: str, answer: str) -> list[bytes]:
        events = []
        if thinking and not self._text:  # an item that has closed stays closed
            self._thinking += thinking
            events += self._events.grow(output.reasoning(self.id, self._thinking), thinking)
        if answer:
            if self._thinking:
                events += self._events.close(output.reasoning(self.id, self._thinking))
            self._text += answer
            events += self._events.grow(self._written()[-1], answer)
        return events

    def end(self, choices: Sequence[Choice]) -> list[bytes]:
        trace, opened = choices[0].trace, self._events.opened
        items = output.items(
            trace, self.id, self._thinking or trace.thinking, trace.answer_text or self._text
        )
        items.sort(key=lambda item: opened.index(item["id"]) if item["id"] in opened else len(opened))
        events = [e for index, item in enumerate(items) for e in self._events.close(item, index)]
        whole = self._ended(choices, items)
        return [*events, self._events.event(f"response.{whole['status']}", response=whole)]

    def failed(self, error: ApiError) -> bytes:
        return self._events.failed(error, self._response("failed") | {"output": self._written()})

    # -- parts

    def _written(self) -> list[dict[str, Any]]:
        """The items that have begun, as far as they were written."""
        items = [output.reasoning(self.id, self._thinking)] if self._thinking else []
        if self._text:
            items.append(output.message(self.id, [output.words(self._text)], "incomplete"))
        return items

    def _ended(self, choices: Sequence[Choice], items: list[dict[str, Any]]) -> dict[str, Any]:
        trace, used = choices[0].trace, usage(choices)
        reason = _INCOMPLETE.get(finish_reason(trace))
        return {
            **carried_reply(choices),
            **self._response("incomplete" if reason else "completed"),
            "incomplete_details": {"reason": reason} if reason else None,
            "output": items,
            "usage": {
                "input_tokens": used["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": 0, **used.get("prompt_tokens_details", {})},
                "output_tokens": used["completion_tokens"],
                "output_tokens_details": used["completion_tokens_details"],
                "total_tokens": used["total_tokens"],
            },
            "ttscale": self.extension(choices),
        }

    def _response(self, status: str) -> dict[str, Any]:
        body = self.request.body
        choice = body.get("tool_choice", "auto")
        return {
            "id": f"resp_{self.id}",
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": self.request.sampling.max_tokens,
            "model": self.request.model,
            "output": [],
            "parallel_tool_calls": bool(body.get("parallel_tool_calls", True)),
            "previous_response_id": None,
            "reasoning": {"effort": body.get("reasoning_effort"), "summary": None},
            "store": False,
            "temperature": body.get("temperature"),
            "top_p": body.get("top_p"),
            "text": {"format": {"type": "text"}},
            "tool_choice": {"type": choice["type"], **choice[choice["type"]]}
            if isinstance(choice, dict)
            else choice,
            "tools": [],
            "truncation": "disabled",
            "usage": None,
            "user": body.get("user"),
            "metadata": body.get("metadata") or {},
        }
