"""Published benchmarks, read from rows in the schema in which they are published, and scorers of one's own.

The rows of most are made up here; GSM8K and HumanEval are read whole where their files are.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ttscale.bench import load_task
from ttscale.bench.tasks.program_tests import passes
from ttscale.bench.tasks.published import PUBLISHED
from ttscale.core import RecordError, Trace, UnknownName, UsageError

DATA = Path(__file__).parents[4] / "shared" / "data"
CODE = {
    "task_id": "HumanEval/{i}",
    "prompt": 'from typing import List\n\n\ndef add_{i}(x: List[int]) -> int:\n    """Sum plus {i}."""\n',
    "entry_point": "add_{i}",
    "canonical_solution": "    return sum(x) + {i}\n",
    "test": "def check(candidate):\n    assert candidate([1, 2]) == 3 + {i}\n",
}
ROWS = {
    "gsm8k": {"question": "What is 3 times {i}?", "answer": "It is 3 * {i}.\n#### {n}"},
    "math500": {
        "problem": "What is $3^{i}$?",
        "solution": "It is $\\boxed{{{n}}}$.",
        "answer": "{n}",
        "subject": "Algebra",
        "level": 3,
        "unique_id": "test/algebra/{i}.json",
    },
    "aime24": {
        "id": 60,
        "problem": "Find {i}.",
        "solution": "x",
        "answer": "{n}",
        "url": "u",
        "year": "2024",
    },
    "aime25": {"problem": "Find {i}.", "answer": "{n}", "id": "{i}"},
    "gpqa": {
        "Question": "Which {i}?",
        "Correct Answer": "right {i}\n",
        "Incorrect Answer 1": "wrong {i}",
        "Incorrect Answer 2": "false {i}",
        "Incorrect Answer 3": "bad {i}",
        "Record ID": "rec{i}",
    },
    "mmlu": {
        "question": "Which {i}?",
        "subject": "law",
        "choices": ["a{i}", "b{i}", "c{i}", "d{i}"],
        "answer": 1,
    },
    "mmlu-pro": {
        "question_id": 70,
        "question": "Which {i}?",
        "options": [f"{c}{{i}}" for c in "abcdefghij"],
        "answer": "J",
        "answer_index": 9,
        "cot_content": "",
        "category": "law",
        "src": "x",
    },
    "arc-challenge": {
        "id": "Mercury_{i}",
        "question": "Which {i}?",
        "choices": {"text": ["a{i}", "b{i}", "c{i}", "d{i}"], "label": ["1", "2", "3", "4"]},
        "answerKey": "3",
    },
    "humaneval": CODE,
}
"""Benchmark -> a row as it is published, with {i} for its number and {n} for an answer that depends on it."""
RIGHT = {"mmlu": "B", "mmlu-pro": "J", "arc-challenge": "C"}


def filled(value, i):
    if isinstance(value, str):
        return value.replace("{{{n}}}", f"{{{3 * i}}}").replace("{i}", str(i)).replace("{n}", str(3 * i))
    if isinstance(value, list):
        return [filled(one, i) for one in value]
    if isinstance(value, dict):
        return {key: filled(one, i) for key, one in value.items()}
    return value + i if value in (60, 70) else value  # an id


@pytest.fixture
def rows(tmp_path):
    def write(name):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("\n".join(json.dumps(filled(ROWS[name], i)) for i in range(10)))
        return path

    return write


def test_every_benchmark_has_rows_here():
    assert set(ROWS) == set(PUBLISHED)


@pytest.mark.parametrize("name", sorted(set(ROWS) - {"humaneval", "gpqa"}))
def test_ten_rows_in_the_published_schema_are_read(rows, name):
    task = load_task(f"hf:{name}?file={rows(name)}")
    assert len({p.id for p in task.problems}) == 10
    for i, problem in enumerate(task.problems):
        answer = RIGHT.get(name, str(3 * i))
        assert problem.correct(problem.answer(Trace(rf"so \boxed{{{answer}}}"))) is True
        assert (
            problem.correct(problem.answer(Trace(r"so \boxed{A}" if name in RIGHT else r"\boxed{998}")))
            is False
        )
    assert "boxed" in task.problems[0].prompt.text
    assert len(load_task(f"hf:{name}?file={rows(name)}", n=4).problems) == 4


def test_the_right_answer_of_gpqa_is_not_always_the_first(rows):
    path = rows("gpqa")
    first, again, other = (load_task(f"hf:gpqa?file={path}", seed=s).problems for s in (1, 1, 2))
    assert [p.reference for p in first] == [p.reference for p in again] != [p.reference for p in other]
    assert len({p.reference for p in first}) > 2
    for i, problem in enumerate(first):
        assert problem.choices["ABCD".index(problem.reference)] == f"right {i}"
        assert set(problem.choices) == {f"right {i}", f"wrong {i}", f"false {i}", f"bad {i}"}


def test_a_program_is_right_if_it_passes_its_tests(rows):
    problem = load_task(f"hf:humaneval?file={rows('humaneval')}").problems[4]
    whole = "```python\ndef add_4(x):\n    return {}\n```"
    graded = [
        problem.correct(problem.answer(Trace(whole.format(body))))
        for body in ("sum(x) + 4", "sum(x)", "1 / 0")
    ]
    assert graded == [True, False, False]
    assert "def add_4(x: List[int])" in problem.prompt.text


@pytest.mark.parametrize(
    "answer",
    [
        "import sys\ndef f(x):\n    sys.exit(0)",  # an end that is none
        "def f(x):\n    return [1] * 10**9",
        "def f(x):\n    open('big', 'w').write('x' * 10**8)\n    return 1",
        "def f(x:\n",
    ],
)
def test_a_program_that_ends_in_another_way_has_not_passed(answer):
    assert not passes("def f(x):\n", "def check(f):\n    assert f(1) == 2\n", "f", answer)


@pytest.mark.parametrize(("name", "count"), [("gsm8k", 1319), ("humaneval", 164)])
def test_a_whole_benchmark_is_read(name, count):
    path = DATA / {"gsm8k": "gsm8k_test.jsonl.gz", "humaneval": "HumanEval.jsonl.gz"}[name]
    if not path.exists():
        pytest.skip("its file is not here")
    problems = load_task(f"hf:{name}?file={path}").problems
    assert len(problems) == count
    assert all(p.reference for p in problems)
    if name == "humaneval":
        with gzip.open(path, "rt") as file:
            published = [json.loads(line) for line, _ in zip(file, range(3))]
        for problem, row in zip(problems, published, strict=False):
            assert problem.correct(row["prompt"] + row["canonical_solution"]) is True
            assert problem.correct(row["prompt"] + "    return None") is False


def test_a_data_set_on_the_disk_needs_no_network(rows, tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    rows("math500").rename(folder / "train.jsonl")
    task = load_task(f"hf:{folder}?split=train&question=problem&answer=answer&id=unique_id", n=3)
    assert [p.reference for p in task.problems] == ["0", "3", "6"]
    with pytest.raises(UsageError, match="cannot be had"):
        load_task(f"hf:{folder}?split=none")


def test_an_unknown_benchmark_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'gsm8k'"):
        load_task("hf:gsm8")


# -- scorers, conversations and system messages in files of questions


def test_a_scorer_of_ones_own_grades(tmp_path):
    (tmp_path / "near.py").write_text(
        "def near(answer, golds):\n"
        "    return None if not golds else any(abs(float(answer) - float(g)) < 1 for g in golds)\n"
    )
    (tmp_path / "q.jsonl").write_text('{"question": "a", "answer": ["10", "20"]}\n{"question": "b"}\n')
    one, other = load_task(f"{tmp_path}/q.jsonl?rule={tmp_path}/near.py:near").problems
    assert [one.correct(a) for a in ("10.5", "19.2", "15", None)] == [True, True, False, False]
    assert other.correct("3") is None
    with pytest.raises(UnknownName, match="did you mean 'near'"):
        load_task(f"{tmp_path}/q.jsonl?rule={tmp_path}/near.py:nearr")
    with pytest.raises(UsageError, match="cannot be loaded: ModuleNotFoundError"):
        load_task(f"{tmp_path}/q.jsonl?rule=no_such_package:f")


def test_conversations_keep_their_turns_and_system_message(tmp_path):
    turns = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Yes?"), ("user", "What is 1+1?")]
    row = {"messages": [{"role": r, "content": c} for r, c in turns], "answer": "2"}
    (tmp_path / "q.jsonl").write_text(
        json.dumps(row) + "\n" + json.dumps({"messages": "plain", "answer": "2"})
    )
    talk, plain = load_task(f"{tmp_path}/q.jsonl?system=Think.").problems
    assert [(m.role, m.content) for m in talk.prompt.messages[:3]] == turns[:3]
    assert talk.prompt.text.startswith("What is 1+1?\n\n")
    assert "boxed" in talk.prompt.text
    assert [(m.role, m.content[:6]) for m in plain.prompt.messages] == [
        ("system", "Think."),
        ("user", "plain\n"),
    ]


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        [{"role": "robot", "content": "a"}],
        [{"role": "user"}],
        [{"role": "user", "content": " "}],
        [],
    ],
)
def test_a_conversation_that_asks_nothing_is_refused_with_its_line(tmp_path, turns):
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": turns, "answer": "2"}))
    with pytest.raises(RecordError, match=r"q.jsonl, line 1: the conversation cannot be read"):
        load_task(f"{tmp_path}/q.jsonl")


def test_the_bundled_world_takes_a_seed_of_its_own():
    one, other, same = (load_task(f"lab:arith?seed={s}", n=5, seed=7).problems for s in (1, 2, 1))
    assert [p.id for p in one] == [p.id for p in same] != [p.id for p in other]
    with pytest.raises(UsageError, match="seed='x'"):
        load_task("lab:arith?seed=x")
