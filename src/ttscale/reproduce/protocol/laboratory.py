"""What a claim is measured with: recordings, models, benches, and a meter over all of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ...metrics import Difference, paired_difference
from .curves import Curve

if TYPE_CHECKING:
    from ...bench import Result, Row, Settings, Task
    from ...core import Budget, Configured, Engine, Outcome, Problem, Usage
    from ...engines import ModelSource

TAKES = {
    "llamacpp": ("xllamacpp", "llamacpp"),
    "transformers": ("torch", "torch"),
    "reward": ("torch", "torch"),
}
"""Scheme of a model -> the package that runs it, and the extra that brings it."""

Size = TypeVar("Size")
Kept = TypeVar("Kept")


class Lacking(Exception):
    """Something the claim needs is not here; its text completes "needs ..."."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Methods compared on one model and task.

    Attributes:
        rows: the method as it was written -> its row, with accuracy, interval and means of its usage.
        results: as written -> everything answered, repeats one after the other.
    """

    rows: Mapping[str, Row]
    results: Mapping[str, Sequence[Result]]

    def grades(self, label: str) -> dict[str, tuple[int, int]]:
        """Question -> (right, graded) over its repeats."""
        found: dict[str, tuple[int, int]] = {}
        for result in self.results[label]:
            if result.correct is not None:
                right, graded = found.get(result.problem, (0, 0))
                found[result.problem] = (right + result.correct, graded + 1)
        return found

    def difference(self, first: str, second: str) -> Difference | None:
        """Accuracy of the first method minus the second's, paired by question."""
        return paired_difference(self.grades(first), self.grades(second))


@dataclass(slots=True)
class Laboratory:
    """Where claims are measured.

    Attributes:
        data: folder of recordings, if there is one.
        full: whether the full form is asked for; the quick form takes at most 50 s on two cores.
        seed: of everything random that has no seed of its own.
        generated, read, calls: tokens that models generated and verifiers read so far, and their calls.
        replayed: tokens of recordings and generated worlds, which cost nothing.
        curves: pictures drawn so far.
    """

    data: Path | None = None
    full: bool = False
    seed: int = 0
    generated: int = 0
    read: int = 0
    calls: int = 0
    replayed: int = 0
    curves: list[Curve] = field(default_factory=list)
    _kept: dict[Any, Any] = field(default_factory=dict)

    def recording(self, name: str) -> Path:
        """A recording's file.

        Raises:
            Lacking: if there is no such file; says where it is looked for.
        """
        if self.data is None:
            raise Lacking(f"the recording {name}: --data DIR or TTSCALE_DATA")
        if not (path := self.data / name).is_file():
            raise Lacking(f"the recording {name}, which is not in {self.data}")
        return path

    def size(self, quick: Size, full: Size) -> Size:
        """The one of the two that this form takes."""
        return full if self.full else quick

    def once(self, make: Callable[[Laboratory], Kept]) -> Kept:
        """What `make` gives, made once for all claims of a system. What is lacking stays lacking."""
        if make not in self._kept:
            self._kept[make] = make(self)
        kept: Kept = self._kept[make]
        return kept

    def plot(self, curve: Curve) -> None:
        """Add a picture to the report."""
        self.curves.append(curve)

    def book(self, usage: Usage, *, replayed: bool = False) -> None:
        """Count what was spent; `bench` and `answer` do it themselves."""
        if replayed:
            self.replayed += usage.completion_tokens
            return
        self.generated += usage.completion_tokens
        self.read += sum(tally.scored_tokens for tally in usage.by.values())
        self.calls += usage.calls

    def bench(
        self,
        methods: Sequence[str | Configured],
        model: str | ModelSource,
        tasks: Sequence[str | Task] = (),
        *,
        n: int | None = None,
        repeats: int | None = None,
        roles: Mapping[str, str] | None = None,
        settings: Settings | None = None,
    ) -> Comparison:
        """Compare methods on questions of a task, or of a recording that holds one task.

        Args:
            methods: as written, or configured.
            model: a specification or a source.
            tasks: as written, or loaded; a recording brings its own.
            roles: further role -> specification.
            n: questions at most.
            repeats: without it, as many as a recording has samples for, and one on a live model.
            settings: budget and sampling; `roles` is added to them.

        Raises:
            Lacking: if the model, or what it takes to run it, is not here.
        """
        from ...bench import Settings, Store, Task, arrange, load_task, rows, run_bench
        from ...core import Configured
        from ...methods import parse

        settings = settings or Settings()
        source = self.model(model) if isinstance(model, str) else model
        others = {role: self.model(spec) for role, spec in (roles or {}).items()}
        chosen = [m if isinstance(m, Configured) else parse(m) for m in methods]
        written = {
            c.label: m if isinstance(m, str) else m.label for c, m in zip(chosen, methods, strict=True)
        }
        given = [t if isinstance(t, Task) else load_task(t, n=n, seed=self.seed) for t in tasks]
        own = [Task(pool.task, pool.problems[:n]) for pool in source.pools]
        planned = arrange(chosen, [(source, given or own)], repeats=repeats or "auto", seed=self.seed)
        settings = replace(settings, roles={**(settings.roles or {}), **others})
        with (
            tempfile.TemporaryDirectory(prefix="ttscale-reproduce-") as folder,
            Store.create(Path(folder) / "bench.db", {}) as store,
        ):
            run_bench(store, planned, settings)
            found = {written[row.method]: row for row in rows(store)}
            results: dict[str, list[Result]] = {label: [] for label in found}
            for cell in store.cells():
                for result in store.items(cell):
                    results[written[cell.method]].append(result)
                    self.book(result.usage, replayed=bool(source.pools))
        return Comparison(found, results)

    def record(self, model: str, task: str, *, n: int, samples: int, logprobs: int = 0) -> ModelSource:
        """Samples of a live model, kept in memory as a recording: every method that only draws can then
        be replayed on them, in as many orders as it takes.

        Args:
            model: a specification.
            task: as written.
            n: questions.
            samples: of each question.
            logprobs: most probable tokens whose log-probabilities are kept; 0 keeps none.

        Raises:
            Lacking: if the model, or what it takes to run it, is not here.
        """
        from ...bench import Settings, Store, arrange, load_task, pools_from_store, run_bench
        from ...core import Sampling
        from ...engines import ModelSource, Pool
        from ...engines.recordings.engine import Replay
        from ...methods import parse

        source = self.model(model)
        planned = arrange(
            [parse(f"sc(n={samples})")], [(source, [load_task(task, n=n, seed=self.seed)])], seed=self.seed
        )
        settings = Settings(request=Sampling(logprobs=logprobs or None), keep_traces="all")
        with tempfile.TemporaryDirectory(prefix="ttscale-reproduce-") as folder:
            path = Path(folder) / "bench.db"
            with Store.create(path, {}) as store:
                run_bench(store, planned, settings)
                for cell in store.cells():
                    for result in store.items(cell):
                        self.book(result.usage)
            (stored,) = pools_from_store(path)
            records = {(p.id, "main", ""): list(stored.find(p, "main", p.prompt)) for p in stored.problems}
        pool = Pool(stored.model, stored.task, stored.problems, records, capabilities=stored.capabilities)
        return ModelSource(name=pool.model, spec=model, make=partial(Replay, pool), pools=[pool])

    def model(self, spec: str) -> ModelSource:
        """The one model that a specification stands for.

        Raises:
            Lacking: if it, or the package that runs it, is not here.
        """
        from ...core import UnknownName, UsageError, install_command
        from ...engines import open_model
        from ...engines.catalogue.bundled import bundled_models

        bundled = bundled_models().get(spec.partition("?")[0])
        package, extra = TAKES.get((bundled.spec if bundled else spec).partition(":")[0], (None, ""))
        if package is not None and find_spec(package) is None:
            raise Lacking(f"{package}: {install_command(extra)}")
        try:
            (source,) = open_model(spec)
        except UsageError as error:
            raise Lacking(f"the model {spec}" if isinstance(error, UnknownName) else str(error)) from None
        return source

    def answer(
        self,
        method: str | Configured,
        engine: Engine | Mapping[str, Engine],
        problems: Sequence[Problem],
        *,
        budget: Budget | None = None,
    ) -> list[Outcome]:
        """Answer problems one after the other, or together where a method takes a set, on engines that
        are given by role, or as the main one: for generated worlds. Problems that differ by their ids
        draw different samples."""
        from ...core import Configured, Run, execute
        from ...methods import parse

        engines = engine if isinstance(engine, Mapping) else {"main": engine}
        run = Run(engines, seed=self.seed)
        chosen = method if isinstance(method, Configured) else parse(method)

        async def all_of_them() -> list[Outcome]:
            if chosen.card.scope == "set":
                return await run.answer_set(chosen, problems, budget=budget)
            return [await run.answer(chosen, problem, budget=budget) for problem in problems]

        found = execute(run, all_of_them)
        for outcome in found:
            self.book(outcome.usage, replayed=run.token_time)
        return found


def data_folder(given: Path | None) -> Path | None:
    """The folder of recordings: the one given, else what TTSCALE_DATA names, else none."""
    named = os.environ.get("TTSCALE_DATA")
    return given or (Path(named) if named else None)
