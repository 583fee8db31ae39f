"""Traffic as a bench store: every kept request is a question with its samples, so that a day of
traffic is a replay pool, and a planner can learn from it.

Each day is a question set of its own (`traffic-2026-11-24`); the same prompt asked again the same
way is another repeat. What a redaction hook does not let through is not written.
"""

from __future__ import annotations

import importlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ...bench.store.codec import sampling_digest
from ...bench.store.results import Cell, Result
from ...bench.store.store import Store
from ...core import Image, Message, Outcome, Problem, Prompt, Sampling, StoreError, UsageError
from ...core.carried import CARRIED
from ..api.choice import Choice
from ..config import Record
from ..logs import log

Redact = Callable[[str], str | None]
_GROUP = 1.0  # seconds of traffic a kill may cost
_DAY = 86_400.0


class Recorder:
    """Writes what it is given into a store, or nothing without one.

    It never fails a request: a store that cannot be written is told in the log, and recording ends.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._redact = _hook(record.redact)
        self._store: Store | None = None
        self._repeats: Counter[tuple[str, str, str]] = Counter()
        self._day = ""

    def open(self) -> None:
        """Open the store, or begin it. Each worker has its own, because a store has one writer.

        Raises:
            StoreError: if that is not possible.
        """
        if not self._record.store:
            return
        path = Path(self._record.store).expanduser()
        for number in range(64):
            mine = path if number == 0 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            try:
                if mine.exists():
                    self._store = Store.open(mine, write=True)
                else:
                    self._store = Store.create(mine, {"source": "gateway", "pid": os.getpid()})
                break
            except StoreError as error:
                if "locked" not in str(error):
                    raise
        if self._store is None:
            raise StoreError(f"{path} and its siblings are all in use", fix="choose another store")
        self._store.group_seconds = _GROUP

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def wants(self) -> bool:
        """Whether the next request is to be kept: a sample at the sampling rate."""
        return self._store is not None and random.random() < self._record.sample

    def keep(self, model: str, method: str, sampling: Sampling, choices: Sequence[Choice]) -> None:
        """Keep one request's choices."""
        store = self._store
        if store is None:
            return
        try:
            for choice in choices:
                self._keep(store, model, method, sampling, choice)
        except StoreError as error:
            log("recording ended", 40, error=str(error))
            self._store = None
            store.close()

    def _keep(self, store: Store, model: str, method: str, sampling: Sampling, choice: Choice) -> None:
        task = "traffic-" + time.strftime("%Y-%m-%d", time.gmtime())
        if task != self._day:
            self._day = task
            self._repeats.clear()
            self._forget(store)
        written = self._redacted(choice)
        if written is None:
            return
        problem, outcome = written
        number = store.grow_task(task, problem)
        again = (model, method, problem.id)
        if again not in self._repeats:
            self._repeats[again] = _answered(store, number, again)
        cell = Cell(id=0, method=method, model=model, task=task, repeat=self._repeats[again])
        self._repeats[again] += 1
        cell = store.add_cell(cell, number)
        digest = sampling_digest(sampling)
        for trace in outcome.traces:
            store.add_trace(cell, problem.id, digest, trace)
        store.finish(cell, [Result.of(problem, outcome)])

    def _forget(self, store: Store) -> None:
        """Delete the days that are too old."""
        if self._record.keep_days:
            oldest = time.gmtime(time.time() - self._record.keep_days * _DAY)
            first = "traffic-" + time.strftime("%Y-%m-%d", oldest)
            days = [name for (name,) in store.query("SELECT name FROM tasks") if name < first]
            store.forget_tasks(days)

    def _redacted(self, choice: Choice) -> tuple[Problem, Outcome] | None:
        """What may be written of a choice; None if nothing may."""
        problem, outcome = choice.problem, choice.outcome
        if self._redact is None:
            return problem, outcome
        prompt = _redacted_prompt(problem.prompt, self._redact)
        if prompt is None:
            return None
        traces = []
        for trace in outcome.traces:
            text = self._redact(trace.text)
            if text is None:
                return None
            own = trace.prompt_key == problem.prompt.key
            fresh = replace(
                trace,
                text=text,
                ends=None,
                tool_calls=(),
                prompt_key=prompt.key if own else trace.prompt_key,
                meta={name: value for name, value in trace.meta.items() if name not in CARRIED},
            )
            traces.append(fresh)
        answer = outcome.answer if outcome.answer is None else self._redact(outcome.answer)
        problem = replace(problem, id=prompt.key, prompt=prompt)
        return problem, Outcome(answer, None, outcome.stopped_by, {}, traces, outcome.usage)


def _redacted_prompt(prompt: Prompt, redact: Redact) -> Prompt | None:
    """A prompt without what must not be kept; images and further fields are left out."""
    messages = []
    for message in prompt.messages:
        content = message.content if isinstance(message.content, str) else None
        parts = () if content is not None else message.content
        texts = [content] if content is not None else [p for p in parts if not isinstance(p, Image)]
        fresh = [redact(str(text)) for text in texts]
        if None in fresh:
            return None
        messages.append(Message(message.role, "\n".join(text or "" for text in fresh)))
    raw = None if prompt.raw is None else redact(prompt.raw)
    if raw is None and prompt.raw is not None:
        return None
    return Prompt(tuple(messages), prompt.prefix, raw)


def _answered(store: Store, task: int, again: tuple[str, str, str]) -> int:
    """How often this was asked already, before a restart."""
    model, method, problem = again
    rows = store.query(
        "SELECT COUNT(*) FROM items JOIN cells ON cells.id = cell "
        "WHERE task = ? AND model = ? AND method = ? AND problem = ?",
        task,
        model,
        method,
        problem,
    )
    return int(next(rows)[0])


def _hook(name: str) -> Redact | None:
    """The function a configuration names.

    Raises:
        UsageError: if there is none of that name.
    """
    if not name:
        return None
    module, _, attribute = name.partition(":")
    try:
        found: Redact = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        raise UsageError(
            f"record.redact names {name!r}, which cannot be loaded", fix="write module:function"
        ) from None
    return found
