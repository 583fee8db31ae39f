"""`ttscale bench` as a user meets it."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engines.fake_server import elsewhere, hang

from ttscale.bench import Store
from ttscale.core import StoreError

METHODS = ("-m", "simple", "-m", "sc(n=4)", "-m", "ffs(n=4, k=1)")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Two tasks of six questions with four samples each; the third sample is wrong."""
    path = tmp_path / "samples.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        names = "model dataset question sample completion_tokens reference answer"
        out.writerow(names.split())
        for task in ("easy", "hard"):
            for question in range(6):
                for sample in range(4):
                    answer = 7 if sample != 2 else 8
                    out.writerow(["big", task, question, sample, 10 * (sample + 1), 7, answer])
    return path


def run(cli, samples, *more):
    return cli("bench", "run", "--model", f"replay:{samples}", *METHODS, *more)


def test_a_recording_brings_its_own_tasks_and_json_is_one_document(cli, samples):
    result = run(cli, samples, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [(r["task"], r["method"]) for r in told["rows"]] == [
        (task, method) for task in ("easy", "hard") for method in ("simple", "sc(n=4)", "ffs(n=4, k=1)")
    ]
    simple, vote, first = told["rows"][:3]
    assert (simple["accuracy"], simple["repeats"]) == (0.75, 4)
    assert (vote["accuracy"], vote["completion_tokens_mean"], vote["samples_mean"]) == (1, 100, 4)
    assert (first["sequential_tokens_mean"], first["cancelled_tokens_mean"]) == (10, 30)
    assert vote["accuracy_ci"][0] < 1 <= vote["accuracy_ci"][1] + 1e-9
    assert Path(told["store"]).parent.name == "runs"
    assert Path(told["store"]).is_file()


def test_a_task_of_the_recording_can_be_chosen(cli, samples):
    told = json.loads(run(cli, samples, "--task", "hard", "-n", "2", "--json").stdout)
    assert {(r["task"], r["questions"]) for r in told["rows"]} == {("hard", 2)}


def test_the_table_goes_to_stdout_and_the_rest_to_stderr(cli, samples):
    result = run(cli, samples, "--out", "mine.db")
    assert "ffs(n=4, k=1)" in result.stdout
    assert "store: mine.db" in result.stderr


def test_an_existing_store_is_resumed_not_overwritten(cli, samples, refuses):
    assert run(cli, samples, "--out", "mine.db").exit_code == 0
    refused = refuses(
        "bench", "run", "--model", f"replay:{samples}", "-m", "simple", "--out", "mine.db", code=8
    )
    assert "ttscale bench resume mine.db" in refused
    again = cli("bench", "resume", "mine.db", "--json")
    assert again.exit_code == 0, again.output
    assert len(json.loads(again.stdout)["rows"]) == 6


def test_a_command_that_is_named_works_whatever_the_file_is_called(cli, samples, refuses):
    store = samples.parent / "my first run.db"
    ran = run(cli, samples, "--out", str(store))
    assert f"ttscale bench report '{store}' --html FILE" in ran.stderr
    told = refuses("bench", "run", "--model", f"replay:{samples}", *METHODS, "--out", str(store), code=8)
    assert f"ttscale bench resume '{store}'" in told


def test_reports_and_exports(cli, samples):
    run(cli, samples, "--out", "mine.db")
    told = json.loads(
        cli("bench", "report", "mine.db", "--html", "r.html", "--png", "r.png", "--json").stdout
    )
    assert told["files"] == ["r.html", "r.png"]
    assert all(Path(f).stat().st_size > 10_000 for f in told["files"])
    exported = json.loads(cli("bench", "export", "mine.db", "items.jsonl", "--json").stdout)
    assert exported["rows"] == 2 * 6 * (4 + 1 + 1)
    assert len(Path("items.jsonl").read_text().splitlines()) == exported["rows"]


def test_a_run_that_kept_its_traces_is_a_model(cli, samples):
    first = json.loads(run(cli, samples, "--out", "a.db", "--keep-traces", "all", "--json").stdout)
    again = json.loads(
        cli("bench", "run", "--model", "replay:a.db", *METHODS, "--json", "--out", "b.db").stdout
    )
    assert [{**r, "model": ""} for r in again["rows"]] == [{**r, "model": ""} for r in first["rows"]]


def test_bad_requests_leave_no_file_behind(cli, samples, refuses):
    base = ("bench", "run", "--model", f"replay:{samples}", "--out", "x.db")
    assert "did you mean" in refuses(*base, "-m", "smple", code=2)
    assert "holds 4" in refuses(*base, "-m", "sc(n=5)", code=6)
    assert "--repeats" in refuses(*base, "-m", "simple", "--repeats", "0", code=2)
    assert "no method" in refuses(*base, code=2)
    refuses(*base, "-m", "bon(n=2)", code=5)
    assert not Path("x.db").exists()
    assert "no store" in refuses("bench", "report", "x.db", code=8)
    assert "no store" in refuses("bench", "resume", "x.db", code=8)


def test_a_budget_of_seconds_ends_every_question_in_time(cli, tmp_path):
    """On a server that takes a minute to answer; finding out what it can do is within the budget, too."""
    file = tmp_path / "three.jsonl"
    file.write_text("".join(json.dumps({"question": f"{n} + 1", "answer": n + 1}) + "\n" for n in range(3)))
    with elsewhere(hang) as url:
        asked = ("--model", f"openai:m@{url}", "--task", str(file), "-m", "sc(n=2)", "-m", "deepconf(n=2)")
        result = cli("bench", "run", *asked, "--budget", "seconds=0.5", "--json")
    assert result.exit_code == 7, result.output
    rows = json.loads(result.stdout)["rows"]
    assert [(row["items"], row["abstentions"]) for row in rows] == [(3, 3)] * 2
    assert [row["stopped_by"] for row in rows] == [{"budget:seconds": 3}] * 2
    assert all(0.5 <= row["seconds_mean"] < 1.0 for row in rows)


def test_a_budget_in_which_nothing_can_be_answered_is_told_with_a_code_of_its_own(cli, samples):
    base = ("bench", "run", "--model", f"replay:{samples}", "--task", "easy", "--budget")
    done = cli(*base, "tokens=5", "-m", "sc(n=4)", "--json", "--out", "small.db")
    assert done.exit_code == 7
    assert json.loads(done.stdout)["rows"][0]["abstentions"] == 6
    assert done.stderr.strip().splitlines()[-1] == (
        "sc(n=4) answered nothing on easy within tokens=5: its accuracy says nothing; raise --budget"
    )
    assert cli(*base, "tokens=40", "-m", "sc(n=4)", "--out", "enough.db").exit_code == 0


def items(path: Path) -> int:
    try:
        with Store.open(path) as store:
            return int(next(store.query("SELECT count(*) FROM items"))[0])
    except StoreError:  # not there yet
        return 0


@pytest.mark.parametrize(
    ("change", "args", "told"),
    [
        ("UPDATE items SET usage = '{}'", ("report", "run.db"), "a stored item is damaged"),
        ("UPDATE items SET usage = 'x'", ("export", "run.db", "x.jsonl"), "a stored item"),
        ("UPDATE meta SET value = '{'", ("resume", "run.db"), "a stored plan is damaged"),
        ("UPDATE meta SET value = '{}'", ("resume", "run.db"), "the stored plan is damaged"),
        (
            "UPDATE problems SET body = x'00'",
            ("run", "-m", "simple", "--model", "replay:run.db"),
            "a stored question is damaged",
        ),
        (
            "UPDATE traces SET body = x'00'",
            ("run", "-m", "simple", "--model", "replay:run.db"),
            "a stored trace is damaged",
        ),
    ],
)
def test_a_store_whose_entries_are_damaged_says_so(cli, samples, refuses, change, args, told):
    assert run(cli, samples, "--out", "run.db", "--keep-traces", "all").exit_code == 0
    with contextlib.closing(sqlite3.connect("run.db")) as db, db:
        db.execute(change)
    assert told in refuses("bench", *args, code=8)


def test_a_resume_that_cannot_begin_does_not_count_what_is_kept(cli):
    Path("asked.csv").write_text("question,answer\na,1\n")
    asked = ("--model", "synthetic:p=1", "--task", "asked.csv", "-m", "simple", "--out", "run.db")
    assert cli("bench", "run", *asked).exit_code == 0
    Path("asked.csv").write_text("question,answer\na,2\n")
    result = cli("bench", "resume", "run.db")
    assert result.exit_code == 8
    assert "are kept" not in result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a file size limit")
@pytest.mark.parametrize("blocks", [100, 600])
def test_a_full_disk_tells_what_is_kept_and_no_more(tmp_path, blocks):
    """At 100 kB nothing can be begun; at 600 some items are answered."""
    rows = [{"question": f"Number {i}? {'x' * 300}", "answer": "right"} for i in range(400)]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = subprocess.run(
        [
            "bash",
            "-c",
            f'ulimit -f {blocks}; exec "$@"',
            "limited",
            sys.executable,
            "-m",
            "ttscale",
            "bench",
            "run",
            "--model",
            "synthetic:p=0.6",
            "--task",
            "asked.jsonl",
            "-m",
            "sc(n=8)",
            "--keep-traces",
            "all",
            "--out",
            "run.db",
        ],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
    )
    assert done.returncode == 8, done.stderr
    assert "Traceback" not in done.stderr
    if (tmp_path / "run.db").exists():
        assert f"{items(tmp_path / 'run.db'):,} of 400 items are kept in run.db" in done.stderr
    else:
        assert "resume" not in done.stderr
        assert not list(tmp_path.glob("run*"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a file size limit")
def test_an_export_to_a_full_disk_is_one_line_of_error(cli, samples, tmp_path):
    assert run(cli, samples, "--out", str(tmp_path / "run.db")).exit_code == 0
    done = subprocess.run(
        [
            "bash",
            "-c",
            'ulimit -f 40; exec "$@"',
            "limited",
            sys.executable,
            "-m",
            "ttscale",
            "bench",
            "export",
            "run.db",
            "items.jsonl",
        ],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 8
    assert done.stderr.startswith("error: no space left while writing items.jsonl")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("items*"))


def test_control_c_before_anything_is_finished_leaves_nothing_to_resume(cli, samples, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ttscale.bench.runner.run_bench", interrupted)
    result = run(cli, samples, "--out", "run.db")
    assert result.exit_code == 130
    assert result.stderr.strip() == "interrupted: nothing was finished"
    assert not list(Path.cwd().glob("run.db*"))


def test_control_c_ends_with_130_and_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-m", "ttscale", "bench"]
    lines = [json.dumps({"question": f"Number {i}?", "answer": "right"}) for i in range(150)]
    (tmp_path / "asked.jsonl").write_text("\n".join(lines))
    what = ["--model", "synthetic:p=0.6", "--task", "asked.jsonl", "--repeats", "4"]
    started = subprocess.Popen(
        [*command, "run", *what, "-m", "sc(n=64)", "--out", "run.db"],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
    )
    deadline = time.monotonic() + 30
    while not items(tmp_path / "run.db"):
        assert time.monotonic() < deadline, "the run never got going"
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, errors = started.communicate(timeout=30)
    assert started.returncode in (130, -signal.SIGINT), errors  # a shell reports 130 either way
    assert "ttscale bench resume run.db" in errors
    assert "Traceback" not in errors
    resumed = subprocess.run(
        [*command, "resume", "run.db", "--json"], cwd=tmp_path, capture_output=True, check=False
    )
    assert resumed.returncode == 0, resumed.stderr
    (row,) = json.loads(resumed.stdout)["rows"]
    assert row["items"] == 150 * 4


def test_a_dry_run_spends_and_leaves_nothing(cli, samples, refuses):
    told = json.loads(run(cli, samples, "--task", "easy", "--dry-run", "--json").stdout)
    assert [(e["method"], e["items"], e["most_requests"]) for e in told["estimates"]] == [
        ("simple", 24, 24),
        ("sc(n=4)", 6, 24),
        ("ffs(n=4, k=1)", 6, 24),
    ]
    assert not list(Path.cwd().glob("runs/*"))
    assert run(cli, samples, "--out", "a.db").exit_code == 0
    told = json.loads(run(cli, samples, "--task", "easy", "--dry-run", "--like", "a.db", "--json").stdout)
    assert [e["tokens"] for e in told["estimates"]] == [24 * 25, 6 * 100, 6 * 40]
    base = ("bench", "run", "--model", f"replay:{samples}", "-m", "simple")
    assert "give --dry-run too" in refuses(*base, "--like", "a.db", code=2)


def test_a_run_that_reaches_its_limit_says_how_to_go_on(cli):
    Path("asked.csv").write_text("question,answer\n" + "".join(f"{i},right\n" for i in range(20)))
    asked = ("--model", "synthetic:p=0.6", "--task", "asked.csv", "-m", "sc(n=4)", "--out", "run.db")
    ended = cli("bench", "run", *asked, "--max-requests", "30")
    assert ended.exit_code == 7
    assert ended.stderr.strip().splitlines()[-1] == (
        "the run's limit of 30 requests is reached: 7 of 20 items are kept in run.db; "
        "go on with: ttscale bench resume run.db --max-requests MORE"
    )
    assert cli("bench", "resume", "run.db").exit_code == 7  # as before
    assert cli("bench", "resume", "run.db", "--max-requests", "100").exit_code == 0
    with Store.open("run.db") as store:
        assert store.spent["requests"] == 82  # two of the eighth question were stopped, and drawn anew
        assert store.answered() == 20


def test_a_run_is_paid_for_at_the_prices_it_began_with(cli, tmp_path, monkeypatch):
    config, questions = tmp_path / "prices.toml", tmp_path / "q.jsonl"
    questions.write_text('{"question": "1 + 1", "answer": "2"}\n{"question": "2 + 2", "answer": "4"}\n')
    monkeypatch.setenv("TTSCALE_CONFIG", str(config))
    alias = '[models.m]\nspec = "synthetic:p=0.7,length=200"\nprice = {{ prompt = 0, completion = {} }}\n'
    config.write_text(alias.format(1))
    out = tmp_path / "priced.db"
    first = ("bench", "run", "--model", "m", "--task", str(questions), "-m", "simple", "--out", str(out))
    assert cli(*first, "--max-total-tokens", "1").exit_code
    config.write_text(alias.format(1000))
    rows = json.loads(cli("bench", "resume", str(out), "--max-total-tokens", "100000", "--json").stdout)[
        "rows"
    ]
    assert rows[0]["cost_mean"] == pytest.approx(rows[0]["tokens_mean"] / 1e6)
