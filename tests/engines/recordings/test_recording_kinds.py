"""What a recording means: files as people have them, each with the accuracy that is in it."""

from __future__ import annotations

import csv
import gzip
import json

import pytest
import zstandard

from ttscale.bench import Store, Task, arrange, rows, run_bench
from ttscale.core import RecordError
from ttscale.engines.catalogue.specification import open_model
from ttscale.engines.recordings.reader import read_pools
from ttscale.methods.registry import parse

SAMPLES = [(q, s) for q in range(3) for s in range(4)]  # the first of four samples is right


@pytest.fixture
def bench(tmp_path):
    """(path, method) -> its row in a bench; recorded samples are used up."""

    def bench(path, method="simple", query=""):
        (source,) = open_model(f"replay:{path}{query}")
        task = Task("t", source.pools[0].problems)
        with Store.create(tmp_path / "run.db", {}) as store:
            run_bench(store, arrange([parse(method)], [(source, [task])]))
            (row,) = rows(store)
        (tmp_path / "run.db").unlink()
        return row

    return bench


@pytest.fixture
def write(tmp_path):
    def write(rows, name="samples.jsonl"):
        path = tmp_path / name
        if name.endswith(".csv"):
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
        elif isinstance(rows, dict) or name.endswith(".json"):
            path.write_text(json.dumps(rows, indent=2))
        else:
            path.write_text("\n".join(map(json.dumps, rows)))
        return path

    return write


def right(s):
    return s == 0


def boxed(q, s):
    return f"We add, and get \\boxed{{{q + 2 if right(s) else 99}}}."


def worked(q):
    return "First we look at what is given, then we add it up. " * 4 + f"So it is \\boxed{{{q + 2}}}."


def gsm(q):
    return f"She has {q} eggs and finds 2.\n{q}+2=<<{q}+2={q + 2}>>{q + 2}\n#### {q + 2}"


def code(s):
    return f"def f(x):\n    return x + {1 if right(s) else 2}  # O(1)"


KINDS = {
    "a data set with a completion beside it": [
        {
            "problem": f"p{q}",
            "solution": worked(q),
            "answer": str(q + 2),
            "subject": "Algebra",
            "level": 2,
            "unique_id": f"test/{q}.json",
            "completion": boxed(q, s),
        }
        for q, s in SAMPLES
    ],
    "all completions of a question in one row, with their scores": [
        {
            "problem": f"p{q}",
            "solution": worked(q),
            "answer": str(q + 2),
            "completions": [boxed(q, s) for s in range(4)],
            "scores": [0.5, 0.25, 0.5, 0.1],
        }
        for q in range(3)
    ],
    "a worked solution is the only gold": [
        {"question": f"p{q}", "solution": worked(q), "response": boxed(q, s)} for q, s in SAMPLES
    ],
    "marked answers, as GSM8K has them": [
        {"question": f"p{q}", "answer": gsm(q), "generated_text": boxed(q, s)} for q, s in SAMPLES
    ],
    "gold, worked target and a raw prediction": [
        {"question": f"p{q}", "gold": str(q + 2), "target": worked(q), "prediction": boxed(q, s)}
        for q, s in SAMPLES
    ],
    "the gold is `answer`, beside what was predicted": [
        {"question": f"p{q}", "answer": q + 2, "pred": q + 2 if right(s) else 99} for q, s in SAMPLES
    ],
    "the sample's own `answer`, beside text and gold": [
        {
            "question": f"p{q}",
            "answer": str(q + 2 if right(s) else 99),
            "response": boxed(q, s),
            "ground_truth": q + 2,
        }
        for q, s in SAMPLES
    ],
    "one log line a sample, with the filter's answer": [
        {
            "doc_id": q,
            "doc": {"question": f"p{q}", "answer": gsm(q)},
            "target": gsm(q),
            "arguments": {"gen_args_0": {"arg_0": f"Q: p{q}"}},
            "resps": [[boxed(q, s)]],
            "filtered_resps": [str(q + 2 if right(s) else 99)],
            "filter": "flexible-extract",
            "metrics": ["exact_match"],
            "doc_hash": f"d{q}",
            "exact_match": float(right(s)),
        }
        for q, s in SAMPLES
    ],
    "several repeats of a request in one log line": [
        {
            "doc_id": q,
            "target": str(q + 2),
            "resps": [[boxed(q, s) for s in range(4)]],
            "filtered_resps": [str(q + 2)],
            "filter": "maj@4",
            "exact_match": 1.0,
        }
        for q in range(3)
    ],
    "log-likelihoods of choices, with a verdict": [
        {
            "doc_id": q * 4 + s,
            "doc": {"query": f"p{q}", "choices": ["x", "y"]},
            "target": 1,
            "resps": [[["-3.2", "False"]], [["-1.1", "True"]]],
            "filtered_resps": [["-3.2", "False"], ["-1.1", "True"]],
            "filter": "none",
            "acc": float(right(s)),
            "acc_norm": 1.0,
        }
        for q, s in SAMPLES
    ],
    "details with the choice's index": [
        {
            "doc": {"id": str(q), "query": f"Which of p{q}?", "choices": ["w", "x", "y"], "gold_index": q},
            "model_response": {"text": [f"Answer: {'ABC'[q - bool(s)]}"]},
        }
        for q, s in SAMPLES
    ],
    "details with a metric": [
        {
            "doc": {"id": str(q), "query": f"Which of p{q}?"},
            "model_response": {"text": ["Let me see: yes."]},
            "metric": {"match": float(right(s))},
        }
        for q, s in SAMPLES
    ],
    "a log of samples in epochs": {
        "version": 2,
        "eval": {"task": "t", "model": "m"},
        "samples": [
            {
                "id": q,
                "epoch": s + 1,
                "input": f"p{q}",
                "target": str(q + 2),
                "output": {
                    "model": "m",
                    "completion": boxed(q, s),
                    "choices": [{"stop_reason": "stop", "message": {"content": "…"}}],
                    "usage": {"input_tokens": 9, "output_tokens": 7},
                },
                "scores": {"match": {"value": "C" if right(s) else "I", "answer": "…"}},
            }
            for q, s in SAMPLES
        ],
    },
    "programs with the outcome of their tests": {
        "date": "2024-01-01",
        "hash": "0",
        "eval": {
            f"HumanEval/{q}": [
                {
                    "task_id": f"HumanEval/{q}",
                    "solution": code(s),
                    "base_status": "pass",
                    "plus_status": "pass" if right(s) else "fail",
                }
                for s in range(4)
            ]
            for q in range(3)
        },
    },
    "fenced programs that passed or failed": [
        {
            "task_id": f"HumanEval/{q}",
            "completion": f"Here:\n```python\n{code(s)}\n```\nIt is O(1).",
            "result": "passed" if right(s) else "failed: 3 != 2",
            "passed": right(s),
        }
        for q, s in SAMPLES
    ],
    "patches that resolve an issue or do not": [
        {
            "instance_id": f"astropy__astropy-{q}",
            "model_name_or_path": "agent",
            "model_patch": f"diff --git a/x b/x\n-old\n+new {'abcd'[s]}",
            "resolved": right(s),
        }
        for q, s in SAMPLES
    ],
    "prose that a judge liked": [
        {
            "id": f"p{q}",
            "output": "Paris, of course." if right(s) else f"Rome{'!' * s}",
            "verdict": "correct" if right(s) else "incorrect",
        }
        for q, s in SAMPLES
    ],
    "greedy outputs in lists, by session": [
        {
            "session_id": f"gsm#{q}-{s}",
            "input": f"p{q}",
            "model_input": f"Answer p{q}",
            "output": [boxed(q, s)],
            "generator": "m",
            "correct_answer": q + 2,
        }
        for q, s in SAMPLES
    ],
    "a score of 0 and 1": [
        {"question_id": f"p{q}", "response": "I think so.", "score": int(right(s))} for q, s in SAMPLES
    ],
    "only a reward of 0 and 1": [
        {"task": f"p{q}", "trial": s, "reward": float(right(s))} for q, s in SAMPLES
    ],
    "row numbers beside repeated questions": [
        {"id": 4 * q + s, "question": f"p{q}", "target": q + 2, "response": boxed(q, s)} for q, s in SAMPLES
    ],
    "one run's name on all rows": [
        {"task_id": "run-7", "id": q, "target": q + 2, "response": boxed(q, s)} for q, s in SAMPLES
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_as_people_have_them(write, bench, kind):
    rows = KINDS[kind]
    path = write(rows, "samples.json" if isinstance(rows, dict) else "samples.jsonl")
    row = bench(path)
    assert row.accuracy == pytest.approx(0.25), kind
    assert row.items == 12
    assert row.questions == 3
    assert row.errors == 0


def test_parquet_tells_what_is_inside_of_a_value(tmp_path, bench):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = KINDS["details with a metric"]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "details.parquet")
    assert bench(tmp_path / "details.parquet").accuracy == 0.25


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [{"question": q, "answer": "5", "response": "It is 5."} for q in range(3)],
            r"'answer' may hold the gold answer or the samples' own; .*question=question.*"
            r"text=response.*columns.reference=answer or columns.answer=answer",
        ),
        (
            [{"question": q, "label": q % 2, "response": "hm"} for q in range(3)],
            "'label' may hold the gold answer or a verdict",
        ),
        (
            [{"id": q, "response": "hm", "score_a": "C", "score_b": "I"} for q in range(3)],
            "score_a and score_b are verdicts; .*columns.correct=score_a",
        ),
        (
            [
                {"doc_id": q, "resps": [["5"]], "filtered_resps": ["5"], "filter": f, "target": "5"}
                for q in range(3)
                for f in ("strict", "flexible")
            ],
            "once per filter.*where.filter=strict",
        ),
    ],
)
def test_what_cannot_be_known_is_asked_for_with_what_the_rest_was_taken_for(write, rows, said):
    with pytest.raises(RecordError, match=said):
        read_pools(write(rows))


def test_a_doubt_ends_once_the_column_is_mapped(write, bench):
    path = write([{"question": q, "answer": "5", "response": "It is 5."} for q in range(3)])
    assert bench(path, query="?columns.reference=answer").accuracy == 1.0
    assert bench(path, query="?columns.answer=answer").accuracy is None


@pytest.mark.parametrize("scores", [[1, 0], ["1.0", "0.0"], [True, False]])
def test_a_score_of_0_and_1_is_a_verdict_and_any_other_a_reward(write, scores):
    judged = [{"id": 1, "response": "a", "score": score} for score in scores]
    (pool,) = read_pools(write(judged))
    assert "reward" not in pool.capabilities
    (pool,) = read_pools(write([*judged, {"id": 1, "response": "a", "score": 0.5}]))
    assert "reward" in pool.capabilities
    assert not pool.problems[0].has_gold


# -- verdicts


def test_a_verdict_belongs_to_its_sample_not_to_its_wording(write, bench):
    rows = [{"id": q, "text": "So 7.", "correct": verdict} for q in range(2) for verdict in (1, 0, 0, 0)]
    assert bench(write(rows)).accuracy == 0.25


@pytest.mark.parametrize(("verdicts", "truth"), [((1, 1, 0), 1.0), ((1, 0, 0), 0.0), ((0, 1, 1), 1.0)])
def test_a_vote_has_the_verdict_of_the_samples_that_gave_its_answer(write, bench, verdicts, truth):
    rows = [{"id": 1, "answer": "7", "reference": "8", "correct": v} for v in verdicts]
    rows += [{"id": 1, "answer": "9", "reference": "8", "correct": 1 - round(truth)}]
    assert bench(write(rows), "sc(n=4)").accuracy == truth


def test_an_unreadable_reply_that_was_judged_right_is_right(write, bench):
    rows = [
        {"id": s, "answer": "see above", "reference": "42", "finish_reason": finish, "correct": True}
        for s, finish in enumerate(("stop", "length"))
    ]
    row = bench(write(rows))
    assert (row.accuracy, row.abstentions) == (1.0, 2)


def test_a_sample_without_a_verdict_is_compared_with_the_gold_or_unknown(write, bench):
    rows = [{"id": 1, "answer": a, "reference": "5", "correct": None} for a in ("5", "6")]
    assert bench(write(rows)).accuracy == 0.5
    rows = [{"id": 1, "correct": v} for v in (True, None, True, None)]
    row = bench(write(rows))
    assert (row.accuracy, row.items) == (1.0, 4)


# -- numbering


@pytest.mark.parametrize("name", ["seed", "repeat", "repetition", "epoch"])
def test_a_number_per_sample_makes_samples_of_one_question(write, name):
    rows = [{"question_id": q, name: s, "answer": s, "reference": "1"} for s in (2, 0, 1) for q in "ab"]
    (pool,) = read_pools(write(rows))
    assert [p.id for p in pool.problems] == ["a", "b"]
    assert [t.answer for t in pool.records["a", "main", ""]] == ["0", "1", "2"]


def test_seeds_of_several_samples_stand_one_after_the_other(write):
    rows = [{"id": 1, "sample": i, "seed": s, "answer": f"{s}{i}"} for i in (1, 0) for s in (1, 0)]
    (pool,) = read_pools(write(rows))
    assert [t.answer for t in pool.records["1", "main", ""]] == ["00", "01", "10", "11"]


def test_one_seed_of_the_whole_run_numbers_nothing(write):
    rows = [{"id": 1, "seed": 42, "answer": a} for a in "cab"]
    (pool,) = read_pools(write(rows))
    assert [t.answer for t in pool.records["1", "main", ""]] == ["c", "a", "b"]


# -- golds


@pytest.mark.parametrize("gold", ["", " ", None, float("nan"), "nan", "NaN", "null", "None", [], {}])
@pytest.mark.parametrize("name", ["samples.jsonl", "samples.csv"])
def test_a_gold_that_is_not_there_is_unknown(write, bench, gold, name):
    if name.endswith(".csv") and gold in ([], {}):
        pytest.skip("in a CSV these are texts")
    rows = [{"id": q, "answer": "1", "reference": gold if q == 2 else "1"} for q in range(3)]
    assert bench(write(rows, name)).accuracy == 1.0
    row = bench(write([{**row, "reference": gold} for row in rows], name))
    assert (row.accuracy, row.accuracy_ci) == (None, None)


@pytest.mark.parametrize(
    "gold",
    [
        "5",
        5,
        5.0,
        ["5"],
        [["5"]],
        "['5']",
        '["5"]',
        ["4", "5"],
        {"text": ["5", "five"], "answer_start": [3, 9]},
        {"value": "5", "aliases": ["five"]},
        "Two and three are five.\n#### 5",
        "We add two and three. The sum is $\\boxed{5}$.",
    ],
)
@pytest.mark.parametrize("name", ["samples.jsonl", "samples.csv"])
def test_a_gold_in_a_list_or_at_the_end_of_a_solution_is_the_gold(write, bench, gold, name):
    rows = [{"id": 1, "text": f"So \\boxed{{{a}}}", "reference": gold} for a in (5, 3)]
    if name.endswith(".csv") and isinstance(gold, dict):
        pytest.skip("a CSV has no objects")
    assert bench(write(rows, name)).accuracy == 0.5


def test_several_golds_mean_any_of_them(write, bench):
    rows = [{"id": 1, "answer": a, "reference": ["4", "5"]} for a in ("4", "5", "6", "7")]
    assert bench(write(rows)).accuracy == 0.5


@pytest.mark.parametrize("blank", ["", None, "nan", " "])
def test_a_blank_answer_beside_a_text_reads_the_text(write, bench, blank):
    rows = [{"id": 1, "answer": blank, "text": "So \\boxed{1}", "reference": "1"}]
    assert bench(write(rows)).accuracy == 1.0
    rows = [{"id": 1, "answer": blank, "reference": "1"}]
    row = bench(write(rows))
    assert (row.accuracy, row.abstentions) == (0.0, 1)


# -- choices

ANIMALS = ["ant", "bee", "cow", "dog"]


@pytest.mark.parametrize(
    ("choices", "golds", "letters"),
    [
        (ANIMALS, [0, 3], "AD"),
        (ANIMALS, [1, 4], "AD"),
        (ANIMALS, ["A", "d"], "AD"),
        (ANIMALS, ["ant", "dog"], "AD"),
        ({"text": ANIMALS, "label": ["A", "B", "C", "D"]}, ["B", "C"], "BC"),
        ({"text": ANIMALS, "label": ["1", "2", "3", "4"]}, ["1", "2"], "AB"),
        ([{"label": "1", "text": a} for a in ANIMALS[:1]] * 2, ["1", "1"], "AA"),
        ({"A": "ant", "B": "bee"}, ["B", "A"], "BA"),
        (["0", "4", "2", "6"], ["4", "6"], "BD"),  # numbers that are choices, all of them
        (["0", "4", "2", "6"], [3, 0], "DA"),  # and where one is none, positions
        (json.dumps(ANIMALS), ["2", "0"], "CA"),
    ],
)
def test_golds_name_choices_by_label_text_letter_or_position(write, choices, golds, letters):
    rows = [{"id": i, "choices": choices, "answerKey": gold, "response": "B"} for i, gold in enumerate(golds)]
    (pool,) = read_pools(write(rows))
    assert "".join(p.reference for p in pool.problems) == letters
    assert pool.problems[0].rule.name == "choice"


def test_positions_that_may_count_from_0_or_1_are_asked_for(write):
    path = write([{"id": i, "choices": ANIMALS, "gold": i, "response": "B"} for i in (1, 2, 3)])
    with pytest.raises(RecordError, match="from 0 or from 1: say which: first=0 or first=1"):
        read_pools(path)
    for first, letters in ((0, "BCD"), (1, "ABC")):
        (pool,) = read_pools(path, first=first)
        assert "".join(p.reference for p in pool.problems) == letters
    path = write([{"id": i, "choices": ANIMALS, "gold": g, "response": "B"} for i, g in enumerate("04")])
    with pytest.raises(RecordError, match="reference '4' is none of the 4 choices"):
        read_pools(path)


# -- errors


@pytest.mark.parametrize(
    "failed",
    [
        {"finish_reason": "error"},
        {"finish_reason": "stop", "error": "HTTP 500"},
        {"error": {"message": "timeout", "traceback": "…"}},
        {"error_message": "connection reset", "response": None},
    ],
)
@pytest.mark.parametrize(
    ("method", "items", "errors"),
    [("simple", 6, 2), ("sc(n=4)", 2, 0), ("ffs(n=4)", 2, 0), ("esc(window=2, max_samples=4)", 2, 0)],
)
def test_errors_are_apart_in_every_method(write, bench, failed, method, items, errors):
    rows = [
        {
            "id": q,
            "response": "\\boxed{5}",
            "reference": "5",
            "finish_reason": "stop",
            "error": None,
            "error_message": "",
            **(failed if s == 0 else {}),
        }
        for q in range(2)
        for s in range(4)
    ]
    rows = [{k: v for k, v in row.items() if k in {"id", "response", "reference", *failed}} for row in rows]
    row = bench(write(rows), method)
    assert (row.accuracy, row.items, row.errors) == (1.0, items, errors)


def test_a_question_of_nothing_but_errors_is_an_error_of_a_vote(write, bench):
    rows = [
        {"id": q, "answer": "5", "reference": "5", "finish_reason": "error" if q else "stop"}
        for q in range(2)
        for _ in range(4)
    ]
    row = bench(write(rows), "sc(n=4)")
    assert (row.accuracy, row.items, row.errors) == (1.0, 1, 1)


# -- files


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("s.jsonl", lambda b: b"\xef\xbb\xbf" + b),
        ("s.jsonl.gz", gzip.compress),
        ("s.ndjson.zst", zstandard.compress),
        ("s.json", lambda b: b"[" + b.replace(b"\n", b",") + b"]"),
    ],
)
def test_json_is_read_however_it_is_packed(tmp_path, bench, name, make):
    body = b'{"id": 1, "answer": "5", "gold": "5"}\n{"id": 1, "answer": "6", "gold": "5"}'
    (tmp_path / name).write_bytes(make(body))
    assert bench(tmp_path / name).accuracy == 0.5
    (pool,) = read_pools(tmp_path / name)
    assert pool.task == "s"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
def test_csv_is_read_with_any_separator(tmp_path, bench, separator, packed):
    text = separator.join(["id", "answer", "gold"]) + "\r\n"
    text += "".join(separator.join([f'"{i}, {separator}"', "5", "5"]) + "\r\n" for i in range(2))
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[packed]
    path = tmp_path / f"s.csv{packed}"
    path.write_bytes(pack(("\ufeff" + text).encode()))
    assert bench(path).accuracy == 1.0


@pytest.mark.parametrize("name", ["s.jsonl.gz", "s.csv.zst"])
def test_a_broken_package_is_told(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b not packed at all")
    with pytest.raises(RecordError, match="cannot be unpacked"):
        read_pools(tmp_path / name)


@pytest.mark.parametrize(("name", "pack"), [("s.csv.gz", gzip.compress), ("s.csv.zst", zstandard.compress)])
@pytest.mark.parametrize("frames", [1, 3])
def test_a_package_that_breaks_off_is_told_and_several_frames_are_one_file(tmp_path, name, pack, frames):
    lines = [f"{i},{i * 7919 % 10007},5\n" for i in range(3_000)]
    parts = ["id,answer,gold\n", *("".join(lines[i::frames]) for i in range(frames))]
    packed = b"".join(pack(part.encode()) for part in parts)
    (tmp_path / name).write_bytes(packed)
    (pool,) = read_pools(tmp_path / name)
    assert len(pool.problems) == 3_000
    (tmp_path / name).write_bytes(packed[:-1])
    with pytest.raises(RecordError, match="cannot be unpacked"):
        read_pools(tmp_path / name)
