"""Server-sent events, cut out of whatever packets arrive.

Reading packets and splitting them on blank lines costs half of what reading line by line does.
"""

from __future__ import annotations


class Packets:
    """Collects packets; `feed` gives the data of every event that is complete by now."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, packet: bytes) -> list[bytes]:
        """The data of the events that end in `packet`; comments and other fields are left out."""
        whole = self._tail + packet if self._tail else packet
        if b"\r" in whole:  # a lone \r at the end waits in the tail for its \n
            whole = whole.replace(b"\r\n", b"\n")
        events = whole.split(b"\n\n")
        self._tail = events.pop()
        return [data for event in events if (data := _data(event)) is not None]

    def rest(self) -> list[bytes]:
        """At the end of the stream: a last event that no blank line follows."""
        event, self._tail = self._tail.strip(b"\r\n"), b""
        data = _data(event)
        return [] if data is None else [data]


def _data(event: bytes) -> bytes | None:
    """The data of one event; None if it has none."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = []
    for line in event.split(b"\n"):
        name, colon, value = line.partition(b":")
        # llama.cpp reports a failure in mid-stream under a field of its own
        if colon and name in (b"data", b"error"):
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines) if lines else None
