"""`ttscale solve` in worlds whose truth is known."""

from __future__ import annotations

import json

import pytest

SURE = "synthetic:p=1,wrong_length=300,wrong_spread=0"  # without a reference all are "wrong"


def test_the_answer_alone_is_on_stdout(cli):
    done = cli("solve", "What?", "--model", SURE)
    assert (done.exit_code, done.stdout) == (0, "right\n")
    assert "1 sample | " in done.stderr


def test_question_from_stdin(cli):
    done = cli("solve", "-", "--model", SURE, "--json", stdin="  What?\n")
    assert json.loads(done.stdout)["question"] == "What?"


def test_json_is_one_document_with_usage_and_without_traces(cli):
    done = cli("solve", "What?", "--model", SURE, "--method", "sc(n=3)", "--json")
    told = json.loads(done.stdout)
    assert (told["answer"], told["method"], told["model"]) == ("right", "sc(n=3)", SURE)
    assert (told["usage"]["samples"], told["usage"]["completion_tokens"]) == (3, 900)
    assert told["correct"] is None
    assert "traces" not in told


def test_traces_on_demand(cli):
    args = ("solve", "What?", "--model", SURE, "--method", "sc(n=3)", "--show", "traces")
    told = json.loads(cli(*args, "--json").stdout)
    assert [t["finish"] for t in told["traces"]] == ["stop"] * 3
    assert "--- 3. main draw 2: stop, 300 tokens, answer right" in cli(*args).stdout


def test_reference_says_whether_the_answer_is_right(cli):
    for reference, correct in (("right", True), ("left", False)):
        done = cli("solve", "What?", "--model", SURE, "--reference", reference, "--json")
        assert json.loads(done.stdout)["correct"] is correct


def test_same_seed_same_samples(cli):
    def tokens(seed: str) -> int:
        done = cli("solve", "What?", "--model", "synthetic:p=0.5", "--seed", seed, "--json")
        return json.loads(done.stdout)["usage"]["completion_tokens"]

    assert tokens("1") == tokens("1") != tokens("2")


def test_budget_ends_the_run_with_the_best_so_far(cli):
    done = cli(
        "solve",
        "What?",
        "--model",
        SURE,
        "--reference",
        "right",
        "--method",
        "sc(n=8)",
        "--budget",
        "samples=3",
        "--json",
    )
    told = json.loads(done.stdout)
    assert (told["answer"], told["usage"]["samples"]) == ("right", 3)
    assert told["stopped_by"].startswith("budget:samples")


def test_budget_too_small_keeps_what_was_drawn(cli):
    done = cli("solve", "What?", "--model", SURE, "--budget", "tokens=5", "--show", "traces", "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == told["error"]["exit_code"] == 7
    assert (told["answer"], told["traces"][0]["finish"]) == (None, "budget")


def test_prices_and_defaults_come_from_the_config(cli, own_home):
    (own_home / "folder" / "ttscale.toml").write_text(
        f"""
        [defaults]
        model = "sure"
        method = "sc(n=2)"
        [models.sure]
        spec = "{SURE}"
        price = {{ prompt = 0, completion = 1000 }}
        """
    )
    told = json.loads(cli("solve", "What?", "--json").stdout)
    assert (told["model"], told["method"]) == ("sure", "sc(n=2)")
    assert told["usage"]["cost"] == pytest.approx(600 * 1000 / 1e6)


def test_choices_become_letters(cli):
    done = cli("solve", "Which?", "--choice", "cat", "--choice", "dog", "--model", SURE, "--json")
    told = json.loads(done.stdout)
    assert told["question"] == "Which?\n\nA) cat\nB) dog"
    assert told["answer"] is None  # "right" is not a letter
    assert "without a recognisable answer" in told["error"]["message"]


def test_recorded_question_by_its_id(cli, own_home):
    rows = "question,sample,tokens,answer,reference\n7,0,30,42,42\n7,1,20,41,42\n"
    (own_home / "folder" / "runs.csv").write_text(rows)
    done = cli("solve", "7", "--model", "replay:runs.csv", "--method", "sc(n=2)", "--json")
    told = json.loads(done.stdout)
    assert told["usage"]["completion_tokens"] == 50
    assert (told["answer"], told["correct"]) == ("42", True)
