"""`ttscale plan` and `ttscale metrics` as a user meets them."""

from __future__ import annotations

import json

import pytest

COLUMNS = "model,question,sample,tokens,answer,reference\n"


@pytest.fixture
def samples(own_home):
    """Twelve easy questions and twelve right five times in eight; 16 samples each."""
    rows = [
        f"big,{q},{d},{100 + d},{42 if q < 12 or d % 8 in (0, 2, 3, 5, 7) else d % 3},42"
        for q in range(24)
        for d in range(16)
    ]
    path = own_home / "folder" / "samples.csv"
    path.write_text(COLUMNS + "\n".join(rows) + "\n")
    return "samples.csv"


def test_a_policy_is_fitted_shown_and_applied(cli, samples):
    made = cli("plan", "fit", samples, "--out", "p.json", "--repeats", "2", "--budget", "10")
    assert made.exit_code == 0, made.output
    assert "24 questions" in made.stdout
    assert "wrote p.json" in made.stderr
    assert cli("plan", "show", "p.json").stdout == made.stdout
    told = json.loads(
        cli("plan", "show", "p.json", "--larger", "14", "--ratio", "22", "--json").stdout
    )
    assert told["inference_factor"] == pytest.approx(15.77, abs=0.005)
    assert told["levels"][0]["limit"] == 10
    followed = json.loads(cli("plan", "apply", "p.json", samples, "--json").stdout)
    assert len(followed["rows"]) == 24
    assert followed["summary"]["accuracy"] > 0.8
    assert "strategy" in cli("plan", "apply", "p.json", samples).stdout
    run = cli("bench", "run", "--model", f"replay:{samples}", "-m", "auto(policy='p.json')",
              "--out", "run.db", "--json")  # fmt: skip
    (row,) = json.loads(run.stdout)["rows"]
    assert row["items"] == 24
    assert row["e3"] > 0


def test_a_pets_table_is_fitted(cli, samples):
    made = cli("plan", "fit", samples, "--pets", "--average", "8", "--out", "t.json")
    assert made.exit_code == 0, made.output
    run = cli("bench", "run", "--model", f"replay:{samples}", "-m",
              "pets-online(table='t.json', max_samples=16)", "--out", "run.db")  # fmt: skip
    assert run.exit_code == 0, run.output


def test_a_store_is_a_source_too(cli, samples):
    cli("bench", "run", "--model", f"replay:{samples}", "-m", "simple", "-m", "sc(n=4)", "-m",
        "sc(n=8)", "--keep-traces", "all", "--out", "run.db")  # fmt: skip
    made = cli("plan", "fit", "run.db", "-m", "pilot(n=4)", "-m", "pilot(n=8)", "--out", "p.json")
    assert made.exit_code == 0, made.output
    oracle = cli("plan", "fit", "run.db", "--items", "--difficulty", "oracle", "--bins", "2",
                 "--out", "o.json")  # fmt: skip
    assert "upper bound" in oracle.stdout


def test_the_metrics_of_a_bench(cli, samples):
    cli("bench", "run", "--model", f"replay:{samples}", "-m", "simple", "-m", "sc(n=4)", "-m",
        "sc(n=8)", "--keep-traces", "all", "--out", "run.db")  # fmt: skip
    config = {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 128, "vocab_size": 100,
    }  # fmt: skip
    with open("config.json", "w") as file:
        json.dump(config, file)
    args = ("metrics", "--from", "run.db", "--config", "config.json", "--watts", "15")
    (part,) = json.loads(cli(*args, "--json").stdout)["sections"]
    assert part["samples"]["pass_at_k"]["1"] == pytest.approx(13 / 16)
    assert part["samples"]["cons_at_k"]["1"] == pytest.approx(13 / 16)
    assert part["samples"]["pass_at_k"]["16"] == 1
    simple, vote, _ = part["methods"]
    assert simple["e3"] == pytest.approx((100 * simple["accuracy"]) ** 2 / simple["tokens_mean"])
    assert simple["tokens_per_right"] < vote["tokens_per_right"]
    assert simple["cost_of_pass"] is None  # no price is known
    assert vote["eflops_mean"] > simple["eflops_mean"] > 0
    (curve,) = part["curves"]
    assert curve["levels"] == ["sc(n=4)", "sc(n=8)"]
    assert curve["performance"] == max(m["accuracy"] for m in part["methods"])
    shown = cli(*args)
    assert shown.exit_code == 0, shown.output
    for word in ("pass@k", "cons@k", "E3", "ARISE", "eFLOPs"):
        assert word in shown.stdout


def test_bad_input_is_one_line_with_the_fix(refuses, samples):
    refuses("plan", "fit", "none.csv", "--out", "p.json", code=2)
    refuses("plan", "fit", samples, "--out", "p.json", "--pilot", "0", code=2)
    assert "--pilot 16" in refuses(
        "plan", "fit", samples, "--out", "p.json", "--pilot", "99", code=2
    )
    refuses("plan", "fit", samples, "--out", "p.json", "-m", "no-such-method", code=2)
    refuses("plan", "show", "none.json", code=6)
    refuses("plan", "show", samples, code=6)
    refuses("metrics", "--from", "none.db", code=8)
