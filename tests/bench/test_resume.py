"""A run that is killed, interrupted or out of disk space loses nothing and repeats nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import slow_bench
from fakes import Scripted, method_of

from ttscale.bench import Settings, Store, arrange, pools_from_store, run_bench
from ttscale.bench.store import codec
from ttscale.bench.tasks.task import Task
from ttscale.core import Artifact, Card, Configured, EngineError, Method, Outcome, StoreError, Trace
from ttscale.engines.catalogue.source import ModelSource
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods.registry import parse

SETTINGS = Settings(concurrency=4)


def start(store: Path, log: Path, *before: str, token: float = slow_bench.TOKEN) -> subprocess.Popen[str]:
    command = [*before, sys.executable, slow_bench.__file__, str(store), str(log), str(token)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(log: Path, draws: int) -> None:
    deadline = time.monotonic() + 120
    while not (log.exists() and len(log.read_text().splitlines()) >= draws):
        assert time.monotonic() < deadline, "the run never got going"
        time.sleep(0.01)


def results(path: Path) -> dict[tuple[object, ...], tuple[object, ...]]:
    """What must be equal however often a run was interrupted: everything but wall time."""
    with Store.open(path) as store:
        return {
            (c.method, c.repeat, i.problem): (
                i.answer,
                i.correct,
                i.stopped_by,
                i.error,
                i.usage.completion_tokens,
                i.usage.sequential_tokens,
                i.usage.samples,
            )
            for c in store.cells()
            for i in store.items(c)
        }


def finished_draws(path: Path) -> Counter[str]:
    with sqlite3.connect(path) as db:
        rows = db.execute(
            "SELECT repeat, problem, draw FROM traces JOIN cells ON cells.id = cell WHERE finish = 'stop'"
        ).fetchall()
    db.close()
    return Counter(f"{repeat} {problem} {draw}" for repeat, problem, draw in rows)


def whole_run(tmp_path: Path) -> dict[tuple[object, ...], tuple[object, ...]]:
    with Store.create(tmp_path / "whole.db", {}) as store:
        run_bench(store, slow_bench.planned(None), SETTINGS)
    return results(tmp_path / "whole.db")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_resumes_as_if_nothing_had_happened(tmp_path, how):
    store, log = tmp_path / "run.db", tmp_path / "log"
    seeds = {p.seed: p.repeat for p in slow_bench.planned(None)}

    def started() -> list[str]:
        lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
        return [f"{seeds[int(seed)]} {rest}" for seed, rest in lines]

    for draws in (25, 90):
        process = start(store, log, token=5 * slow_bench.TOKEN)  # slow enough to be caught at work
        wait_for(log, draws)
        process.send_signal(how)
        process.communicate(timeout=120)
        # Python may die of an interrupt that it met in generated code: a shell reports 130 too
        assert process.returncode in ({130, -how} if how == signal.SIGINT else {-how})
    kept, before = finished_draws(store), Counter(started())
    assert kept.total() > 20
    process = start(store, log)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert results(store) == whole_run(tmp_path)
    # methods share samples, so one identity may be needed several times: what was finished before
    # the interruption and what was started after it are together what the whole run needs
    after = Counter(started()) - before
    assert after + kept == finished_draws(store)


def test_a_finished_run_draws_nothing_when_it_is_resumed(tmp_path):
    log = tmp_path / "log"
    for _ in range(2):
        exists = (tmp_path / "run.db").exists()
        store = (
            Store.open(tmp_path / "run.db", write=True) if exists else Store.create(tmp_path / "run.db", {})
        )
        with store:
            progress = run_bench(store, slow_bench.planned(log, n=3), SETTINGS)
        assert progress.done == progress.total == 3 * 3 * 2
    assert len(log.read_text().splitlines()) == 3 * 2 * (1 + 4 + 4)


def test_an_interrupted_set_is_served_its_finished_draws(tmp_path):
    card = Card(name="whole-set", title="a set", what="parallel", stops="never", scope="set")
    crash = [True]

    async def solve(problems, ctx, cfg):
        outcomes = []
        for number, problem in enumerate(problems):
            trace = await ctx.of(problem).sample(problem.prompt)
            if number == 3 and crash[0]:
                raise KeyboardInterrupt
            outcomes.append(Outcome(problem.answer(trace), trace, "drawn"))
        return outcomes

    class Nothing:
        pass

    method = Configured(Method(card, solve, Nothing), Nothing(), "whole-set")
    log, task = tmp_path / "log", Task("questions", slow_bench.questions(6))
    grid = arrange([method], [(slow_bench.model(log=log), [task])])
    with Store.create(tmp_path / "run.db", {}) as store, pytest.raises(KeyboardInterrupt):
        run_bench(store, grid)
    crash[0] = False
    with Store.open(tmp_path / "run.db", write=True) as store:
        run_bench(store, grid)
        (cell,) = store.cells()
        assert len(list(store.items(cell))) == 6
        assert cell.seconds is None, "draws from the journal took no time"
        assert cell.sequential_tokens == max(t.sequential for _, t in store.traces(cell))
    assert Counter(log.read_text().splitlines()).most_common(1)[0][1] == 1


def test_errors_of_the_server_are_no_wrong_answers_and_are_tried_again(tmp_path):
    with Store.create(tmp_path / "run.db", {}) as store:
        first = run_bench(store, slow_bench.planned(None, methods=("simple",), fails=3), SETTINGS)
        assert (first.errors, first.graded) == (8, 16)
        failed = [i for c in store.cells() for i in store.items(c) if i.error]
        assert len(failed) == 8
        assert {(i.correct, i.error) for i in failed} == {(None, "EngineError: the server said 500")}
        second = run_bench(store, slow_bench.planned(None, methods=("simple",)), SETTINGS)
        assert (second.errors, second.done) == (0, 24)
    whole = whole_run(tmp_path)
    assert results(tmp_path / "run.db") == {k: v for k, v in whole.items() if k[0] == "simple"}


def test_an_error_that_meets_every_question_ends_the_run(tmp_path):
    class Locked(slow_bench.Paced):
        def start(self, call):
            error = EngineError("wrong key")
            error.fatal = True
            raise error

    source = ModelSource(name="locked", spec="", make=Locked)
    grid = arrange([parse("simple")], [(source, [Task("t", slow_bench.questions(50))])])
    with Store.create(tmp_path / "run.db", {}) as store, pytest.raises(EngineError, match="wrong key"):
        run_bench(store, grid)


def full_after(store: Store, pages: int) -> None:
    """Let the store's disk be full `pages` pages from now."""
    (used,) = next(store.query("PRAGMA page_count"))
    list(store.query(f"PRAGMA max_page_count = {used + pages}"))


@pytest.mark.parametrize("pages", [1, 3, 6])
def test_a_full_disk_stops_the_run_and_keeps_what_is_finished(tmp_path, pages):
    path = tmp_path / "run.db"
    with Store.create(path, {}) as store:
        task = store.add_task("questions", slow_bench.questions(12))
        assert task
        full_after(store, pages)
        with pytest.raises(StoreError, match="free some space and try again") as told:
            run_bench(store, slow_bench.planned(None), SETTINGS)
        assert told.value.exit_code == 8
    kept = results(path)
    whole = whole_run(tmp_path)
    assert len(kept) < len(whole)
    assert kept == {key: whole[key] for key in kept}
    with Store.open(path, write=True) as store:
        run_bench(store, slow_bench.planned(None), SETTINGS)
    assert results(path) == whole


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a file size limit")
def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path):
    store, log = tmp_path / "run.db", tmp_path / "log"
    limit = 'ulimit -f 100; exec "$@"'  # in kilobytes
    process = start(store, log, "bash", "-c", limit, "limited")
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 8, errors
    assert "no space left" in out
    assert "Traceback" not in errors
    kept = results(store)
    process = start(store, log)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert kept.items() <= results(store).items()


def test_a_run_of_recorded_time_is_a_pool_that_replays_itself(tmp_path):
    source = ModelSource(name="s", spec="", make=lambda: Synthetic(binary(0.6)))
    methods = [parse("sc(n=8)"), parse("ffs(n=8, k=3)"), parse("simple")]
    task = Task("t", slow_bench.questions(20))
    with Store.create(tmp_path / "first.db", {}) as store:
        run_bench(store, arrange(methods, [(source, [task])]), Settings(keep_traces="all"))
    (pool,) = pools_from_store(tmp_path / "first.db", lambda name: slow_bench.Same())
    assert pool.size() == 8
    from ttscale.engines.recordings.engine import Replay

    replayed = ModelSource(name="s", spec="", make=lambda **k: Replay(pool, **k), pools=[pool])
    with Store.create(tmp_path / "again.db", {}) as store:
        grid = arrange(methods, [(replayed, [Task("t", pool.problems)])], repeats=1)
        run_bench(store, grid)
    assert results(tmp_path / "again.db") == results(tmp_path / "first.db")


@pytest.mark.parametrize(("largest", "drawn"), [(3, 1), (2, 2)])
def test_a_draw_whose_picture_was_too_large_to_keep_is_made_again(tmp_path, monkeypatch, largest, drawn):
    monkeypatch.setattr(codec, "LARGEST_ARTIFACT", largest)
    crash, pictures = [True], []

    async def solve(problem, ctx, cfg):
        trace = await ctx.sample(problem.prompt)
        pictures.append(trace.artifacts[0].content)
        if crash[0]:
            raise KeyboardInterrupt
        return Outcome("right", trace, "drawn")

    engine = Scripted(lambda call: Trace("", 3, artifacts=(Artifact.of("picture", b"abc"),)))
    source = ModelSource(name="s", spec="", make=lambda: engine)
    method = method_of(solve).bind(None)
    grid = arrange([method], [(source, [Task("t", slow_bench.questions(1))])])
    settings = Settings(keep_traces="all")
    with Store.create(tmp_path / "run.db", {}) as store, pytest.raises(KeyboardInterrupt):
        run_bench(store, grid, settings)
    crash[0] = False
    with Store.open(tmp_path / "run.db", write=True) as store:
        run_bench(store, grid, settings)
    assert (pictures, len(engine.calls)) == ([b"abc", b"abc"], drawn)


def test_a_draw_that_a_rule_cut_is_served_as_it_was_cut(tmp_path):
    class FirstFive:
        def __init__(self):
            self.seen = 0

        def feed(self, chunk):
            self.seen += chunk.tokens
            return chunk.tokens - (self.seen - 5) if self.seen >= 5 else None

    crash = [True]
    ends = []

    async def solve(problem, ctx, cfg):
        trace = await ctx.sample(problem.prompt, until=FirstFive)
        ends.append((trace.finish, trace.tokens))
        if crash[0]:
            raise KeyboardInterrupt
        return Outcome("right", trace, "cut")

    class Nothing:
        pass

    card = Card(name="cutting", title="cuts", what="sequential", stops="at once")
    method = Configured(Method(card, solve, Nothing), Nothing(), "cutting")
    source = ModelSource(name="s", spec="", make=lambda: Synthetic(binary(0.6)))
    grid = arrange([method], [(source, [Task("t", slow_bench.questions(1))])])
    settings = Settings(keep_traces="all")
    with Store.create(tmp_path / "run.db", {}) as store, pytest.raises(KeyboardInterrupt):
        run_bench(store, grid, settings)
    crash[0] = False
    with Store.open(tmp_path / "run.db", write=True) as store:
        run_bench(store, grid, settings)
    assert ends == [("cut", 5), ("cut", 5)]
