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
    told = json.loads(cli("plan", "show", "p.json", "--larger", "14", "--ratio", "22", "--json").stdout)
    assert told["inference_factor"] == pytest.approx(15.77, abs=0.005)
    assert told["levels"][0]["limit"] == 10
    followed = json.loads(cli("plan", "apply", "p.json", samples, "--json").stdout)
    assert len(followed["rows"]) == 24
    assert followed["summary"]["accuracy"] > 0.8
    assert "strategy" in cli("plan", "apply", "p.json", samples).stdout
    run = cli(
        "bench",
        "run",
        "--model",
        f"replay:{samples}",
        "-m",
        "auto(policy='p.json')",
        "--out",
        "run.db",
        "--json",
    )
    (row,) = json.loads(run.stdout)["rows"]
    assert row["items"] == 24
    assert row["e3"] > 0


def test_a_pets_table_is_fitted(cli, samples):
    made = cli("plan", "fit", samples, "--pets", "--average", "8", "--out", "t.json")
    assert made.exit_code == 0, made.output
    run = cli(
        "bench",
        "run",
        "--model",
        f"replay:{samples}",
        "-m",
        "pets-online(table='t.json', max_samples=16)",
        "--out",
        "run.db",
    )
    assert run.exit_code == 0, run.output


def test_a_store_is_a_source_too(cli, samples):
    cli(
        "bench",
        "run",
        "--model",
        f"replay:{samples}",
        "-m",
        "simple",
        "-m",
        "sc(n=4)",
        "-m",
        "sc(n=8)",
        "--keep-traces",
        "all",
        "--out",
        "run.db",
    )
    made = cli("plan", "fit", "run.db", "-m", "pilot(n=4)", "-m", "pilot(n=8)", "--out", "p.json")
    assert made.exit_code == 0, made.output
    oracle = cli(
        "plan", "fit", "run.db", "--items", "--difficulty", "oracle", "--bins", "2", "--out", "o.json"
    )
    assert "upper bound" in oracle.stdout


def test_the_metrics_of_a_bench(cli, samples):
    cli(
        "bench",
        "run",
        "--model",
        f"replay:{samples}",
        "-m",
        "simple",
        "-m",
        "sc(n=4)",
        "-m",
        "sc(n=8)",
        "--keep-traces",
        "all",
        "--out",
        "run.db",
    )
    config = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "vocab_size": 100,
    }
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


def test_a_pool_without_rewards_says_how_to_get_them_and_one_with_them_serves_best_of_n(cli, own_home):
    rows = [
        {"question": q, "text": f"so \\boxed{{{42 if d % 3 else d}}}", "reference": "42", "tokens": 9}
        for q in range(10)
        for d in range(8)
    ]
    path = own_home / "folder" / "texts.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    told = cli("plan", "fit", "texts.jsonl", "--difficulty", "reward", "--out", "p.json")
    assert told.exit_code == 2
    assert "best-of-n(n=8)" in told.stderr
    judged = [{**row, "reward": 0.9 if "42" in row["text"] else 0.2} for row in rows]
    path.write_text("\n".join(json.dumps(row) for row in judged))
    made = cli(
        "bench",
        "run",
        "--model",
        "replay:texts.jsonl",
        "-m",
        "best-of-n(n=8)",
        "--keep-traces",
        "all",
        "--out",
        "judged.db",
    )
    assert made.exit_code == 0, made.output
    fitted = cli(
        "plan",
        "fit",
        "judged.db",
        "--out",
        "p.json",
        "--spend",
        "mean",
        "--budget",
        "6",
        "-m",
        "pilot(n=4)",
        "-m",
        "pilot(n=8, select=best)",
        "--repeats",
        "2",
        "--json",
    )
    assert fitted.exit_code == 0, fitted.output
    (level,) = json.loads(fitted.stdout)["levels"]
    assert level["figures"]["two_fold"]["accuracy"] == pytest.approx(1)
    assert json.loads(fitted.stdout)["spend"] == "mean"
    shown = cli("plan", "show", "p.json").stdout
    assert "means over all bins" in " ".join(shown.split())


def test_log_probabilities_are_recorded_on_request(cli):
    model = "synthetic:p=0.7,confidence=12,wrong_confidence=9"
    made = cli(
        "bench",
        "run",
        "--model",
        model,
        "--task",
        "lab:arith",
        "-n",
        "2",
        "-m",
        "sc(n=4)",
        "--logprobs",
        "20",
        "--keep-traces",
        "all",
        "--out",
        "run.db",
    )
    assert made.exit_code == 0, made.output
    again = cli("bench", "run", "--model", "replay:run.db", "-m", "deepconf(n=4)", "--out", "d.db")
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("columns", "row", "args", "code", "told"),
    [
        # a pool smaller than the budget
        ("answer", "{a}", ("-m", "sc(n=99)"), 6, "give it n=16"),
        ("answer", "{a}", ("-m", "pets-online(max_samples=99)"), 6, "give it max_samples=16"),
        # no log-probabilities
        ("answer", "{a}", ("-m", "deepconf(n=4)"), 5, "needs logprobs"),
        ("answer", "{a}", ("-m", "pets(average=4, weight=tail)"), 5, "needs logprobs"),
        # one option
        ("answer,choices", '42,"[""42""]"', ("-m", "pets(average=4)"), 2, "a single option"),
        # an unknown price
        ("answer", "{a}", ("-m", "simple", "--budget", "cost=1"), 2, "write its price"),
        ("answer", "{a}", ("-m", "best-of-n"), 5, "configure a reward model"),
    ],
)
def test_what_a_recording_cannot_do_is_refused(refuses, own_home, columns, row, args, code, told):
    rows = [f"{q},{d},9,42,{row.format(a=42 + d % 2)}" for q in range(4) for d in range(16)]
    path = own_home / "folder" / "rows.csv"
    path.write_text(f"question,sample,tokens,reference,{columns}\n" + "\n".join(rows) + "\n")
    assert told in refuses("bench", "run", "--model", "replay:rows.csv", *args, code=code)


def test_all_equal_answers_and_a_single_level_are_no_error(cli, own_home):
    rows = [f"{q},{d},9,42,42" for q in range(6) for d in range(16)]
    path = own_home / "folder" / "rows.csv"
    path.write_text("question,sample,tokens,reference,answer\n" + "\n".join(rows) + "\n")
    fitted = cli("plan", "fit", "rows.csv", "--out", "p.json", "--budget", "8", "--json")
    assert json.loads(fitted.stdout)["difficulty"]["cuts"] == []  # one bin
    assert json.loads(fitted.stdout)["levels"][0]["strategies"] == ["pilot(n=4)"]
    for kind in ("--pets", "--difficulty=oracle"):
        assert cli("plan", "fit", "rows.csv", "--out", "t.json", kind).exit_code == 0
    ran = cli(
        "bench",
        "run",
        "--model",
        "replay:rows.csv",
        "-m",
        "sc(n=4)",
        "-m",
        "pets(average=99, max_samples=99)",
        "--keep-traces",
        "all",
        "--out",
        "run.db",
    )
    assert ran.exit_code == 0, ran.output  # a set stops where nothing is left to draw
    (part,) = json.loads(cli("metrics", "--from", "run.db", "--json").stdout)["sections"]
    assert part["curves"] == []  # one level is not a curve
    assert [m["accuracy"] for m in part["methods"]] == [1, 1]


def test_bad_input_is_one_line_with_the_fix(refuses, samples):
    refuses("plan", "fit", "none.csv", "--out", "p.json", code=2)
    refuses("plan", "fit", samples, "--out", "p.json", "--pilot", "0", code=2)
    refuses("plan", "fit", "run.db", "--out", "p.json", "--items", "--consensus", code=2)
    assert "--pilot 16" in refuses("plan", "fit", samples, "--out", "p.json", "--pilot", "99", code=2)
    refuses("plan", "fit", samples, "--out", "p.json", "-m", "no-such-method", code=2)
    refuses("plan", "show", "none.json", code=6)
    refuses("plan", "show", samples, code=6)
    refuses("metrics", "--from", "none.db", code=8)
