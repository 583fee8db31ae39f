"""Runs a grid of cells into a store, and goes on where an interrupted run stopped.

Models run one after the other, each with all its cells and with `concurrency` questions in flight.
A finished question is committed at once; in token time commits are grouped by `GROUP_SECONDS` of
wall time. Infrastructure errors become items with an error: they are not wrong answers, and a
resumed run tries them again. A recording that runs dry ends its cell; errors that would meet every
question end the run, and so does a limit of the whole run (`totals`).
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from shlex import quote
from typing import Any

from ..assembly import Assembly
from ..core import (
    Budget,
    EngineError,
    GenerationRequest,
    Outcome,
    PoolExhausted,
    Problem,
    Run,
    StoreError,
    Trace,
    TTScaleError,
    Unreachable,
    Usage,
    execute,
)
from ..core.spending.budget_guard import scope_of
from .plan import Planned, Settings
from .progress import Progress
from .store.journal import StoreJournal
from .store.results import Cell, Result
from .store.store import Store
from .totals import GatedEngine, LimitReached, Spent, Totals

GROUP_SECONDS = 0.2
LOOK_SECONDS = 0.2  # between two looks at what a limited run has spent
GIVE_UP = 8  # questions in a row that found no server, beyond those in flight


@dataclass(slots=True)
class Open:
    """A cell being run."""

    planned: Planned
    cell: Cell
    run: Run
    journal: StoreJournal | None
    todo: list[Problem]
    keep: bool
    ran_dry: bool = False  # no more questions are asked then

    @property
    def is_set(self) -> bool:
        return self.planned.method.card.scope == "set"


def run_bench(
    store: Store,
    planned: Sequence[Planned],
    settings: Settings | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Answer what is not answered yet; blocks until all is done.

    Raises:
        StoreError: if the store cannot be written; what was finished is kept.
        EngineError, UsageError: if every further question would fail alike.
        KeyboardInterrupt: on Ctrl-C, after everything that is finished has been written.
    """
    runner = _Runner(store, settings or Settings(), on_progress)
    try:
        return runner.run(planned)
    finally:
        store.commit()


class _Runner:
    def __init__(
        self, store: Store, settings: Settings, on_progress: Callable[[Progress], None] | None
    ) -> None:
        self.store, self.settings = store, settings
        self.on_progress = on_progress
        self.progress = Progress(0)
        self._reported = 0.0
        self._lost = 0  # questions in a row that found no server
        self._stopped: asyncio.Future[None] | None = None
        seconds = self.settings.seconds
        self._ends = None if seconds is None else time.monotonic() + seconds
        self.totals = Totals(self.settings.limits, Spent.read(store.spent))

    def run(self, planned: Sequence[Planned]) -> Progress:
        columns = [list(cells) for _, cells in groupby(planned, lambda p: (id(p.model), p.task.name))]
        cells = [list(zip(column, self._register(column), strict=True)) for column in columns]
        self._count(planned)
        for column in cells:
            self.progress.limit = self.totals.reached()
            if not self.progress.limit:
                self._column(column)
        if self.progress.done >= self.progress.total:
            self.progress.limit = ""
        self._report(force=True)
        return self.progress

    def _register(self, column: Sequence[Planned]) -> list[Cell]:
        """The store's cells of one model and task."""
        task = self.store.add_task(column[0].task.name, column[0].task.problems)
        return [
            self.store.add_cell(
                Cell(
                    id=0,
                    method=p.method.label,
                    model=p.model.name,
                    task=p.task.name,
                    repeat=p.repeat,
                    skip=p.engine.get("skip", 0),
                    recorded=bool(p.model.pools),
                    knobs=p.knobs,
                ),
                task,
            )
            for p in column
        ]

    def _count(self, planned: Sequence[Planned]) -> None:
        done, graded, right = next(
            self.store.query(
                "SELECT count(*), count(correct), coalesce(sum(correct), 0) FROM items WHERE error IS NULL"
            )
        )
        self.progress = Progress(
            sum(len(p.problems) for p in planned), done, 0, graded, right, began=time.monotonic()
        )
        self._report(force=True)

    # -- one model

    def _column(self, column: Sequence[tuple[Planned, Cell]]) -> None:
        """Run all cells of a model on a task, on engines opened once."""
        left = []
        for planned, cell in column:
            done = self.store.done(cell)
            todo = [p for p in planned.problems if p.id not in done]
            if todo and planned.method.card.scope == "set":
                self.progress.done -= len(done)  # a set is answered as a whole
            if todo:
                left.append((planned, cell, todo))
        if not left:
            return
        source = column[0][0].model
        settings = self.settings
        models = Assembly.of({"main": source, **(settings.roles or {})}, settings.defaults)
        if settings.limits.given():
            models = models.wrapped(lambda _, engine: GatedEngine(engine, self.totals))
        host = models.run()
        self.store.group_seconds = GROUP_SECONDS if _all_recorded(host) else 0.0
        cells = [self._open(*entry, models, host) for entry in left]
        try:
            execute(host, lambda: self._all(cells))
        finally:
            self.store.note_spent(self.totals.spent.as_dict())
            self.store.commit()

    def _open(self, planned: Planned, cell: Cell, todo: list[Problem], models: Assembly, host: Run) -> Open:
        settings, source = self.settings, planned.model
        recorded = _all_recorded(host)
        keep = settings.keep_traces == "all" or (settings.keep_traces == "auto" and not recorded)
        # recorded samples that are not kept need no journal: making them again costs nothing
        journal = (
            StoreJournal(self.store, cell, self._fail, self._served(models)) if keep or not recorded else None
        )
        if source.pools:  # a recording is an engine per repeat; a live model is loaded once
            engine = source.make(**planned.engine)
            limited = settings.limits.given()
            models = models.with_main(GatedEngine(engine, self.totals) if limited else engine)
        run = models.run(
            seed=planned.seed,
            request=settings.request,
            observers=() if journal is None else (journal,),
            journal=journal,
        )
        return Open(planned, cell, run, journal, todo, keep)

    def _served(self, models: Assembly) -> Callable[[GenerationRequest, Trace], None]:
        """What is done about a sample that a resumed run has from its store."""

        def served(request: GenerationRequest, trace: Trace) -> None:
            role = request.role if request.role in models.engines else "main"
            self.totals.served(trace, models.prices.get(role))

        return served

    async def _all(self, cells: Sequence[Open]) -> None:
        """Workers share one list of jobs; the first failure stops them all."""
        for cell in cells:
            method = cell.planned.method
            cell.run.check(method, self.settings.budget)
            if (money := self.settings.limits.cost) is not None:
                cell.run.check(method, Budget(cost=money))
        loop = asyncio.get_running_loop()
        self._stopped = loop.create_future()
        jobs = self._jobs(cells)
        # in pure token time nothing waits for anything real: one at a time is fastest
        width = 1 if self.store.group_seconds else self.settings.concurrency

        async def work() -> None:
            for job in jobs:
                if self.progress.limit:
                    return
                await job()

        workers = [loop.create_task(work(), name=f"worker {i}") for i in range(width)]
        pending: set[asyncio.Future[None]] = set(workers)
        try:
            while pending:
                done, pending = await asyncio.wait(
                    {*pending, self._stopped}, timeout=self._left(cells), return_when=asyncio.FIRST_COMPLETED
                )
                pending.discard(self._stopped)
                for finished in done:
                    finished.result()
                if self.totals.reached():
                    self._end()
                if self._stopped.done() or self._is_late(cells):
                    break
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            self._stopped.cancel()

    def _left(self, cells: Sequence[Open]) -> float | None:
        """Seconds until the run is to be looked at; None if it need not, or takes no real time."""
        if cells[0].run.token_time:
            return None
        waits = [] if self._ends is None else [max(0.0, self._ends - time.monotonic())]
        waits += [LOOK_SECONDS] if self.settings.limits.given() else []
        return min(waits, default=None)

    def _is_late(self, cells: Sequence[Open]) -> bool:
        """Whether the run's seconds are over."""
        late = self._ends is not None and time.monotonic() >= self._ends
        return late and not cells[0].run.token_time

    def _jobs(self, cells: Sequence[Open]) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
        for cell in cells:
            if cell.is_set:
                yield lambda cell=cell: self._set(cell)  # type: ignore[misc]
            else:
                for problem in cell.todo:
                    if cell.ran_dry:
                        break
                    yield lambda cell=cell, problem=problem: self._item(cell, problem)  # type: ignore[misc]

    def _fail(self, error: StoreError) -> None:
        """Stop the run: called where an exception could not travel."""
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_exception(error)

    def _end(self) -> None:
        """A limit of the run is reached: no more questions are begun. Those under way may use the requests
        that they have made; tokens and money they would go on spending."""
        self.progress.limit = self.totals.reached()
        if self.progress.limit != "requests" and self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)

    # -- one question, or one set of them

    async def _item(self, open_: Open, problem: Problem) -> None:
        method = open_.planned.method
        scope = scope_of(None, self.settings.budget, problem=problem)
        error: Exception | None
        try:
            with self.totals.of(scope):
                outcome = await open_.run.solve(method, problem, scope)
            result, error = Result.of(problem, outcome, timed=_timed(open_, problem)), outcome.error
        except LimitReached:
            self._end()
            return
        except Exception as raised:
            result, error = _failed(problem, _kept(raised), scope.usage), raised
            open_.ran_dry = open_.ran_dry or isinstance(raised, PoolExhausted)
        self._finish(open_, [result])
        self._reached(error)

    async def _set(self, open_: Open) -> None:
        """All questions of the task at once; what is finished of their samples is served again."""
        method, problems = open_.planned.method, open_.planned.task.problems
        whole: tuple[float | None, int] | None = None
        scope = scope_of(None, self._set_budget(len(problems)), keep=False)
        began = open_.run.loop.time()
        try:
            with self.totals.of(scope):
                outcomes = await open_.run.solve_set(method, problems, scope)
            timed = all(_timed(open_, p) for p in problems)
            elapsed = open_.run.loop.time() - began
            if open_.run.token_time:
                elapsed /= open_.run.ticks_per_second
            items = [Result.of(p, o, timed=timed) for p, o in zip(problems, outcomes, strict=True)]
            whole = (elapsed if timed else None, _sequential_tokens(outcomes))
        except LimitReached:
            self._end()
            return
        except Exception as error:
            kept = _kept(error)
            spent = {name: ledger.usage for name, ledger in scope.by_problem.items()}
            items = [_failed(problem, kept, spent.get(problem.id) or Usage()) for problem in problems]
        self._finish(open_, items, whole)

    def _set_budget(self, questions: int) -> Budget | None:
        budget = self.settings.budget
        if budget is None:
            return None
        amounts = {
            name: value * questions
            for name in ("tokens", "samples", "cost")
            if (value := getattr(budget, name)) is not None
        }
        units = {unit: amount * questions for unit, amount in budget.units.items()}
        return replace(budget, **amounts, units=units)

    def _reached(self, error: Exception | None) -> None:
        """Give up when question after question finds no server."""
        if not isinstance(error, Unreachable):
            self._lost = 0
            return
        self._lost += 1
        if self._lost >= GIVE_UP + self.settings.concurrency:
            self._lost = 0
            raise Unreachable(
                f"{self.settings.concurrency + GIVE_UP} questions in a row found no server ({error.fact})",
                fix=f"start it again, then: ttscale bench resume {quote(str(self.store.path))}",
            )

    def _finish(
        self, open_: Open, items: list[Result], whole: tuple[float | None, int] | None = None
    ) -> None:
        self.store.finish(open_.cell, items, keep_traces=open_.keep, whole=whole)
        progress = self.progress
        progress.label = f"{open_.cell.method} · {open_.cell.model} · {open_.cell.task}"
        for result in items:
            progress.done += 1
            progress.errors += result.error is not None
            progress.graded += result.correct is not None
            progress.right += bool(result.correct)
            progress.tokens += result.usage.tokens
        if not self.store.group_seconds:  # what is recorded costs nothing that a kill could hide
            self.store.note_spent(self.totals.spent.as_dict())
        if self.totals.reached():
            self._end()
        self._report()

    def _report(self, *, force: bool = False) -> None:
        if self.on_progress is None:
            return
        now = time.monotonic()
        if force or now - self._reported >= 0.1:
            self._reported = now
            self.on_progress(self.progress)


def _all_recorded(run: Run) -> bool:
    """Whether nothing a run does takes real time."""
    return all(engine.time == "tokens" for engine in run.engines.values())


def _timed(open_: Open, problem: Problem) -> bool:
    """Whether an item's seconds are its own: samples served from the journal take no real time."""
    served = open_.journal is not None and problem.id in open_.journal.served_problems
    return not served or open_.run.token_time


def _kept(error: Exception) -> str:
    """What an item says about its failure; an error that would meet every item is raised."""
    if isinstance(error, TTScaleError):
        # a recording that runs dry ends its cell, not the run: other methods may ask for less
        fatal = not isinstance(error, EngineError) or error.fatal
        if fatal and not isinstance(error, PoolExhausted):
            raise error
        return f"{type(error).__name__}: {error}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"


def _failed(problem: Problem, error: str, usage: Usage) -> Result:
    return Result(
        problem=problem.id,
        answer=None,
        correct=None,
        stopped_by="error",
        usage=usage,
        seconds=None,
        error=error,
    )


def _sequential_tokens(outcomes: Sequence[Outcome]) -> int:
    """The longest chain of dependent tokens of a set: samples that were not waited for are not in it."""
    ends = (t.sequential for o in outcomes for t in o.traces if t.finish != "cancelled")
    return max(ends, default=0)
