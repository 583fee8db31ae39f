"""Whether the recordings a run began with are still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...core import StoreError
from ...engines import ModelSource


def fingerprints(sources: Iterable[ModelSource]) -> dict[str, dict[str, Any]]:
    """File -> its size in bytes and the hash of its content, for every recording among the models."""
    paths = {pool.source for source in sources for pool in source.pools if pool.source}
    return {path: _fingerprint(Path(path)) for path in sorted(paths)}


def check_unchanged(began: Mapping[str, Mapping[str, Any]], now: Mapping[str, Any]) -> None:
    """Refuse to go on with other samples than a run began with.

    Raises:
        StoreError: naming the recording, and how its size changed.
    """
    for path, before in began.items():
        after = now.get(path)
        if after is None or after == before:
            continue
        sizes = f"{before['size']:,} bytes then, {after['size']:,} now"
        raise StoreError(
            f"the recording {path} is not the one this run began with ({sizes})",
            fix="restore it, or start a new run",
        )


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}
