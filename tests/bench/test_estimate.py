"""What a run would take: bounds from the methods, expectations from a run that was made."""

from __future__ import annotations

import math

import pytest
from fakes import problem, said

from ttscale.bench import Settings, Store, Task, arrange
from ttscale.bench.estimate import estimates
from ttscale.bench.store.results import Cell, Result
from ttscale.core import Budget, Sampling, Usage
from ttscale.core.spending.usage import Price
from ttscale.engines import ModelSource
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods import parse

PRICE = Price(0.0, 1_000_000)  # a unit of money a token


def planned(*methods, price=PRICE, repeats=2):
    source = ModelSource(name="s", spec="s", make=lambda **_: Synthetic(binary(0.6)), price=price)
    task = Task("t", [problem(f"q{i}") for i in range(10)])
    return arrange([parse(m) for m in methods], [(source, [task])], repeats=repeats)


def measured(path, tokens, method="sc(n=4)", price=PRICE):
    with Store.create(path, {}) as store:
        task = store.add_task("other", [problem(str(i)) for i in range(len(tokens))])
        cell = store.add_cell(Cell(id=0, method=method, model="s", task="other", repeat=0), task)
        for i, count in enumerate(tokens):
            usage = Usage()
            usage.charge(said("x", count, prompt_tokens=0), price, 0)
            one = Result(problem=str(i), answer="x", correct=True, stopped_by="s", usage=usage, seconds=1)
            store.finish(cell, [one])
    return Store.open(path)


def test_bounds_follow_from_what_a_method_may_ask_for():
    vote, single, refining = estimates(
        planned("sc(n=4)", "simple", "turns"), Settings(request=Sampling(max_tokens=100))
    )
    assert (vote.items, vote.least_requests, vote.most_requests) == (20, 20, 80)
    assert (vote.most_tokens, vote.most_cost) == (8_000, 8_000)
    assert (single.most_requests, single.most_tokens) == (20, 2_000)
    assert (refining.most_requests, refining.tokens) == (None, None)  # unknown is not 0


def test_a_budget_bounds_what_nothing_else_does():
    (one,) = estimates(planned("turns"), Settings(budget=Budget(calls=3, tokens=50)))
    assert (one.most_requests, one.most_tokens) == (60, 1_000)


def test_an_expectation_is_the_mean_of_what_was_measured(tmp_path):
    (one,) = estimates(planned("sc(n=4)"), Settings(), measured(tmp_path / "a.db", [10, 20, 30, 40]))
    assert (one.measured_on, one.tokens, one.cost) == (4, 20 * 25, 20 * 25)
    half = 3.182446 * math.sqrt(500 / 3 / 4)  # t of three degrees of freedom
    assert one.tokens_ci == pytest.approx((20 * (25 - half), 20 * (25 + half)), rel=1e-5)


def test_what_was_not_measured_is_not_estimated(tmp_path):
    store = measured(tmp_path / "a.db", [10, 20], price=None)
    one, other = estimates(planned("sc(n=4)", "sc(n=8)"), Settings(), store)
    assert (one.tokens, one.cost, other.tokens) == (300, None, None)
    (single,) = estimates(planned("sc(n=4)"), Settings(), measured(tmp_path / "b.db", [10]))
    assert (single.tokens, single.tokens_ci) == (200, None)
