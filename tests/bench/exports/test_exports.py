"""What other programs read of a store: the same questions, verdicts and counts."""

from __future__ import annotations

import csv
import json
import warnings

import pytest

from ttscale.answers import NumberRule
from ttscale.bench import Store, Task, arrange, export, rows, run_bench
from ttscale.bench.exports.inspect_logs import write_inspect
from ttscale.bench.exports.mlflow_runs import write_mlflow
from ttscale.bench.exports.rows import result_rows, trace_rows
from ttscale.bench.plan import Settings
from ttscale.core import Problem, Prompt, Trace
from ttscale.engines import ModelSource, Pool, Replay
from ttscale.methods import parse


@pytest.fixture
def store(tmp_path):
    """Two questions, three samples each, of which the second one of each is wrong; one has no gold."""
    problems = [
        Problem("sum", Prompt.user("What is 3 + 4?"), NumberRule(), "7", meta={"golds": ["7.0"]}),
        Problem("open", Prompt.user("What now?"), NumberRule()),
    ]
    texts = [r"so \boxed{7}", r"or \boxed{8}", r"it is \boxed{7}"]
    records = {(p.id, "main", ""): [Trace(t, 10 + i) for i, t in enumerate(texts)] for p in problems}
    pool = Pool("big", "sums", problems, records)
    source = ModelSource(name="big", spec="x", make=lambda **given: Replay(pool, **given), pools=[pool])
    planned = arrange([parse("simple"), parse("sc(n=3)")], [(source, [Task("sums", problems)])])
    with Store.create(tmp_path / "run.db", {"seed": 3}) as made:
        run_bench(made, planned, Settings(keep_traces="all"))
        yield made


def test_a_row_holds_what_a_person_looks_for(store):
    vote = next(r for r in result_rows(store) if r["method"] == "sc(n=3)" and r["problem"] == "sum")
    assert (vote["question"], vote["gold"], json.loads(vote["golds"])) == (
        "What is 3 + 4?",
        "7",
        ["7", "7.0"],
    )
    assert (vote["answer"], vote["correct"], vote["text"]) == ("7", True, r"so \boxed{7}")
    assert (vote["tokens"], vote["samples"], vote["cost"]) == (33, 3, None)
    unknown = next(r for r in result_rows(store) if r["problem"] == "open")
    assert (unknown["gold"], unknown["correct"]) == (None, None)


def test_a_sample_is_exported_with_its_answer_and_whether_it_is_right(store):
    found = [(r["answer"], r["correct"]) for r in trace_rows(store) if r["problem"] == "sum"][-3:]
    assert found == [("7", True), ("8", False), ("7", True)]
    assert {r["correct"] for r in trace_rows(store) if r["problem"] == "open"} == {None}


def test_csv_reads_back(store, tmp_path):
    assert export(store, tmp_path / "items.csv") == 8
    with (tmp_path / "items.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [r["question"] for r in read] == [r["question"] for r in result_rows(store)]
    assert {r["cost"] for r in read} == {""}


def test_parquet_makes_the_round_trip_through_datasets(store, tmp_path):
    datasets = pytest.importorskip("datasets")
    for what, expected in (("items", result_rows), ("traces", trace_rows)):
        export(store, tmp_path / f"{what}.parquet", what)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = datasets.load_dataset(
                "parquet",
                data_files=str(tmp_path / f"{what}.parquet"),
                split="train",
                cache_dir=str(tmp_path / "cache"),
            )
        assert list(read) == list(expected(store))


def test_the_reader_of_inspect_finds_equal_scores(store, tmp_path):
    log = pytest.importorskip("inspect_ai.log")
    paths = write_inspect(store, tmp_path / "logs")
    found = {log.read_eval_log(str(p)).eval.solver: log.read_eval_log(str(p)) for p in paths}
    for row in rows(store):
        read = found[row.method]
        assert read.results.scores[0].metrics["accuracy"].value == row.accuracy
        assert len(read.samples) == row.items
        assert read.stats.model_usage["big"].output_tokens == row.completion_tokens_total
    vote = next(s for s in found["sc(n=3)"].samples if s.id == "sum")
    assert (vote.input, vote.target, vote.output.completion) == (
        "What is 3 + 4?",
        ["7", "7.0"],
        r"so \boxed{7}",
    )
    assert (vote.scores["ttscale"].value, vote.scores["ttscale"].answer) == ("C", "7")
    assert next(s for s in found["sc(n=3)"].samples if s.id == "open").scores is None


def test_mlflow_holds_the_metrics_of_the_table(store, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    assert write_mlflow(store, tmp_path / "runs") == 2
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "runs").as_uri())
    experiment = client.get_experiment_by_name("run")
    found = {r.info.run_name: r.data for r in client.search_runs([experiment.experiment_id])}
    for row in rows(store):
        metrics = found[row.method].metrics
        assert (metrics["accuracy"], metrics["tokens_mean"]) == (row.accuracy, row.tokens_mean)
        assert metrics["accuracy_low"] == row.accuracy_ci[0]
        assert "cost_mean" not in metrics  # unknown is not 0
    assert found["sc(n=3)"].params == {"method": "sc(n=3)", "model": "big", "task": "sums", "n": "3"}
