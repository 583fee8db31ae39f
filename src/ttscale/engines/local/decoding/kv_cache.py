"""Keys and values of the rows of a batch, right-aligned in common columns.

    row 0   . . p p p g g g
    row 1   p p p p p g g g      . padding   p prompt   g generated
    row 2   . . . . p p p g

Every row writes its next token into the same column, so that one step is one write whatever the
lengths. A row that joins brings its prompt's columns; a row that leaves is cut out, and columns
that no row uses any more go with it. Masks that depend on distance (sliding windows) hold, because
distances between columns are distances between tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

_ROOM = 64  # columns allocated ahead, at least


class Columns:
    """A layer of transformers' Cache: keys and values, (rows, heads, columns, width)."""

    is_sliding = False
    is_compileable = False
    is_croppable = False
    is_initialized = True

    def __init__(self) -> None:
        self.length = 0  # columns in use
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Add columns; all keys and values."""
        end = self.length + keys.shape[2]
        self.keys = _fitting(self.keys, keys, self.length, end)
        self.values = _fitting(self.values, values, self.length, end)
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def used(self) -> tuple[Tensor, Tensor]:
        """The columns in use."""
        assert self.keys is not None
        assert self.values is not None
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def replace(self, keys: Tensor, values: Tensor, length: int) -> None:
        """Take other columns, of which `length` are in use."""
        self.keys, self.values, self.length = keys, values, length

    def get_seq_length(self) -> int:
        return self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.length + query_length, 0

    def get_max_length(self) -> int:
        return -1


def _fitting(held: Tensor | None, like: Tensor, length: int, end: int) -> Tensor:
    """`held` with room for columns up to `end`; its first `length` are kept."""
    if held is not None and end <= held.shape[2]:
        return held
    rows, heads, _, width = like.shape
    room = end + max(_ROOM, end // 2)
    grown = like.new_zeros(rows, heads, room, width)
    if held is not None:
        grown[:, :, :length] = held[:, :, :length]
    return grown


CacheLayerMixin.register(Columns)


class Past:
    """The cache of a batch: `cache` is what the model reads and extends."""

    def __init__(self, layers: int) -> None:
        self.columns = [Columns() for _ in range(layers)]
        self.cache = Cache(layers=list[Any](self.columns))
        self.starts: list[int] = []  # the first column of each row

    @property
    def length(self) -> int:
        return self.columns[0].length

    def join(self, newcomers: Sequence[tuple[Past, int]]) -> None:
        """Add rows: each newcomer's only row, so many times."""
        length = max(self.length if self.starts else 0, *(n.length for n, _ in newcomers))
        shift = length - self.length
        starts = [start + shift for start in self.starts]
        for newcomer, times in newcomers:
            starts += [length - newcomer.length] * times
        room = length + max(_ROOM, length // 4)
        for index, column in enumerate(self.columns):
            parts = [(column.used(), 1)] if self.starts else []
            parts += [(new.columns[index].used(), times) for new, times in newcomers]
            column.replace(
                _stacked([(k, times) for (k, _), times in parts], length, room),
                _stacked([(v, times) for (_, v), times in parts], length, room),
                length,
            )
        self.starts = starts

    def keep(self, rows: Sequence[int]) -> None:
        """Cut out all other rows, and the columns that become empty."""
        if not rows:
            self.starts = []
            for column in self.columns:
                column.keys, column.values, column.length = None, None, 0
            return
        starts = [self.starts[row] for row in rows]
        first = min(starts)
        for column in self.columns:
            keys, values = column.keys, column.values
            assert keys is not None
            assert values is not None
            chosen = torch.tensor(rows, device=keys.device)
            column.replace(
                keys[:, :, first:].index_select(0, chosen),
                values[:, :, first:].index_select(0, chosen),
                column.length - first,
            )
        self.starts = [start - first for start in starts]

    def row(self, row: int, length: int | None = None) -> Past:
        """A copy of one row alone, of its first `length` tokens."""
        alone = Past(len(self.columns))
        alone.starts = [0]
        start = self.starts[row]
        end = self.length if length is None else start + length
        for mine, its in zip(self.columns, alone.columns, strict=True):
            keys, values = mine.used()
            its.replace(
                keys[row : row + 1, :, start:end].clone(),
                values[row : row + 1, :, start:end].clone(),
                end - start,
            )
        return alone


def _stacked(parts: Sequence[tuple[Tensor, int]], length: int, room: int) -> Tensor:
    """Rows one below the other, right-aligned to `length`, with `room` columns; padding is zero,
    because a masked NaN would still be NaN."""
    first, _ = parts[0]
    rows = sum(part.shape[0] * times for part, times in parts)
    whole = first.new_zeros(rows, first.shape[1], room, first.shape[3])
    at = 0
    for part, times in parts:
        end = at + part.shape[0] * times
        whole[at:end, :, length - part.shape[2] : length] = part
        at = end
    return whole
