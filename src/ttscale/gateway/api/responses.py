"""/v1/responses for models and methods behind chat completions: the request translated, the reply
written in that API's shape. Nothing is stored: `previous_response_id` is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ...core import Configured, Trace
from ..config import Limits
from ..errors import wrong
from . import requests
from .chat_and_completions import Shape
from .choice import Choice
from .options import Options
from .reply_fields import finish_reason, usage
from .requests import ApiRequest

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
    messages = _messages(body.get("input"))
    if body.get("instructions") is not None:
        messages.insert(0, {"role": "system", "content": body["instructions"]})
    chat["messages"] = messages
    chat["max_tokens"] = requests.limit(body, ["max_output_tokens"])
    tools = body.get("tools")
    if tools is not None:
        if not isinstance(tools, list):
            raise wrong("'tools' must be a list", "tools")
        chat["tools"] = [_tool(tool) for tool in tools]
        if body.get("tool_choice") is not None:
            chat["tool_choice"] = _tool_choice(body["tool_choice"])
    form = body["text"].get("format") if isinstance(body.get("text"), dict) else None
    if isinstance(form, dict) and form.get("type") != "text":
        kind = form.get("type")
        rest = {k: v for k, v in form.items() if k != "type"}
        chat["response_format"] = {"type": kind, "json_schema": rest} if kind == "json_schema" else form
    if isinstance(body.get("reasoning"), dict) and body["reasoning"].get("effort"):
        chat["reasoning_effort"] = body["reasoning"]["effort"]
    return requests.chat(chat, limits, options)


def _messages(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise wrong("'input' must be a text or a list of items", "input")
    return [_message(item, f"input[{number}]") for number, item in enumerate(given)]


def _message(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise wrong(f"'{where}' must be an object", where)
    kind = item.get("type", "message")
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        request = {"id": item.get("call_id"), "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [request]}
    if kind == "function_call_output":
        output = item.get("output")
        text = output if isinstance(output, str) else orjson.dumps(output).decode()
        return {"role": "tool", "tool_call_id": item.get("call_id"), "content": text}
    if kind != "message":
        raise wrong(f"items of type {kind!r} are not available here", where)
    content = item.get("content")
    if isinstance(content, list):
        content = [_part(part, where) for part in content]
    return {"role": item.get("role"), "content": content}


def _part(part: Any, where: str) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("input_text", "output_text"):
        return {"type": "text", "text": part.get("text")}
    if kind == "input_image":
        image = {"url": part.get("image_url")}
        if part.get("detail"):
            image["detail"] = part["detail"]
        return {"type": "image_url", "image_url": image}
    raise wrong(f"parts of type {kind!r} are not available here", where)


def _tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise wrong("only tools of type 'function' are available here", "tools")
    function = {k: v for k, v in tool.items() if k != "type" and v is not None}
    return {"type": "function", "function": function}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice


class Responses(Shape):
    """Writes the reply of /v1/responses."""

    def __init__(self, request: ApiRequest, method: Configured) -> None:
        super().__init__(request, method)
        self._sequence, self._text, self._item = 0, "", f"msg_{self.id}"

    def whole(self, choices: Sequence[Choice]) -> dict[str, Any]:
        trace = choices[0].trace
        used = usage(choices)
        cut = finish_reason(trace) == "length"
        cached = used.get("prompt_tokens_details", {}).get("cached_tokens", 0)
        return {
            **self._response("incomplete" if cut else "completed"),
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": self._output(trace),
            "usage": {
                "input_tokens": used["prompt_tokens"],
                "input_tokens_details": {"cached_tokens": cached},
                "output_tokens": used["completion_tokens"],
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": used["total_tokens"],
            },
            "ttscale": self.extension(choices),
        }

    def begin(self) -> list[bytes]:
        response = self._response("in_progress")
        return [
            self._event("response.created", response=response),
            self._event("response.in_progress", response=response),
        ]

    def delta(self, choice: int, thinking: str, answer: str) -> list[bytes]:
        if not answer:
            return []  # thinking comes as an item of its own, at the end
        events = [] if self._text else self._opened()
        self._text += answer
        return [
            *events,
            self._event("response.output_text.delta", **self._place(), delta=answer, logprobs=[]),
        ]

    def end(self, choices: Sequence[Choice]) -> list[bytes]:
        whole, events = self.whole(choices), []
        if self._text:
            part = self._part(self._text)
            item = {**self._message("completed"), "content": [part]}
            events += [
                self._event("response.output_text.done", **self._place(), text=self._text, logprobs=[]),
                self._event("response.content_part.done", **self._place(), part=part),
                self._event("response.output_item.done", output_index=0, item=item),
            ]
        calls = [item for item in whole["output"] if item["type"] == "function_call"]
        for index, item in enumerate(calls, 1 if self._text else 0):
            at = {"output_index": index, "item_id": item["id"]}
            begun = {**item, "arguments": "", "status": "in_progress"}
            written = item["arguments"]
            events += [
                self._event("response.output_item.added", output_index=index, item=begun),
                self._event("response.function_call_arguments.delta", **at, delta=written),
                self._event(
                    "response.function_call_arguments.done", **at, arguments=written, name=item["name"]
                ),
                self._event("response.output_item.done", output_index=index, item=item),
            ]
        kind = "incomplete" if whole["status"] == "incomplete" else "completed"
        return [*events, self._event(f"response.{kind}", response=whole)]

    # -- parts

    def _opened(self) -> list[bytes]:
        item = self._message("in_progress")
        return [
            self._event("response.output_item.added", output_index=0, item=item),
            self._event("response.content_part.added", **self._place(), part=self._part("")),
        ]

    def _output(self, trace: Trace) -> list[dict[str, Any]]:
        output: list[dict[str, Any]] = []
        if trace.answer_text or not trace.tool_calls:
            message = self._message("completed" if trace.finish == "stop" else "incomplete")
            output.append({**message, "content": [self._part(trace.answer_text)]})
        for number, request in enumerate(trace.tool_calls):
            function = request.get("function", {})
            output.append(
                {
                    "type": "function_call",
                    "id": f"fc_{self.id}{number}",
                    "status": "completed",
                    "call_id": request.get("id") or f"call_{self.id}{number}",
                    "name": function.get("name", ""),
                    "arguments": function.get("arguments", ""),
                }
            )
        if trace.thinking:
            thinking = {"type": "reasoning_text", "text": trace.thinking}
            output.append({"type": "reasoning", "id": f"rs_{self.id}", "summary": [], "content": [thinking]})
        return output

    def _response(self, status: str) -> dict[str, Any]:
        body = self.request.body
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
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "temperature": body.get("temperature"),
            "top_p": body.get("top_p"),
            "text": {"format": {"type": "text"}},
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": [],
            "truncation": "disabled",
            "usage": None,
            "user": body.get("user"),
            "metadata": body.get("metadata") or {},
        }

    def _message(self, status: str) -> dict[str, Any]:
        return {"type": "message", "id": self._item, "status": status, "role": "assistant", "content": []}

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}

    def _event(self, kind: str, **fields: Any) -> bytes:
        document = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return f"event: {kind}\n".encode() + b"data: " + orjson.dumps(document) + b"\n\n"
