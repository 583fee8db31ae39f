"""The tool calls of a reply, put together from their pieces however a server numbers them.

A call comes whole or in pieces, by itself or beside others, and a piece may or may not say which call
it belongs to. Its index is believed where it has one, else its id, else its place among the calls that
come together. Two calls never become one: a piece with another id and a name, or whose arguments begin
where those before are complete, begins a call of its own, whatever its index.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from .json_values import count, string, writable_json
from .merging import merged

_READ = frozenset({"index", "id", "type", "function", "custom"})


class ToolCalls:
    """Takes the calls of deltas, of any shape, and gives whole ones."""

    __slots__ = ("_calls", "_order")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._order: list[tuple[int, int]] = []  # (index, ordinal) of each call

    def feed(self, delta: Mapping[str, Any]) -> bool:
        """Take in what a delta says of calls; whether it says anything."""
        pieces = delta.get("tool_calls") or ()
        pieces = [pieces] if isinstance(pieces, Mapping) else pieces
        found = [p for p in pieces if isinstance(p, Mapping)] if isinstance(pieces, list) else []
        function = delta.get("function_call")  # how a single call was written before there were several
        if isinstance(function, Mapping) and not found:
            found = [{"index": 0, "function": function}]
        begun = len(self._calls)
        for place, piece in enumerate(found, begun - len(found)):
            self._take(piece, place)
        return bool(found)

    @property
    def begun(self) -> bool:
        return bool(self._calls)

    def result(self) -> tuple[Mapping[str, Any], ...]:
        """The calls in the order of their indices, each with an id of its own."""
        ids: set[str] = set()
        calls = []
        for _, ordinal in sorted(self._order):
            call = writable_json(self._calls[ordinal].whole()) or self._calls[ordinal].bare()
            if call["id"] in ids or not call["id"]:  # replies to them could not be told apart
                call["id"] = f"call_{secrets.token_hex(12)}"
            ids.add(call["id"])
            calls.append(call)
        return tuple(calls)

    def _take(self, piece: Mapping[str, Any], place: int) -> None:
        index, written = count(piece.get("index")), string(piece.get("id"))
        ordinal = self._ordinal(index, written, place)
        if ordinal is None or self._calls[ordinal].begins_another(piece):
            before = None if ordinal is None else self._calls[ordinal]
            self._order.append((len(self._calls) if index is None else index, len(self._calls)))
            self._calls.append(_Call())
            self._calls[-1].take(piece)
            if before is not None and not self._calls[-1].name:
                self._calls[-1].name = before.name  # the same function, called again
        else:
            self._calls[ordinal].take(piece)

    def _ordinal(self, index: int | None, written: str, place: int) -> int | None:
        """The call a piece is likely to go on with; the last of those it may mean."""
        if index is not None:
            return next((ordinal for at, ordinal in reversed(self._order) if at == index), None)
        if written:
            known = [ordinal for ordinal, call in enumerate(self._calls) if call.id == written]
            if known:
                return known[-1]
        return place if place >= 0 else None


class _Call:
    """One call, as far as it has come."""

    __slots__ = ("arguments", "fields", "id", "kind", "name", "own")

    def __init__(self) -> None:
        self.id = self.kind = self.name = self.arguments = ""
        self.own: dict[str, Any] = {}  # further fields of the function
        self.fields: dict[str, Any] = {}  # and of the call

    def begins_another(self, piece: Mapping[str, Any]) -> bool:
        """Whether a piece that seems to go on with this call is the beginning of the next."""
        body = _body(piece)
        written, name, arguments = string(piece.get("id")), string(body.get("name")), _arguments(body)
        if self.complete and arguments.lstrip().startswith("{"):
            return not self._again(written, name, arguments)
        if not name or (self.arguments and not self.complete):
            return False
        if written and self.id:
            return written != self.id
        return not name.startswith(self.name) and (self.complete or bool(string(piece.get("type"))))

    @property
    def complete(self) -> bool:
        """Whether nothing can follow the arguments: a JSON object is closed."""
        if self.kind == "custom" or not self.arguments.rstrip().endswith("}"):
            return False
        try:
            return isinstance(orjson.loads(self.arguments), dict)
        except ValueError:
            return False

    def take(self, piece: Mapping[str, Any]) -> None:
        body = _body(piece)
        written, name, arguments = string(piece.get("id")), string(body.get("name")), _arguments(body)
        self.kind = self.kind or ("custom" if piece.get("custom") else string(piece.get("type")))
        if not (self.complete and self._again(written, name, arguments)):
            self.arguments += arguments
        if name.startswith(self.name):  # all of it in every piece
            self.name = name
        elif not self.name.startswith(name) and not self.arguments:
            self.name += name
        self.id = self.id or written
        for field, value in body.items():
            if field not in ("name", "arguments", "input"):
                self.own[field] = merged(self.own.get(field), value, field)
        for field, value in piece.items():
            if field not in _READ:
                self.fields[field] = merged(self.fields.get(field), value, field)

    def _again(self, written: str, name: str, arguments: str) -> bool:
        """Whether this says once more what is known of the call."""
        same = written == self.id if written else not name
        return same and arguments == self.arguments

    def whole(self) -> dict[str, Any]:
        """The call in OpenAI's shape, with every field that came beside."""
        kind = self.kind or "function"
        if kind == "custom":
            body = {"name": self.name, "input": self.arguments}
        else:
            kind = "function"
            body = {"name": self.name, "arguments": self.arguments if self.arguments.strip() else "{}"}
        return {**_given(self.fields), "id": self.id, "type": kind, kind: {**_given(self.own), **body}}

    def bare(self) -> dict[str, Any]:
        """The call without the further fields, which cannot be written."""
        self.fields, self.own = {}, {}
        return self.whole()


def numbered(message: Mapping[str, Any]) -> dict[str, Any]:
    """A whole message whose calls are numbered: in a list that is complete, each is a call of its own."""
    calls = message.get("tool_calls")
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        return dict(message)
    own = [{**call, "index": place} for place, call in enumerate(calls) if isinstance(call, Mapping)]
    return {**message, "tool_calls": own}


def _body(piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name and arguments of a piece."""
    body = piece.get("custom") or piece.get("function")
    return body if isinstance(body, Mapping) else {}


def _arguments(body: Mapping[str, Any]) -> str:
    """The arguments as a text: some servers write the object itself."""
    value = body.get("arguments", body.get("input"))
    if value is None or isinstance(value, str):
        return value or ""
    return orjson.dumps(writable_json(value)).decode()


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
