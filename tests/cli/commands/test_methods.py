"""`ttscale methods`: made from the cards."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ttscale.cli.commands import methods as command
from ttscale.methods import registry

DOCS = Path(__file__).parents[3] / "docs"


def test_list_names_every_method(cli):
    shown = cli("methods").stdout
    assert shown == cli("methods", "list").stdout
    for name in registry.methods():
        assert name in shown


@pytest.mark.parametrize("width", [60, 80, 119, 120, 200])
def test_no_word_of_the_list_is_cut_on_a_narrow_terminal(monkeypatch, width):
    console = Console(width=width, file=StringIO(), force_terminal=True, color_system=None)
    monkeypatch.setattr(command.output, "stdout", lambda: console)
    command._print_table(registry.methods())
    shown = console.file.getvalue()
    assert "…" not in shown
    assert all(name in shown for name in registry.methods())


def test_json_has_cards_and_parameters(cli):
    told = {entry["name"]: entry for entry in json.loads(cli("methods", "list", "--json").stdout)}
    assert set(told) == set(registry.methods())
    n = next(p for p in told["ffs"]["parameters"] if p["name"] == "n")
    assert n["default"] == 8
    assert n["about"].startswith("samples started")


def test_show_by_name_or_alias(cli):
    shown = cli("methods", "show", "sc").stdout
    assert shown == cli("methods", "show", "self-consistency").stdout
    assert "arXiv:2203.11171" in shown
    assert "n=8" in shown


def test_unknown_method_names_the_nearest(refuses):
    assert "did you mean 'simple'?" in refuses("methods", "show", "simpel", code=2)


@pytest.mark.parametrize("name", list(registry.methods()))
def test_every_parameter_is_explained(name):
    entries = command.parameters(registry.get(name))
    assert [e["name"] for e in entries if not e["about"]] == []


def test_the_reference_is_up_to_date(cli):
    made = cli("methods", "list", "--markdown").stdout
    kept = (DOCS / "methods.md").read_text()
    assert kept == made, "run: ttscale methods list --markdown > docs/methods.md"


def test_docstrings_are_read_as_a_list_or_in_a_row():
    @dataclass
    class Listed:
        """A config.

        Attributes:
            n: samples; the
                paper's: eight.
            low, high: bounds.
        """

        n: int = 1
        low: float = 0
        high: float = 1

    @dataclass
    class Row:
        """n: samples. tie: who wins."""

        n: int = 1
        tie: str = ""

    bounds = "bounds."
    assert command.explained(Listed) == {"n": "samples; the paper's: eight.", "low": bounds, "high": bounds}
    assert command.explained(Row) == {"n": "samples.", "tie": "who wins."}


def test_a_new_method_runs_with_its_test_as_it_is_written(cli):
    told = json.loads(cli("methods", "new", "twin-vote", "--folder", "mine", "--json").stdout)
    solved = ("solve", "?", "--model", "synthetic:p=1", "--reference", "right", "--json")
    answer = json.loads(cli(*solved, "--method", f"{told['written']}(max_pairs=2)").stdout)
    assert (answer["answer"], answer["stopped_by"], answer["usage"]["samples"]) == ("right", "agreement", 2)
    assert json.loads(cli("methods", "show", told["written"], "--json").stdout)["status"] == "yours"
    asked = ("--model", "synthetic:p=0.8", "--task", "lab:arith", "-n", "3", "--out", "run.db", "--json")
    benched = cli("bench", "run", "-m", "simple", "-m", f"{told['written']}(max_pairs=2)", *asked)
    assert [r["method"] for r in json.loads(benched.stdout)["rows"]][
        1
    ] == "mine/twin_vote.py:twin_vote(max_pairs=2)"
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", told["test"]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "4 passed" in tested.stdout, tested.stdout + tested.stderr
