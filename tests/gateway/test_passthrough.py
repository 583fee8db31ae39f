"""Plain model names pass through: bytes in, bytes out, nothing dropped."""

from __future__ import annotations

import asyncio
import json

import pytest
from gateway.harness import USER, Model, world

EVERYTHING = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief.", "name": "house"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
        {"role": "user", "content": "And now?"},
    ],
    "audio": {"format": "wav", "voice": "alloy"},
    "frequency_penalty": 0.1,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 50,
    "metadata": {"who": "me"},
    "modalities": ["text"],
    "parallel_tool_calls": False,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 0.2,
    "prompt_cache_key": "k",
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "safety_identifier": "s",
    "seed": 7,
    "service_tier": "default",
    "stop": ["END", "STOP"],
    "store": False,
    "temperature": 0.3,
    "tool_choice": "auto",
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "top_logprobs": 3,
    "top_p": 0.9,
    "top_k": 20,
    "min_p": 0.05,
    "min_tokens": 2,
    "user": "u",
    "verbosity": "low",
    "web_search_options": {},
    "repetition_penalty": 1.1,
    "chat_template_kwargs": {"enable_thinking": True},
    "guided_choice": ["a", "b"],
    "something_nobody_knows": {"deep": [1, 2, {"er": None}]},
}


async def test_a_plain_request_reaches_the_upstream_byte_for_byte():
    model = Model()
    async with world(model) as w:
        raw = json.dumps({**EVERYTHING, "n": 1}, indent=1).encode()
        status, reply = await w.send(raw)
    assert status == 200, reply
    assert model.raw == [raw]


def without_trials(model):
    """What it was sent, less what finds out whether it tells log-probabilities."""
    return [body for body in model.bodies if body.get("messages", [{}])[0].get("content") != "Hi"]


@pytest.mark.parametrize("stream", [False, True])
async def test_every_documented_field_reaches_the_upstream_under_a_method(stream):
    model = Model()
    async with world(model) as w:
        body = {**EVERYTHING, "model": "sc(n=2)/m", "stream": stream}
        if stream:
            await w.events(**body)
        else:
            await w.post(**body)
    samples = without_trials(model)
    assert len(samples) == 2
    for sent in samples:
        # what ttscale says itself: its own seeds, always a stream, with usage
        own = {"seed", "stream", "stream_options"}
        asked = {k: v for k, v in EVERYTHING.items() if k not in own}
        asked["model"] = "m"
        asked["max_tokens"] = asked.pop("max_completion_tokens")  # the field this server knows
        assert {k: v for k, v in sent.items() if k not in own} == asked
    assert len({sent["seed"] for sent in samples}) == 2


COMPLETION = {
    "model": "m",
    "prompt": "2 + 2 =",
    "best_of": 1,
    "echo": False,
    "frequency_penalty": 0.1,
    "logit_bias": {"50256": -100},
    "logprobs": 2,
    "max_tokens": 9,
    "n": 1,
    "presence_penalty": 0.2,
    "seed": 7,
    "stop": ["END"],
    "suffix": " !",
    "temperature": 0.3,
    "top_p": 0.9,
    "user": "u",
    "top_k": 20,
    "min_p": 0.05,
    "guided_regex": "[0-9]+",
    "something_nobody_knows": [{"x": None}],
}
RESPONSE = {
    "model": "m",
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
    "background": False,
    "conversation": None,
    "include": ["reasoning.encrypted_content"],
    "instructions": "Be brief.",
    "max_output_tokens": 50,
    "max_tool_calls": 3,
    "metadata": {"who": "me"},
    "parallel_tool_calls": False,
    "previous_response_id": None,
    "prompt_cache_key": "k",
    "reasoning": {"effort": "low"},
    "safety_identifier": "s",
    "service_tier": "default",
    "store": False,
    "temperature": 0.3,
    "text": {"format": {"type": "text"}, "verbosity": "low"},
    "tool_choice": "auto",
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
    "top_logprobs": 3,
    "top_p": 0.9,
    "truncation": "auto",
    "user": "u",
    "odd": {"x": [1]},
}
EMBEDDING = {
    "model": "m",
    "input": ["a", "b"],
    "dimensions": 2,
    "encoding_format": "float",
    "user": "u",
    "input_type": "query",
}


@pytest.mark.parametrize(
    ("path", "asked"), [("completions", COMPLETION), ("responses", RESPONSE), ("embeddings", EMBEDDING)]
)
async def test_every_documented_field_of_the_other_addresses_is_passed_on(path, asked):
    model = Model()
    model.responses = True
    async with world(model) as w:
        status, reply = await w.send(json.dumps(asked).encode(), path)
    assert status == 200, reply
    assert model.bodies == [asked]


async def test_every_documented_field_of_a_completion_reaches_the_upstream_under_a_method():
    model = Model()
    async with world(model) as w:
        status, reply = await w.post("completions", **{**COMPLETION, "model": "sc(n=2)/m"})
    assert status == 200, reply
    own = {"seed", "stream", "stream_options", "n"}
    samples = without_trials(model)
    assert len(samples) == 2
    for sent in samples:
        assert {k: v for k, v in sent.items() if k not in own} == {
            k: v for k, v in COMPLETION.items() if k not in own
        }


async def test_an_upstream_that_has_responses_is_asked_for_them_and_they_are_counted():
    model = Model()
    model.responses = True
    async with world(model) as w:
        status, reply = await w.post("responses", model="m", input="Hi")
        assert (status, reply["id"]) == (200, "resp_1")
        (event,) = await w.events("responses", input="Hi")
        assert event["type"] == "response.completed"
        assert w.gateway.metrics.by("tokens_total", "kind") == {"plain": 8}


async def test_a_stream_is_passed_on_token_by_token():
    model = Model(pause=0.05)
    async with world(model) as w:
        body = {"model": "m", "messages": USER, "stream": True}
        async with w.session.post(f"{w.url}/v1/chat/completions", json=body) as reply:
            first = await reply.content.readany()
            made_by_then = model.made
            rest = await reply.read()
    assert made_by_then == 1
    assert b"The" in first
    assert rest.endswith(b"data: [DONE]\n\n")


async def test_another_name_there_changes_the_name_and_nothing_else():
    model = Model()
    await model.up()
    config = {"models": {"mine": {"spec": f"openai:theirs@{model.url}"}}}
    async with world(model, config=config, probed=False) as w:
        await w.post(model="mine", temperature=0.25, odd={"x": 1})
    sent = {"messages": USER, "model": "theirs", "temperature": 0.25, "odd": {"x": 1}}
    assert sent in model.bodies


async def test_where_no_name_is_given_the_server_is_asked_for_it():
    model = Model()
    await model.up()
    config = {"models": {"mine": {"spec": f"openai:@{model.url}/v1/chat/completions"}}}
    async with world(model, config=config, probed=False) as w:
        for name in ("mine", "simple/mine"):
            assert (await w.post(model=name))[0] == 200
    assert {body["model"] for body in model.bodies} == {"m"}


async def test_embeddings_and_completions_pass_through():
    model = Model()
    async with world(model) as w:
        status, reply = await w.post("embeddings", model="m", input=["a"])
        assert (status, reply["data"][0]["embedding"]) == (200, [0.0, 1.0])
        status, reply = await w.post("completions", model="m", prompt="2 + 2 =")
        assert (status, reply["choices"][0]["text"]) == (200, "The answer is \\boxed{4}")
        status, reply = await w.post("embeddings", model="sc/m", input=["a"])
        assert (status, reply["error"]["param"]) == (400, "model")  # no method embeds


async def test_a_refusal_of_the_upstream_comes_back_as_it_is():
    from aiohttp import web

    model = Model()
    async with world(model) as w:
        error = {"error": {"message": "too hot", "type": "invalid_request_error", "code": "hot"}}

        async def refuse(request, body):
            return web.json_response(error, status=422)

        model.fail = refuse
        assert await w.post(model="m") == (422, error)


async def test_a_client_that_goes_away_stops_a_plain_stream_within_a_step():
    model = Model(lambda body, number: ["x "] * 200, pause=0.02)
    async with world(model) as w:
        body = {"model": "m", "messages": USER, "stream": True}
        async with w.session.post(f"{w.url}/v1/chat/completions", json=body) as reply:
            await reply.content.readany()
            read = model.made
        await model.quiet()
        assert model.made - read <= 3
        assert model.stopped == 1


@pytest.mark.parametrize("path", ["chat/completions", "completions"])
async def test_a_client_that_goes_away_stops_a_plain_request(path):
    model = Model(lambda body, number: ["x "] * 500, pause=0.02)
    async with world(model) as w:
        asked = {"messages": USER} if path == "chat/completions" else {"prompt": "x"}
        asking = asyncio.create_task(w.session.post(f"{w.url}/v1/{path}", json={"model": "m", **asked}))
        await model.asked()
        asking.cancel()
        await model.quiet()
        assert (model.stopped, model.made) == (1, 0)


async def test_usage_of_plain_requests_is_counted():
    model = Model()
    async with world(model) as w:
        await w.post(model="m")
        await w.events(stream_options={"include_usage": True})
        await w.events()
        numbers = w.gateway.metrics.by("tokens_total", "kind")
    assert numbers == {"plain": 12}


async def test_options_without_a_method_run_the_model_once():
    model = Model()
    async with world(model) as w:
        status, reply = await w.post(model="m", ttscale={"candidates": True})
    assert status == 200
    assert reply["ttscale"]["method"] == "simple"
    assert len(reply["ttscale"]["candidates"]) == 1
    assert "ttscale" not in model.bodies[0]


async def test_plain_is_a_method_name_that_passes_through():
    model = Model()
    async with world(model) as w:
        status, reply = await w.post(model="sc/m", ttscale={"method": "plain"})
    assert (status, "ttscale" in reply, len(model.bodies)) == (200, False, 1)
    assert model.bodies[0] == {"messages": USER, "model": "m"}


async def test_a_plain_request_gets_the_models_sampling_where_it_leaves_it_open():
    model = Model()
    async with world(model, temperature=0.25, max_tokens=77, stop=["END"]) as w:
        await w.post(model="m", temperature=0.5)
        (sent,) = model.bodies
        assert (sent["temperature"], sent["max_tokens"], sent["stop"]) == (0.5, 77, ["END"])
        model.bodies.clear()
        await w.post(model="m", max_completion_tokens=5)
        (sent,) = model.bodies
        assert (sent["max_completion_tokens"], "max_tokens" in sent) == (5, False)
