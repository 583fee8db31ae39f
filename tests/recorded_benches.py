"""A small recording and a bench of it, for the tests of runner and report."""

from __future__ import annotations

from functools import partial

from fakes import problem, said

from ttscale.bench import Store, Task, arrange, rows, run_bench
from ttscale.core import Configured
from ttscale.engines.catalogue.source import ModelSource
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.recordings.pool import Pool
from ttscale.methods.registry import parse


def recording(draws: int = 8, questions: int = 5, right: int = 5) -> ModelSource:
    """Question i has draws of 10, 20, 30 ... tokens; the first `right` of them are right."""
    problems = [problem(f"q{i}") for i in range(questions)]
    records = {
        (p.id, "main", ""): [said("right" if d < right else "wrong", 10 * (d + 1)) for d in range(draws)]
        for p in problems
    }
    pool = Pool("m", "t", problems, records)
    return ModelSource(name="m", spec="replay:x", make=partial(Replay, pool), pools=[pool])


def bench(tmp_path, source, *methods, settings=None, repeats="auto", problems=None, name="run.db"):
    task = Task("t", problems or source.pools[0].problems)
    made = [m if isinstance(m, Configured) else parse(m) for m in methods]
    with Store.create(tmp_path / name, {}) as store:
        run_bench(store, arrange(made, [(source, [task])], repeats=repeats), settings)
        return {row.method: row for row in rows(store)}
