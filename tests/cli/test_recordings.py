"""Recordings and task files at the command line: what is said before and after, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

LONG, SHORT = 4, 2  # samples of a question; the third has fewer


@pytest.fixture
def uneven() -> Path:
    """Four questions of four samples, the third of two; one sample in two is right."""
    rows = [
        {"question_id": f"q{q}", "sample": s, "answer": str(s % 2), "reference": "0", "tokens": 5}
        for q in range(4)
        for s in range(SHORT if q == 2 else LONG)
    ]
    return write("uneven.jsonl", rows)


def write(name: str, rows: list[dict[str, object]]) -> Path:
    path = Path(name)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def bench(cli, path, *more):
    return cli("bench", "run", "--model", f"replay:{path}", "-q", "--out", "run.db", *more)


def rows_of(done):
    return {row["method"]: row for row in json.loads(done.stdout)["rows"]}


def test_repeats_say_what_they_leave_out(cli, uneven):
    done = bench(cli, uneven, "-m", "simple", "--json")
    assert rows_of(done)["simple"]["items"] == 8
    assert (
        "note: simple leaves out 6 of 14 recorded samples of uneven on uneven, using 2 of each "
        "question: question 'q2' has 2"
    ) in " ".join(done.stderr.split())


def test_methods_that_leave_out_alike_share_a_line(cli):
    rows = [{"id": q, "answer": "1", "gold": "1"} for q in "aabb" * 4]
    done = bench(cli, write("eight.jsonl", rows), "-m", "sc(n=3)", "-m", "ffs(n=3)", "-m", "sc(n=4)")
    assert [line for line in done.stderr.splitlines() if "leave" in line] == [
        "note: sc(n=3) and 1 more leave out 4 of 16 recorded samples of eight on eight, using 6 of "
        "each question"
    ]


def test_repeats_that_use_every_row_say_nothing(cli, uneven):
    even = write("even.jsonl", [{"id": q, "answer": "1", "gold": "1"} for q in "aabb"])
    done = bench(cli, even, "-m", "simple", "--json")
    assert (rows_of(done)["simple"]["items"], done.stderr) == (4, "")


def test_a_question_that_runs_dry_ends_its_cell_and_not_the_bench(cli, uneven):
    done = bench(cli, uneven, "-m", "sc(n=4)", "-m", "simple", "--json")
    assert done.exit_code == 0
    dry, single = rows_of(done).values()
    assert (dry["items"], dry["errors"], single["items"], single["errors"]) == (2, 1, 8, 0)
    assert "draw 3 of question 'q2'" in dry["ended"]
    assert single["ended"] is None
    told = " ".join(done.stderr.split())
    assert "sc(n=4) on uneven ended after 2 items" in told
    assert "the recording holds 2" in told
    assert "resume" not in told  # a recording will not grow


def test_going_on_after_a_question_ran_dry_tells_the_same_again(cli, uneven):
    bench(cli, uneven, "-m", "sc(n=4)")
    done = cli("bench", "resume", "run.db", "-q", "--json")
    assert done.exit_code == 0
    assert "question 'q2'" in rows_of(done)["sc(n=4)"]["ended"]


def test_a_bench_in_which_every_cell_runs_dry_at_once_fails(cli):
    rows = [{"id": q, "answer": "1", "gold": "1"} for q in "abb"]
    done = bench(cli, write("short.jsonl", rows), "-m", "sc(n=8)")
    assert done.exit_code == 6
    assert "ended after 0 items" in done.stderr


# -- what was recorded must stay


@pytest.mark.parametrize("role", [False, True])
def test_a_recording_that_changed_is_refused(cli, uneven, refuses, role):
    other = write("other.jsonl", [{"id": q, "answer": "1", "gold": "1"} for q in "aabb"])
    changed = uneven
    more = ()
    if role:
        changed, more = other, ("--role", "prm=replay:other.jsonl")
    assert bench(cli, uneven, "-m", "simple", *more).exit_code == 0
    before = changed.read_text()
    assert cli("bench", "resume", "run.db", "-q").exit_code == 0
    changed.write_text(before.replace('"answer": "1"', '"answer": "2"'))
    told = refuses("bench", "resume", "run.db", code=8)
    assert f"the recording {changed} is not the one this run began with" in told
    changed.write_text(before)
    assert cli("bench", "resume", "run.db", "-q").exit_code == 0


# -- golds


def test_a_recording_without_golds_says_so_once(cli):
    path = write("none.jsonl", [{"id": 1, "answer": "5", "gold": None}])
    done = bench(cli, path, "-m", "simple", "-m", "greedy", "--json")
    assert done.stderr.count("no question of none has a gold answer: accuracy is unknown") == 1
    assert all(row["accuracy"] is None for row in rows_of(done).values())


def test_questions_without_a_gold_are_counted(cli):
    rows = [{"id": q, "answer": "5", "gold": "nan" if q == "c" else "5"} for q in "abc"]
    done = bench(cli, write("some.jsonl", rows), "-m", "simple", "--json")
    assert "1 of 3 questions of some have no gold answer: they are in no accuracy" in done.stderr
    assert rows_of(done)["simple"]["accuracy"] == 1.0


@pytest.mark.parametrize(("gold", "said"), [("expected", False), ("wanted", True)])
def test_a_task_file_without_golds_says_so_before_it_spends(cli, gold, said):
    Path("asked.csv").write_text(f"prompt,{gold}\n1+1?,2\n")
    base = ("bench", "run", "--model", "synthetic:p=1", "--task", "asked.csv", "-m", "simple", "-q")
    done = cli(*base, "--json")
    assert ("no question of asked has a gold answer" in done.stderr) == said
    assert (rows_of(done)["simple"]["accuracy"] is None) == said


def test_a_bench_of_judged_samples_is_a_recording_with_their_verdicts(cli):
    rows = [{"id": q, "text": f"It is {s}.", "correct": s == q} for q in range(2) for s in range(4)]
    path = write("judged.jsonl", rows)
    first = bench(cli, path, "-m", "simple", "--json", "--keep-traces", "all")
    again = cli("bench", "run", "--model", "replay:run.db", "-m", "simple", "--json", "-q")
    assert again.stderr == first.stderr == ""
    assert rows_of(again)["simple"]["accuracy"] == rows_of(first)["simple"]["accuracy"] == 0.25


# -- columns


def test_columns_are_shown_and_nothing_is_run(cli):
    rows = [{"problem": "1+1?", "answer": "2", "solution": "It is 2.", "completion": "3", "note": "x"}]
    write("m.jsonl", rows)
    Path("t.csv").write_text("prompt,expected\n1+1?,2\n")
    asked = ("bench", "run", "--model", "replay:m.jsonl", "--task", "t.csv", "--show", "columns")
    done = cli(*asked)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["question", "problem", "1+1?"] in lines
    assert ["reference", "answer", "2"] in lines
    assert ["text", "completion", "3"] in lines
    assert ["–", "note", "x"] in lines
    assert ["answer", "expected", "2"] in lines
    files = json.loads(cli(*asked, "--json").stdout)["files"]
    assert {"tells": "reference", "column": "answer", "first": "2"} in files["m.jsonl"]
    assert not list(Path().rglob("*.db"))


def test_columns_of_nothing_are_refused(cli, refuses):
    assert "--task FILE" in refuses("bench", "run", "--model", "synthetic:p=1", "--show", "columns", code=2)


def test_failed_samples_are_apart_in_the_figures_of_merit(cli):
    rows = [
        {
            "id": q,
            "text": "" if s == 0 else "\\boxed{1}",
            "gold": "1",
            "finish_reason": "error" if s == 0 else "stop",
        }
        for q in "ab"
        for s in range(4)
    ]
    bench(cli, write("failed.jsonl", rows), "-m", "simple", "--keep-traces", "all")
    done = cli("metrics", "--from", "run.db", "--json")
    (part,) = json.loads(done.stdout)["sections"]
    samples, (simple,) = part["samples"], part["methods"]
    assert (samples["errors"], simple["errors"]) == (2, 2)
    assert samples["pass_at_k"] == {"1": 1.0, "2": 1.0}
    assert samples["cons_at_k"] == {"1": 1.0, "2": 1.0}
    assert simple["accuracy"] == 1.0
    assert simple["tokens_per_right_ci"][1] > simple["tokens_per_right"]
    assert "2 failed samples apart" in cli("metrics", "--from", "run.db").stdout
