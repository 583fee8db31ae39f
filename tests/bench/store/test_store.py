"""The store: what goes in comes out, and what is wrong with a file is said with the fix."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
import zstandard
from fakes import Boxed, problem, said
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ttscale.answers import rule_for
from ttscale.bench import Cell, Result, Store, export, pools_from_store
from ttscale.bench.store import codec
from ttscale.bench.store.results import usage_json, usage_of
from ttscale.core import (
    Artifact,
    EngineError,
    Image,
    Outcome,
    Problem,
    Prompt,
    StoreError,
    Tally,
    Trace,
    Usage,
    UsageError,
)

CELL = Cell(id=0, method="sc", model="m", task="t", repeat=0)


@pytest.fixture
def store(tmp_path):
    with Store.create(tmp_path / "run.db", {"seed": 1}) as made:
        yield made


def cell_in(store: Store, problems: list[Problem], **fields: object) -> Cell:
    own = {name: getattr(CELL, name) for name in ("id", "method", "model", "task", "repeat")}
    return store.add_cell(Cell(**{**own, **fields}), store.add_task("t", problems))


floats = arrays.arrays(np.float32, st.integers(0, 40), elements=st.floats(-50, 50, width=32))


@given(
    text=st.text(max_size=80),
    logprobs=st.none() | floats,
    conf=st.none() | floats,
    ends=st.none() | st.lists(st.integers(0, 9), max_size=30).map(lambda d: np.cumsum(d).tolist()),
    reward=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_a_trace_comes_back_as_it_was(text, logprobs, conf, ends, reward):
    trace = Trace(
        text,
        7,
        "cut",
        role="draft",
        prompt_key="k",
        index=3,
        prompt_tokens=0,
        ends=ends,
        logprobs=logprobs,
        conf=conf,
        reward=reward,
        meta={"a": [1, None]},
        units={"calls": 2.0},
        tool_calls=({"name": "f"},),
    )
    back = codec.unpack(codec.pack(trace), role="draft", prompt_key="k", index=3)
    for name in Trace.__slots__:
        mine, its = getattr(trace, name), getattr(back, name)
        if isinstance(mine, np.ndarray):
            assert its.dtype == np.float32
            np.testing.assert_array_equal(mine, its)
        else:
            assert its == mine, name


def test_where_thinking_stands_is_kept():
    trace = Trace("<think>a</think>b", 2, thinking_at=((7, 8),), opened=True)
    back = codec.unpack(codec.pack(trace), role="main", prompt_key="", index=0)
    assert (back.thinking_at, back.opened, back.thinking) == ([(7, 8)], True, "a")


@pytest.mark.parametrize("role", ["main", "draft", "judge", "planner"])
@pytest.mark.parametrize("part", ["answer", "step", "verdict", "plan", "pilot"])
def test_a_trace_keeps_its_part(role, part):
    body = codec.pack(Trace("x", 1, role=role, part=part))
    assert codec.unpack(body, role=role, prompt_key="", index=0).part == part


@pytest.mark.parametrize(
    ("role", "part"), [("main", "answer"), ("draft", "answer"), ("judge", "verdict"), ("planner", "plan")]
)
def test_a_trace_from_before_parts_were_kept_is_what_its_role_says(role, part):
    header = b'{"text":"13-13=0: Yes","tokens":9}'
    old = zstandard.compress(len(header).to_bytes(4, "little") + header)
    trace = codec.unpack(old, role=role, prompt_key="", index=0)
    assert (trace.text, trace.part) == ("13-13=0: Yes", part)


PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000")


def kept(store: Store, trace: Trace) -> Trace:
    """The trace as it comes back from a store."""
    cell = cell_in(store, [problem("a")])
    store.add_trace(cell, "a", "", trace)
    ((_, back),) = store.traces(cell)
    return back


def test_a_picture_comes_back_from_the_store(store):
    made = (Artifact.of("picture", PNG, "image/png"), Artifact.of("patch", b"", "text/x-diff"))
    back = kept(store, Trace("see", 3, logprobs=[-1.0, 0.5], ends=[1, 3], artifacts=made))
    assert back.artifacts == made
    assert [a.content for a in back.artifacts] == [PNG, b""]
    assert (back.text, list(back.logprobs), back.ends) == ("see", [-1.0, 0.5], [1, 3])


def test_of_what_is_too_large_the_name_is_kept(store, monkeypatch):
    monkeypatch.setattr(codec, "LARGEST_ARTIFACT", len(PNG) - 1)
    made = (Artifact.of("picture", PNG, "image/png"), Artifact.of("boxes", b"[0, 0]"))
    large, small = kept(store, Trace(artifacts=made)).artifacts
    assert (large, small) == made  # equal by name
    assert (large.data, small.data) == (None, b"[0, 0]")


def test_a_trace_without_artifacts_is_packed_as_it_always_was():
    assert b"artifacts" not in codec._decompress(codec.pack(Trace("x", 1)))


def test_a_picture_that_is_another_than_was_kept_is_damage():
    body = codec._decompress(codec.pack(Trace(artifacts=(Artifact.of("picture", PNG),))))
    with pytest.raises(StoreError, match="damaged"):
        codec.unpack(codec._compress(body[:-1] + b"x"), role="main", prompt_key="", index=0)


def test_a_damaged_trace_is_a_store_error():
    body = codec.pack(Trace("x" * 100, 5))
    with pytest.raises(StoreError, match="damaged"):
        codec.unpack(body[:-4], role="main", prompt_key="", index=0)


def test_a_failed_trace_keeps_its_message():
    body = codec.pack(Trace(finish="error", error=EngineError("reset by peer")))
    assert str(codec.unpack(body, role="main", prompt_key="", index=0).error) == "reset by peer"


@pytest.mark.parametrize(
    "rule", [rule_for("integer", max_digits=2), rule_for("choice", letters="ABCDEF"), Boxed()]
)
def test_a_problem_comes_back_with_its_rule_and_images(rule):
    prompt = Prompt.user("what?", Image("data:image/png;base64,AA=="), system="be brief").then("So")
    original = Problem("p", prompt, rule, "B", ("x", "y"), {"level": 3, "grade": len})

    def found(name, **settings):
        return Boxed() if name == "boxed" else rule_for(name, **settings)

    back = codec.unpack_problem(codec.pack_problem(original), found)
    assert back.prompt == prompt
    assert back.prompt.key == prompt.key
    assert (back.id, back.reference, back.choices) == ("p", "B", ("x", "y"))
    assert back.meta == {"level": 3, codec.SCORED: True}
    assert vars(back.rule).keys() == vars(rule).keys()
    assert back.rule.name == rule.name


def test_items_come_back_and_failed_ones_are_not_done(store):
    cell = cell_in(store, [problem("a"), problem("b")])
    usage = Usage(by={"main": Tally(calls=2, completion_tokens=30, cost=0.5)}, sequential_tokens=20)
    outcome = Outcome("right", said("right"), "k", extra={"posterior": 0.9}, usage=usage)
    failed = Outcome(None, error=EngineError("gone"))
    store.finish(cell, [Result.of(problem("a"), outcome), Result.of(problem("b"), failed)])
    first, second = store.items(cell)
    assert (first.answer, first.correct, first.extra) == ("right", True, {"posterior": 0.9})
    assert first.usage.as_dict() == usage.as_dict()
    assert (second.correct, second.error) == (None, "EngineError: gone")
    assert store.done(cell) == {"a"}


def test_usage_from_before_parts_were_kept_has_the_totals_it_had(store):
    cell = cell_in(store, [problem("a")])
    store.finish(cell, [Result.of(problem("a"), Outcome("right"))])
    old = {
        "by": {
            "main": {"calls": 3, "completion_tokens": 90, "cut_tokens": 10},
            "judge": {"calls": 2, "completion_tokens": 20, "cancelled_tokens": 5},
            "prm": {"calls": 4, "scored_calls": 4, "scored_tokens": 400},
            "planner": {"calls": 1, "completion_tokens": 7},
        },
        "units": {"calls": 2.0},
        "sequential_tokens": 60,
        "seconds": 0.5,
    }
    with store.transaction() as db:
        db.execute("UPDATE items SET usage = ?", (json.dumps(old),))
    (item,) = store.items(cell)
    usage = item.usage
    assert (usage.calls, usage.samples, usage.useful_tokens) == (10, 3, 80)
    assert (usage.verifier_tokens, usage.planning_tokens) == (420, 7)
    assert (usage.units, usage.sequential_units) == ({"calls": 2.0}, {})
    again = usage_of(json.loads(usage_json(usage)))
    assert again == usage


def test_an_item_without_reference_is_neither_right_nor_wrong(store):
    assert Result.of(problem("a", reference=None), Outcome("x")).correct is None


def test_every_finished_item_is_committed_at_once(store):
    cell = cell_in(store, [problem("a")])
    store.finish(cell, [Result.of(problem("a"), Outcome("right"))])
    with Store.open(store.path) as reader:
        assert reader.done(cell) == {"a"}


def test_grouped_items_are_committed_together_and_at_the_end(store):
    cell = cell_in(store, [problem("a")])
    store.group_seconds = 60.0
    store.finish(cell, [Result.of(problem("a"), Outcome("right"))])
    with Store.open(store.path) as reader:
        assert reader.done(cell) == set()
        store.commit()
        assert reader.done(cell) == {"a"}


def test_traces_that_are_not_to_be_kept_go_with_the_finished_item(store):
    cell = cell_in(store, [problem("a"), problem("b")])
    for name in "ab":
        store.add_trace(cell, name, "", said("right"))
    items = [
        Result.of(problem("a"), Outcome("right")),
        Result.of(problem("b"), Outcome(None, error=EngineError("gone"))),
    ]
    store.finish(cell, items, keep_traces=False)
    assert [name for name, _ in store.traces(cell)] == ["b"], "a failed item is tried again"


def test_a_store_is_never_overwritten(store):
    with pytest.raises(StoreError, match="exists already: continue it with: ttscale bench resume"):
        Store.create(store.path, {})


def test_there_is_one_writer_and_readers_do_not_mind(store):
    with pytest.raises(StoreError, match="locked by another process"):
        Store.open(store.path, write=True)
    with Store.open(store.path) as reader:
        assert reader.plan == {"seed": 1}


def test_the_lock_goes_away_with_the_process_that_held_it(tmp_path):
    code = (
        "import os, sys\nfrom ttscale.bench import Store\nstore = Store.create(sys.argv[1], {})\nos._exit(9)"
    )
    path = tmp_path / "run.db"
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    with Store.open(path, write=True) as store:
        assert store.plan == {}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.db"]


def written(path):
    with Store.create(path, {}) as store:
        cell = cell_in(store, [problem(str(i)) for i in range(200)])
        for i in range(200):
            store.add_trace(cell, str(i), "", Trace(str(i) * 500, 5, index=i))
            store.finish(cell, [Result.of(problem(str(i)), Outcome("right"))])
    return path


def read_all(path):
    with Store.open(path) as store:
        return [list(store.items(cell)) for cell in store.cells()]


def test_a_corrupt_store_says_how_to_save_what_is_left(tmp_path):
    path = written(tmp_path / "run.db")
    data = bytearray(path.read_bytes())
    data[4096 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"corrupt.*\.recover") as told:
        read_all(path)
    assert told.value.exit_code == 8


def test_a_truncated_store_is_an_error_not_a_short_result(tmp_path):
    path = written(tmp_path / "run.db")
    path.write_bytes(path.read_bytes()[: 3 * 4096])
    with pytest.raises(StoreError, match="corrupt"):
        read_all(path)


def test_a_file_that_is_no_store_is_told_apart(tmp_path):
    (tmp_path / "text").write_text("hello, this is not a database at all\n" * 100)
    with pytest.raises(StoreError, match="no store"):
        Store.open(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other.db") as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(StoreError, match="not a bench store"):
        Store.open(tmp_path / "other.db")
    with pytest.raises(StoreError, match="no store at"):
        Store.open(tmp_path / "missing.db")


def test_a_store_of_another_version_is_refused(tmp_path):
    path = written(tmp_path / "run.db")
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="version 99"):
        Store.open(path)


def test_changed_questions_are_not_mixed_with_the_old_ones(store):
    cell_in(store, [problem("a")])
    with pytest.raises(StoreError, match="not those"):
        cell_in(store, [problem("a", reference="other")])


# -- a store as a pool


def found(name, **settings):
    return Boxed()


def test_a_draw_that_two_methods_made_is_in_the_pool_once_in_its_longest_form(store):
    problems = [problem("a")]
    ffs, sc = (cell_in(store, problems, method=name) for name in ("ffs", "sc"))
    key = problems[0].prompt.key
    for draw, finish in enumerate(["stop", "cancelled"]):
        store.add_trace(ffs, "a", "s", said("1", 5 + draw, finish=finish, index=draw, prompt_key=key))
    for draw in range(2):
        store.add_trace(sc, "a", "s", said("1", 9, index=draw, prompt_key=key))
    store.commit()
    (pool,) = pools_from_store(store.path, found)
    traces = pool.find(pool.problems[0], "main", pool.problems[0].prompt)
    assert [(t.finish, t.tokens) for t in traces] == [("stop", 9), ("stop", 9)]


def test_a_greedy_draw_does_not_join_the_sampled_ones(store):
    problems = [problem("a")]
    greedy, sc = (cell_in(store, problems, method=name) for name in ("greedy", "sc"))
    key = problems[0].prompt.key
    store.add_trace(greedy, "a", "cold", said("0", index=0, prompt_key=key))
    for draw in range(3):
        store.add_trace(sc, "a", "warm", said("1", index=draw, prompt_key=key))
    (pool,) = pools_from_store(store.path, found)
    assert pool.size() == 3


def test_repeats_follow_one_another_in_the_pool(store):
    problems = [problem("a")]
    for repeat in range(2):
        cell = cell_in(store, problems, repeat=repeat)
        for draw in range(2):
            trace = said(str(repeat), index=draw, prompt_key=problems[0].prompt.key)
            store.add_trace(cell, "a", "s", trace)
    (pool,) = pools_from_store(store.path, found)
    traces = pool.find(pool.problems[0], "main", pool.problems[0].prompt)
    assert [t.text for t in traces] == [said(a).text for a in "0011"]


def test_pools_of_one_store_outlive_each_other(store):
    problems = [problem("a")]
    for model in ("one", "two"):
        cell = cell_in(store, problems, model=model)
        store.add_trace(cell, "a", "s", said("1", prompt_key=problems[0].prompt.key))
    first, second = pools_from_store(store.path, found)
    assert (first.model, second.model) == ("one", "two")
    del first
    assert second.size() == 1


def test_a_store_without_traces_gives_no_pools(store):
    cell_in(store, [problem("a")])
    assert pools_from_store(store.path, found) == []


def test_generated_questions_get_their_scorers_back(tmp_path):
    from ttscale.bench import load_task

    task = load_task("lab:arith?level=1", n=3, seed=5)
    with Store.create(tmp_path / "lab.db", {"n": 3, "seed": 5}) as store:
        number = store.add_task(task.name, task.problems)
        cell = store.add_cell(Cell(id=0, method="sc", model="m", task=task.name, repeat=0), number)
        for p in task.problems:
            store.add_trace(cell, p.id, "", said("1", prompt_key=p.prompt.key))
    (pool,) = pools_from_store(tmp_path / "lab.db")
    for before, after in zip(task.problems, pool.problems, strict=True):
        assert callable(after.meta["grade"])
        assert after.correct(before.reference) is True


# -- export


def test_exports_hold_every_item_and_trace(store, tmp_path):
    import orjson
    import pyarrow.parquet as pq

    cell = cell_in(store, [problem("a"), problem("b")])
    for name in "ab":
        store.add_trace(cell, name, "s", Trace("text", 4, logprobs=np.zeros(4, np.float32)))
        store.finish(cell, [Result.of(problem(name), Outcome("right" if name == "a" else None))])
    assert export(store, tmp_path / "items.jsonl") == 2
    rows = [orjson.loads(line) for line in (tmp_path / "items.jsonl").read_bytes().splitlines()]
    assert [(r["problem"], r["correct"]) for r in rows] == [("a", True), ("b", False)]
    assert export(store, tmp_path / "traces.parquet", "traces") == 2
    table = pq.read_table(tmp_path / "traces.parquet").to_pylist()
    assert [(r["problem"], r["text"], r["logprobs"]) for r in table] == [
        (name, "text", [0.0] * 4) for name in "ab"
    ]
    assert export(store, tmp_path / "items.parquet") == 2
    assert pq.read_table(tmp_path / "items.parquet").column("correct").to_pylist() == [True, False]


def test_an_export_overwrites_nothing_and_knows_its_formats(store, tmp_path):
    (tmp_path / "there.jsonl").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        export(store, tmp_path / "there.jsonl")
    with pytest.raises(UsageError, match=r"\.jsonl, \.csv or \.parquet"):
        export(store, tmp_path / "x.xlsx")
    assert (tmp_path / "there.jsonl").read_text() == "mine"


def recording(store: Store, draws: int) -> None:
    """Samples of question a; one of question z before them, by which the recording is judged."""
    problems = [Problem(name, Prompt.user("?"), rule_for("number"), "7") for name in "za"]
    cell = cell_in(store, problems)
    store.add_trace(cell, "z", "", Trace(prompt_key="k"))
    for draw in range(draws):
        store.add_trace(cell, "a", "", Trace(f"text {draw}", draw + 1, index=draw, prompt_key="k"))
    store.commit()


def test_recorded_draws_come_in_any_order(store):
    recording(store, 20)
    (pool,) = pools_from_store(store.path)
    draws = pool.records["a", "main", "k"]
    assert [draws[i].text for i in (19, 3, 4, 0, 3)] == [f"text {i}" for i in (19, 3, 4, 0, 3)]
    assert draws[-1].index == 19
    assert [t.tokens for t in draws[:3]] == [1, 2, 3]


def test_neighbouring_draws_are_fetched_by_one_query(store):
    recording(store, 16)
    (pool,) = pools_from_store(store.path)
    draws, asked = pool.records["a", "main", "k"], []
    draws._store._db.set_trace_callback(asked.append)
    assert len({t.text for t in draws}) == 16
    assert len(asked) == 2  # one would read texts nobody may want, sixteen cost more than unpacking


def test_a_damaged_draw_is_no_matter_until_it_is_asked_for(store):
    recording(store, 4)
    with sqlite3.connect(store.path) as other:
        other.execute("UPDATE traces SET body = ? WHERE draw = 2", (b"nothing",))
        other.execute("UPDATE traces SET body = ? WHERE problem = 'z'", (b"nothing",))
    (pool,) = pools_from_store(store.path)
    assert pool.capabilities == {"text"}
    draws = pool.records["a", "main", "k"]
    assert (draws[1].text, draws[3].text) == ("text 1", "text 3")
    with pytest.raises(StoreError, match="damaged"):
        draws[2]
