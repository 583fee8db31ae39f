"""The log-probabilities in a streamed reply, in either of the two shapes they come in."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from ....core import FloatArray
from .json_values import items, mapping, number, string


class LogProbabilities:
    """One log-probability and one confidence per token, as far as they are reported.

    Where one is missing among others, which token has which is not known, and none is given out.

    Attributes:
        logprobs: as they were reported, 0 for one that is missing.
    """

    __slots__ = ("_confs", "_unknown", "logprobs")

    def __init__(self) -> None:
        self.logprobs: list[float] = []
        self._confs: list[float] = []
        self._unknown = False

    def read(self, entries: Any) -> list[str]:
        """Take in the `logprobs` of an event; the texts of its tokens."""
        columns = mapping(entries)
        if columns.get("content") is None:
            return self._read_columns(columns)
        pieces = []
        for entry in map(mapping, items(columns["content"])):
            tops = items(entry.get("top_logprobs"))
            try:
                alternatives = [top["logprob"] for top in tops]
            except (TypeError, KeyError, IndexError):
                alternatives = [mapping(top).get("logprob") for top in tops]
            self._note(entry.get("logprob"), alternatives)
            pieces.append(string(entry.get("token")))
        return pieces

    def _read_columns(self, columns: dict[str, Any]) -> list[str]:
        """The older shape of raw completions: one list per quantity."""
        pieces, tops = items(columns.get("tokens")), items(columns.get("top_logprobs"))
        values = items(columns.get("token_logprobs"))
        for place, value in enumerate(values):
            self._note(value, mapping(tops[place] if place < len(tops) else None).values())
        self._unknown |= len(values) not in (0, len(pieces))
        return list(map(string, pieces))

    def _note(self, logprob: Any, tops: Iterable[Any]) -> None:
        value = number(logprob)
        self._unknown |= value is None
        self.logprobs.append(value or 0.0)
        known = [top for top in tops if (type(top) is float and isfinite(top)) or number(top) is not None]
        if known:
            self._confs.append(-sum(known) / len(known))

    def arrays(self, begin: int = 0, end: int | None = None) -> tuple[FloatArray | None, FloatArray | None]:
        """(log-probabilities, confidences) of tokens [begin, end)."""
        if self._unknown:
            return None, None
        return _array(self.logprobs[begin:end]), _array(self._confs[begin:end])


def _array(values: list[float]) -> FloatArray | None:
    if not values:
        return None
    import numpy as np  # here: a gateway without log-probabilities never needs it

    return np.array(values, dtype=np.float32)
