"""A bill worked out by hand: every counter, and what is known of money."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from ttscale.core import Price, Tally, Trace, Usage
from ttscale.core.spending.metering import Scope, later

PRICE = Price(prompt=2e6, completion=3e6, cached=1e6)  # 2 a token, 3, and 1 from a cache


def differs(tally: Tally) -> dict[str, object]:
    """The counters that are not at their beginning."""
    blank = asdict(Tally())
    return {name: value for name, value in asdict(tally).items() if value != blank[name]}


def test_prices_are_per_million_tokens_and_a_cached_one_is_that_of_a_prompt_unless_it_is_given():
    assert Price(2.0, 3.0).of(1_000_000, 1_000_000) == 5.0
    assert Price(2.0, 3.0).of(1_000_000, 0, 400_000) == 2.0
    assert Price(2.0, 3.0, 0.0).of(1_000_000, 0, 400_000) == pytest.approx(1.2)
    assert PRICE.of(10, 5, 4) == 6 * 2 + 4 * 1 + 5 * 3


def test_a_samples_counters():
    usage = Usage()
    usage.charge(
        Trace(tokens=5, prompt_tokens=10, cached_tokens=4, estimated=2, units={"renders": 3}), PRICE, 10
    )
    assert differs(usage.by["main"]) == {
        "calls": 1,
        "prompt_tokens": 10,
        "shared_prompt_tokens": 10,
        "cached_tokens": 4,
        "completion_tokens": 5,
        "estimated_tokens": 2,
        "units": {"renders": 3},
        "cost": 12 + 4 + 15,
        "estimated_cost": 6,
    }
    usage.charge(Trace(tokens=7, prompt_tokens=10, units={"renders": 1}), PRICE, 0)
    main = usage.by["main"]
    assert (main.calls, main.prompt_tokens, main.shared_prompt_tokens, main.cost) == (2, 20, 10, 31 + 20 + 21)
    assert usage.units == main.units == {"renders": 4}
    assert (usage.parts, usage.cost, usage.known_cost, usage.estimated_cost) == ({}, 72, 72, 6)


def test_an_estimated_prompt_is_put_right_when_it_is_known():
    usage = Usage()
    for shared in (8, 0):
        usage.charge(Trace(tokens=1), PRICE, shared, 8)
    assert differs(usage.by["main"]) == {
        "calls": 2,
        "prompt_tokens": 16,
        "shared_prompt_tokens": 8,
        "completion_tokens": 2,
        "estimated_prompt_tokens": 16,
        "cost": 2 * (16 + 3),
        "estimated_cost": 32,
    }
    usage.settle("main", PRICE, 8, 5, shared=True)
    assert (usage.prompt_tokens, usage.shared_prompt_tokens, usage.estimated_prompt_tokens) == (13, 5, 8)
    assert (usage.cost, usage.estimated_cost) == (38 - 6, 16)
    usage.settle("main", PRICE, 8, 5, shared=False)
    assert (usage.prompt_tokens, usage.shared_prompt_tokens, usage.estimated_prompt_tokens) == (10, 5, 0)
    assert (usage.cost, usage.estimated_cost) == (26, 0)


def test_without_a_price_tokens_are_counted_and_money_is_not_known():
    usage = Usage()
    usage.charge(Trace(tokens=1, estimated=1), None, 8, 8)
    usage.settle("main", None, 8, 5, shared=True)
    assert differs(usage.by["main"]) == {
        "calls": 1,
        "prompt_tokens": 5,
        "shared_prompt_tokens": 5,
        "completion_tokens": 1,
        "estimated_tokens": 1,
    }
    usage.charge(Trace(tokens=4, role="draft", prompt_tokens=3), PRICE, 3)
    assert (usage.cost, usage.known_cost) == (None, 6 + 12)


def test_a_prompt_of_which_nothing_is_known_costs_nobody_knows_what():
    usage = Usage()
    usage.charge(Trace(tokens=4), PRICE, 0)
    assert differs(usage.by["main"]) == {"calls": 1, "completion_tokens": 4, "unknown_prompts": 1, "cost": 12}
    assert (usage.cost, usage.known_cost, usage.prompt_tokens) == (None, 12, None)


def test_scoring_is_a_call_that_reads():
    usage = Usage()
    usage.charge_scored("prm", 100, 5.0)
    usage.charge_scored("prm", 50, 2.0, estimated=True)
    assert differs(usage.by["prm"]) == {
        "calls": 2,
        "scored_tokens": 150,
        "scored_calls": 2,
        "estimated_tokens": 50,
        "cost": 7,
        "estimated_cost": 2,
    }
    assert (usage.calls, usage.samples, usage.tokens, usage.completion_tokens) == (2, 0, 150, 0)
    usage.charge_scored("prm", 1, None, estimated=True)  # whose price is not known
    assert (usage.by["prm"].cost, usage.by["prm"].estimated_cost) == (7, 2)
    usage.charge_scored("judge", 1, None)
    usage.charge_scored("judge", 1, 3.0)
    assert usage.by["judge"].cost is None


def test_a_resources_use_is_no_call():
    usage = Usage()
    usage.charge_use("renderer", {"renders": 2})
    usage.charge_use("renderer", {"renders": 1, "pages": 4})
    assert differs(usage.by["renderer"]) == {"uses": 2, "units": {"renders": 3, "pages": 4}}
    assert (usage.calls, usage.units, usage.cost) == (0, {"renders": 3, "pages": 4}, None)
    usage.charge(Trace(tokens=1, prompt_tokens=1), PRICE, 1)
    assert usage.cost == 5  # what was not called asks for no price


def test_the_cost_of_two_scopes_is_known_where_both_are():
    for mine, other, total in ((1.0, 2.0, 3.0), (None, 2.0, None), (1.0, None, None), (None, None, None)):
        tally = Tally(calls=1, cost=mine)
        tally.add(Tally(calls=1, cost=other))
        assert tally.cost == total
    for tally, other in ((Tally(), Tally(calls=1, cost=2.0)), (Tally(calls=1, cost=2.0), Tally(uses=1))):
        tally.add(other)
        assert tally.cost == 2.0  # nothing was asked of one of them


def test_what_is_read_costs_as_a_prompt_in_every_scope_above():
    run = Scope(None)
    method = Scope(run)
    method.charge_scored("prm", 100, PRICE, False)
    method.charge_use("renderer", {"renders": 2})
    for scope in (run, method):
        assert differs(scope.usage.by["prm"]) == {
            "calls": 1,
            "scored_tokens": 100,
            "scored_calls": 1,
            "cost": 200,
        }
        assert scope.usage.units == {"renders": 2}
        assert (scope.spent("tokens"), scope.spent("cost"), scope.spent("calls")) == (100, 200, 1)
        assert (scope.spent("samples"), scope.spent("renders"), scope.spent("pages")) == (0, 2, 0)


def test_what_requests_under_way_have_reserved_is_spent_until_they_end():
    run = Scope(None)
    method = Scope(run)
    for amounts in ({"tokens": 7, "calls": 1}, {"tokens": 2, "cost": 0.5, "renders": 3}):
        method.reserve(amounts)
    assert [run.spent(kind) for kind in ("tokens", "calls", "cost", "renders")] == [9, 1, 0.5, 3]
    method.release({"tokens": 7, "calls": 1})
    assert [run.spent(kind) for kind in ("tokens", "calls", "cost", "renders")] == [2, 0, 0.5, 3]


def test_of_two_chains_of_units_the_later_counts_unit_by_unit():
    one, other = {"renders": 1.0, "pages": 5.0}, {"renders": 3.0, "turns": 2.0}
    assert later(one, other) == later(other, one) == {"renders": 3, "pages": 5, "turns": 2}
    assert (one, other) == ({"renders": 1, "pages": 5}, {"renders": 3, "turns": 2})
    assert later(one, {}) is later(one, one) is one
