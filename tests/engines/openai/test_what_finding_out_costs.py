"""Finding out what a server can do: asked only where a method needs it, booked, and within every budget."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from engines.fake_server import PROBLEM, Play, Server, answer, hang, refuse, reset, said, stream

from ttscale.core import Budget, CapabilityError, EngineError, Outcome, Price, Run, opened
from ttscale.engines.http.retry import Retry
from ttscale.engines.openai import findings
from ttscale.engines.openai.engine import OpenAIHTTP
from ttscale.methods.registry import parse

QUICK = Retry(times=1, first=0.01)
LIST = answer({"data": [{"id": "m", "owned_by": "me"}]})
PRICE = Price(prompt=1e6, completion=1e6)  # a token costs 1


def chat() -> Play:
    """A server with log-probabilities that continues a given reply."""

    async def play(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if body.get("stream"):
            return await stream(said("4", usage=1, logprobs=body.get("top_logprobs")))(request, body)
        given = body["messages"][-1]["content"] if body["messages"][-1]["role"] == "assistant" else ""
        reply = {"choices": [{"message": {"content": f"{given} x"}, "finish_reason": "length"}]}
        return await answer({**reply, "usage": {"prompt_tokens": 9, "completion_tokens": 1}})(request, body)

    return play


async def solved(
    server: Server, method: str, budget: Budget | None = None, cache: Path | None = None
) -> Outcome:
    engine = OpenAIHTTP("m", server.url, retry=QUICK, cache=cache)
    run = Run({"main": engine}, prices={"main": PRICE})
    async with opened(run):
        return await run.answer(parse(method), PROBLEM, budget=budget)


def paths(server: Server) -> list[str]:
    return [path for path, _, _ in server.requests]


async def test_a_plain_sample_is_the_only_request() -> None:
    async with Server().up() as server:
        server.paths, server.plays = {"/v1/models": LIST}, [chat()]
        outcome = await solved(server, "simple")
    assert paths(server) == ["/v1/chat/completions"]
    assert outcome.answer == "4"
    assert set(outcome.usage.by) == {"main"}


async def test_only_what_the_method_needs_is_tried_and_all_of_it_is_booked() -> None:
    async with Server().up() as server:
        server.paths, server.plays = {"/v1/models": LIST}, [chat()]
        outcome = await solved(server, "deepconf(n=2)")
        tried = len(server.requests) - outcome.usage.by["main"].calls
    probed = outcome.usage.by["probe"]
    assert tried == probed.calls == 2  # the list, and one reply with log-probabilities
    assert (probed.prompt_tokens, probed.completion_tokens, probed.cost) == (7, 1, 8.0)
    assert outcome.usage.calls == len(server.requests)
    assert outcome.usage.samples == outcome.usage.by["main"].calls
    assert outcome.usage.planning_tokens == 1


async def test_it_is_tried_once_for_every_process(tmp_path: Path) -> None:
    async with Server().up() as server:
        server.paths, server.plays = {"/v1/models": LIST}, [chat()]
        await solved(server, "deepconf(n=1)", cache=tmp_path)
        again = await solved(server, "deepconf(n=1)", cache=tmp_path)
        assert "probe" not in again.usage.by
        findings.forget()  # as another process
        other = await solved(server, "deepconf(n=1)", cache=tmp_path)
    assert (other.usage.by["probe"].calls, other.usage.by["probe"].completion_tokens) == (1, 0)  # the list


async def test_a_server_without_it_is_told_with_the_fix() -> None:
    async with Server().up() as server:
        server.paths, server.plays = {"/v1/models": LIST}, [stream(said("4", usage=1))]
        with pytest.raises(CapabilityError, match="needs logprobs"):
            await solved(server, "deepconf(n=2)")


@pytest.mark.parametrize("fault", [refuse(500), refuse(429), reset])
async def test_a_passing_fault_answers_nothing_and_is_not_kept(fault: Play, tmp_path: Path) -> None:
    async with Server().up() as server:
        server.paths, server.plays = {"/v1/models": LIST}, [fault]
        with pytest.raises(EngineError) as told:
            await solved(server, "deepconf(n=2)", cache=tmp_path)
        assert not isinstance(told.value, CapabilityError)
        server.plays = [chat()]
        outcome = await solved(server, "deepconf(n=2)", cache=tmp_path)
    assert outcome.answer == "4"


@pytest.mark.parametrize("budget", [Budget(tokens=2), Budget(calls=1), Budget(cost=5.0), Budget(seconds=0.2)])
async def test_every_budget_holds_while_something_is_found_out(budget: Budget) -> None:
    async with Server().up() as server:
        server.paths, server.plays = {"/v1/models": LIST}, [hang if budget.seconds else chat()]
        outcome = await asyncio.wait_for(solved(server, "deepconf(n=2)", budget), 2)
    (kind,) = budget.given()
    assert outcome.stopped_by == f"budget:{kind}"
    assert outcome.usage.by["probe"].calls == outcome.usage.calls == len(server.requests) <= 2


async def test_a_strict_server_is_asked_more_plainly_and_remembered(tmp_path: Path) -> None:
    async def strict(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if "stream_options" in body:
            return await refuse(400, "Unrecognized request argument: stream_options")(request, body)
        return await chat()(request, body)

    async with Server().up() as server:
        server.plays = [strict]
        first = await solved(server, "simple", cache=tmp_path)
        assert (first.answer, len(server.requests)) == ("4", 2)
        assert first.usage.calls == 2
        second = await solved(server, "simple", cache=tmp_path)
        assert (second.answer, len(server.requests)) == ("4", 3)


async def test_a_server_that_turns_out_to_be_llama_cpp_is_asked_without_its_habits(tmp_path: Path) -> None:
    async def llamacpp(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", "Server": "llama.cpp"}
        return web.Response(body=b"".join(said("4", usage=1)), headers=headers)

    async with Server().up() as server:
        server.plays = [llamacpp]
        outcome = await solved(server, "self-consistency(n=3)", cache=tmp_path)
        asked = [body for _, body, _ in server.requests]
        assert [("top_k" in body) for body in asked].count(True) == 3
        assert outcome.usage.calls == len(asked)
        await solved(server, "simple", cache=tmp_path)
        assert server.requests[-1][1]["top_k"] == 0
        assert len(server.requests) == len(asked) + 1
