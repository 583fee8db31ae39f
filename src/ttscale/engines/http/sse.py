"""Server-sent events, cut out of whatever packets arrive.

Reading packets and splitting them on blank lines costs half of what reading line by line does.
"""

from __future__ import annotations

import contextlib

import orjson

BOM = b"\xef\xbb\xbf"
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_BLANK_LINES = (b"\n\n", b"\r\n\r\n", b"\r\r")
_SIGNS_OF_LIFE = (b"ping", b"heartbeat", b"keepalive", b"keep-alive", b"keep_alive")


class Packets:
    """Collects packets; `feed` gives the data of every event that is complete by now."""

    __slots__ = ("_begun", "_cr", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        self._cr = False  # the packet before ended with a line break that a \n belongs to
        self._begun = False

    def feed(self, packet: bytes) -> list[bytes]:
        """The data of the events that end in `packet`; comments, other fields and signs of life are
        left out. A line ends with \\n, \\r\\n or \\r."""
        if self._cr and packet:
            packet, self._cr = packet.removeprefix(b"\n"), False
        if b"\r" in packet:
            self._cr = packet.endswith(b"\r")
            packet = packet.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        whole = self._tail + packet if self._tail else packet
        if not self._begun:
            if len(whole) < len(BOM) and BOM.startswith(whole):
                self._tail = whole
                return []
            self._begun, whole = True, whole.removeprefix(BOM)
        events = whole.split(b"\n\n")
        self._tail = events.pop()
        return [
            data
            for event in events
            if (data := event[6:].strip() if event[:6] == b"data: " and b"\n" not in event else _data(event))
        ]

    def rest(self) -> list[bytes]:
        """At the end of the stream: a last event that no blank line follows."""
        event, self._tail = self._tail.strip(b"\n"), b""
        data = _data(event)
        return [data] if data else []


class WholeEvents:
    """Passes a stream on up to the end of its last whole event, or of a comment after that, unchanged:
    what is added to it never stands behind half an event."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, packet: bytes) -> bytes:
        """What can be passed on now."""
        held, searched = self._held, max(0, len(self._held) - 3)
        held += packet
        ends = [at + len(end) for end in _BLANK_LINES if (at := held.rfind(end, searched)) >= 0]
        whole = max(ends, default=0)
        while held.startswith(b":", whole) and (line := held.find(b"\n", whole)) >= 0:
            whole = line + 1
        passed = bytes(held[:whole])
        del held[:whole]
        return passed

    def rest(self) -> bytes:
        """At the end of the stream: what no blank line follows."""
        rest, self._held = bytes(self._held), bytearray()
        return rest


def is_json(beginning: bytes) -> bool:
    """Whether a body that begins so is a JSON document, not a stream of events."""
    return beginning.removeprefix(BOM).lstrip().startswith((b"{", b"["))


def is_events(beginning: bytes) -> bool:
    """Whether a body that begins so is a stream of events."""
    return beginning.removeprefix(BOM).lstrip().startswith(_FIELDS)


def is_half(event: bytes) -> bool:
    """Whether the last event of a stream, after which no blank line came, broke off."""
    packets = Packets()
    data = packets.feed(event) + packets.rest()
    try:
        return not data or orjson.loads(data[-1]) is None
    except orjson.JSONDecodeError:
        return data[-1] != b"[DONE]"


def json_lines(body: bytes) -> list[bytes]:
    """The documents of a body that is JSON: one, over however many lines, or one a line."""
    lines = [line for line in body.removeprefix(BOM).splitlines() if line.strip()]
    if len(lines) > 1:
        with contextlib.suppress(orjson.JSONDecodeError):
            orjson.loads(lines[0])
            return lines
    return [body]


def _data(event: bytes) -> bytes:
    """The data of one event; empty if it has none."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:].strip()
    lines, failed = [], False
    for line in event.split(b"\n"):
        name, colon, value = line.partition(b":")
        if name == b"event":
            kind = value.strip().lower()
            if kind in _SIGNS_OF_LIFE:
                return b""
            failed = failed or kind == b"error"
        elif colon and name in (b"data", b"error"):
            # llama.cpp reports a failure in mid-stream under a field of its own
            failed = failed or name == b"error"
            lines.append(value.removeprefix(b" "))
    data = b"\n".join(lines).strip()
    return _as_error(data) if failed and data else data


def _as_error(data: bytes) -> bytes:
    """The data of an event that is called an error, as the object it has elsewhere."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        document = data.decode("utf-8", "replace")
    if isinstance(document, dict) and document.get("error"):
        return data
    return orjson.dumps({"error": document or "unknown"})
