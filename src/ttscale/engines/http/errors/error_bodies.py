"""What error bodies say, in all the shapes that servers write.

OpenAI writes `{"error": {message, type, code}}`, vLLM leaves the outer object out, FastAPI says
`{"detail": ...}`, Google `{code, status, message}`, now and then in a list, others a mere text, and
what stands in between an HTML page, an event or nothing at all.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

_MESSAGES = ("message", "msg", "detail", "error_description", "description", "title", "reason")
_KINDS = ("type", "code", "status", "error_type", "object")
_STATUSES = ("code", "status", "status_code", "statusCode", "http_status", "http_code", "error_code")
_OPENINGS = (b"event: error", b"event:error", b'data: {"error"', b'data:{"error"')
_INSIDE = ("error", "errors")
_DEEPEST = 5  # objects within each other that are looked into
_NAMED = (  # what a kind says where no number does
    (429, ("rate_limit", "resource_exhausted", "too_many_requests", "insufficient_quota", "throttl")),
    (503, ("overloaded", "unavailable", "capacity")),
    (504, ("timeout", "deadline_exceeded")),
    (401, ("authentication", "unauthenticated", "invalid_api_key", "unauthorized")),
    (402, ("insufficient_credit", "payment_required", "billing")),
    (403, ("permission", "forbidden")),
    (404, ("not_found",)),
    (400, ("invalid_request", "invalid_argument", "bad_request", "context_length", "content_")),
)


class ErrorBody(NamedTuple):
    """An error as far as its body says.

    Attributes:
        kind: type, code and status, as far as they are words, in lower case.
        message: one short line, "" if there is none.
        status: the HTTP status it names, by number or by kind; None if it names none.
    """

    kind: str
    message: str
    status: int | None


def read(body: bytes) -> ErrorBody:
    """What the bytes of any body say."""
    try:
        return of(orjson.loads(body))
    except orjson.JSONDecodeError:
        pass
    data = event_data(body)
    return read(data) if data else ErrorBody("", short(_visible(body.decode("utf-8", "replace"))), None)


def of(document: Any) -> ErrorBody:
    """What any JSON value says."""
    layers = list(_layers(document))  # from the outside in
    objects = [layer for layer in reversed(layers) if isinstance(layer, dict)]
    words = [str(o[k]) for o in objects for k in _KINDS if isinstance(o.get(k), str) and o[k]]
    kind = " ".join(words).lower()
    texts = [layer for layer in reversed(layers) if isinstance(layer, str)]
    texts += [text for o in objects for k in _MESSAGES if (text := _text(o.get(k)))]
    numbers = [n for o in objects for k in _STATUSES if (n := _status(o.get(k))) is not None]
    named = next((n for n, kinds in _NAMED if any(word in kind for word in kinds)), None)
    return ErrorBody(kind, short(next(iter(texts), "")), numbers[0] if numbers else named)


def is_error_object(body: bytes) -> bool:
    """Whether clients of the OpenAI API find the message where they look for it."""
    try:
        error = orjson.loads(body)["error"]
        return isinstance(error["message"], str)
    except (ValueError, TypeError, KeyError, IndexError):
        return False


def event_data(packet: bytes) -> bytes:
    """The data of the first event in a packet that has any; b"" if it holds none."""
    for event in packet.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n"):
        lines = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
        if lines:
            return b"\n".join(lines)
    return b""


def opening_error(packet: bytes) -> bytes | None:
    """The body of the error that a stream begins with; None if it begins otherwise."""
    if b"error" not in packet:
        return None
    data = event_data(packet)
    begin, _, _ = packet.partition(data) if data else (packet, b"", b"")
    if re.search(rb"^event: ?error\s*$", begin, re.MULTILINE):
        return data
    try:
        return data if in_reply(orjson.loads(data)) else None
    except orjson.JSONDecodeError:
        return None


def half_an_error(packet: bytes) -> bool:
    """Whether a stream begins with what may be an error and is not complete yet."""
    return packet.lstrip().startswith(_OPENINGS) and b"\n\n" not in packet.replace(b"\r\n", b"\n")


def in_reply(document: Any) -> bool:
    """Whether a reply of status 200 is an error nevertheless. A failed response of the Responses API
    is a reply, its error one of its fields."""
    if not isinstance(document, dict) or document.get("choices"):
        return False
    if document.get("object") == "error":
        return True
    return bool(document.get("error")) and document.get("object") != "response"


def _layers(node: Any) -> Iterator[Any]:
    """Objects and texts within each other, as far as they are the error."""
    for _ in range(_DEEPEST):
        if isinstance(node, list):
            node = next((entry for entry in node if isinstance(entry, dict | str)), None)
        if isinstance(node, dict | str):
            yield node
        if not isinstance(node, dict):
            return
        node = next((node[k] for k in _INSIDE if node.get(k)), None)


def _text(value: Any, depth: int = 3) -> str:
    """What is written there: a text, those of a list, or the message of an object."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth:
        return "; ".join(text for entry in value[:5] if (text := _text(entry, depth - 1)))
    if isinstance(value, Mapping) and depth:
        return next((text for k in _MESSAGES if (text := _text(value.get(k), depth - 1))), "")
    return ""


def _status(value: Any) -> int | None:
    """An HTTP status of a failure, written as a number or as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number in range(400, 600) else None


def _visible(text: str) -> str:
    """The words of a page: its title, else what stands between the tags."""
    if "<" not in text:
        return text
    title = re.search(r"<title[^>]*>(.*?)</title", text[:10_000], re.DOTALL | re.IGNORECASE)
    if title and title[1].strip():
        return html.unescape(title[1])
    text = re.sub(r"<(script|style).*?</\1\s*>", " ", text[:10_000], flags=re.DOTALL | re.IGNORECASE)
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


def short(text: str) -> str:
    """On one line, cut where it becomes a page."""
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:199] + "…"
