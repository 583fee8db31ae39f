"""The shape a client waits for, one document or a stream of events, whatever its upstream has sent.

Servers answer a stream with a document, a document with a stream or with JSON line by line, and call
it by the wrong content type. What came is put together to one document, and given out as that or as
the events it would have come in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..engines.http.sse import Packets, is_json, json_lines
from ..engines.openai.reading.json_values import count, items, load, mapping, writable_json
from ..engines.openai.reading.merging import merged
from ..engines.openai.reading.tool_calls import ToolCalls, numbered
from ..engines.openai.response import DONE
from .api import event_stream
from .api.responses import ENDINGS, whole_events

_CHUNK = ".chunk"
_CALLS = ("tool_calls", "function_call")


@dataclass(frozen=True, slots=True)
class ReplyShape:
    """What the client of a plain request waits for.

    Attributes:
        streamed: events, else a document.
        usage: the stream is to end with its usage.
        responses: those of /v1/responses.
    """

    streamed: bool
    usage: bool
    responses: bool

    @classmethod
    def requested(cls, path: str, body: Mapping[str, Any]) -> ReplyShape:
        """The shape a request asks for."""
        usage = mapping(body.get("stream_options")).get("include_usage") is True
        return cls(body.get("stream") is True, usage, path.endswith("/responses"))

    def document(self, body: bytes) -> tuple[dict[str, Any], bool]:
        """(the reply that a body of any shape holds, whether the body is just that).

        Raises:
            ValueError: if it holds none, or not all of one.
        """
        with contextlib.suppress(orjson.JSONDecodeError):
            document = orjson.loads(body)
            if isinstance(document, dict) and not _is_piece(document):
                return document, True
        document = self._put_together(body)
        if not isinstance(document, dict):
            raise ValueError("it is not an object")
        return document, False

    def _put_together(self, body: bytes) -> Any:
        data = json_lines(body) if is_json(body) else _events(body)
        documents = [load(one) for one in data if one != DONE]
        if not documents:
            raise ValueError("it holds nothing")
        if len(documents) == 1 and not _is_piece(documents[0]):
            return documents[0]
        return _ended(documents) if self.responses else _joined(documents, done=DONE in data)

    def written(self, document: dict[str, Any]) -> bytes:
        """The reply in this shape."""
        document = writable_json(document) or {}
        if not self.streamed:
            return orjson.dumps(document)
        events = whole_events(document) if self.responses else _chunks(document, self.usage)
        return b"".join(events)


def _events(body: bytes) -> list[bytes]:
    packets = Packets()
    return packets.feed(body) + packets.rest()


def _is_piece(document: Any) -> bool:
    """Whether it is an event of a stream."""
    fields = mapping(document)
    choices = map(mapping, items(fields.get("choices")))
    return isinstance(fields.get("response"), dict) or any("delta" in choice for choice in choices)


# -- events to a document


def _ended(events: Sequence[Any]) -> Any:
    """The response that the last event tells."""
    last = mapping(events[-1])
    if last.get("type") not in ENDINGS or not isinstance(last.get("response"), dict):
        raise ValueError("it has no end")
    return last["response"]


def _joined(events: Sequence[Any], done: bool) -> dict[str, Any]:
    """The completion of which these are the pieces."""
    reply: dict[str, Any] = {}
    choices: dict[int, list[Mapping[str, Any]]] = {}
    for event in map(mapping, events):
        if event.get("error"):
            return {"error": event["error"]}
        for choice in map(mapping, items(event.get("choices"))):
            choices.setdefault(count(choice.get("index")) or 0, []).append(choice)
        reply |= {name: value for name, value in event.items() if value is not None}
    if not choices:
        raise ValueError("it has no choices")
    ended = all(any(piece.get("finish_reason") for piece in pieces) for pieces in choices.values())
    if not (ended or done):
        raise ValueError("it broke off")
    if isinstance(reply.get("object"), str):
        reply["object"] = reply["object"].removesuffix(_CHUNK)
    return {**reply, "choices": [_choice(index, choices[index]) for index in sorted(choices)]}


def _choice(index: int, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": None}
    for piece in pieces:
        for name, value in piece.items():
            if name == "logprobs":
                choice[name] = _extended(choice[name], value)
            elif name == "text":
                choice[name] = choice.get(name, "") + (value or "")
            elif name not in ("index", "delta", "message") and value is not None:
                choice[name] = value
    deltas = [mapping(piece["delta"]) for piece in pieces if piece.get("delta") is not None]
    wholes = [numbered(mapping(piece["message"])) for piece in pieces if piece.get("message") is not None]
    if not any(deltas) and wholes:
        deltas = wholes[-1:]  # some repeat at the end what they have streamed
    if deltas:
        choice["message"] = _message(deltas)
    return choice


def _message(deltas: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls, single = ToolCalls(), False
    for delta in deltas:
        calls.feed(delta)
        single = single or ("function_call" in delta and "tool_calls" not in delta)
        for name, value in delta.items():
            known = message.get(name)
            if name in _CALLS or name == "role":
                continue
            texts = isinstance(known, str) and isinstance(value, str)
            message[name] = known + value if texts else merged(known, value, name)
    if calls.begun:
        called = calls.result()
        message |= {"function_call": called[0]["function"]} if single else {"tool_calls": list(called)}
    return message


def _extended(known: Any, piece: Any) -> Any:
    """Log-probabilities with those that follow: lists by token."""
    if not isinstance(piece, Mapping):
        return known
    fields = dict(mapping(known))
    for name, value in piece.items():
        longer = isinstance(value, list) and isinstance(fields.get(name), list)
        fields[name] = fields[name] + value if longer else value if value is not None else fields.get(name)
    return fields


# -- a document to events


def _chunks(fields: Mapping[str, Any], usage: bool) -> Iterable[bytes]:
    """The events of a completion."""
    head = {name: value for name, value in fields.items() if name not in ("choices", "usage")}
    for choice in map(mapping, items(fields.get("choices"))):
        if "message" in choice:
            head["object"] = "chat.completion.chunk"
            delta = numbered(mapping(choice.pop("message")))
            begun = {**choice, "delta": delta, "finish_reason": None}
            yield event_stream.event({**head, "choices": [begun]})
            choice |= {"delta": {}, "logprobs": None}
        yield event_stream.event({**head, "choices": [choice]})
    if usage and fields.get("usage"):
        yield event_stream.event({**head, "choices": [], "usage": fields["usage"]})
    yield event_stream.DONE
