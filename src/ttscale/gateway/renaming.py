"""The name that a client has asked for, in the replies of an upstream that calls the model otherwise."""

from __future__ import annotations

import re

import orjson

_MODEL = re.compile(rb'("model"\s*:\s*)("(?:[^"\\]|\\.)+")')
"""The field in written JSON; inside of a text its quotes would have backslashes before them."""


class Renaming:
    """Changes the name in a reply, whole or event by event, and nothing else.

    The first name a reply gives is the model's; it is changed wherever it stands.
    """

    def __init__(self, name: str) -> None:
        self._name, self._theirs = orjson.dumps(name), b""

    def renamed(self, text: bytes) -> bytes:
        """A text that does not end within a name."""
        if not self._theirs:
            found = _MODEL.search(text)
            self._theirs = found[2] if found is not None else b""
        if self._theirs in (b"", self._name):
            return text
        return _MODEL.sub(lambda found: found[1] + self._name if found[2] == self._theirs else found[0], text)
