"""/v1/responses: what it gives out it takes back, whole and streamed, with the official client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from gateway.harness import Model, world

openai = pytest.importorskip("openai", reason="the official client: pip install openai")

MODELS = ["m", "simple/m", "sc(n=2)/m"]
TOOLS = [{"type": "function", "name": "w", "parameters": {"type": "object"}, "strict": False}]
CUSTOM = {"type": "custom", "name": "sql", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}


def call(number: int, **more: Any) -> dict[str, Any]:
    function = {"name": "w", "arguments": json.dumps({"c": number})}
    return {"id": f"c{number}", "type": "function", "function": function, **more}


def says(*deltas: dict[str, Any], finish: str = "stop", **event: Any) -> Model:
    """A model that streams these deltas to all it is asked."""

    async def play(request: web.Request, body: dict[str, Any]) -> web.Response:
        ends = [*({"delta": d} for d in deltas), {"delta": {}, "finish_reason": finish}]
        events = [{"choices": [{"index": 0, **end}], **event} for end in ends]
        events.append({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 8}})
        lines = [f"data: {json.dumps(one)}\n\n" for one in events]
        return web.Response(text="".join([*lines, "data: [DONE]\n\n"]), content_type="text/event-stream")

    model = Model()
    model.fail = play
    return model


def client(w: Any) -> Any:
    return openai.AsyncOpenAI(base_url=f"{w.url}/v1", api_key="none", max_retries=0)


async def respond(w: Any, model: str, streamed: bool, **request: Any) -> tuple[Any, list[Any]]:
    """(the response, the events that led to it)."""
    async with client(w) as c:
        if not streamed:
            return await c.responses.create(model=model, **request), []
        events = []
        async with c.responses.stream(model=model, **request) as stream:
            async for event in stream:
                events.append(event)
            return await stream.get_final_response(), events


CALLING = ({"reasoning_content": "hm"}, {"tool_calls": [{"index": i, **call(i)} for i in (0, 1)]})
CUSTOM_CALL = {"index": 0, "id": "x", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_reasoning_and_parallel_calls_go_out_and_come_back_as_one_turn(model, streamed):
    upstream = says(*CALLING, finish="tool_calls")
    async with world(upstream) as w:
        question = {"role": "user", "content": "q"}
        reply, events = await respond(w, model, streamed, input=[question], tools=TOOLS)
        assert [item.type for item in reply.output] == ["reasoning", "function_call", "function_call"]
        assert [item.call_id for item in reply.output[1:]] == ["c0", "c1"]
        outputs = [
            {"type": "function_call_output", "call_id": "c0", "output": "ok"},
            {
                "type": "function_call_output",
                "call_id": "c1",
                "output": [{"type": "input_text", "text": "no"}],
            },
        ]
        given_back = [item.model_dump(exclude_none=True) for item in reply.output]
        upstream.bodies.clear()
        await respond(w, model, streamed, input=[question, *given_back, *outputs], tools=TOOLS)
        sent = upstream.bodies[0]["messages"]
    assert sent == [
        question,
        {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call(0), call(1)]},
        {"role": "tool", "tool_call_id": "c0", "content": "ok"},
        {"role": "tool", "tool_call_id": "c1", "content": "no"},
    ]
    if streamed:
        added = [e.item.type for e in events if e.type == "response.output_item.added"]
        done = [e.item.type for e in events if e.type == "response.output_item.done"]
        assert added == done == ["reasoning", "function_call", "function_call"]
        assert [e.sequence_number for e in events] == list(range(len(events)))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_custom_tools_go_out_and_come_back(model, streamed):
    upstream = says({"tool_calls": [CUSTOM_CALL]}, finish="tool_calls")
    async with world(upstream) as w:
        reply, _ = await respond(w, model, streamed, input="q", tools=[CUSTOM])
        (item,) = reply.output
        assert (item.type, item.call_id, item.name, item.input) == (
            "custom_tool_call",
            "x",
            "sql",
            "select 1",
        )
        output = {"type": "custom_tool_call_output", "call_id": "x", "output": "1"}
        upstream.bodies.clear()
        await respond(w, model, streamed, input=[item.model_dump(exclude_none=True), output], tools=[CUSTOM])
        (body, *_) = upstream.bodies
    own = {"name": "sql", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}
    assert body["tools"] == [{"type": "custom", "custom": own}]
    given_back = {name: value for name, value in CUSTOM_CALL.items() if name != "index"}
    assert body["messages"][0]["tool_calls"] == [given_back]
    assert body["messages"][1] == {"role": "tool", "tool_call_id": "x", "content": "1"}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
async def test_a_refusal_is_a_part_of_its_own_and_comes_back_as_words(model, streamed):
    upstream = says({"refusal": "I "}, {"refusal": "cannot"})
    async with world(upstream) as w:
        reply, events = await respond(w, model, streamed, input="q")
        (item,) = reply.output
        assert (reply.status, item.content[0].type, item.content[0].refusal) == (
            "completed",
            "refusal",
            "I cannot",
        )
        await respond(
            w, model, False, input=[item.model_dump(exclude_none=True), {"role": "user", "content": "why"}]
        )
        sent = upstream.bodies[-1]["messages"]
    assert sent[0] == {"role": "assistant", "content": "I cannot"}
    if streamed:
        assert "".join(e.delta for e in events if e.type == "response.refusal.delta") == "I cannot"


@pytest.mark.parametrize("model", ["simple/m", "sc(n=2)/m"])
async def test_a_stream_says_item_by_item_what_the_whole_reply_says(model):
    upstream = says(
        {"reasoning_content": "h"}, {"reasoning_content": "m"}, {"content": "It is "}, {"content": "4"}
    )
    async with world(upstream) as w:
        whole, _ = await respond(w, model, False, input="q")
        streamed, events = await respond(w, model, True, input="q")
    assert [i.model_dump(exclude={"id"}) for i in whole.output] == [
        i.model_dump(exclude={"id", "parsed"})
        | {"content": [c.model_dump(exclude={"parsed"}) for c in i.content]}
        for i in streamed.output
    ]
    assert whole.output_text == "It is 4"
    for kind, text in (("reasoning_text", "hm"), ("output_text", "It is 4")):
        assert "".join(e.delta for e in events if e.type == f"response.{kind}.delta") == text
        assert [e.text for e in events if e.type == f"response.{kind}.done"] == [text]
    places = [(e.output_index, e.item.type) for e in events if e.type == "response.output_item.added"]
    assert places == [(0, "reasoning"), (1, "message")]
    closed = [e.type for e in events].index("response.output_item.done")
    opened = [i for i, e in enumerate(events) if e.type == "response.output_item.added"]
    assert opened[0] < closed < opened[1]


async def test_fields_beside_the_content_come_through():
    note = {
        "type": "url_citation",
        "url_citation": {"url": "http://x", "title": "t", "start_index": 0, "end_index": 1},
    }
    details = [{"type": "reasoning.encrypted", "data": "SECRET", "index": 0}]
    upstream = says(
        {"content": "4", "annotations": [note], "reasoning_details": details}, citations=["http://x"]
    )
    async with world(upstream) as w:
        for streamed in (False, True):
            reply, _ = await respond(w, "simple/m", streamed, input="q")
            message = next(item for item in reply.output if item.type == "message")
            assert message.content[0].annotations[0].url == "http://x"
            assert reply.citations == ["http://x"]
            items = [item.model_dump(exclude_none=True) for item in reply.output if item.type == "reasoning"]
            await respond(w, "simple/m", False, input=[*items, message.model_dump(exclude_none=True)])
            assert upstream.bodies[-1]["messages"][0]["reasoning_details"] == details


async def test_unknown_fields_of_a_call_go_out_and_come_back():
    signed = call(0, extra_content={"google": {"thought_signature": "SIG"}})
    signed["function"]["thought_signature"] = "SIG2"
    upstream = says({"tool_calls": [{"index": 0, **signed}]}, finish="tool_calls")
    async with world(upstream) as w:
        reply, _ = await respond(w, "simple/m", False, input="q", tools=TOOLS)
        output = {"type": "function_call_output", "call_id": "c0", "output": "ok"}
        await respond(w, "simple/m", False, input=[reply.output[0].model_dump(exclude_none=True), output])
    assert upstream.bodies[-1]["messages"][0]["tool_calls"] == [signed]


@pytest.mark.parametrize(
    ("choice", "tools", "sent"),
    [
        ("required", ["a", "b"], "required"),
        ({"type": "function", "name": "a"}, ["a", "b"], {"type": "function", "function": {"name": "a"}}),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "b"}]},
            ["b"],
            "auto",
        ),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "b"}]},
            ["b"],
            "required",
        ),
    ],
)
async def test_a_choice_among_tools(choice, tools, sent):
    upstream = says({"content": "4"})
    async with world(upstream) as w:
        status, reply = await w.post(
            "responses",
            model="simple/m",
            input="q",
            tools=[{"type": "function", "name": name} for name in "ab"],
            tool_choice=choice,
        )
    assert status == 200, reply
    (body,) = upstream.bodies
    assert ([tool["function"]["name"] for tool in body["tools"]], body["tool_choice"]) == (tools, sent)


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0]"),
        ({"input": [{"role": "assistant", "content": [{"type": "refusal"}]}]}, "input[0]"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0]"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "mcp"}, "tools": TOOLS}, "tool_choice"),
        (
            {
                "tool_choice": {"type": "allowed_tools", "tools": [{"type": "function", "name": "v"}]},
                "tools": TOOLS,
            },
            "tool_choice.tools",
        ),
        ({"tool_choice": {"type": "allowed_tools", "tools": "w"}, "tools": TOOLS}, "tool_choice.tools"),
    ],
)
async def test_what_cannot_be_translated_is_a_400_that_names_its_place(request_, param):
    upstream = Model()
    async with world(upstream) as w:
        status, reply = await w.post("responses", **{"model": "simple/m", "input": "q", **request_})
    assert (status, reply["error"]["param"]) == (400, param), reply
    assert not upstream.bodies


@pytest.mark.parametrize("model", ["simple/m", "sc(n=2)/m"])
async def test_a_stream_that_fails_ends_with_response_failed(model):
    upstream = Model()

    async def late(request, body):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"choices": [{"index": 0, "delta": {"content": "begun"}}]}\n\n')
        await asyncio.sleep(0.4)
        await response.write(b'data: {"error": {"message": "capacity", "code": 502}}\n\n')
        return response

    async with world(upstream) as w:
        upstream.fail = late
        events = await w.events("responses", model=model, input="q")
    failed = events[-1]
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["id"] == events[0]["response"]["id"]
    assert "capacity" in failed["response"]["error"]["message"]
    shown = [item["content"][0]["text"] for item in failed["response"]["output"]]
    assert shown == (["begun"] if model == "simple/m" else [])


async def test_a_passed_stream_that_breaks_off_ends_with_response_failed():
    upstream = Model()
    upstream.responses = True
    async with world(upstream) as w:

        async def half(request):
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b'event: response.created\ndata: {"type":"response.created"}\n\n')
            await response.write(b"event: response.out")
            await asyncio.sleep(0.1)
            request.transport.abort()
            return response

        upstream.answer_responses = half
        events = await w.events("responses", input="q")
    assert [event["type"] for event in events] == ["response.created", "response.failed"]


ODD: list[Any] = [["function"], {"a": 1}, 7, True, None]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    "request_with",
    [
        lambda odd: {"tools": [{"type": odd, "name": "w"}]},
        lambda odd: {"tools": TOOLS, "tool_choice": {"type": odd, "name": "w"}},
        lambda odd: {
            "tools": TOOLS,
            "tool_choice": {"type": "allowed_tools", "tools": [{"type": odd, "name": odd}]},
        },
        lambda odd: {"input": [{"type": odd or "x", "role": "user", "content": "?"}]},
        lambda odd: {"input": [{"role": odd, "content": "?"}]},
        lambda odd: {"input": [{"role": "user", "content": [{"type": odd, "text": "?"}]}]},
    ],
)
async def test_a_type_that_is_not_a_word_is_refused(request_with: Any, odd: Any) -> None:
    async with world(Model("4")) as w, aiohttp.ClientSession() as session:
        body = {"model": "m", "input": "?", **request_with(odd)}
        async with session.post(f"{w.url}/v1/responses", json=body) as reply:
            assert reply.status == 400, await reply.text()
            assert (await reply.json())["error"]["type"] == "invalid_request_error"
