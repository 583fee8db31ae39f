"""Double books: upstreams that count what they sent, and tell of it in every way there is. What a key
is charged is what was sent, streamed or not, for one choice or several."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from typing import Any

import pytest
from aiohttp import web
from gateway.harness import USER, Model, world

from ttscale.gateway.passed_usage import PassedUsage

WAYS = ("end", "each", "sums", "apart", "nulls")


class Misbehaving(Model):
    """Tells of usage: at the `end`; in each event, of its choice (`each`) or of the whole (`sums`); of
    every choice `apart`, as llama.cpp does; or as null until the end (`nulls`).

    Attributes:
        sent: (prompt, cached, completion) tokens of every request.
    """

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.sent = way, list[tuple[int, int, int]]()

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.bodies.append(body)
        rng = random.Random(len(self.bodies))
        lengths = [rng.randint(1, 9) for _ in range(body.get("n") or 1)]
        if self.way == "apart":
            lengths = lengths[:1] * len(lengths)  # it tells of the first only where it does not stream
        prompt, cached = len(json.dumps(body.get("messages"))) // 3, rng.randint(0, 5)
        self.sent.append((prompt, cached, sum(lengths)))
        self.made += sum(lengths)

        def usage(tokens: int) -> dict[str, Any]:
            details = {"cached_tokens": cached}
            return {
                "prompt_tokens": prompt,
                "completion_tokens": tokens,
                "total_tokens": prompt + tokens,
                "prompt_tokens_details": details,
            }

        timings = {"timings": {"predicted_n": lengths[0]}} if self.way == "apart" else {}
        if not body.get("stream"):
            told = lengths[0] if self.way == "apart" else sum(lengths)
            choices = [
                {"index": i, "message": {"role": "assistant", "content": "a" * n}, "finish_reason": "stop"}
                for i, n in enumerate(lengths)
            ]
            return web.json_response({"choices": choices, "usage": usage(told), **timings})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        places = [i for i, n in enumerate(lengths) for _ in range(n)]
        rng.shuffle(places)
        seen, events = [0] * len(lengths), list[dict[str, Any]]()
        for i in places:
            seen[i] += 1
            fields: dict[str, Any] = {"choices": [{"index": i, "delta": {"content": "a"}}]}
            if self.way in ("each", "sums"):
                fields["usage"] = usage(seen[i] if self.way == "each" else sum(seen))
            elif self.way == "nulls":
                fields["usage"] = None
            events.append(fields)
        for i in range(len(lengths)):
            events.append({"choices": [{"index": i, "delta": {}, "finish_reason": "stop"}]})
            if self.way == "apart":
                events.append({"choices": [], "usage": usage(lengths[i]), **timings})
        if self.way in ("end", "nulls"):
            events.append({"choices": [], "usage": usage(sum(lengths))})
        stream = b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in events) + b"data: [DONE]\n\n"
        while stream:  # in pieces that end anywhere
            piece = rng.randint(1, 400)
            await response.write(stream[:piece])
            stream = stream[piece:]
        return response


HASH = "sha256:" + hashlib.sha256(b"secret").hexdigest()
KEYS = {"k": {"hash": HASH, "daily": {"tokens": 10**9, "cost": 1e6, "samples": 10**9, "calls": 10**9}}}
PRICE = {"prompt": 3.0, "cached": 0.3, "completion": 15.0}


async def books_balance(way: str, requests: int) -> None:
    model, rng = Misbehaving(way), random.Random(way)
    config: dict[str, Any] = {"keys": KEYS}
    async with world(model, config=config, price=PRICE) as w:
        model.sent.clear()  # what probing took
        headers = {"Authorization": "Bearer secret"}
        choices, gate = 0, asyncio.Semaphore(8)

        async def ask(n: int, stream: bool) -> None:
            body = {"model": "m", "messages": USER, "n": n, "stream": stream}
            async with (
                gate,
                w.session.post(f"{w.url}/v1/chat/completions", json=body, headers=headers) as reply,
            ):
                assert reply.status == 200, await reply.text()
                await reply.read()

        asks = [(rng.randint(1, 4), rng.random() < 0.5) for _ in range(requests)]
        choices = sum(n for n, _ in asks)
        await asyncio.gather(*(ask(n, stream) for n, stream in asks))
        ledger = w.gateway.ledger
        spent = {kind: ledger._spent.get(("k", kind), 0) for kind in ("tokens", "samples", "calls", "cost")}
    cost = sum(
        (p - c) * PRICE["prompt"] + c * PRICE["cached"] + made * PRICE["completion"]
        for p, c, made in model.sent
    )
    assert len(model.sent) == requests
    assert spent["tokens"] == sum(made for _, _, made in model.sent) == model.made
    assert spent["cost"] == pytest.approx(cost / 1e6)
    assert (spent["samples"], spent["calls"]) == (choices, requests)


@pytest.mark.parametrize("way", WAYS)
async def test_a_key_is_charged_what_the_upstream_sent(way):
    await books_balance(way, 30)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
async def test_a_key_is_charged_what_the_upstream_sent_in_two_hundred_requests(way):
    await books_balance(way, 200)


def test_an_upstream_that_never_tells_is_charged_by_what_came_and_was_asked():
    events = b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n' * 5
    used = PassedUsage()
    used.read_events(events, 5 + 2)
    assert (used.completion_tokens, used.estimated) == (5, True)
    assert used.prompt_of(b"x" * 300) == 100
    assert PassedUsage().prompt_of(b"x" * 300) == 0  # nothing was served


def test_choices_that_llama_cpp_does_not_tell_of_have_tokens_in_proportion_to_their_texts():
    said = [{"message": {"content": "a" * 10 * n}} for n in (4, 8, 2)]
    used = PassedUsage(3)
    used.read({"choices": said, "usage": {"completion_tokens": 20}, "timings": {"predicted_n": 20}})
    assert used.estimated
    assert used.completion_tokens == pytest.approx(70, abs=6)
    told = PassedUsage(3)
    told.read({"choices": said, "usage": {"completion_tokens": 70}, "timings": {"predicted_n": 20}})
    assert (told.completion_tokens, told.estimated) == (70, False)


async def test_a_request_that_fails_or_is_given_up_is_charged_what_it_cost():
    model = Model(pieces=lambda body, number: ["so "] * 200, pause=0.01)
    async with world(model, config={"keys": KEYS}, price=PRICE) as w:
        headers = {"Authorization": "Bearer secret"}
        body = {"model": "ffs(n=4)/m", "messages": USER, "stream": True}
        async with w.session.post(f"{w.url}/v1/chat/completions", json=body, headers=headers) as reply:
            await reply.content.readany()
            await asyncio.sleep(0.2)
        await model.quiet()
        await asyncio.sleep(0.1)
        spent = {k: w.gateway.ledger._spent.get(("k", k), 0) for k in ("tokens", "cost", "calls")}
    assert spent["calls"] == 4
    assert abs(spent["tokens"] - model.made) <= 8
    prompts = 4 * (len(json.dumps([USER])) // 4)
    least = (prompts * PRICE["prompt"] + (model.made - 8) * PRICE["completion"]) / 1e6
    assert spent["cost"] >= least * 0.95


async def test_a_methods_reply_tells_what_is_estimated():
    model = Model(pieces=lambda body, number: ["so "] * (number * 20 + 4) + ["\\boxed{4}"], pause=0.005)
    async with world(model, price=PRICE) as w:
        status, reply = await w.post(model="ffs(n=4)/m")
        assert status == 200
        await model.quiet()
    told, ours = reply["usage"], reply["ttscale"]
    assert told["completion_tokens"] == ours["completion_tokens"] == ours["tokens"]
    assert abs(ours["tokens"] - model.made) <= ours["estimated_tokens"]
    assert ours["estimated_tokens"] > 0
    assert told["prompt_tokens"] == 4 * (len(json.dumps([USER])) // 4)
    assert ours["estimated_prompt_tokens"] == 0
    assert ours["estimated_cost"] == pytest.approx(ours["estimated_tokens"] * PRICE["completion"] / 1e6)
