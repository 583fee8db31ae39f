"""What an object of unknown make says it is."""

from __future__ import annotations

from typing import Any


def type_of(entry: Any) -> str | None:
    """The word in its field `type`; None if it is not an object, or has no word there: whatever else
    stands there is of no type that is known, and need not even be hashable."""
    kind = entry.get("type") if isinstance(entry, dict) else None
    return kind if isinstance(kind, str) else None
