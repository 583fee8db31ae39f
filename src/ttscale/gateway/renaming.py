"""The name that a client has asked for, in the replies of an upstream that calls the model otherwise."""

from __future__ import annotations

import re

import orjson

_MODEL = re.compile(rb'("model"\s*:\s*)("(?:[^"\\]|\\.)+")')
"""The field in written JSON; inside of a text its quotes would have backslashes before them."""


class Renaming:
    """Changes the name in a reply, which comes in packets, and nothing else.

    The first name a reply gives is the model's; it is changed wherever it stands. The end of a packet
    that is not the end of a line waits for the rest of it.
    """

    def __init__(self, name: str) -> None:
        self._name, self._theirs = orjson.dumps(name), b""
        self._pending = b""

    def feed(self, packet: bytes) -> bytes:
        """The lines that are complete."""
        lines, newline, self._pending = (self._pending + packet).rpartition(b"\n")
        return self._renamed(lines + newline)

    def rest(self) -> bytes:
        """What was not the end of a line, when nothing follows."""
        pending, self._pending = self._pending, b""
        return self._renamed(pending)

    def _renamed(self, text: bytes) -> bytes:
        if not self._theirs:
            found = _MODEL.search(text)
            self._theirs = found[2] if found is not None else b""
        if self._theirs in (b"", self._name):
            return text
        return _MODEL.sub(lambda found: found[1] + self._name if found[2] == self._theirs else found[0], text)
