"""Shards of a run, merged, are the run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ttscale.bench import Plan, Settings, Store, grid, run_bench
from ttscale.bench.shard import Shard
from ttscale.bench.store import codec
from ttscale.bench.store.content import content_hash
from ttscale.bench.store.merging import merge
from ttscale.core import StoreError, UsageError

SLURM = Path(__file__).parents[3] / "deploy" / "slurm-array.sh"
PLAN = Plan(
    methods=("simple", "sc(n=3)"),
    models=("synthetic:p=0.6",),
    tasks=("lab:arith",),
    n=11,
    repeats=2,
    keep_traces="all",
)


def run(path: Path, plan: Plan) -> Path:
    with Store.create(path, plan.as_dict()) as store:
        run_bench(store, grid(plan), Settings(keep_traces="all"))
    return path


def plan(shard: str | None = None, **other: object) -> Plan:
    return Plan.from_dict({**PLAN.as_dict(), "shard": shard, **other})


def hashed(path: Path) -> str:
    with Store.open(path) as store:
        return content_hash(store)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole") / "whole.db", plan())


@pytest.fixture
def shards(tmp_path):
    return [run(tmp_path / f"shard-{k}.db", plan(f"{k}/4")) for k in (1, 2, 3, 4)]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_shards_of_a_run_make_the_run(tmp_path, whole, shards, backwards):
    assert len({hashed(path) for path in shards}) == 4
    with merge(tmp_path / "all.db", shards[::-1] if backwards else shards) as merged:
        assert (merged.answered(), merged.planned()) == (44, 44)
    assert hashed(tmp_path / "all.db") == hashed(whole)


def test_a_shard_that_was_killed_can_be_merged_and_the_rest_be_run(tmp_path, whole, shards):
    with contextlib.closing(sqlite3.connect(shards[1])) as db, db:  # what a kill leaves: samples, fewer items
        db.execute("DELETE FROM items WHERE cell IN (1, 3)")
    with merge(tmp_path / "all.db", shards) as merged:
        assert merged.answered() == 44 - 6
        run_bench(merged, grid(Plan.from_dict(merged.plan)), Settings(keep_traces="all"))
    assert hashed(tmp_path / "all.db") == hashed(whole)


def test_what_failed_in_one_store_is_taken_from_another(tmp_path, whole, shards):
    shutil.copy(shards[2], tmp_path / "failed.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "failed.db")) as db, db:
        db.execute("UPDATE items SET error = 'x', answer = NULL")
    for several in ([*shards, tmp_path / "failed.db"], [tmp_path / "failed.db", *shards]):
        merge(tmp_path / "all.db", several).delete()
        merge(tmp_path / "all.db", several).close()
        assert hashed(tmp_path / "all.db") == hashed(whole)
        (tmp_path / "all.db").unlink()


def test_a_question_answered_in_two_ways_is_refused_and_nothing_is_left(tmp_path, shards):
    shutil.copy(shards[0], tmp_path / "again.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "again.db")) as db, db:
        db.execute("UPDATE items SET seconds = 99")
    merge(tmp_path / "all.db", [*shards, tmp_path / "again.db"]).delete()  # only its times differ
    with contextlib.closing(sqlite3.connect(tmp_path / "again.db")) as db, db:
        db.execute("UPDATE items SET answer = 'other'")
    with pytest.raises(StoreError, match="in two ways"):
        merge(tmp_path / "all.db", [*shards, tmp_path / "again.db"])
    assert not list(tmp_path.glob("all*"))


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"n": 10}, {"methods": ("simple",)}, {"budget": {"tokens": 9}}]
)
def test_stores_of_another_run_are_not_mixed(tmp_path, shards, other):
    run(tmp_path / "strange.db", plan("1/4", **other))
    with pytest.raises(StoreError, match=rf"strange.db is not of the run of .*: {next(iter(other))} is"):
        merge(tmp_path / "all.db", [*shards, tmp_path / "strange.db"])


@pytest.mark.parametrize("field", ["answer = 'x'", "stopped_by = 'x'", "correct = 1 - correct"])
def test_the_hash_sees_what_was_found(tmp_path, whole, field):
    changed = Path(shutil.copy(whole, tmp_path / "changed.db"))
    with contextlib.closing(sqlite3.connect(changed)) as db, db:
        db.execute(f"UPDATE items SET {field}")
    assert hashed(changed) != hashed(whole)


def test_the_hash_sees_another_text_of_equal_length(tmp_path, whole):
    changed = Path(shutil.copy(whole, tmp_path / "changed.db"))
    with contextlib.closing(sqlite3.connect(changed)) as db, db:
        row, body = db.execute("SELECT id, body FROM traces LIMIT 1").fetchone()
        trace = codec.unpack(body, role="main", prompt_key="", index=0)
        trace.text = trace.text[::-1]
        db.execute("UPDATE traces SET body = ? WHERE id = ?", (codec.pack(trace), row))
    assert hashed(changed) != hashed(whole)


def test_the_hash_sees_a_lost_sample_and_no_time(tmp_path, whole):
    changed = Path(shutil.copy(whole, tmp_path / "changed.db"))
    with contextlib.closing(sqlite3.connect(changed)) as db, db:
        db.execute("UPDATE items SET seconds = 5")
    assert hashed(changed) == hashed(whole)
    with contextlib.closing(sqlite3.connect(changed)) as db, db:
        db.execute("DELETE FROM traces WHERE id = 7")
    assert hashed(changed) != hashed(whole)


@pytest.mark.parametrize("written", ["0/4", "5/4", "1", "1/0", "a/b", "-1/4", "1/4/2", ""])
def test_a_shard_that_is_none_is_refused(written):
    with pytest.raises(UsageError, match="3/8"):
        Shard.read(written)


def test_every_question_is_in_one_shard():
    for count in (1, 3, 8):
        parts = [Shard(k, count).part(range(20)) for k in range(1, count + 1)]
        assert sorted(q for part in parts for q in part) == list(range(20))


def test_what_spends_across_questions_is_not_cut_up():
    with pytest.raises(UsageError, match="spends across all questions"):
        grid(plan("1/4", methods=("pets",)))
    with pytest.raises(UsageError, match="cut it into fewer"):
        grid(plan("1/12"))


@pytest.mark.slow
def test_an_array_of_jobs_one_of_them_killed_and_started_again_makes_the_run(tmp_path):
    """The script as the scheduler starts it; the third task is killed while it works."""
    lines = [json.dumps({"question": f"Number {i}?", "answer": "right"}) for i in range(120)]
    (tmp_path / "asked.jsonl").write_text("\n".join(lines))
    asked = ("--model", "synthetic:p=0.6", "--task", "asked.jsonl", "-m", "sc(n=32)", "--keep-traces", "all")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "PATH": path}

    def start(task: int) -> subprocess.Popen[bytes]:
        numbers = {"SLURM_ARRAY_TASK_ID": str(task), "SLURM_ARRAY_TASK_COUNT": "4"}
        return subprocess.Popen(
            ["bash", str(SLURM), *asked],
            cwd=tmp_path,
            env={**os.environ, **home, **numbers},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    killed, store = start(3), tmp_path / "runs" / "shard-3.db"
    deadline = time.monotonic() + 60
    while not store.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    for task in (1, 2, 3, 4):
        assert start(task).wait(120) == 0
    ttscale = [sys.executable, "-m", "ttscale", "bench"]
    shards = [str(tmp_path / "runs" / f"shard-{k}.db") for k in (1, 2, 3, 4)]
    for command in (["merge", "all.db", *shards], ["run", *asked, "--out", "whole.db"]):
        subprocess.run([*ttscale, *command], cwd=tmp_path, env={**os.environ, **home}, check=True)
    assert hashed(tmp_path / "all.db") == hashed(tmp_path / "whole.db")
