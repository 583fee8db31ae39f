"""A plain client gets the shape it asked for, whatever shape its upstream answers in."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import openai
import pytest
from gateway.harness import USER, Model, content, world
from gateway.test_replies import sends

from ttscale.gateway.api.responses import whole_events
from ttscale.gateway.reply_shape import ReplyShape

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
SCORE = {"token": "4", "logprob": -0.5, "bytes": [52], "top_logprobs": []}
HEAD = {"id": "c", "created": 1, "model": "m"}
DOCUMENT = {
    **HEAD,
    "object": "chat.completion",
    "choices": [
        {
            "index": index,
            "message": {
                "role": "assistant",
                "content": "four",
                "reasoning_content": "the the sum",
                "tool_calls": [CALL],
            },
            "logprobs": {"content": [SCORE, SCORE]},
            "finish_reason": "stop",
        }
        for index in range(2)
    ],
    "usage": USAGE,
}


def chunk(index, delta, finish=None, scores=None):
    choice = {"index": index, "delta": delta, "finish_reason": finish, "logprobs": scores}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}


CHUNKS = [
    *(chunk(index, {"role": "assistant", "content": ""}) for index in range(2)),
    *(
        chunk(index, delta, scores=scores)
        for delta, scores in (
            ({"reasoning_content": "the "}, None),
            ({"reasoning_content": "the sum"}, None),
            ({"content": "fo"}, {"content": [SCORE]}),
            ({"content": "ur"}, {"content": [SCORE]}),
            ({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f"}}]}, None),
            ({"tool_calls": [{"index": 0, "function": {"arguments": '{"a": '}}]}, None),
            ({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}, None),
        )
        for index in (1, 0)
    ),
    *(chunk(index, {}, "stop") for index in range(2)),
    {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE},
]
LINES = b"".join(json.dumps(one).encode() + b"\n" for one in CHUNKS)
EVENTS = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in CHUNKS)
BODIES = {
    "a document": json.dumps(DOCUMENT).encode(),
    "a document over many lines": json.dumps(DOCUMENT, indent=1).encode(),
    "lines": LINES,
    "events": EVENTS + b"data: [DONE]\n\n",
    "events without a last word": EVENTS.replace(b"\n", b"\r\n"),
}
TYPES = ("application/json", "text/event-stream", "application/x-ndjson")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("kind", TYPES)
async def test_every_shape_is_read_by_clients_of_either(body, kind):
    """With openai's own client, streamed and not, and counted alike."""
    model = Model()
    async with world(model) as w, AsyncExitStack() as stack:
        # in two packets, the first of which is blank
        model.fail = sends(b"\n", body, content_type=kind)
        client = openai.AsyncOpenAI(base_url=w.url + "/v1", api_key="none", max_retries=0)
        stack.push_async_callback(client.close)
        whole = await client.chat.completions.create(model="m", messages=USER, n=2)
        assert w.gateway.metrics.total("tokens_total", kind="plain") == 2
        assert [choice.message.content for choice in whole.choices] == ["four"] * 2
        assert [choice.message.reasoning_content for choice in whole.choices] == ["the the sum"] * 2
        assert [choice.message.tool_calls[0].function.arguments for choice in whole.choices] == [
            '{"a": 1}'
        ] * 2
        assert [len(choice.logprobs.content) for choice in whole.choices] == [2, 2]
        assert (whole.object, whole.usage.completion_tokens) == ("chat.completion", 2)
        stream = client.chat.completions.stream(
            model="m", messages=USER, n=2, stream_options={"include_usage": True}
        )
        async with stream as events:
            async for _ in events:
                pass
            final = await events.get_final_completion()
        assert [choice.message.content for choice in final.choices] == ["four"] * 2
        assert [choice.message.tool_calls[0].function.name for choice in final.choices] == ["f"] * 2
        assert final.usage.completion_tokens == 2
        assert w.gateway.metrics.total("tokens_total", kind="plain") == 4


FIRST = [one for one in CHUNKS if not any(choice["index"] for choice in one["choices"])]
FIRST_LINES = b"\n".join(json.dumps(one).encode() for one in FIRST)


@pytest.mark.parametrize("body", [FIRST_LINES, BODIES["a document"]], ids=["lines", "a document"])
async def test_a_method_reads_them_too(body):
    model = Model()
    async with world(model) as w:
        model.fail = sends(body, content_type="application/x-ndjson")
        assert content(await w.events(model="simple/m")) == "four"


TEXT = {**HEAD, "object": "text_completion"}


@pytest.mark.parametrize("streamed", [False, True])
async def test_completions_are_put_together_as_well(streamed):
    model = Model()
    pieces = [
        {**TEXT, "choices": [{"index": 0, "text": t, "finish_reason": f}]}
        for t, f in (("2", None), ("4", "stop"))
    ]
    whole = {**TEXT, "choices": [{"index": 0, "text": "24", "finish_reason": "stop"}]}
    body = json.dumps(whole) if streamed else "".join(f"data: {json.dumps(p)}\n\n" for p in pieces)
    async with world(model) as w:
        model.fail = sends(body.encode())
        if streamed:
            told = await w.events("completions", model="m", prompt="x")
            assert [event["choices"][0]["text"] for event in told] == ["24"]
        else:
            _, reply = await w.post("completions", model="m", prompt="x")
            assert (reply["object"], reply["choices"][0]["text"]) == ("text_completion", "24")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (LINES[: len(LINES) // 2], 502, "upstream_garbled"),
        (b'{"error": {"message": "full", "code": 503}}\n', 503, "upstream_failed"),
        (b'[{"error": {"message": "full"}}', 502, "upstream_garbled"),
        (b"", 502, "upstream_garbled"),
        (b"null", 502, "upstream_garbled"),
        (b'["x"]', 502, "upstream_garbled"),
    ],
    ids=["half the lines", "an error", "half a list", "nothing", "null", "a list"],
)
async def test_what_holds_no_reply_is_refused_in_either_shape(body, status, code, stream):
    model = Model()
    async with world(model) as w:
        model.fail = sends(body)
        got, reply = await w.post(model="m", stream=stream)
    assert (got, reply["error"]["code"]) == (status, code)


async def test_events_that_break_off_are_no_document():
    model = Model()
    begun = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in CHUNKS[:5])
    async with world(model) as w:
        model.fail = sends(begun)
        got, reply = await w.post(model="m")
    assert (got, reply["error"]["code"]) == (502, "upstream_garbled")


RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "a",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "four"}],
        },
        {"type": "web_search_call", "id": "b", "status": "completed"},
        {"type": "function_call", "id": "c", "call_id": "c", "name": "f", "arguments": "{}"},
    ],
}


def test_a_response_and_its_events_are_the_same():
    shape = ReplyShape(streamed=False, usage=False, responses=True)
    events = b"".join(whole_events(RESPONSE))
    assert shape.document(events) == (RESPONSE, False)
    numbers = [
        json.loads(line[6:])["sequence_number"] for line in events.split(b"\n") if line[:5] == b"data:"
    ]
    assert numbers == list(range(len(numbers)))
    assert b'"delta":"four"' in events
    with pytest.raises(ValueError, match="no end"):
        shape.document(events[: events.rindex(b"event:")])
