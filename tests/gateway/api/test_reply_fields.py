"""What a chat reply holds beside the content survives a method: calls, fields, counts, the model's name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from gateway.api.test_responses import call, client, says
from gateway.harness import USER, Model, world

from ttscale.core import Trace
from ttscale.core.trace import Finish
from ttscale.gateway.api.reply_fields import finish_reason, reasoning_tokens
from ttscale.gateway.renaming import Renaming

METHODS = ["simple/m", "ffs(n=2)/m", "sc(n=3)/m"]
BESIDE = {
    "reasoning_details": [{"type": "reasoning.encrypted", "data": "SECRET", "index": 0}],
    "annotations": [{"type": "url_citation", "url_citation": {"url": "http://x"}}],
    "images": [{"type": "image_url", "image_url": {"url": "data:x"}}],
    "audio": {"id": "a", "data": "QUJD", "transcript": "four"},
    "grounding": {"score": 0.5},
}


def joined(events: list[Any]) -> dict[str, Any]:
    """The fields of a stream's deltas; those that come in one piece."""
    message: dict[str, Any] = {}
    for event in events:
        for choice in event.get("choices", ()) if isinstance(event, dict) else ():
            message |= {name: value for name, value in choice["delta"].items() if value}
    return message


@pytest.mark.parametrize("model", METHODS)
async def test_the_winners_message_keeps_its_fields(model):
    upstream = says({"content": "4", **BESIDE}, citations=["http://x"], search_results=[{"url": "http://x"}])
    async with world(upstream) as w:
        _, whole = await w.post(model=model)
        events = await w.events(model=model)
    message = whole["choices"][0]["message"]
    assert {name: message[name] for name in BESIDE} == BESIDE
    assert {name: joined(events)[name] for name in BESIDE} == BESIDE
    for reply in (whole, events[-1]):
        assert reply["citations"] == ["http://x"]
        assert reply["search_results"] == [{"url": "http://x"}]


@pytest.mark.parametrize(
    ("model", "streamed"), [(model, streamed) for model in METHODS for streamed in (False, True)]
)
async def test_the_official_client_reads_calls_a_server_does_not_number(model, streamed):
    upstream = says({"tool_calls": [call(0, signature="s"), call(1)]}, finish="tool_calls")
    async with world(upstream) as w, client(w) as c:
        tools = [{"type": "function", "function": {"name": "w", "parameters": {"type": "object"}}}]
        if not streamed:
            reply = await c.chat.completions.create(model=model, messages=USER, tools=tools)
            calls, finish = reply.choices[0].message.tool_calls, reply.choices[0].finish_reason
            assert calls[0].signature == "s"
        else:
            calls, finish = [], None
            stream = await c.chat.completions.create(model=model, messages=USER, tools=tools, stream=True)
            async for chunk in stream:
                for choice in chunk.choices:
                    calls += choice.delta.tool_calls or []
                    finish = choice.finish_reason or finish
    assert [(one.id, one.function.arguments) for one in calls] == [("c0", '{"c": 0}'), ("c1", '{"c": 1}')]
    assert finish == "tool_calls"


async def test_calls_given_as_objects_vote_like_calls_given_as_texts():
    replies = [
        [{"name": "f", "arguments": {"a": 1, "b": 2}}],
        [{"name": "g", "arguments": {}}],
        [{"name": "f", "arguments": '{"b": 2, "a": 1}'}],
    ]
    upstream = Model(lambda body, number: [])
    upstream.tool_calls = lambda body, number: [
        {"type": "function", "function": f} for f in replies[number % 3]
    ]
    async with world(upstream) as w:
        _, reply = await w.post(model="sc(n=3)/m", tools=[{"type": "function", "function": {"name": "f"}}])
    assert reply["ttscale"]["agreement"] == [{"votes": 2, "of": 3}]
    (made,) = reply["choices"][0]["message"]["tool_calls"]
    assert json.loads(made["function"]["arguments"]) == {"a": 1, "b": 2}
    assert made["id"]


async def test_custom_calls_vote_by_their_input():
    inputs = ["select 1", "select 2", "select 2"]
    upstream = Model(lambda body, number: [])
    upstream.tool_calls = lambda body, number: [
        {"id": f"c{number}", "type": "custom", "custom": {"name": "sql", "input": inputs[number % 3]}}
    ]
    async with world(upstream) as w:
        _, reply = await w.post(model="sc(n=3)/m", tools=[{"type": "custom", "custom": {"name": "sql"}}])
    assert reply["ttscale"]["agreement"] == [{"votes": 2, "of": 3}]
    (made,) = reply["choices"][0]["message"]["tool_calls"]
    assert (made["type"], made["custom"]) == ("custom", {"name": "sql", "input": "select 2"})


@pytest.mark.parametrize("written", ["function_call", "tool_calls"])
async def test_functions_of_old_are_answered_as_of_old(written):
    function = {"name": "f", "arguments": '{"a":1}'}
    delta = (
        {"function_call": function}
        if written == "function_call"
        else {"tool_calls": [{"function": function}]}
    )
    async with world(says(delta, finish=written)) as w:
        _, reply = await w.post(model="sc(n=2)/m", functions=[{"name": "f"}])
        events = await w.events(model="sc(n=2)/m", functions=[{"name": "f"}])
    (choice,) = reply["choices"]
    assert (choice["message"]["function_call"], choice["finish_reason"]) == (function, "function_call")
    assert "tool_calls" not in choice["message"]
    assert joined(events)["function_call"] == function
    assert events[-1]["choices"][0]["finish_reason"] == "function_call"


@pytest.mark.parametrize("model", ["simple/m", "sc(n=2)/m"])
async def test_a_refusal_is_the_models_words_and_no_failure(model):
    async with world(says({"refusal": "I cannot"})) as w:
        _, reply = await w.post(model=model)
        events = await w.events(model=model)
    (choice,) = reply["choices"]
    assert (choice["message"]["refusal"], choice["finish_reason"]) == ("I cannot", "stop")
    assert joined(events)["refusal"] == "I cannot"
    assert events[-1]["choices"][0]["finish_reason"] == "stop"


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("odd", ["half \ud83d", {"\udc00": 1}, 10**400, -(2**70), float("nan"), deep(500)])
@pytest.mark.parametrize("path", ["chat/completions", "responses"])
async def test_fields_that_cannot_be_written_harm_no_reply(odd: Any, path: str):
    signed = call(0, odd=odd)
    async with world(says({"content": "4", "odd": odd, "tool_calls": [signed]}, odd=odd)) as w:
        fields = {"input": "q"} if path == "responses" else {}
        status, reply = await w.post(path, model="sc(n=2)/m", **fields)
    assert status == 200, reply
    assert '{\\"c\\": 0}' in json.dumps(reply)


# -- usage


@pytest.mark.parametrize("model", METHODS)
async def test_details_of_usage_are_summed_over_samples(model):
    used = {
        "prompt_tokens": 5,
        "completion_tokens": 8,
        "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 1, "note": "x"},
        "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": None},
        "cost": 0.5,
        "is_byok": False,
    }
    async with world(says({"reasoning_content": "hm", "content": "4"}, usage=used)) as w:
        _, reply = await w.post(model=model)
        usage, samples = reply["usage"], reply["ttscale"]["samples"]
        response = (await w.post("responses", model=model, input="q"))[1]["usage"]
    if model.startswith("ffs"):
        samples = usage["completion_tokens"] // 8  # the other may have been stopped
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 3 * samples, "audio_tokens": samples}
    assert usage["prompt_tokens_details"]["cached_tokens"] == 2 * samples
    assert usage["cost"] == 0.5 * samples
    assert response["output_tokens_details"]["reasoning_tokens"] % 3 == 0 < response["output_tokens"]


@pytest.mark.parametrize(
    ("trace", "tokens"),
    [
        (Trace("4", 3), 0),
        (Trace("<think>ab</think>4", 5, ends=[7, 8, 9, 17, 18]), 3),
        (Trace("<think>" + "a" * 30 + "</think>" + "4" * 10, 8), 6),
        (Trace("<think>endless", 5), 5),
        (Trace("4", 9, meta={"usage": {"completion_tokens_details": {"reasoning_tokens": 7}}}), 7),
        (Trace("4", 9, meta={"usage": {"completion_tokens_details": {"reasoning_tokens": 70}}}), 9),
        (Trace("4", 9, meta={"usage": {"completion_tokens_details": {"reasoning_tokens": "7"}}}), 0),
        (Trace("4", 9, meta={"usage": {"completion_tokens_details": [7]}}), 0),
    ],
)
def test_tokens_of_thinking_are_as_told_or_as_seen(trace, tokens):
    assert reasoning_tokens(trace) == tokens


@pytest.mark.parametrize(
    ("finish", "meta", "reason"),
    [
        ("stop", {}, "stop"),
        ("refused", {}, "content_filter"),
        ("refused", {"refusal": "no"}, "stop"),
        ("budget", {}, "length"),
    ],
)
def test_how_a_reply_ended(finish: Finish, meta: dict[str, Any], reason: str):
    assert finish_reason(Trace("x", 1, finish, meta=meta)) == reason


# -- the model's name, and what a model cannot do


def named(theirs: str) -> Model:
    """A model that gives its replies another name."""

    async def play(request: web.Request, body: dict[str, Any]) -> web.Response:
        message = {"role": "assistant", "content": 'I am "model": "theirs"'}
        if not body.get("stream"):
            return web.json_response({"model": theirs, "choices": [{"index": 0, "message": message}]})
        lines = [
            {"model": theirs, "choices": [{"index": 0, "delta": delta}]}
            for delta in (message, {"content": "."})
        ]
        text = "".join(f"data: {json.dumps(one)}\n\n" for one in lines)
        return web.Response(text=f"{text}data: [DONE]\n\n", content_type="text/event-stream")

    model = Model()
    model.fail = play
    return model


@pytest.mark.parametrize("asked", ["mine", "simple/mine", "sc(n=2)/mine"])
async def test_replies_name_the_model_that_was_asked_for(asked):
    upstream = named("theirs")
    await upstream.up()
    config = {"models": {"mine": {"spec": f"openai:theirs@{upstream.url}"}}}
    async with world(upstream, config=config) as w:
        _, whole = await w.post(model=asked)
        events = await w.events(model=asked)
    assert whole["model"] == asked
    assert {event["model"] for event in events if isinstance(event, dict)} == {asked}
    assert whole["choices"][0]["message"]["content"].startswith('I am "model": "theirs"')


def test_only_the_models_own_name_is_changed():
    inner = {"model": "other", "text": '"model":"theirs"'}
    lines = [{"model": ""}, {"id": 1, "model": "theirs", "x": inner}, {"response": {"model": "theirs"}}]
    renaming = Renaming('my "own"')
    found = [json.loads(renaming.renamed(json.dumps(line).encode())) for line in lines]
    assert [found[0], found[1]["model"], found[2]["response"]["model"]] == [lines[0], 'my "own"', 'my "own"']
    assert found[1]["x"] == inner


async def test_no_method_embeds():
    async with world(Model()) as w:
        status, reply = await w.post("embeddings", model="sc(n=2)/m", input="x")
        assert (status, reply["error"]["param"]) == (400, "model")
        assert (await w.post("embeddings", model="m", input="x"))[0] == 200
