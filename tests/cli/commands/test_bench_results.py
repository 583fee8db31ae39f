"""`ttscale bench compare`, `list` and the files of `report`, as a user meets them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest


@pytest.fixture
def run(cli, tmp_path):
    """Bench a recording of 40 questions whose first `right` samples are right, into a store."""

    def make(name: str, right: int, *methods: str) -> str:
        path = Path("pool.csv")
        with path.open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["model", "question", "sample", "completion_tokens", "reference", "answer"])
            for question in range(40):
                for sample in range(4):
                    out.writerow(
                        ["big", question, sample, 10 * (sample + 1), 7, 7 if question < right else 8]
                    )
        chosen = [part for method in methods or ("simple", "sc(n=4)") for part in ("-m", method)]
        done = cli("bench", "run", "--model", f"replay:{path}", *chosen, "--out", name)
        assert done.exit_code == 0, done.output
        return name

    return make


def test_a_run_that_came_out_worse_fails_with_a_code_of_its_own(cli, run):
    before, after = run("before.db", 30, "simple"), run("after.db", 10, "simple")
    plain = cli("bench", "compare", before, after)
    assert plain.exit_code == 0
    assert "-0.500*" in plain.stdout
    failed = cli("bench", "compare", before, after, "--json", "--fail-if-worse")
    assert failed.exit_code == 9
    (worse,) = json.loads(failed.stdout)["worse"]
    assert worse["accuracy"]["difference"]["value"] == -0.5
    assert cli("bench", "compare", before, after, "--fail-if-worse=0.6").exit_code == 0
    assert cli("bench", "compare", after, before, "--fail-if-worse").exit_code == 0


def test_a_comparison_that_cannot_be_made_says_why(run, refuses, cli):
    before, after = run("before.db", 30, "simple"), run("after.db", 10, "sc(n=2)")
    assert "only one store" in refuses("bench", "compare", before, code=2)
    assert "nothing that" in refuses("bench", "compare", before, after, code=2)
    assert "did you mean 'simple'" in refuses("bench", "compare", before, after, "--against", "simpl", code=2)
    Path("asked.csv").write_text("question\nwhat?\n")
    for name in ("x.db", "y.db"):
        asked = ("--model", "synthetic:p=1", "--task", "asked.csv", "-m", "simple", "--out", name)
        assert cli("bench", "run", *asked).exit_code == 0
    assert "is not known" in refuses("bench", "compare", "x.db", "y.db", "--fail-if-worse", code=2)
    assert cli("bench", "compare", "x.db", "y.db").exit_code == 0


def test_the_rows_go_to_files_for_spreadsheets_and_papers(cli, run):
    one, other = run("one.db", 30), run("other.db", 20)
    files = ("--csv", "r.csv", "--latex", "r.tex", "--html", "r.html")
    told = json.loads(cli("bench", "report", one, other, *files, "--json").stdout)
    assert told["stores"] == [one, other]
    with open("r.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["method"] for row in found] == [row["method"] for row in told["rows"]]
    assert found[0]["method"] == "one: simple"
    for read, row in zip(found, told["rows"], strict=True):
        assert float(read["accuracy"]) == row["accuracy"]
        assert float(read["accuracy_high"]) == row["accuracy_ci"][1]
        assert read["cost_mean"] == ""  # unknown is not 0
    assert float(found[2]["difference"]) == told["rows"][2]["difference"]["value"] == -0.25
    tex = Path("r.tex").read_text()
    assert r"other: sc(n=4) & 0.500 & [" in tex
    assert tex.count(r"\\") == 5
    assert "runs: one.db, other.db" in Path("r.html").read_text()


def test_latex_takes_any_name(tmp_path):
    from ttscale.bench.report.files import _escaped

    assert _escaped(r"a_b & 50% {x} \y ~^") == (
        r"a\_b \& 50\% \{x\} \textbackslash{}y \textasciitilde{}\textasciicircum{}"
    )


def test_a_folder_of_runs_is_listed_with_what_cannot_be_read(cli, run, refuses):
    Path("runs").mkdir()
    run("runs/one.db", 30)
    Path("runs/odd.db").write_text("no store")
    Path("runs/note.txt").write_text("not looked at")
    told = {Path(one["path"]).name: one for one in json.loads(cli("bench", "list", "--json").stdout)}
    assert set(told) == {"one.db", "odd.db"}
    one = told["one.db"]
    assert (one["done"], one["total"], one["errors"]) == (40 * 5, 40 * 5, 0)
    assert (one["methods"], one["models"], one["tasks"]) == (["simple", "sc(n=4)"], ["big"], ["pool"])
    assert told["odd.db"]["unreadable"]
    assert told["odd.db"]["done"] is None
    assert "200 of 200" in cli("bench", "list").stdout
    assert "no folder" in refuses("bench", "list", "elsewhere", code=2)
