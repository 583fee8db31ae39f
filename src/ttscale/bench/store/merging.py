"""Several stores of one plan, the shards of a run, made into one."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from ...core import StoreError, UsageError
from . import codec
from .schema import translated
from .store import Store

_OWN = ("shard", "concurrency", "limits")  # of a plan: what shards may differ in
_ITEM = "problem, answer, correct, stopped_by, seconds, usage, extra, winner, error"
_TRACE = "problem, role, prompt, draw, sampling, finish, tokens, body"


def merge(out: Path, paths: Sequence[Path]) -> Store:
    """A new store at `out` with what all the stores hold; it stands for the whole run, and may be gone
    on with if something is missing. The stores are only read.

    An item that failed in one store and not in another is taken from the other; one that is finished in
    two must be the same.

    Raises:
        StoreError: if the stores are not of one run, disagree, or `out` exists; `out` is not left behind.
    """
    plans = {path: _plan(path) for path in paths}
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("a store is named twice", fix="name each once")
    first, *others = plans.items()
    for path, plan in others:
        _check_equal(first, (path, plan))
    merged = Store.create(out, {**first[1], "shard": None})
    try:
        for path in paths:
            with translated(path):
                _take(merged, path)
        merged.note_spent(_together(paths))
    except BaseException:
        merged.delete()
        raise
    return merged


def _plan(path: Path) -> dict[str, Any]:
    with Store.open(path) as store:
        if next(store.query("SELECT EXISTS (SELECT 1 FROM tasks WHERE digest = 'growing')"))[0]:
            raise StoreError(f"{path} is a record of requests", fix="merge the shards of a bench run")
        return store.plan


def _together(paths: Sequence[Path]) -> dict[str, float]:
    """What the runs have really spent, added up."""
    total: Counter[str] = Counter()
    for path in paths:
        with Store.open(path) as store:
            total.update(store.spent)
    return dict(total)


def _check_equal(first: tuple[Path, Mapping[str, Any]], other: tuple[Path, Mapping[str, Any]]) -> None:
    for name in sorted(first[1].keys() | other[1].keys()):
        before, after = first[1].get(name), other[1].get(name)
        if name not in _OWN and before != after:
            raise StoreError(
                f"{other[0]} is not of the run of {first[0]}: {name} is {after!r}, not {before!r}",
                fix="merge shards that were started with the same options",
            )


def _take(merged: Store, path: Path) -> None:
    """Copy one store, in one transaction."""
    merged.commit()
    with merged.attached(path) as db, merged.transaction():
        cells = db.execute(
            "SELECT part.cells.id, name, digest, part.tasks.id FROM part.cells "
            "JOIN part.tasks ON part.tasks.id = part.cells.task ORDER BY part.cells.id"
        ).fetchall()
        for cell, name, digest, task in cells:
            own = _same_cell(db, cell, _same_task(db, task, name, digest), path)
            _copy_samples(db, cell, own)
            _copy_items(db, cell, own, path)


def _same_task(db: sqlite3.Connection, task: int, name: str, digest: str) -> int:
    found = db.execute("SELECT id FROM tasks WHERE name = ? AND digest = ?", (name, digest)).fetchone()
    if found is None:
        made = db.execute("INSERT INTO tasks (name, digest) VALUES (?, ?)", (name, digest))
        found = (made.lastrowid,)
        db.execute(
            "INSERT INTO problems SELECT ?, position, id, body FROM part.problems WHERE task = ?",
            (found[0], task),
        )
    return int(found[0])


def _same_cell(db: sqlite3.Connection, cell: int, task: int, path: Path) -> int:
    names = "method, model, repeat, skip, recorded, knobs"
    what = db.execute(f"SELECT {names} FROM part.cells WHERE id = ?", (cell,)).fetchone()
    found = db.execute(
        f"SELECT id, task, {names} FROM cells WHERE method = ? AND model = ? AND repeat = ? "
        "AND (SELECT name FROM tasks WHERE id = task) = (SELECT name FROM tasks WHERE id = ?)",
        (*what[:3], task),
    ).fetchone()
    if found is None:
        made = db.execute(
            f"INSERT INTO cells (task, {names}, seconds, sequential_tokens) "
            f"SELECT ?, {names}, seconds, sequential_tokens FROM part.cells WHERE id = ?",
            (task, cell),
        )
        return int(made.lastrowid or 0)
    if found[1:] != (task, *what):
        raise StoreError(
            f"{what[0]} on {what[1]} has other questions or samples in {path}",
            fix="merge shards of the same questions",
        )
    return int(found[0])


def _copy_samples(db: sqlite3.Connection, cell: int, own: int) -> None:
    """Samples of questions that are not answered here; those of one that is belong to its answer."""
    db.execute(
        f"INSERT OR REPLACE INTO traces (cell, {_TRACE}) SELECT ?, {_TRACE} FROM part.traces WHERE cell = ? "
        "AND problem NOT IN (SELECT problem FROM items WHERE cell = ? AND error IS NULL) ORDER BY id",
        (own, cell, own),
    )


def _copy_items(db: sqlite3.Connection, cell: int, own: int, path: Path) -> None:
    sql = f"SELECT {_ITEM} FROM part.items WHERE cell = ?"
    for item in db.execute(sql, (cell,)).fetchall():
        problem, failed = item[0], item[-1] is not None
        there = db.execute(
            f"SELECT {_ITEM} FROM items WHERE cell = ? AND problem = ?", (own, problem)
        ).fetchone()
        if there is None or there[-1] is not None:
            if there is not None and failed:
                continue
            db.execute(
                f"INSERT OR REPLACE INTO items (cell, {_ITEM}) VALUES (?{', ?' * len(item)})", (own, *item)
            )
        elif not failed and _timeless(there) != _timeless(item):
            raise StoreError(
                f"question {problem!r} is answered in {path} and in a store before it, in two ways",
                fix="leave one of them out",
            )


def _timeless(item: Sequence[Any]) -> list[Any]:
    """An item without its times."""
    usage = {k: v for k, v in orjson.loads(item[5]).items() if k != "seconds"}
    return [*item[:4], codec.dumps(usage), *item[6:]]
