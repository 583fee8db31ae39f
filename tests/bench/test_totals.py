"""Limits of a whole run: it ends within them, and goes on as if nothing had been."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from fakes import Live, problem, said

from ttscale.bench import Plan, Settings, Store, Task, arrange, run_bench
from ttscale.bench.store.content import content_hash
from ttscale.bench.totals import Limits
from ttscale.core import UsageError
from ttscale.core.spending.usage import Price
from ttscale.engines import ModelSource
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods import parse

PRICE = Price(1_000, 2_000)
METHODS = ("simple", "sc(n=4)")


def planned(price=PRICE, questions=12):
    source = ModelSource(name="s", spec="s", make=lambda **_: Synthetic(binary(0.6)), price=price)
    task = Task("t", [problem(f"q{i}") for i in range(questions)])
    return arrange([parse(m) for m in METHODS], [(source, [task])], repeats=2)


def run(path, limits=None, **more):
    settings = Settings(keep_traces="all", limits=limits or Limits(), **more)
    with Store.open(path, write=True) if path.exists() else Store.create(path, {}) as store:
        progress = run_bench(store, planned(), settings)
        return progress, store.spent, content_hash(store)


@pytest.mark.parametrize("kind", ["requests", "tokens", "cost"])
def test_a_run_ends_within_its_limit_and_goes_on_to_what_it_would_have_been(tmp_path, kind):
    _, whole, digest = run(tmp_path / "whole.db")
    assert whole["requests"] == 2 * 12 * (1 + 4)
    path, ends = tmp_path / "run.db", []
    for share in (0.2, 0.55, 0.9):
        limit = whole[kind] * share if kind == "cost" else int(whole[kind] * share)
        progress, spent, _ = run(path, Limits(**{kind: limit}))
        assert progress.limit == kind
        assert progress.done < progress.total == 48
        # in token time questions run one at a time: at most the four samples under way go beyond it
        assert limit * 0.8 <= spent[kind] <= limit * (1 if kind == "requests" else 1.4)
        ends.append(progress.done)
    assert ends == sorted(set(ends))
    progress, spent, again = run(path)
    assert (progress.limit, again) == ("", digest)
    # what was stopped was drawn anew; what was finished was not
    assert whole[kind] <= spent[kind] <= whole[kind] * 1.25


def test_a_limit_that_is_just_enough_ends_nothing(tmp_path):
    progress, spent, _ = run(tmp_path / "run.db", Limits(requests=120))
    assert (progress.limit, spent["requests"]) == ("", 120)


def test_samples_from_the_store_are_not_paid_for_twice(tmp_path):
    _, whole, digest = run(tmp_path / "run.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "run.db")) as db, db:
        db.execute("DELETE FROM items WHERE cell > 1")  # as if killed before it could write them
    _, again, same = run(tmp_path / "run.db", Limits(requests=whole["requests"] + 1))
    assert (again, same) == (pytest.approx(whole), digest)


def test_a_limit_of_money_needs_a_price(tmp_path):
    with Store.create(tmp_path / "run.db", {}) as store, pytest.raises(UsageError, match="needs the price"):
        run_bench(store, planned(price=None), Settings(limits=Limits(cost=1.0)))


@pytest.mark.parametrize("limits", [{"requests": 0}, {"cost": -1.0}, {"tokens": 1.5}])
def test_a_limit_that_is_none_is_refused(limits):
    with pytest.raises(UsageError):
        Plan(methods=("simple",), models=("x",), limits=limits)


@pytest.mark.parametrize("kind", ["requests", "tokens"])
def test_a_live_run_of_many_questions_at_once_keeps_to_its_limit(tmp_path, kind):
    engine = Live(lambda request: said("right", 10), 0.002)
    sent = []
    start = engine.start
    engine.start = lambda request: (sent.append(request), start(request))[1]
    source = ModelSource(name="live", spec="live", make=lambda **_: engine)
    task = Task("t", [problem(f"q{i}") for i in range(40)])
    cells = arrange([parse("sc(n=3)")], [(source, [task])])
    with Store.create(tmp_path / "run.db", {}) as store:
        limit = {"requests": 50, "tokens": 500}[kind]
        progress = run_bench(store, cells, Settings(limits=Limits(**{kind: limit}), concurrency=8))
        first = len(sent)
        assert progress.limit == kind
        assert 0 < progress.done < 40
        assert store.spent["requests"] == first  # what was stopped on the way is counted
        # requests are exact; of tokens eight questions may end three samples each in between
        assert first == 50 if kind == "requests" else limit <= store.spent["tokens"] <= limit + 8 * 3 * 10
        finished = store.spent["tokens"] // 10
        assert run_bench(store, cells, Settings(concurrency=8)).done == 40
        assert len(sent) == first + 120 - finished  # nothing finished was asked again
