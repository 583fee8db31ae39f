"""What clients see of replies that are odd: streams say what whole replies say, and every event is whole."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from gateway.harness import USER, Model, content, world

DONE = b"data: [DONE]\n\n"


def event(**fields):
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def sends(*packets, content_type="text/event-stream", then=""):
    """Answers with these packets, then closes well or breaks off."""

    async def play(request, body):
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for packet in packets:
            await response.write(packet)
            await asyncio.sleep(0.02)
        if then == "break":
            request.transport.close()
        return response

    return play


def reply(*deltas):
    last = event(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    return [*(event(choices=[{"index": 0, "delta": delta}]) for delta in deltas), last, DONE]


REPLIES = {
    "tags in pieces": reply(
        {"content": "<thi"}, {"content": "nk>\nhm\n"}, {"content": "\n</think>\n"}, {"content": "\n9"}
    ),
    "a mention": reply({"content": "The </think> tag "}, {"content": "ends <think>"}),
    "told apart": reply(
        {"reasoning_content": "hm "}, {"reasoning_content": "</think>"}, {"content": "9 </think>"}
    ),
    "several blocks": reply({"reasoning": "a"}, {"content": "x"}, {"reasoning": "b"}, {"content": "y"}),
    "parts": reply(
        {"content": [{"type": "thinking", "thinking": "hm"}]}, {"content": [{"type": "text", "text": "9"}]}
    ),
    "a bare tag": reply({"content": "hm</think>"}, {"content": "9"}),
}


async def test_streams_equal_whole_replies_and_no_reply_changes_the_next():
    """Twice over: what the first round was, the second is."""
    model = Model()
    async with world(model) as w:
        for _ in range(2):
            for name, packets in REPLIES.items():
                model.fail = sends(*packets)
                seen = set()
                for method in ("simple/m", "greedy/m", "sc(n=2)/m"):
                    _, whole = await w.post(model=method)
                    message = whole["choices"][0]["message"]
                    seen.add((message["content"], message.get("reasoning_content", "")))
                    events = await w.events(model=method)
                    seen.add((content(events), content(events, part="reasoning_content")))
                assert len(seen) == 1, (name, seen)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(
    "half", [b'data: {"choices":[{"ind', b'data: {"choices":[]}', b"data", b"event: x\ndata: {}"]
)
async def test_what_follows_half_an_event_is_an_event_of_its_own(half, newline):
    model = Model()
    begun = event(choices=[{"index": 0, "delta": {"content": "4"}}]).replace(b"\n", newline)
    async with world(model) as w:
        model.fail = sends(begun, half.replace(b"\n", newline), then="break")
        async with w.session.post(
            f"{w.url}/v1/chat/completions", json={"model": "m", "messages": USER, "stream": True}
        ) as response:
            body = (await response.read()).replace(newline, b"\n")
    told = [json.loads(e.removeprefix("data: ")) for e in body.decode().split("\n\n") if e]
    assert told[0]["choices"][0]["delta"] == {"content": "4"}
    assert [e["error"]["code"] for e in told[1:]] == ["upstream_broke_off"]


async def test_what_is_whole_passes_at_once_and_unchanged():
    model = Model()
    packets = [b": hello\n", b"event: a\nda", b"ta: 1\n\nda", b"ta: 2\r\n", b"\r\n: ping\n", b"data: [DONE]"]
    async with world(model) as w:
        model.fail = sends(*packets)
        async with w.session.post(
            f"{w.url}/v1/chat/completions", json={"model": "m", "messages": USER, "stream": True}
        ) as response:
            assert await response.content.readany() == packets[0]  # a comment is whole with its line
            assert packets[0] + await response.read() == b"".join(packets)
