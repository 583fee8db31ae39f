"""The stores in a folder: what each holds, and how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ...core import StoreError, UsageError
from .content import content_hash
from .store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One store.

    Attributes:
        done: items that are answered, of `total` that the run has.
        errors: items that failed, which a resumed run tries again.
        changed: when it was last written, local time.
        hash: of the content, if it was asked for; see `content`.
        unreadable: why nothing is known of it, or "".
    """

    path: Path
    changed: datetime
    methods: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    done: int | None = None
    total: int | None = None
    errors: int | None = None
    hash: str | None = None
    unreadable: str = ""


def stores_in(folder: Path, *, hashed: bool = False) -> Iterator[Listed]:
    """The stores of a folder (files named *.db), the one written last first; `hashed`
    also reads each whole.

    Raises:
        UsageError: if it does not exist.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", fix="name the folder of the stores")
    changed = {path: _changed(path) for path in folder.glob("*.db") if path.is_file()}
    for path in sorted(changed, key=lambda path: (-changed[path], path)):
        written = datetime.fromtimestamp(changed[path])
        try:
            with Store.open(path) as store:
                yield _listed(store, written, hashed)
        except StoreError as error:
            yield Listed(path=path, changed=written, unreadable=error.fact)


def _changed(path: Path) -> float:
    """When the store or its log was last written, in seconds since the epoch."""
    log = path.with_name(path.name + "-wal")
    return max(p.stat().st_mtime for p in (path, log) if p.exists())


def _listed(store: Store, changed: datetime, hashed: bool) -> Listed:
    cells = store.cells()
    errors = next(store.query("SELECT count(*) FROM items WHERE error IS NOT NULL"))[0]
    return Listed(
        path=store.path,
        changed=changed,
        methods=_each(c.method for c in cells),
        models=_each(c.model for c in cells),
        tasks=_each(c.task for c in cells),
        done=store.answered(),
        total=store.planned(),
        errors=int(errors),
        hash=content_hash(store) if hashed else None,
    )


def _each(names: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
