"""Real model servers behind the gateway: what it reports is what they say they generated.

llama.cpp serves the bundled reasoner, which makes a token in less time than a connection takes to
close, and SmolLM2 (if it has been fetched), whose pace is more usual. A vLLM server is used if a
variable names it:

    vllm serve src/ttscale/assets/tiny/base --served-model-name tiny --max-model-len 512
    TTSCALE_TEST_VLLM=http://127.0.0.1:8000 python -m pytest tests/gateway/test_real.py
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from gateway.harness import World, content, world

from ttscale.engines.catalogue import downloads
from ttscale.engines.catalogue.bundled import bundled_models
from ttscale.engines.llamacpp import LlamaCpp

pytestmark = [pytest.mark.slow, pytest.mark.real]
SLOTS = 4


class Real:
    """A model server. `url`, and `made()`, its own count of generated tokens once it is idle."""

    def __init__(self, name: str, url: str, made: Callable[[], Awaitable[int]]) -> None:
        self.name, self.url, self.made = name, url, made

    def world(self) -> AsyncIterator[World]:
        one = {"m": {"spec": f"openai:@{self.url}", "health": 1.0}}
        return world(config={"models": one})  # type: ignore[return-value]


@pytest_asyncio.fixture(params=["tiny", "smollm2-135m", "vllm"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Real]:
    if request.param == "vllm":
        url = os.environ.get("TTSCALE_TEST_VLLM", "")
        if not url:
            pytest.skip("TTSCALE_TEST_VLLM names no vLLM server")
        yield Real("vllm", url, lambda: vllm_made(url))
        return
    pytest.importorskip("xllamacpp")
    name: str = request.param
    bundled = bundled_models()
    if name not in bundled and not (name != "tiny" and downloads.is_cached(name)):
        pytest.skip(f"model {name} is not here")
    path = bundled[name].path if name in bundled else downloads.path_of(name)
    engine = LlamaCpp(path, slots=SLOTS, context=512, threads=1)
    await engine.open()
    yield Real(name, engine.urls[0], engine.tokens_predicted)
    await engine.close()


async def vllm_made(url: str) -> int:
    """vLLM's own count, once nothing runs there."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/metrics") as reply:
                lines = (await reply.text()).splitlines()
            found = {
                name: sum(float(x.rsplit(" ", 1)[1]) for x in lines if x.startswith(f"vllm:{name}"))
                for name in ("generation_tokens_total", "num_requests_running{", "num_requests_waiting{")
            }
            if not found["num_requests_running{"] and not found["num_requests_waiting{"]:
                return int(found["generation_tokens_total"])
            await asyncio.sleep(0.05)


def question(number: int) -> list[dict[str, str]]:
    rng = random.Random(number)
    a, b, c = (rng.randint(2, 30) for _ in range(3))
    return [{"role": "user", "content": f"What is {a} + {b} * {c}?"}]


async def test_a_reply_that_is_all_thinking_is_rescued_and_billed_as_the_server_counts(server: Real) -> None:
    if server.name != "tiny":
        pytest.skip("the model does not think")
    async with server.world() as w:
        before = await server.made()
        body = {"messages": question(1), "max_tokens": 6, "seed": 1}
        _, plain = await w.post(model="m", **body)
        _, reply = await w.post(model="sc(n=3)/m", **body)
        events = await w.events(model="simple/m", stream_options={"include_usage": True}, **body)
        told = sum(e["usage"]["completion_tokens"] for e in (plain, reply, events[-1]))
        assert told == await server.made() - before
    (choice,) = reply["choices"]
    assert plain["usage"]["completion_tokens"] == 6
    assert (reply["ttscale"]["rescued"], reply["ttscale"]["samples"]) == (True, 4)
    assert (choice["finish_reason"], bool(choice["message"]["content"])) == ("stop", True)
    assert content(events, part="reasoning_content")
    assert content(events)


async def test_where_nothing_is_stopped_every_token_is_reported(server: Real) -> None:
    async with server.world() as w:
        before, told = await server.made(), 0
        for number, name in enumerate(["m", "simple/m", "sc(n=4)/m", "sc(n=8)/m", "greedy/m"] * 2):
            body = {"messages": question(number), "max_tokens": 120, "seed": number}
            status, reply = await w.post(model=name, **body)
            assert status == 200, reply
            told += reply["usage"]["completion_tokens"]
            assert reply.get("ttscale", {}).get("estimated_tokens", 0) == 0
        assert await server.made() - before == told


async def test_first_finish_reports_what_its_stopped_samples_cost(server: Real) -> None:
    """What a stopped sample still makes before its server sees the connection close is unknown to
    any client. The gateway must not miss a step more of it than the barest client there is, which
    runs the same races in between and so suffers the same machine."""
    races, asked = 10, {"max_tokens": 200}
    told = guessed = made = missed = 0
    async with server.world() as w:
        for number in range(races):
            body = {"messages": question(number), "seed": number, **asked}
            before = await server.made()
            status, reply = await w.post(model="ffs(n=4)/m", **body)
            assert status == 200, reply
            told += reply["usage"]["completion_tokens"]
            guessed += reply["ttscale"]["estimated_tokens"]
            between = await server.made()
            made += between - before
            read = await bare_race(w.session, server.url, body, 4)
            missed += await server.made() - between - read
    stopped = 3 * races
    unknown = made - (told - guessed)
    print(
        f"{server.name}: server {made}, reported {told}; of each stopped sample {guessed / stopped:.2f} "
        f"estimated, {unknown / stopped:.2f} made, {missed / stopped:.2f} missed by a bare client"
    )
    assert guessed > 0
    assert unknown >= 0, "more was read than was made"
    assert unknown <= missed + stopped, "a step of each sample is missing"


async def bare_race(session: aiohttp.ClientSession, url: str, body: Any, n: int) -> int:
    """n equal requests, streamed, until the first has ended: the tokens that were read of all."""
    counts = [0] * n

    async def draw(number: int) -> None:
        sent = {
            **body,
            "seed": 1000 + number,
            "stream": True,
            "timings_per_token": True,
            "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        }
        async with session.post(f"{url}/v1/chat/completions", json=sent) as reply:
            async for line in reply.content:
                if line.startswith(b"data: {"):
                    event = json.loads(line[6:])
                    usage, timings = event.get("usage") or {}, event.get("timings") or {}
                    counts[number] = (
                        usage.get("completion_tokens") or timings.get("predicted_n") or counts[number]
                    )

    draws = [asyncio.create_task(draw(number)) for number in range(n)]
    await asyncio.wait(draws, return_when=asyncio.FIRST_COMPLETED)
    for task in draws:
        task.cancel()
    await asyncio.gather(*draws, return_exceptions=True)
    return sum(counts)


async def test_streams_say_what_whole_replies_say(server: Real) -> None:
    async with server.world() as w:
        for name in ("sc(n=4)/m", "budget-forcing/m", "simple/m"):
            body = {"messages": question(3), "max_tokens": 80, "seed": 5, "temperature": 0}
            _, whole = await w.post(model=name, **body)
            events = await w.events(model=name, **body, stream_options={"include_usage": True})
            message = whole["choices"][0]["message"]
            assert content(events) == message["content"]
            assert events[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


async def test_clients_that_leave_at_random_leave_the_server_idle(server: Real) -> None:
    rng = random.Random(1)
    async with server.world() as w:

        async def state(number: int) -> None:
            name = rng.choice(["m", "sc(n=4)/m", "ffs(n=4)/m", "simple/m"])
            body = {
                "model": name,
                "messages": question(number),
                "stream": rng.random() < 0.5,
                "max_tokens": 200,
            }
            url = f"{w.url}/v1/chat/completions"
            try:
                async with asyncio.timeout(rng.choice([0.02, 0.1, 0.3, 60.0])):
                    async with w.session.post(url, json=body) as reply:
                        assert reply.status == 200, await reply.text()
                        await reply.read()
            except TimeoutError:
                pass

        for start in range(0, 40, 8):
            await asyncio.gather(*(state(start + number) for number in range(8)))
        async with asyncio.timeout(10):
            after = await server.made()  # waits until nothing is worked on
        await asyncio.sleep(1)
        assert await server.made() == after, "a generation went on"
        assert w.gateway.admission.active == 0
