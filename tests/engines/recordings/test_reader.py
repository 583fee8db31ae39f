"""Files of recorded samples: what is found in them, and what is said about bad ones."""

import time
import tracemalloc

import numpy as np
import orjson
import pytest

from ttscale.core import RecordError, UnknownName, UsageError
from ttscale.engines.recordings.reader import read_pools

HEADER = "model,dataset,question,sample,completion_tokens,reference,answer\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="pool.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def traces(pool, number=0):
    problem = pool.problems[number]
    return pool.find(problem, "main", problem.prompt)


def answers(pool, number=0):
    problem = pool.problems[number]
    return [problem.answer(trace) for trace in traces(pool, number)]


def test_one_pool_per_model_and_dataset(write):
    path = write(HEADER + "m1,aime,7,1,20,204,205\nm1,aime,7,0,10,204,204\nm2,gpqa,0,0,5,A,B\n")
    aime, gpqa = read_pools(path)
    assert (aime.model, aime.task, gpqa.model, gpqa.task) == ("m1", "aime", "m2", "gpqa")
    assert [t.tokens for t in traces(aime)] == [10, 20]  # by sample number
    assert aime.problems[0].id == "7"
    assert aime.problems[0].correct("204") is True
    assert aime.problems[0].rule.name == "integer"
    assert gpqa.problems[0].rule.name == "choice"
    assert aime.capabilities == frozenset({"text"})


def test_other_names_are_found_and_the_file_names_the_task(write):
    text = "problem_id,tokens,answer,gold,prm_score\np,3,4,4,0.5\np,4,5,4,0.25\n"
    (pool,) = read_pools(write(text, "mine.csv"))
    assert (pool.model, pool.task) == ("", "mine")
    assert [t.reward for t in traces(pool)] == [0.5, 0.25]
    assert pool.capabilities == frozenset({"text", "reward"})


def test_columns_can_be_named_and_left_out(write):
    path = write("q,toks,said,finish_reason\n1,3,yes,length\n")
    named = {"question": "q", "tokens": "toks", "answer": "said", "finish_reason": ""}
    (pool,) = read_pools(path, columns=named)
    assert (traces(pool)[0].tokens, traces(pool)[0].finish) == (3, "stop")


def test_rows_can_be_chosen(write):
    path = write(HEADER + "a,x,0,0,1,1,1\nb,x,0,0,1,1,1\nb,y,0,0,1,1,1\n")
    (pool,) = read_pools(path, where={"model": "b", "dataset": "y"})
    assert (pool.model, pool.task) == ("b", "y")
    with pytest.raises(UsageError, match="no row with model=c"):
        read_pools(path, where={"model": "c"})
    with pytest.raises(RecordError, match="no column 'size'"):
        read_pools(path, where={"size": "1"})


def test_unparsable_and_empty_answers_abstain(write):
    rows = "".join(f"m,aime,0,{i},9,204,{a}\n" for i, a in enumerate(["204", "", "NO_ANSWER", "20455"]))
    (pool,) = read_pools(write(HEADER + rows))
    assert answers(pool) == ["204", None, None, None]


def test_truncated_samples_vote_only_when_asked_to(write):
    path = write("question,tokens,finish_reason,reference,answer\n0,4,length,7,7\n0,4,stop,7,7\n")
    (pool,) = read_pools(path)
    assert answers(pool) == [None, "7"]
    (pool,) = read_pools(path, truncated="vote")
    assert answers(pool) == ["7", "7"]


def test_verdicts_stand_for_answers_where_there_are_none(write):
    path = write("question,tokens,correct\n0,4,True\n0,5,False\n0,6,False\n")
    (pool,) = read_pools(path)
    assert answers(pool) == ["right", "wrong", "wrong"]
    assert [pool.problems[0].correct(a) for a in answers(pool)] == [True, False, False]
    (pool,) = read_pools(path, wrong="distinct")
    assert len(set(answers(pool))) == 3


def test_recorded_verdicts_decide_what_is_right(write):
    path = write("question,reference,answer,correct\n0,10,10,True\n0,10,10.0,False\n0,10,11,True\n")
    (pool,) = read_pools(path)
    assert [pool.problems[0].correct(a) for a in ("10", "10.0", "11", "12", None)] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_json_lines_with_texts_and_confidences(write):
    rows = [
        {
            "question_id": 3,
            "question": "1+1?",
            "text": r"\boxed{2}",
            "reference": 2,
            "confs": [1.5, 2.0],
            "prompt_tokens": 7,
            "level": 2,
        },
        {"question_id": 3, "question": "1+1?", "text": "no", "reference": 2, "confs": [0.5]},
    ]
    (pool,) = read_pools(write("\n".join(orjson.dumps(r).decode() for r in rows), "p.jsonl"))
    first, second = traces(pool)
    assert pool.problems[0].prompt.text == "1+1?"
    assert pool.problems[0].meta["level"] == "2"
    assert (first.tokens, second.tokens, first.prompt_tokens) == (2, 1, 7)
    assert first.conf.dtype == np.float32
    assert answers(pool) == ["2", None]
    assert "logprobs" in pool.capabilities


def test_parquet_reads_as_csv_does(write, tmp_path):
    csv = pytest.importorskip("pyarrow.csv")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = write(HEADER + "m,d,0,0,11,3,3\nm,d,0,1,12,3,4\n")
    parquet.write_table(csv.read_csv(path), tmp_path / "pool.parquet")
    (a,), (b,) = read_pools(path), read_pools(tmp_path / "pool.parquet")
    assert traces(a) == traces(b)
    assert a.problems[0].prompt == b.problems[0].prompt


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.csv", "", "empty"),
        ("p.csv", HEADER, "no rows"),
        ("p.csv", HEADER + "m,d,0,0,ten,1,1\n", r"line 2: completion_tokens='ten'"),
        ("p.csv", HEADER + "m,d,0,0,1,1,1\nm,d,0\n", r"line 3: 3 values.*7 columns"),
        ("p.csv", HEADER + "m,d,0,0,-1,1,1\n", "line 2.*at least 0"),
        ("p.csv", HEADER + "m,d,0,0,5e30,1,1\n", "line 2.*at least 0"),
        ("p.csv", HEADER + "m,d,,0,1,1,1\n", "line 2: the question's id is missing"),
        ("p.csv", HEADER + "m,d,0,0,1,1,1\nm,d,0,1,1,2,1\n", "line 3: reference '2', but line 2"),
        ("p.csv", HEADER + "m,d,0,0,1,1,1\nm,d,0,0,1,1,1\n", "line 3: sample 0 .*already"),
        ("p.csv", "a,b\n1,2\n", "tells the question.*there are a, b"),
        ("p.csv", "question,b\n1,2\n", "neither answers.*there are question, b"),
        ("p.csv", "question,answer,answer\n1,2,3\n", "two columns are named 'answer'"),
        ("p.csv", "question,answer,finish_reason\n1,2,bored\n", "line 2: finish_reason='bored'"),
        ("p.csv", "question,correct\n1,perhaps\n", "line 2: correct='perhaps'"),
        ("p.jsonl", '{"question": 1, "answer": 2}\n{oops\n', "line 2: not valid JSON"),
        ("p.jsonl", "[1]\n", "line 1: list where an object"),
        ("p.jsonl", '{"question": 1, "answer": 2, "confs": "x"}\n', "line 1: confs='x'"),
        ("p.parquet", "not parquet", "not a Parquet file"),
    ],
)
def test_bad_files_are_told_with_their_line(write, name, text, said):
    with pytest.raises(RecordError, match=said):
        read_pools(write(text, name))


def test_bad_calls_name_the_fix(write, tmp_path):
    path = write("question,answer\n1,2\n")
    with pytest.raises(UnknownName, match="did you mean 'answer'"):
        read_pools(path, columns={"anser": "answer"})
    with pytest.raises(RecordError, match="no column 'b' for answer"):
        read_pools(path, columns={"answer": "b"})
    with pytest.raises(UsageError, match="there is no file"):
        read_pools(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="no known kind"):
        read_pools(tmp_path / "x.doc")
    with pytest.raises(UsageError, match="'abstain' or 'vote'"):
        read_pools(path, truncated="maybe")


def test_bytes_that_are_no_text_are_told(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(b"question,answer\n1,\xff\xfe\n")
    with pytest.raises(RecordError, match=r"p.csv, line 2: byte 0xff is not UTF-8"):
        read_pools(path)


def test_many_rows_are_read_soon_and_stay_small(write):
    rows = (f"m,d,{i // 8},{i % 8},{i % 999},7,{i % 13}" for i in range(16_000))
    path = write(HEADER + "\n".join(rows))
    began = time.process_time()
    read_pools(path)
    assert time.process_time() - began < 2  # a bound for a loaded machine; about 0.3 s on a free one
    tracemalloc.start()
    (pool,) = read_pools(path)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(pool.problems) == 2_000
    assert held < 20e6  # hence 10,000 questions x 8 within 100 MB
