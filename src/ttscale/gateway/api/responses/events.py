"""The events of a stream of /v1/responses: items that open, grow and close, each in its place."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import orjson

from ...errors import ApiError
from ...json_types import type_of

# what a part of an item is called in events, and where its text is
_PARTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "output_text": ("response.output_text", "text", {"logprobs": []}),
    "reasoning_text": ("response.reasoning_text", "text", {}),
    "refusal": ("response.refusal", "refusal", {}),
}
_CALLS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}
ENDINGS = ("response.completed", "response.incomplete", "response.failed")
_LATER = 429  # the status of refusals that a client may try again


def failed_event(error: ApiError) -> bytes:
    """The end of a stream of which nothing else is known."""
    response = {"id": f"resp_{secrets.token_hex(12)}", "object": "response", "output": []}
    return ItemEvents().failed(error, response)


def whole_events(response: Mapping[str, Any]) -> list[bytes]:
    """The stream of a response that came whole."""
    events = ItemEvents()
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    written = [events.event(f"response.{kind}", response=begun) for kind in ("created", "in_progress")]
    for index, item in enumerate(response.get("output") or ()):
        if _is_known(item):
            written += events.close(item, index)
        else:
            for kind in ("added", "done"):
                written.append(events.event(f"response.output_item.{kind}", output_index=index, item=item))
    ending = f"response.{response.get('status')}"
    return [*written, events.event(ending if ending in ENDINGS else ENDINGS[0], response=response)]


def _is_known(item: Any) -> bool:
    """Whether an item is one that is told piece by piece."""
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
        return False
    if type_of(item) in _CALLS:
        return all(isinstance(item.get(field), str) for field in ("name", _CALLS[item["type"]][1]))
    parts = item.get("content") or ()
    return type_of(item) in ("message", "reasoning") and all(
        type_of(part) in _PARTS and isinstance(part.get(_PARTS[part["type"]][1]), str) for part in parts
    )


class ItemEvents:
    """Writes events and numbers them.

    Attributes:
        opened: the ids of the items that were begun before they were whole, in order.
    """

    def __init__(self) -> None:
        self.opened: list[str] = []
        self._closed: set[str] = set()
        self._written = 0

    def event(self, kind: str, **fields: Any) -> bytes:
        document = {"type": kind, "sequence_number": self._written, **fields}
        self._written += 1
        return f"event: {kind}\n".encode() + b"data: " + orjson.dumps(document) + b"\n\n"

    def failed(self, error: ApiError, response: Mapping[str, Any]) -> bytes:
        """The last event of a stream that fails; `response` is what there is of it."""
        found = error.document()["error"]
        code = "rate_limit_exceeded" if error.status == _LATER else error.code or "server_error"
        failure = {**found, "code": code}
        return self.event("response.failed", response={**response, "status": "failed", "error": failure})

    def grow(self, item: Mapping[str, Any], text: str) -> list[bytes]:
        """More of an item's first part; `item` is as it is then, and opens if it is new."""
        index, part = self._index(item), item["content"][0]
        events = []
        if item["id"] not in self.opened:
            self.opened.append(item["id"])
            events = [self._added(item, index), self._begun(item, index, 0, part)]
        return [*events, self._delta(item, index, 0, part, text)]

    def close(self, item: Mapping[str, Any], index: int | None = None) -> list[bytes]:
        """All of a whole item that was not written yet."""
        if item["id"] in self._closed:
            return []
        self._closed.add(item["id"])
        index = self._index(item) if index is None else index
        grown = item["id"] in self.opened
        events = [] if grown else [self._added(item, index)]
        for number, part in enumerate(item.get("content") or ()):
            kind, name, more = _PARTS[part["type"]]
            if not (grown and number == 0):
                events.append(self._begun(item, index, number, part))
                if part[name]:
                    events.append(self._delta(item, index, number, part, part[name]))
            place = self._place(item, index, number)
            events.append(self.event(f"{kind}.done", **place, **{name: part[name]}, **more))
            events.append(self.event("response.content_part.done", **place, part=part))
        if item["type"] in _CALLS:
            kind, name = _CALLS[item["type"]]
            at, written = {"output_index": index, "item_id": item["id"]}, item[name]
            events.append(self.event(f"{kind}.delta", **at, delta=written))
            events.append(self.event(f"{kind}.done", **at, **{name: written}, name=item["name"]))
        return [*events, self.event("response.output_item.done", output_index=index, item=item)]

    def _index(self, item: Mapping[str, Any]) -> int:
        known = self.opened
        return known.index(item["id"]) if item["id"] in known else len(known)

    def _added(self, item: Mapping[str, Any], index: int) -> bytes:
        """An item begins, with nothing in it."""
        empty: dict[str, Any] = {"content": []} if "content" in item else {}
        if item["type"] in _CALLS:
            empty = {_CALLS[item["type"]][1]: ""}
        begun = {**item, **empty, "status": "in_progress"}
        return self.event("response.output_item.added", output_index=index, item=begun)

    def _begun(self, item: Mapping[str, Any], index: int, number: int, part: Mapping[str, Any]) -> bytes:
        empty = {**part, _PARTS[part["type"]][1]: ""}
        return self.event("response.content_part.added", **self._place(item, index, number), part=empty)

    def _delta(
        self, item: Mapping[str, Any], index: int, number: int, part: Mapping[str, Any], text: str
    ) -> bytes:
        kind, _, more = _PARTS[part["type"]]
        return self.event(f"{kind}.delta", **self._place(item, index, number), delta=text, **more)

    def _place(self, item: Mapping[str, Any], index: int, number: int) -> dict[str, Any]:
        return {"item_id": item["id"], "output_index": index, "content_index": number}
