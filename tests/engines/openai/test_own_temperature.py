"""Greedy decoding on models that have a temperature of their own, and take no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from engines.fake_server import Play, refuse, said, stream

GREEDY = {"temperature": 0.0}
FINE = stream(said("4", "2", usage=3))
REFUSALS = {
    "openai": refuse(
        400,
        "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) "
        "value is supported.",
        param="temperature",
        code="unsupported_value",
    ),
    "parameter": refuse(400, "Unsupported parameter: 'temperature' is not supported with this model."),
    "moonshot": refuse(400, "invalid temperature: only 1 is allowed for this model"),
    "anthropic": refuse(400, "`temperature` may only be set to 1 when thinking is enabled."),
    "vllm": refuse(422, "Temperature must be positive"),
}


def to_any(refusal: Play) -> Play:
    """Refuses every temperature."""

    async def play(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await (refusal if "temperature" in body else FINE)(request, body)

    return play


def temperatures(desk: Any) -> list[Any]:
    return [body.get("temperature") for _, body, *_ in desk.server.requests]


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_temperature_0_is_left_out_once_it_was_refused(desk: Callable[..., Any], refusal: Play) -> None:
    async with desk(to_any(refusal)) as d:
        trace = await d.sample(sampling=GREEDY)
        assert (trace.text, trace.finish) == ("42", "stop")
        assert temperatures(d) == [0.0, None]
        for trace in await asyncio.gather(*(d.sample(sampling=GREEDY) for _ in range(3))):
            assert trace.text == "42"
        assert temperatures(d) == [0.0, None, None, None, None]


async def test_samples_that_are_refused_together_are_all_asked_again(desk: Callable[..., Any]) -> None:
    async with desk(to_any(REFUSALS["openai"])) as d:
        traces = await asyncio.gather(*(d.sample(sampling=GREEDY) for _ in range(4)))
        assert [trace.text for trace in traces] == ["42"] * 4
        assert sorted(map(str, temperatures(d))) == ["0.0"] * 4 + ["None"] * 4


async def test_another_temperature_is_the_users_and_its_refusal_too(desk: Callable[..., Any]) -> None:
    async with desk(to_any(REFUSALS["openai"])) as d:
        trace = await d.sample(sampling={"temperature": 0.7})
        assert (trace.finish, temperatures(d)) == ("error", [0.7])
        assert "temperature" in str(trace.error)


async def test_a_refusal_that_only_mentions_a_temperature_changes_nothing(desk: Callable[..., Any]) -> None:
    schema = refuse(400, "Invalid schema for function 'weather': 'temperature' is not of type 'object'")
    async with desk(schema, schema, FINE) as d:
        trace = await d.sample(sampling=GREEDY)
        assert (trace.finish, temperatures(d)) == ("error", [0.0, None])
        trace = await d.sample(sampling=GREEDY)
        assert (trace.text, temperatures(d)[-1]) == ("42", 0.0)
