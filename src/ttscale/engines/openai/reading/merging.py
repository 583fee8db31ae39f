"""Fields of a streamed reply that are not read here, put together from their pieces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PIECEWISE = frozenset(
    {"text", "data", "transcript", "summary", "refusal", "thinking", "content", "signature"}
)
_LABELS = frozenset({"id", "type", "format", "role", "index", "name", "url", "mime_type"})


def merged(known: Any, piece: Any, name: str = "") -> Any:
    """A value after one more piece of it; `name` is its field.

    Texts are continued, unless they are told again; objects are merged; entries of a list that have
    an index are merged by it, others follow unless they are there already.
    """
    if piece is None:
        return known
    if known is None:
        known = {} if isinstance(piece, Mapping) else [] if isinstance(piece, list) else piece
        if known is piece:
            return piece
    if isinstance(known, str) and isinstance(piece, str):
        return _text(known, piece, name)
    if isinstance(known, Mapping) and isinstance(piece, Mapping):
        fields = dict(known)
        for field, value in piece.items():
            fields[field] = merged(fields.get(field), value, field)
        return fields
    if isinstance(known, list) and isinstance(piece, list):
        entries = list(known)
        for entry in piece:
            _add(entries, entry)
        return entries
    return piece


def _text(known: str, piece: str, name: str) -> str:
    if name in _PIECEWISE:
        return known + piece
    if name in _LABELS:
        return known or piece
    return piece if piece.startswith(known) else known + piece


def _add(entries: list[Any], entry: Any) -> None:
    """One more entry, or more of one."""
    if isinstance(entry, Mapping) and entry.get("index") is not None:
        for at, known in enumerate(entries):
            if isinstance(known, Mapping) and all(known.get(k) == entry.get(k) for k in ("index", "type")):
                entries[at] = merged(known, entry)
                return
    if entry not in entries:
        entries.append(entry)
