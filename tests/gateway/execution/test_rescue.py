"""Rescue through the gateway: a server that thinks until its limit, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from gateway.harness import Model, content, world

THINKING = ["Let ", "me ", "see, ", "two ", "and ", "two "]
ANSWER = ["It ", "is ", r"\boxed{4}"]


class Thinker(Model):
    """Thinks up to the limit, in a field of its own; answers when its thinking is off (`switch`).

    Attributes:
        sent: tokens of prompts and replies.
    """

    def __init__(self, switch: bool = True) -> None:
        super().__init__()
        self.switch, self.sent = switch, (0, 0)

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.bodies.append(body)
        off = self.switch and not (body.get("chat_template_kwargs") or {}).get("enable_thinking", True)
        field, pieces, finish = (
            ("content", ANSWER, "stop") if off else ("reasoning_content", THINKING, "length")
        )
        prompt = len(json.dumps(body.get("messages") or body.get("prompt")))
        self.made += len(pieces)
        self.sent = (self.sent[0] + prompt, self.sent[1] + len(pieces))
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": len(pieces),
            "total_tokens": prompt + len(pieces),
        }
        if not body.get("stream"):
            message = {"role": "assistant", "content": "", field: "".join(pieces)}
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return web.json_response({"choices": [choice], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        deltas: list[tuple[dict[str, str], str | None]] = [({field: piece}, None) for piece in pieces]
        for delta, reason in [*deltas, ({}, finish)]:
            await self._send(
                response, choices=[{"index": 0, "delta": delta, "finish_reason": reason}], usage=None
            )
        await self._send(response, choices=[], usage=usage)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _send(self, response: web.StreamResponse, **event: Any) -> None:
        await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")


@pytest.fixture
def thinker() -> Thinker:
    return Thinker()


async def test_a_method_that_only_thinks_is_rescued_once_billed_and_marked(thinker: Thinker):
    async with world(thinker) as w:
        thinker.sent = (0, 0)
        status, reply = await w.post(model="sc(n=4)/m", max_tokens=6, ttscale={"candidates": True})
    (choice,), told = reply["choices"], reply["ttscale"]
    assert (status, choice["finish_reason"]) == (200, "stop")
    assert choice["message"]["reasoning_content"] == "".join(THINKING).rstrip("\n")
    assert choice["message"]["content"] == "".join(ANSWER)
    assert (told["rescued"], told["partial"], told["answers"]) == (True, False, ["4"])
    assert told["agreement"] == [{"votes": 0, "of": 0}]
    assert [c["part"] for c in told["candidates"]] == ["answer"] * 4 + ["rescue"]
    assert thinker.bodies[-1]["max_tokens"] == 512
    used = reply["usage"]
    assert (used["prompt_tokens"], used["completion_tokens"]) == thinker.sent
    assert used["completion_tokens"] == 4 * len(THINKING) + len(ANSWER)


async def test_streamed_the_thinking_is_not_repeated(thinker: Thinker):
    async with world(thinker) as w:
        events = await w.events(model="simple/m", max_tokens=6, stream_options={"include_usage": True})
        assert content(events, part="reasoning_content") == "".join(THINKING)
        assert content(events) == "".join(ANSWER)
        last = next(e for e in events if isinstance(e, dict) and "ttscale" in e)
        assert (last["choices"][0]["finish_reason"], last["ttscale"]["rescued"]) == ("stop", True)
        assert events[-1]["usage"]["completion_tokens"] == len(THINKING) + len(ANSWER)


@pytest.mark.parametrize(
    ("model", "configured", "wanted", "requests"),
    [
        ("m", "methods", None, 1),
        ("m", "methods", True, 2),
        ("m", "all", None, 2),
        ("m", "all", False, 1),
        ("m", "none", None, 1),
        ("m", "none", True, 2),
        ("simple/m", "methods", None, 2),
        ("simple/m", "methods", False, 1),
        ("simple/m", "none", None, 1),
    ],
)
async def test_the_request_decides_or_else_the_configuration(
    thinker: Thinker, model: str, configured: str, wanted: bool | None, requests: int
):
    async with world(thinker, config={"limits": {"rescue": configured}}) as w:
        status, reply = await w.post(model=model, max_tokens=6, ttscale={"rescue": wanted})
    assert (status, len(thinker.bodies)) == (200, requests)
    assert bool(reply["choices"][0]["message"]["content"]) is (requests == 2)
    if requests == 1 and "ttscale" in reply:
        assert (reply["ttscale"]["rescued"], reply["choices"][0]["finish_reason"]) == (False, "length")


async def test_a_server_that_cannot_stop_thinking_is_asked_once_more_for_each_choice():
    thinker = Thinker(switch=False)
    async with world(thinker) as w:
        thinker.sent = (0, 0)
        status, reply = await w.post(model="simple/m", max_tokens=6, n=2)
    assert (status, len(thinker.bodies), reply["ttscale"]["rescued"]) == (200, 4, False)
    assert [c["finish_reason"] for c in reply["choices"]] == ["length"] * 2
    assert reply["usage"]["completion_tokens"] == thinker.sent[1]


async def test_a_rescue_stays_within_the_samples_a_request_may_have(thinker: Thinker):
    async with world(thinker, config={"limits": {"max_samples": 4}}) as w:
        _, reply = await w.post(model="sc(n=4)/m", max_tokens=6)
    assert (len(thinker.bodies), reply["ttscale"]["rescued"]) == (4, False)
