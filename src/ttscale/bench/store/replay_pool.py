"""A store as a replay pool: any run can be replayed by any method that asks what it asked.

One pool per model and task. Runs of several methods share samples: the same sample recorded by two of
them (same repeat and ordinal) is in the pool once: as the one that had it judged kept it, else in its
longest form. Where one request was made with several settings (a greedy sample beside sampled ones), the
settings most samples share are in the pool.
Traces stopped early stay as they ended, so that a request for more fails: it was never generated.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ...answers import rule_for
from ...core import AnswerRule, Problem, StoreError, Trace, UsageError
from ...engines import Pool
from ..tasks.task import load_task
from . import codec
from .store import Store

Key = tuple[str, str, str]  # problem id, role, prompt key
IntArray = NDArray[np.int64]
_WHOLE = ("stop", "length", "refused")
_MOST_LOADED = 256  # asks whose traces stay in memory
_AHEAD = 8  # samples fetched at once: a query takes longer than a sample
_LOOKED_AT = 16  # traces of a cell that tell whether they were judged


def pools_from_store(path: str | Path, rule: Callable[..., AnswerRule] = rule_for) -> list[Pool]:
    """The recordings in a store, one per model and task that has kept traces.

    Args:
        path: the store; it stays open as long as a pool is in use.
        rule: finds an answer rule by name and settings.

    Raises:
        StoreError: if the store cannot be read.
    """
    store = Store.open(path)
    store.close_when_unused()  # the pools share it
    try:
        pools = []
        for number, model, task in list(
            store.query(
                "SELECT DISTINCT tasks.id, model, name FROM cells JOIN tasks ON tasks.id = task "
                "WHERE EXISTS (SELECT 1 FROM traces WHERE cell = cells.id) ORDER BY cells.id"
            )
        ):
            bodies = store.query("SELECT body FROM problems WHERE task = ? ORDER BY position", number)
            problems = [codec.unpack_problem(body, rule) for (body,) in bodies]
            problems = _with_scorers(problems, task, store.plan)
            samples = StoredSamples(store, _index(store, number, model))
            kept = {problem for problem, _, _ in samples}
            requested = [p for p in problems if p.id in kept]
            given = _capabilities(samples, requested)
            pools.append(Pool(model, task, requested, samples, str(path), given))
    except BaseException:
        store.close()
        raise
    return pools


def _with_scorers(problems: list[Problem], task: str, plan: Mapping[str, Any]) -> list[Problem]:
    """Give generated questions their scorers back, which are code and in no file. Where they cannot
    be made again (a generator that is not installed), answers are compared with the reference."""
    if not any(codec.SCORED in p.meta for p in problems):
        return problems
    try:
        fresh = load_task(task, n=plan.get("n"), seed=plan.get("seed", 0)).problems
    except UsageError:
        return problems
    scorers = {(p.id, p.prompt.key): p.meta["grade"] for p in fresh if "grade" in p.meta}
    return [
        replace(p, meta={**p.meta, "grade": scorer}) if (scorer := scorers.get((p.id, p.prompt.key))) else p
        for p in problems
    ]


class StoredSamples(Mapping[Key, Sequence[Trace]]):
    """Ask -> its traces in the order of their index, each read when it is looked at: texts stay on disk."""

    def __init__(self, store: Store, rows: Mapping[Key, IntArray]) -> None:
        self._store, self._rows = store, rows
        self._loaded: OrderedDict[Key, Samples] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __getitem__(self, key: Key) -> Samples:
        loaded = self._loaded.get(key)
        if loaded is None:
            loaded = self._loaded[key] = Samples(self._store, key, self._rows[key])
            if len(self._loaded) > _MOST_LOADED:
                self._loaded.popitem(last=False)
        return loaded


class Samples(Sequence[Trace]):
    """The traces of one request. How many there are is known without reading any."""

    __slots__ = ("_fetched", "_key", "_read", "_rows", "_store")

    def __init__(self, store: Store, key: Key, rows: IntArray) -> None:
        self._store, self._key, self._rows = store, key, rows
        self._read: dict[int, Trace] = {}
        self._fetched: dict[int, tuple[bytes, int]] = {}  # row -> packed trace, ordinal

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Trace: ...
    @overload
    def __getitem__(self, index: slice) -> list[Trace]: ...
    def __getitem__(self, index: int | slice) -> Trace | list[Trace]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = int(self._rows[index])
        trace = self._read.get(row)
        if trace is None:
            if row not in self._fetched:
                self._fetch(index % len(self))
            body, ordinal = self._fetched.pop(row)
            _, role, prompt = self._key
            trace = codec.unpack(body, role=role, prompt_key=prompt, index=ordinal)
            self._read[row] = trace
        return trace

    def _fetch(self, first: int) -> None:
        """Take this sample and those after it from the store: most are asked for in order."""
        rows = [int(row) for row in self._rows[first : first + _AHEAD]]
        places = ", ".join("?" * len(rows))
        sql = f"SELECT id, body, draw FROM traces WHERE id IN ({places})"
        for row, body, ordinal in self._store.query(sql, *rows):
            self._fetched[row] = (body, ordinal)


def _index(store: Store, task: int, model: str) -> dict[Key, IntArray]:
    """Which rows answer which ask, in the order of repeat and ordinal."""
    found = store.query(
        "SELECT traces.id, cell, problem, role, prompt, sampling, finish, tokens, "
        "CASE WHEN recorded THEN 0 ELSE repeat END, CASE WHEN recorded THEN skip ELSE 0 END + draw "
        "FROM traces JOIN cells ON cells.id = cell WHERE task = ? AND model = ? "
        "AND finish != 'error' ORDER BY traces.id",
        task,
        model,
    )
    judged = _judged(store, task, model)
    best: dict[Key, dict[tuple[str, int, int], tuple[tuple[bool, bool, int], int]]] = {}
    for row, cell, problem, role, prompt, sampling, finish, tokens, repeat, ordinal in found:
        samples = best.setdefault((problem, role, prompt), {})
        identity, worth = (sampling, repeat, ordinal), (finish in _WHOLE, cell in judged, tokens)
        if identity not in samples or worth > samples[identity][0]:
            samples[identity] = (worth, row)
    return {key: _rows(samples) for key, samples in best.items()}


def _judged(store: Store, task: int, model: str) -> set[int]:
    """Cells whose method had its samples judged: some of the first ones have a reward."""
    cells = store.query("SELECT id FROM cells WHERE task = ? AND model = ?", task, model)
    found = set()
    for (cell,) in list(cells):
        first = store.query(
            "SELECT body, role, prompt, draw FROM traces WHERE cell = ? AND finish = 'stop' "
            "ORDER BY id LIMIT ?",
            cell,
            _LOOKED_AT,
        )
        if any(_has_reward(*row) for row in first):
            found.add(cell)
    return found


def _has_reward(body: bytes, role: str, prompt_key: str, index: int) -> bool:
    """Whether a sample was judged; a damaged one says nothing until it is requested."""
    try:
        trace = codec.unpack(body, role=role, prompt_key=prompt_key, index=index)
    except StoreError:
        return False
    return trace.reward is not None


def _rows(samples: Mapping[tuple[str, int, int], tuple[tuple[bool, bool, int], int]]) -> IntArray:
    (most, _), *_ = Counter(sampling for sampling, _, _ in samples).most_common(1)
    chosen = sorted(identity for identity in samples if identity[0] == most)
    return np.array([samples[identity][1] for identity in chosen], dtype=np.int64)


def _capabilities(samples: StoredSamples, problems: Sequence[Problem]) -> frozenset[str]:
    """What the recording can serve, judged by its first ask; rewards, by the first question that has
    an answer: what did not answer was not judged."""
    first = _readable(next(iter(samples.values()), []))
    given = {"text"}
    if first and all(t.logprobs is not None or t.conf is not None for t in first):
        given.add("logprobs")
    for problem in problems:
        traces = _readable(samples.get((problem.id, "main", problem.prompt.key), ()))
        answered = [t for t in traces if problem.answer(t) is not None]
        if answered:
            return frozenset(given | {"reward"} if _all_judged(answered) else given)
    return frozenset(given)


def _readable(samples: Sequence[Trace]) -> list[Trace]:
    """Those that are not damaged: the others do not matter until they are requested."""
    found = []
    for i in range(len(samples)):
        with suppress(StoreError):
            found.append(samples[i])
    return found


def _all_judged(traces: Sequence[Trace]) -> bool:
    return all(t.reward is not None for t in traces)
