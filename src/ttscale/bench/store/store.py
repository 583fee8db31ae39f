"""A bench run on disk: what was planned, answered and drawn.

Every finished item is one commit. Runs in token time may group commits (`group_seconds`): a kill
then costs at most that much wall time of replayed items, which cost nothing to make again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from ...answers import TextRule
from ...core import AnswerRule, Problem, StoreError, Trace
from ..shard import Shard
from . import codec, schema
from .results import Cell, Result, usage_json, usage_of


def _text_rule(name: str, **settings: Any) -> AnswerRule:
    return TextRule()


class Store:
    """One bench run in one file. Use `create` or `open`; `close` when done."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._db = path, connection
        self.group_seconds = 0.0
        self._committed = time.monotonic()
        self._writer: sqlite3.Connection | None = None

    @classmethod
    def create(cls, path: str | Path, plan: Mapping[str, Any]) -> Store:
        """A new store for a plan (ready for JSON).

        Raises:
            StoreError: if the file exists or cannot be written.
        """
        path = Path(path)
        store = cls(path, schema.create(path))
        try:
            store._claim()
            with store.transaction() as db:
                db.execute("INSERT INTO meta VALUES ('plan', ?)", (codec.dumps(plan).decode(),))
            store.commit()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def open(cls, path: str | Path, *, write: bool = False) -> Store:
        """An existing store; with `write`, for this process alone.

        Raises:
            StoreError: if it is missing, corrupt, of another version, or has another writer.
        """
        path = Path(path)
        store = cls(path, schema.connect(path, write=write))
        if write:
            try:
                store._claim()
            except BaseException:
                store.close()
                raise
        return store

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Commit and close. On a full disk what cannot be committed is given up silently: the reader that
        wrote it has been told already."""
        with contextlib.suppress(StoreError):
            self.commit()
        self._db.close()
        if self._writer is not None:
            self._lock_file.unlink(missing_ok=True)
            self._writer.close()
            self._writer = None

    @property
    def begun(self) -> bool:
        """Whether anything has been answered or drawn: without it there is nothing to resume."""
        return any(
            next(self.query(f"SELECT EXISTS (SELECT 1 FROM {table})"))[0] for table in ("items", "traces")
        )

    def answered(self) -> int:
        """Items in the file that did not fail."""
        return int(next(self.query("SELECT count(*) FROM items WHERE error IS NULL"))[0])

    def planned(self) -> int:
        """Items that the run, or this shard of it, has when it is whole."""
        written = self.plan.get("shard")
        shard = Shard.read(written) if written else Shard(1, 1)
        sql = "SELECT count(*) FROM cells JOIN problems ON problems.task = cells.task WHERE position % ? = ?"
        return int(next(self.query(sql, shard.of, shard.number - 1))[0])

    def delete(self) -> None:
        """Close, and leave nothing on the disk."""
        self.close()
        for ending in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)

    def close_when_unused(self) -> None:
        """Close the file once this store is no longer held, for readers without a block."""
        weakref.finalize(self, self._db.close)

    @property
    def _lock_file(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def _claim(self) -> None:
        """Be the only writer. A lock of the operating system, through a database of its own, goes
        away with the process, however it ends, and leaves readers alone."""
        with schema.translated(self.path):
            self._writer = sqlite3.connect(self._lock_file, isolation_level=None, timeout=0)
            try:
                self._writer.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error:
                self._writer.close()
                self._writer = None
                raise

    # -- transactions

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write something whole or not at all. A failure takes back what is not committed."""
        with schema.translated(self.path):
            try:
                if not self._db.in_transaction:
                    self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                if time.monotonic() - self._committed >= self.group_seconds:
                    self._commit()
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def commit(self) -> None:
        """Commit what is grouped."""
        with schema.translated(self.path):
            try:
                self._commit()
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _commit(self) -> None:
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._committed = time.monotonic()

    @contextlib.contextmanager
    def attached(self, other: Path) -> Iterator[sqlite3.Connection]:
        """The database with another store as `part`, for reading."""
        self._db.execute("ATTACH DATABASE ? AS part", (f"{other.resolve().as_uri()}?mode=ro",))
        try:
            yield self._db
            self.commit()
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._db.execute("DETACH DATABASE part")

    def query(self, sql: str, *args: Any) -> Iterator[tuple[Any, ...]]:
        """Rows of a query, streamed."""
        with schema.translated(self.path):
            # not `yield from`: a reader that stops half-way would close the cursor of a store that
            # may be closed by then
            for row in self._db.execute(sql, args):  # noqa: UP028
                yield row

    # -- the plan and the grid

    @property
    def plan(self) -> dict[str, Any]:
        """What was asked for."""
        found = next(self.query("SELECT value FROM meta WHERE key = 'plan'"), None)
        if found is None:
            raise StoreError(f"{self.path} holds no plan", fix="run the bench again")
        try:
            return dict(orjson.loads(found[0]))
        except codec.DAMAGE as error:
            raise codec.damaged("plan", error) from None

    @property
    def spent(self) -> dict[str, Any]:
        """What the run has really spent so far; empty if it was not noted."""
        found = next(self.query("SELECT value FROM meta WHERE key = 'spent'"), None)
        try:
            return {} if found is None else dict(orjson.loads(found[0]))
        except codec.DAMAGE as error:
            raise codec.damaged("sum", error) from None

    def note_spent(self, spent: Mapping[str, Any]) -> None:
        """Keep what the run has really spent so far."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('spent', ?)", (codec.dumps(spent).decode(),))

    def add_task(self, name: str, problems: Sequence[Problem]) -> int:
        """The number of a question set, which is stored if it is new."""
        digest = codec.questions_digest(problems)
        with self.transaction() as db:
            found = db.execute(
                "SELECT id FROM tasks WHERE name = ? AND digest = ?", (name, digest)
            ).fetchone()
            if found is not None:
                return int(found[0])
            task = db.execute("INSERT INTO tasks (name, digest) VALUES (?, ?)", (name, digest))
            number = int(task.lastrowid or 0)
            db.executemany(
                "INSERT INTO problems VALUES (?, ?, ?, ?)",
                ((number, i, p.id, codec.pack_problem(p)) for i, p in enumerate(problems)),
            )
        return number

    def grow_task(self, name: str, problem: Problem) -> int:
        """The number of a question set that grows as questions come in, with this one in it."""
        with self.transaction() as db:
            db.execute("INSERT OR IGNORE INTO tasks (name, digest) VALUES (?, 'growing')", (name,))
            number = int(
                db.execute("SELECT id FROM tasks WHERE name = ? AND digest = 'growing'", (name,)).fetchone()[
                    0
                ]
            )
            size, known = db.execute(
                "SELECT COALESCE(MAX(position) + 1, 0), SUM(id = ?) FROM problems WHERE task = ?",
                (problem.id, number),
            ).fetchone()
            if not known:
                row = (number, size, problem.id, codec.pack_problem(problem))
                db.execute("INSERT INTO problems VALUES (?, ?, ?, ?)", row)
        return number

    def forget_tasks(self, names: Sequence[str]) -> None:
        """Delete question sets with everything that was answered and drawn for them."""
        with self.transaction() as db:
            for name in names:
                for (task,) in db.execute("SELECT id FROM tasks WHERE name = ?", (name,)).fetchall():
                    of_task = "IN (SELECT id FROM cells WHERE task = ?)"
                    for table, where in (
                        ("traces", f"cell {of_task}"),
                        ("items", f"cell {of_task}"),
                        ("cells", "task = ?"),
                        ("problems", "task = ?"),
                        ("tasks", "id = ?"),
                    ):
                        db.execute(f"DELETE FROM {table} WHERE {where}", (task,))

    def add_cell(self, cell: Cell, task: int) -> Cell:
        """The cell with its number; it is stored if it is new.

        Raises:
            StoreError: if the questions of its task are not those the run began with.
        """
        with self.transaction() as db:
            found = db.execute(
                "SELECT cells.id, task FROM cells JOIN tasks ON tasks.id = task "
                "WHERE method = ? AND model = ? AND name = ? AND repeat = ?",
                (cell.method, cell.model, cell.task, cell.repeat),
            ).fetchone()
            if found is None:
                row = db.execute(
                    "INSERT INTO cells (method, model, task, repeat, skip, recorded, knobs) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        cell.method,
                        cell.model,
                        task,
                        cell.repeat,
                        cell.skip,
                        cell.recorded,
                        codec.dumps(cell.knobs).decode(),
                    ),
                )
                found = (row.lastrowid, task)
        if found[1] != task:
            raise StoreError(
                f"the questions of task {cell.task!r} are not those {self.path} began with",
                fix="restore the task's file, or start a new run",
            )
        return Cell(
            id=int(found[0]),
            method=cell.method,
            model=cell.model,
            task=cell.task,
            repeat=cell.repeat,
            skip=cell.skip,
            recorded=cell.recorded,
            knobs=cell.knobs,
        )

    def cells(self) -> list[Cell]:
        """All cells, in the order they were planned."""
        return [
            Cell(
                id=number,
                method=method,
                model=model,
                task=task,
                repeat=repeat,
                skip=skip,
                recorded=bool(recorded),
                knobs=orjson.loads(knobs),
                seconds=seconds,
                sequential_tokens=sequential,
            )
            for number, method, model, task, repeat, skip, recorded, knobs, seconds, sequential in self.query(
                "SELECT cells.id, method, model, name, repeat, skip, recorded, knobs, seconds, "
                "sequential_tokens FROM cells JOIN tasks ON tasks.id = task ORDER BY cells.id"
            )
        ]

    def problems(self, cell: Cell, rule: Callable[..., AnswerRule] = _text_rule) -> list[Problem]:
        """The questions of a cell's task, in their order. `rule` finds an answer rule by name and
        settings; without it they are to be shown, not to be graded."""
        sql = "SELECT body FROM problems WHERE task = (SELECT task FROM cells WHERE id = ?) ORDER BY position"
        return [
            codec.unpack_problem(body, lambda *_, **__: TextRule()) for (body,) in self.query(sql, cell.id)
        ]

    # -- items

    def done(self, cell: Cell) -> set[str]:
        """Questions that are answered; those that failed are not."""
        sql = "SELECT problem FROM items WHERE cell = ? AND error IS NULL"
        return {problem for (problem,) in self.query(sql, cell.id)}

    def finish(
        self,
        cell: Cell,
        items: Sequence[Result],
        *,
        keep_traces: bool = True,
        whole: tuple[float | None, int] | None = None,
    ) -> None:
        """Commit finished items together: one, or all of a set, which also has seconds and a chain
        of dependent tokens as a whole."""
        with self.transaction() as db:
            for result in items:
                db.execute(
                    "INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        cell.id,
                        result.problem,
                        result.answer,
                        result.correct,
                        result.stopped_by,
                        result.seconds,
                        usage_json(result.usage),
                        codec.dumps(result.extra).decode() if result.extra else None,
                        codec.dumps(result.winner).decode() if result.winner else None,
                        result.error,
                    ),
                )
                if not keep_traces and result.error is None:
                    db.execute("DELETE FROM traces WHERE cell = ? AND problem = ?", (cell.id, result.problem))
            if whole is not None:
                db.execute(
                    "UPDATE cells SET seconds = ?, sequential_tokens = ? WHERE id = ?", (*whole, cell.id)
                )

    def items(self, cell: Cell) -> Iterator[Result]:
        """The items of a cell, streamed."""
        sql = (
            "SELECT problem, answer, correct, stopped_by, usage, seconds, extra, winner, error "
            "FROM items WHERE cell = ?"
        )
        for problem, answer, correct, stopped, usage, seconds, extra, winner, error in self.query(
            sql, cell.id
        ):
            try:
                result = Result(
                    problem=problem,
                    answer=answer,
                    stopped_by=stopped,
                    seconds=seconds,
                    error=error,
                    correct=None if correct is None else bool(correct),
                    usage=usage_of(orjson.loads(usage)),
                    extra=orjson.loads(extra) if extra else {},
                    winner=tuple(orjson.loads(winner)) if winner else None,
                )
            except codec.DAMAGE as damage:
                raise codec.damaged("item", damage) from None
            yield result

    # -- traces

    def add_trace(self, cell: Cell, problem: str, sampling: str, trace: Trace) -> None:
        """Keep a finished sample; it replaces one of the same identity that was not finished."""
        with self.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO traces "
                "(cell, problem, role, prompt, draw, sampling, finish, tokens, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    cell.id,
                    problem,
                    trace.role,
                    trace.prompt_key,
                    trace.index,
                    sampling,
                    trace.finish,
                    trace.tokens,
                    codec.pack(trace),
                ),
            )

    def add_rewards(self, cell: Cell, problem: str, traces: Sequence[Trace]) -> None:
        """Keep the rewards of recorded samples. A text that was put together from several samples, as a
        search judges it, is not a sample and keeps none."""
        with self.transaction() as db:
            for trace in traces:
                identity = (cell.id, problem, trace.role, trace.prompt_key, trace.index)
                where = "cell = ? AND problem = ? AND role = ? AND prompt = ? AND draw = ?"
                row = db.execute(f"SELECT body FROM traces WHERE {where}", identity).fetchone()
                if row is None:
                    continue
                kept = codec.unpack(row[0], role=trace.role, prompt_key=trace.prompt_key, index=trace.index)
                if kept.text == trace.text:
                    kept.reward = trace.reward
                    db.execute(f"UPDATE traces SET body = ? WHERE {where}", (codec.pack(kept), *identity))

    def traces(self, cell: Cell) -> Iterator[tuple[str, Trace]]:
        """(problem id, trace) of every kept sample of a cell, in the order they finished."""
        sql = "SELECT problem, role, prompt, draw, body FROM traces WHERE cell = ? ORDER BY id"
        for problem, role, prompt, index, body in self.query(sql, cell.id):
            yield problem, codec.unpack(body, role=role, prompt_key=prompt, index=index)

    def trace(self, cell: Cell, problem: str, role: str, prompt_key: str, index: int) -> Trace | None:
        """One kept sample; None if it was not kept."""
        sql = (
            "SELECT body FROM traces WHERE cell = ? AND problem = ? AND role = ? AND prompt = ? AND draw = ?"
        )
        found = next(self.query(sql, cell.id, problem, role, prompt_key, index), None)
        return (
            None if found is None else codec.unpack(found[0], role=role, prompt_key=prompt_key, index=index)
        )
