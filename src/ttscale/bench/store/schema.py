"""The file format of a bench run: one SQLite database, and what its errors mean to a user.

    tasks     question sets, by name and digest        problems  their questions
    cells     one method on one model, task, repeat    items     one answered question of a cell
    traces    finished samples of a cell, compressed       meta      the plan

Write-ahead logging with `synchronous=NORMAL`: what is committed survives a killed process; a power
cut may take the last commits, never the file.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

from ...core import StoreError

APPLICATION_ID = 0x7474_7363  # "ttsc", in the header of every store
VERSION = 1
BUSY_SECONDS = 5.0

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, UNIQUE (name, digest));
CREATE TABLE problems (
    task INTEGER NOT NULL, position INTEGER NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (task, position)) WITHOUT ROWID;
CREATE TABLE cells (
    id INTEGER PRIMARY KEY, method TEXT NOT NULL, model TEXT NOT NULL, task INTEGER NOT NULL,
    repeat INTEGER NOT NULL, skip INTEGER NOT NULL, recorded INTEGER NOT NULL,
    knobs TEXT NOT NULL, seconds REAL, sequential_tokens INTEGER,
    UNIQUE (method, model, task, repeat));
CREATE TABLE items (
    cell INTEGER NOT NULL, problem TEXT NOT NULL, answer TEXT, correct INTEGER,
    stopped_by TEXT NOT NULL, seconds REAL, usage TEXT NOT NULL, extra TEXT, winner TEXT,
    error TEXT, PRIMARY KEY (cell, problem)) WITHOUT ROWID;
CREATE TABLE traces (
    id INTEGER PRIMARY KEY, cell INTEGER NOT NULL, problem TEXT NOT NULL, role TEXT NOT NULL,
    prompt TEXT NOT NULL, draw INTEGER NOT NULL, sampling TEXT NOT NULL, finish TEXT NOT NULL,
    tokens INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX draws ON traces (cell, problem, role, prompt, draw);
"""


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open an existing store.

    Raises:
        StoreError: if the file is missing, not a store, of another version, corrupt or locked.
    """
    if not path.is_file():
        raise StoreError(f"no store at {path}", fix="check the path, or start one with bench run")
    with translated(path):
        mode = "rw" if write else "ro"
        connection = _connected(path, mode)
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.Error:
            connection.close()
            raise
    if application != APPLICATION_ID or version != VERSION:
        connection.close()
        if application != APPLICATION_ID:
            raise StoreError(f"{path} is not a bench store", fix="name a file of bench run")
        raise StoreError(
            f"{path} has store version {version}, this ttscale reads version {VERSION}",
            fix="use the ttscale that wrote it, or run the bench again",
        )
    return connection


def create(path: Path) -> sqlite3.Connection:
    """A new, empty store.

    Raises:
        StoreError: if the file exists, or cannot be written.
    """
    if path.exists():
        raise StoreError(
            f"{path} exists already",
            fix=f"continue it with: ttscale bench resume {quote(str(path))}; or choose another --out",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {path.parent}: {error.strerror}", fix="choose another --out") from None
    with translated(path):
        connection = _connected(path, "rwc")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN;{TABLES}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    # autocommit: transactions are opened and closed where the store says so
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
    )
    if mode != "ro":
        connection.execute("PRAGMA synchronous = NORMAL")
    return connection


@contextmanager
def fresh_file(path: Path) -> Iterator[Path]:
    """Where to write what is to become `path`: it has its name only once it is complete."""
    unfinished = path.with_name(path.name + ".part")
    try:
        with translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield unfinished
            os.replace(unfinished, path)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn database and disk errors into a `StoreError` that names the fix."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(path, error) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full(path) from error
        raise StoreError(f"{path}: {error.strerror}", fix="check the path and its permissions") from error


def _full(path: Path) -> StoreError:
    return StoreError(
        f"no space left while writing {path}",
        fix="free some space and try again; what was finished before is kept",
    )


def _explain(path: Path, error: sqlite3.Error) -> StoreError:
    name = getattr(error, "sqlite_errorname", "")
    # SHM: also a reader needs an index of the log beside the store
    if name == "SQLITE_FULL" or name.startswith(
        ("SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHM")
    ):
        return _full(path)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(
            f"{path} is locked by another process", fix="wait for it or stop it, then try again"
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StoreError(
            f"{path} is corrupt or no store ({error})",
            fix=f"restore a copy, or save what is left: sqlite3 {path} .recover | sqlite3 new.db",
        )
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return StoreError(f"{path} cannot be opened ({error})", fix="check the path and its permissions")
    return StoreError(f"{path}: {error}", fix="check the disk and that the file is a bench store")
