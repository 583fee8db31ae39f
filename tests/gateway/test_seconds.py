"""A budget of seconds ends a request in time, whether a method answers it or it is passed on; and what
else a budget says holds for plain requests, too."""

from __future__ import annotations

import time
from typing import Any

import pytest
from gateway.harness import Model, boxed, world

SECONDS, LATE = 0.4, 0.6  # LATE: what a loaded machine may need besides


@pytest.mark.parametrize("name", ["m", "simple/m", "deepconf(n=2)/m"])
async def test_a_server_that_takes_too_long_is_not_waited_for(name: str) -> None:
    model = Model(first=20.0)
    async with world(model, config={"limits": {"budget": {"seconds": SECONDS}}}, probed=False) as w:
        began = time.monotonic()
        status, reply = await w.post(model=name)
        took = time.monotonic() - began
    assert SECONDS <= took < SECONDS + LATE
    if name == "m":
        assert (status, reply["error"]["code"]) == (504, "budget_spent")
    else:
        assert status == 200
        assert reply["ttscale"]["partial"]


async def test_a_plain_stream_ends_with_the_reason() -> None:
    model = Model(lambda body, number: ["word "] * 100, pause=0.05)
    async with world(model, config={"limits": {"budget": {"seconds": SECONDS}}}) as w:
        began = time.monotonic()
        events = await w.events()
        assert SECONDS <= time.monotonic() - began < SECONDS + LATE
    assert events[-1]["error"]["code"] == "budget_spent"
    assert len(events) > 3


@pytest.mark.parametrize(
    ("budget", "choices", "most"),
    [
        ({"tokens": 10}, 1, 10),
        ({"tokens": 10}, 2, 5),
        ({"sequential": 7}, 2, 7),
        ({"cost": 1.0}, 2, 4),  # a token costs an eighth
    ],
)
async def test_a_plain_request_may_have_what_its_budget_pays_for(
    budget: dict[str, Any], choices: int, most: int
) -> None:
    model = Model()
    price = {"prompt": 0.0, "completion": 125_000.0}
    async with world(model, config={"limits": {"budget": budget}}, price=price) as w:
        await w.post(model="m", n=choices, max_tokens=1000)
    assert model.bodies[-1]["max_tokens"] == most


async def test_more_choices_than_samples_and_money_without_a_price_are_refused() -> None:
    async with world(Model(boxed), config={"limits": {"budget": {"samples": 2}}}) as w:
        status, reply = await w.post(model="m", n=3)
        assert (status, reply["error"]["code"]) == (400, "too_many_samples")
    async with world(Model(boxed), config={"limits": {"budget": {"cost": 1.0}}}) as w:
        status, reply = await w.post(model="m")
        assert status == 400
        assert "price" in reply["error"]["message"]
