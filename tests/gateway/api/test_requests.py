"""Numbers as clients write them: whole floats, -1 for no limit, more than anything has."""

from __future__ import annotations

import orjson
import pytest
from gateway.harness import Model, world

from ttscale.gateway.api.requests import limit, whole
from ttscale.gateway.errors import ApiError
from ttscale.gateway.passthrough import forwarded


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (256, 256),
        (256.0, 256),
        (-1.0, -1),
        (1e6, 1_000_000),
        (2.5, None),
        (True, None),
        ("8", None),
        (None, None),
    ],
)
def test_a_whole_number_is_one_however_it_is_written(written, number):
    assert whole(written) == number


@pytest.mark.parametrize(
    ("body", "most"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": -1}, None),
        ({"max_completion_tokens": -1.0}, None),
        ({"max_tokens": 9_223_372_036_854_775_807}, None),
        ({"max_tokens": 100.0}, 100),
        ({"max_tokens": 100, "max_completion_tokens": 50.0}, 50),
        ({"max_tokens": 10, "max_completion_tokens": -1}, 10),
    ],
)
def test_a_limit_of_tokens_is_the_smaller_or_none(body, most):
    assert limit(body) == most


@pytest.mark.parametrize("wrong", [0, -2, 2.5, True, "100", [], {}])
def test_what_is_no_limit_is_refused_by_its_name(wrong):
    with pytest.raises(ApiError) as refused:
        limit({"max_tokens": wrong})
    assert (refused.value.status, refused.value.param) == (400, "max_tokens")


@pytest.mark.parametrize(
    ("sent", "reaches"),
    [
        ({"max_tokens": 2.0}, {"max_tokens": 2}),
        ({"max_tokens": -1}, {"max_tokens": None}),
        ({"max_completion_tokens": 3.0, "max_tokens": 5}, {"max_tokens": 3, "max_completion_tokens": None}),
        ({"top_k": 40.0}, {"top_k": 40}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"top_p": 1}, {"top_p": 1}),
        ({"stop": ""}, {"stop": None}),
        ({"stop": ["", "\n\n"]}, {"stop": ["\n\n"]}),
    ],
)
async def test_under_a_method_settings_reach_the_server_as_what_they_mean(sent, reaches):
    model = Model()
    async with world(model) as w:
        assert (await w.post(model="sc(n=2)/m", **sent))[0] == 200
    assert [{name: body.get(name) for name in reaches} for body in model.bodies] == [reaches] * 2


async def test_choices_and_seeds_may_be_whole_floats_and_no_seed_is_minus_one():
    model = Model()
    async with world(model) as w:
        status, reply = await w.post(model="sc(n=2)/m", n=2.0)
        assert (status, len(reply["choices"])) == (200, 2)
        model.bodies.clear()
        for seed in (7, 7.0, -1, -1):
            assert (await w.post(model="simple/m", seed=seed))[0] == 200
        seeds = [body["seed"] for body in model.bodies]
        assert seeds[0] == seeds[1]
        assert len(set(seeds)) == 3
        for wrong in ({"n": 1.5}, {"n": 0}, {"n": -1}, {"seed": 0.5}, {"seed": "x"}):
            assert (await w.post(model="simple/m", **wrong))[0] == 400


@pytest.mark.parametrize(
    ("body", "sent", "cost"),
    [
        ({"max_tokens": 50}, {"max_tokens": 50}, 50),
        ({"max_tokens": 50.0}, {"max_tokens": 50.0}, 50),
        ({"max_tokens": -1}, {"max_tokens": 100}, 100),
        ({"max_tokens": 0.5}, {"max_tokens": 100}, 100),
        ({"max_tokens": 1e9}, {"max_tokens": 100}, 100),
        ({}, {"max_tokens": 100}, 100),
        ({"input": "x"}, {"max_output_tokens": 100}, 100),
        (
            {"max_completion_tokens": 5, "max_tokens": 1_000},
            {"max_completion_tokens": 5, "max_tokens": 100},
            5,
        ),
    ],
)
def test_a_plain_request_keeps_to_its_budget_however_it_writes_its_limit(body, sent, cost):
    payload, told = forwarded(body, orjson.dumps(body), "", 100, {})
    assert {**body, **sent} == orjson.loads(payload)
    assert told == cost


async def test_a_plain_request_of_several_choices_shares_its_budget():
    model = Model(lambda body, number: ["x "] * 50)
    async with world(model, config={"limits": {"budget": {"tokens": 20}}}) as w:
        status, reply = await w.post(model="m", n=2)
        assert (status, reply["usage"]["completion_tokens"]) == (200, 20)


async def test_parts_of_a_content_may_be_plain_texts():
    model = Model()
    messages = [{"role": "user", "content": ["What is ", {"type": "text", "text": "2 + 2?"}]}]
    async with world(model) as w:
        assert (await w.post(model="sc(n=2)/m", messages=messages))[0] == 200
        assert (await w.post(model="sc(n=2)/m", messages=[{"role": "user", "content": [3]}]))[0] == 400
    assert [body["messages"] for body in model.bodies] == [messages] * 2
