"""Samples of a server that speaks Anthropic's Messages API: fields sent, events read, errors mapped."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engines.fake_server import Server, answer, event, opened, refuse, stream

from ttscale.core import AuthError, CapabilityError, Image, Message, Prompt, RateLimited, Sampling
from ttscale.core.carried import MESSAGE
from ttscale.engines.anthropic.engine import DIALECT, AnthropicHTTP
from ttscale.engines.anthropic.request import MOST, THINKING, body_of
from ttscale.engines.http.errors.failures import Refused

ASK = Prompt.user("What is 2 + 2?")
USED = {"input_tokens": 7, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1}


def block(index: int, begin: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    return [
        event(type="content_block_start", index=index, content_block=begin),
        *(event(type="content_block_delta", index=index, delta=delta) for delta in deltas),
        event(type="content_block_stop", index=index),
    ]


def text(index: int, *pieces: str) -> list[bytes]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": p} for p in pieces))


def thinking(index: int, *pieces: str, signature: str = "c2ln") -> list[bytes]:
    said = [{"type": "thinking_delta", "thinking": p} for p in pieces]
    signed = {"type": "signature_delta", "signature": signature}
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *said, signed)


def reply(*blocks: list[bytes], reason: str = "end_turn", tokens: int = 5, **delta: Any) -> list[bytes]:
    return [
        event(type="message_start", message={"id": "m", "model": "claude-x", "content": [], "usage": USED}),
        event(type="ping"),
        *(packet for packets in blocks for packet in packets),
        event(type="message_delta", delta={"stop_reason": reason, **delta}, usage={"output_tokens": tokens}),
        event(type="message_stop"),
    ]


async def sampled(*plays: Any, prompt: Prompt = ASK, **settings: Any) -> tuple[Any, Server]:
    async with opened(*plays, make=AnthropicHTTP, dialect=None) as desk:
        return await desk.sample(prompt=prompt, sampling=settings), desk.server


async def test_a_reply_has_its_text_its_end_and_the_servers_counts() -> None:
    trace, server = await sampled(stream(reply(text(0, "It is ", "4."))), temperature=0.5, stop=("\n\n",))
    assert (trace.text, trace.finish, trace.tokens, trace.estimated) == ("It is 4.", "stop", 5, 0)
    assert (trace.prompt_tokens, trace.cached_tokens, trace.model) == (12, 3, "claude-x")
    (path, body, headers), *more = server.requests
    assert (path, more) == ("/v1/messages", [])
    assert headers["anthropic-version"] == "2023-06-01"
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is 2 + 2?"}]}],
        "max_tokens": MOST,
        "temperature": 0.5,
        "stop_sequences": ["\n\n"],
        "stream": True,
    }


async def test_thinking_is_told_apart_and_kept_with_its_signature() -> None:
    trace, _ = await sampled(stream(reply(thinking(0, "2 and 2 ", "are 4"), text(1, "4"))))
    assert trace.text == "<think>2 and 2 are 4</think>4"
    assert [trace.text[a:b] for a, b in trace.thinking_at] == ["2 and 2 are 4"]
    kept = trace.meta[MESSAGE]["thinking_blocks"]
    assert [(b["thinking"], b["signature"]) for b in kept] == [("2 and 2 are 4", "c2ln")]


async def test_what_a_model_thought_goes_back_as_it_came() -> None:
    redacted = block(0, {"type": "redacted_thinking", "data": "xyz"})
    trace, _ = await sampled(stream(reply(redacted, text(1, "4"))))
    turn = Message("assistant", "4", {"thinking_blocks": trace.meta[MESSAGE]["thinking_blocks"]})
    asked = Prompt((Message("user", "?"), turn, Message("user", "sure?")))
    body = body_of(asked, Sampling(), DIALECT, "m", None, "s")
    assert body["messages"][1]["content"] == [
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "4"},
    ]


async def test_parallel_tool_calls_are_read_piece_by_piece() -> None:
    def call(index: int, name: str, *pieces: str) -> list[bytes]:
        begin = {"type": "tool_use", "id": f"t{index}", "name": name, "input": {}}
        return block(index, begin, *({"type": "input_json_delta", "partial_json": p} for p in pieces))

    calls = call(1, "add", '{"a": 2,', ' "b": 2}'), call(2, "now")
    trace, _ = await sampled(stream(reply(text(0, "Let me see."), *calls, reason="tool_use")))
    found = [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in trace.tool_calls]
    assert found[0] == ("t1", "add", '{"a": 2, "b": 2}')
    assert found[1][:2] == ("t2", "now")
    assert (trace.text, trace.finish) == ("Let me see.", "stop")


async def test_a_whole_reply_is_read_like_a_streamed_one() -> None:
    whole = {
        "type": "message",
        "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "2 and 2", "signature": "s"},
            {"type": "text", "text": "4"},
            {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 7, "output_tokens": 9},
    }
    trace, _ = await sampled(answer(whole))
    assert (trace.text, trace.tokens, trace.prompt_tokens) == ("<think>2 and 2</think>4", 9, 7)
    assert trace.tool_calls[0]["function"] == {"name": "add", "arguments": '{"a":1}'}


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refused"),
        ("something_new", "stop"),
    ],
)
async def test_reasons_to_end(reason: str, finish: str) -> None:
    trace, _ = await sampled(stream(reply(text(0, "4"), reason=reason)))
    assert trace.finish == finish
    assert isinstance(trace.error, Refused) == (finish == "refused")


@pytest.mark.parametrize(
    ("play", "kind", "again"),
    [
        (refuse(401, "invalid x-api-key", type="authentication_error"), AuthError, False),
        (refuse(429, "slow down", type="rate_limit_error"), RateLimited, True),
    ],
)
async def test_refusals_are_the_cores_errors(play: Any, kind: type, again: bool) -> None:
    trace, server = await sampled(play)
    assert trace.finish == "error"
    assert isinstance(trace.error, kind)
    assert (len(server.requests) > 1) is again


async def test_an_overloaded_server_is_asked_again_also_where_it_says_so_in_the_stream() -> None:
    overloaded = event(type="error", error={"type": "overloaded_error", "message": "Overloaded"})
    trace, server = await sampled(
        refuse(529, "Overloaded", type="overloaded_error"), stream([overloaded]), stream(reply(text(0, "4")))
    )
    assert (trace.text, len(server.requests)) == ("4", 3)


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, [1], {"type": 3}])
@pytest.mark.parametrize(
    "kind", ["message_start", "content_block_start", "content_block_delta", "message_delta"]
)
async def test_events_of_another_make_end_the_sample_and_hang_nothing(kind: str, value: Any) -> None:
    fields = {"message": value, "content_block": value, "delta": value, "usage": value, "index": value}
    trace, _ = await sampled(stream([event(type=kind, **fields), *reply(text(1, "4"))]))
    assert trace.finish in ("stop", "error")


def test_a_conversation_has_one_system_text_and_turns_of_two_sides() -> None:
    called = {"id": "t1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    prompt = Prompt(
        (
            Message("system", "Be brief."),
            Message("user", ("Look:", Image("data:image/png;base64,QUJD"), Image("https://host/x.png"))),
            Message("assistant", "", {"tool_calls": [called, {**called, "id": "t2"}]}),
            Message("tool", "1", {"tool_call_id": "t1"}),
            Message("tool", "2", {"tool_call_id": "t2"}),
            Message("user", "And?"),
        )
    )
    body = body_of(prompt, Sampling(), DIALECT, "m", None, "s")
    assert body["system"] == "Be brief."
    user, assistant, results = body["messages"]
    assert [part["type"] for part in user["content"]] == ["text", "image", "image"]
    assert user["content"][1]["source"] == {"type": "base64", "media_type": "image/png", "data": "QUJD"}
    assert user["content"][2]["source"] == {"type": "url", "url": "https://host/x.png"}
    assert [(c["type"], c["id"], c["input"]) for c in assistant["content"]] == [
        ("tool_use", "t1", {"a": 1}),
        ("tool_use", "t2", {"a": 1}),
    ]
    assert [part["type"] for part in results["content"]] == ["tool_result", "tool_result", "text"]


def test_tools_and_the_choice_among_them_are_rewritten() -> None:
    tool = {
        "type": "function",
        "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
    }

    def written(**extra: Any) -> dict[str, Any]:
        return body_of(ASK, Sampling(extra={"tools": [tool], **extra}), DIALECT, "m", None, "s")

    assert written()["tools"] == [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]
    assert written(tool_choice="required")["tool_choice"] == {"type": "any"}
    chosen = {"type": "function", "function": {"name": "f"}}
    assert written(tool_choice=chosen)["tool_choice"] == {"type": "tool", "name": "f"}
    once = written(parallel_tool_calls=False)["tool_choice"]
    assert once == {"type": "auto", "disable_parallel_tool_use": True}
    assert written(user="u1", service_tier="auto")["metadata"] == {"user_id": "u1"}


def test_effort_makes_room_for_thinking_and_leaves_the_temperature_out() -> None:
    def written(**settings: Any) -> dict[str, Any]:
        return body_of(ASK, Sampling(temperature=0.7, **settings), DIALECT, "m", None, "s")

    body = written(reasoning_effort="low")
    assert body["thinking"] == {"type": "enabled", "budget_tokens": THINKING["low"]}
    assert body["max_tokens"] == MOST + THINKING["low"]
    assert "temperature" not in body
    body = written(reasoning_effort="high", max_tokens=4000)  # a limit is one, with thinking in it
    assert (body["thinking"]["budget_tokens"], body["max_tokens"]) == (3000, 4000)
    assert written(reasoning_effort="none")["thinking"] == {"type": "disabled"}
    with pytest.raises(CapabilityError, match="minimal, low"):
        written(reasoning_effort="most")
    with pytest.raises(CapabilityError, match="1024 at least"):
        written(reasoning_effort="low", max_tokens=1000)


@pytest.mark.parametrize("settings", [{"logprobs": 0}, {"min_tokens": 2}, {"min_p": 0.1}])
def test_what_the_api_does_not_do_is_refused_before_it_is_sent(settings: Any) -> None:
    with pytest.raises(CapabilityError, match=next(iter(settings))):
        body_of(ASK, Sampling(**settings), DIALECT, "m", None, "s")
    with pytest.raises(CapabilityError, match="beginning"):
        body_of(ASK.then("So"), Sampling(), DIALECT, "m", None, "s")


async def test_a_sample_that_is_stopped_closes_its_connection() -> None:
    begun = reply(text(0, "4"))[:4]
    async with opened(stream(begun, then="hang"), make=AnthropicHTTP, dialect=None) as desk:
        generation, request = desk.start()
        while not generation.seen():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        generation.abort("cancelled")
        trace = await request.done
    assert (trace.finish, trace.text) == ("cancelled", "4")
