"""What servers were found to do, remembered: in this process, and for a day in a directory.

A finding belongs to a server and a model, and to what the server listed when it was made: one that lists
something else by now is another server.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from .dialect import Dialect

Key = tuple[str, str, str]
"""(address, model as it was asked for, likely name)."""

MAX_AGE = 24 * 3600.0  # seconds for which a kept finding is believed: servers are upgraded
_KNOWN: dict[Key, Finding] = {}


@dataclass(frozen=True, slots=True)
class Finding:
    """A server's dialect, its name for the model, and what it listed; nothing if it was not asked."""

    dialect: Dialect
    model: str
    listed: tuple[str, ...]


def known(key: Key) -> Finding | None:
    """What this process has found out itself."""
    return _KNOWN.get(key)


def kept(cache: Path | None, key: Key) -> Finding | None:
    """What some process has found out lately; the server may be another by now."""
    if cache is None:
        return None
    try:
        file = _file(cache, key)
        if time.time() - file.stat().st_mtime > MAX_AGE:
            return None
        written = orjson.loads(file.read_bytes())
        return Finding(Dialect.from_dict(written["dialect"]), written["model"], tuple(written["listed"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None  # absent, or written by another version


def remember(cache: Path | None, key: Key, finding: Finding, *, confirmed: bool) -> None:
    """Keep a finding; `confirmed`: the server was asked what it lists."""
    if confirmed:
        _KNOWN[key] = finding
    if cache is None:
        return
    written = {
        "url": key[0],
        "model": finding.model,
        "listed": finding.listed,
        "dialect": finding.dialect.as_dict(),
    }
    with contextlib.suppress(OSError):  # it can be found out again next time
        cache.mkdir(parents=True, exist_ok=True)
        file = _file(cache, key)
        partial = file.with_suffix(f".{os.getpid()}")  # a reader never sees half a file
        partial.write_bytes(orjson.dumps(written))
        partial.replace(file)


def forget() -> None:
    """What this process has found out is to be found out again."""
    _KNOWN.clear()


def _file(cache: Path, key: Key) -> Path:
    digest = hashlib.blake2b("|".join(key).encode(), digest_size=12).hexdigest()
    return cache / f"server-{digest}.json"
