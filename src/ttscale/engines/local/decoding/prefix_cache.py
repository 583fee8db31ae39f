"""Texts whose keys and values are kept for texts that begin with the same tokens."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor

from .kv_cache import Past

Ids = tuple[int, ...]


class Prefixes:
    """The last few texts read or generated, the least recently used forgotten first.

    Args:
        most: texts kept at a time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Ids, tuple[Past, Tensor | None]] = OrderedDict()

    def put(self, ids: Ids, past: Past, logits: Tensor | None = None) -> None:
        """Keep a text; `logits` are those of its next token, (1, vocabulary), if known."""
        if not self.most:
            return
        held = self._kept.pop(ids, None)
        if logits is None and held is not None:
            logits = held[1]
        self._kept[ids] = (past, logits)
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)

    def whole(self, ids: Ids) -> tuple[Past, Tensor] | None:
        """Exactly this text, with the logits of its next token."""
        held = self._kept.get(ids)
        if held is None or held[1] is None:
            return None
        self._kept.move_to_end(ids)
        return held[0], held[1]

    def longest(self, ids: Ids, most: int) -> Past | None:
        """The longest beginning of `ids`, up to `most` tokens, that is kept."""
        best, found = 0, None
        for known in self._kept:
            common = _common(known, ids, most)
            if common > best:
                best, found = common, known
        if found is None:
            return None
        self._kept.move_to_end(found)
        return self._kept[found][0].row(0, best)

    def clear(self) -> None:
        self._kept.clear()


def _common(a: Ids, b: Ids, most: int) -> int:
    """Tokens two texts have in common from the beginning on, up to `most`."""
    most = min(most, len(a), len(b))
    if a[:most] == b[:most]:
        return most
    return next(i for i in range(most) if a[i] != b[i])
