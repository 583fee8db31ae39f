"""Replies of servers as they are: whatever they hold, one trace ends, and says what they say."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import pytest
from aiohttp import web
from engines.fake_server import PROBLEM, answer, event, opened, said, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.core import Prompt
from ttscale.engines.openai.reading.json_values import Joiner, count, writable
from ttscale.engines.openai.response import ResponseReader

Delta = dict[str, Any]
DONE = b"data: [DONE]\n\n"


def delta(finish: Any = None, **fields: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": finish}])


def ended(reason: Any = "stop", usage: Any = None) -> list[bytes]:
    used = [] if usage is None else [event(choices=[], usage=usage)]
    return [event(choices=[{"index": 0, "delta": {}, "finish_reason": reason}]), *used, DONE]


def whole(reason: Any = "stop", usage: Any = None, **message: Any) -> Any:
    return {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}


def raw(body: bytes, content_type: str) -> Any:
    async def play(request: Any, asked: Any) -> web.Response:
        return web.Response(body=body, content_type=content_type)

    return play


# -- anything at all

TEXTS = st.sampled_from(["", "null", "-1", "5", "é", "\ud800", "\udc00x", "<think>", "</think>"]) | st.text(
    max_size=5
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 20)
    | st.sampled_from([2**31, 2**70, -(2**70), 1e300, 0.5, float("nan"), float("-inf")])
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "type", "content", "logprob", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)
ENTRY = {"token": "4", "logprob": -0.5, "top_logprobs": [{"token": "4", "logprob": -0.5}]}
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGE = {
    "role": "assistant",
    "content": "4",
    "reasoning_content": "hm",
    "refusal": None,
    "tool_calls": [CALL],
}
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 2,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
COLUMNS = {"tokens": ["4"], "token_logprobs": [-0.5], "top_logprobs": [{"4": -0.5}]}
HEAD = {"id": "c", "object": "chat.completion.chunk", "model": "m", "error": None}
CHAT = {
    **HEAD,
    "choices": [{"index": 0, "delta": MESSAGE, "logprobs": {"content": [ENTRY]}, "finish_reason": None}],
    "usage": USAGE,
    "timings": {"predicted_n": 2, "prompt_n": 6, "cache_n": 1},
}
RAW = {**CHAT, "choices": [{"index": 0, "text": "4", "logprobs": COLUMNS, "finish_reason": None}]}
LAST = {**CHAT, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": None}]}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every field of a document, however deep."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, field in inner for place in places(field, (*path, key)))]


@st.composite
def odd(draw: Any, documents: tuple[Any, ...]) -> Any:
    """One of the documents with up to three of its fields replaced."""
    document = copy.deepcopy(draw(st.sampled_from(documents)))
    for _ in range(draw(st.integers(0, 3))):
        *path, last = ["it", *draw(st.sampled_from(places(document)))]
        holder: Any = {"it": document}
        top = holder
        for key in path:
            holder = holder[key]
        holder[last] = draw(VALUES)
        document = top["it"]
    return document


CHUNKS = st.lists(odd((CHAT, RAW, LAST)), min_size=1, max_size=4)
WHOLES = odd((whole(**MESSAGE, usage=USAGE), {**RAW, "object": "text_completion"}))


@settings(max_examples=400, deadline=None)
@given(CHUNKS)
def test_reading_never_raises_and_chunks_make_up_the_text(chunks: list[Any]) -> None:
    reader, shown, tokens = ResponseReader(), "", 0
    for document in chunks:
        reader.feed([json.dumps(document).encode()])
        if (chunk := reader.chunk()) is not None:
            assert chunk.tokens >= 0
            shown, tokens = shown + chunk.text, tokens + chunk.tokens
    assert (shown, tokens) == (reader.text(), reader.tokens)
    reader.settle(None)
    shown.encode()  # nothing that cannot be written
    assert reader.tokens >= reader.estimated >= 0
    assert {type(reader.prompt_tokens), type(reader.cached_tokens)} <= {int, type(None)}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CHUNKS, WHOLES, st.booleans(), st.booleans()), min_size=4, max_size=4))
def test_whatever_a_server_sends_exactly_one_trace_ends(replies: list[Any]) -> None:
    """Random JSON in every field, of chat and raw completions, streamed and whole."""

    async def run() -> None:
        plays = []
        for chunks, document, streamed, closed in replies:
            body = b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks) + DONE * closed
            plays.append(
                raw(body, "text/event-stream")
                if streamed
                else raw(json.dumps(document).encode(), "application/json")
            )
        async with opened(plays[0]) as d:
            for number, play in enumerate(plays):
                d.server.plays = [play]
                prompt = Prompt(raw="2 + 2 =") if number % 2 else PROBLEM.prompt
                generation, asked = d.start(index=number, prompt=prompt)
                trace = await asyncio.wait_for(asked.done, 10)
                generation.abort("cancelled")
                assert asked.traces == [trace]
                assert (trace.error is None) == (trace.finish in ("stop", "length"))
                trace.answer_text.encode()

    asyncio.run(run())


# -- counts


@pytest.mark.parametrize("counter", [8, 1, 0, 26, "8", 8.0, 27, 40])
async def test_a_count_that_contradicts_the_chunks_cuts_nothing(desk: Any, counter: Any) -> None:
    text = "The answer is \\boxed{42}, so"
    usage = {"completion_tokens": counter, "prompt_tokens": 7}
    async with desk(stream([*(delta(content=c) for c in text), *ended(usage=usage)])) as d:
        trace = await d.sample()
    assert (trace.text, trace.finish, trace.ends) == (text, "stop", None)
    assert (trace.tokens, trace.estimated) == ((int(counter), 0) if counter else (len(text), len(text)))


class After:
    """A stop rule: ends a trace after its n-th token."""

    def __init__(self, n: int) -> None:
        self.left = n

    def feed(self, chunk: Any) -> int | None:
        if chunk.tokens >= self.left:
            return self.left
        self.left -= chunk.tokens
        return None


@pytest.mark.parametrize("counter", [0, 2, 3, 6])
async def test_a_rule_cuts_where_it_did_whatever_the_counter_says_later(desk: Any, counter: int) -> None:
    packet = b"".join([*(delta(content=c) for c in "abcdef"), *ended(usage={"completion_tokens": counter})])
    async with desk(stream([packet])) as d:
        trace = await d.sample(rule=After(3))
    assert (trace.text, trace.finish) == ("abc", "cut")


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "total_tokens": 17,
                "completion_tokens_details": {"reasoning_tokens": 10},
            },
            12,
        ),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 12,
                "total_tokens": 17,
                "completion_tokens_details": {"reasoning_tokens": 10},
            },
            12,
        ),
        ({"input_tokens": 5, "output_tokens": 12}, 12),
    ],
)
async def test_thinking_that_is_counted_beside_the_rest_is_counted(
    desk: Any, usage: Any, tokens: int
) -> None:
    async with desk(stream([delta(reasoning_content="hm"), delta(content="4"), *ended(usage=usage)])) as d:
        trace = await d.sample()
    assert (trace.tokens, trace.prompt_tokens, trace.answer_text) == (tokens, 5, "4")


@pytest.mark.parametrize("value", ["x", [5], {"n": 5}, -1, True, 2.5, 10**9, float("nan"), None])
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "cached"])
async def test_what_is_no_count_is_unknown(desk: Any, name: str, value: Any) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
    if name == "cached":
        usage["prompt_tokens_details"] = {"cached_tokens": value}
    else:
        usage[name] = value
    async with desk(stream([delta(content="4"), *ended(usage=usage)])) as d:
        trace = await d.sample()
    known = {"prompt_tokens": 7, "completion_tokens": 3, "cached": 2} | {name: None}
    assert (trace.text, trace.finish) == ("4", "stop")
    assert (trace.prompt_tokens, trace.cached_tokens) == (known["prompt_tokens"], known["cached"])
    assert (trace.tokens, trace.estimated) == ((3, 0) if known["completion_tokens"] else (1, 1))


def test_counts_are_read_as_servers_write_them() -> None:
    assert [count(v) for v in (5, "5", 5.0, "05", 0)] == [5, 5, 5, 5, 0]
    assert [count(v) for v in ("5.0", "-5", "٣", "9" * 30, True, 1 << 40, 1e300)] == [None] * 7


# -- reasons


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        (r, "stop")
        for r in (
            "stop",
            "",
            "null",
            "end_turn",
            "STOP",
            "eos_token",
            "stop-sequence",
            "tool_use",
            "odd",
            7,
            {},
        )
    ]
    + [(r, "length") for r in ("length", "MAX_TOKENS", "max-tokens", "model_length")]
    + [(r, "refused") for r in ("content_filter", "SAFETY", "refusal")]
    + [(r, "error") for r in ("abort", "Error", "cancelled")],
)
async def test_reasons_of_many_servers_are_understood(desk: Any, reason: Any, finish: str) -> None:
    async with desk(stream([delta(content="4"), *ended(reason)])) as d:
        trace = await d.sample()
    assert (trace.text, trace.finish) == ("4", finish)


async def test_a_reason_that_is_not_openais_is_noted_and_ends_no_empty_text(desk: Any) -> None:
    async with desk(stream([delta(content="4"), *ended("Odd")]), stream(ended("odd"))) as d:
        noted, empty = await d.sample(), await d.sample()
    assert noted.meta["finish_reason"] == "odd"
    assert (empty.finish, "finish reason 'odd'" in str(empty.error)) == ("error", True)


# -- content

THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "six times seven"}]}
TEXT = {"type": "text", "text": "42"}


@pytest.mark.parametrize(
    ("deltas", "thinking", "text"),
    [
        ([{"content": [THINKING]}, {"content": [TEXT]}], "six times seven", "42"),
        ([{"content": [THINKING, TEXT]}], "six times seven", "42"),
        ([{"content": [THINKING]}, {"content": "42"}], "six times seven", "42"),
        ([{"content": TEXT}], "", "42"),
        ([{"content": ["4", {"type": "output_text", "text": {"value": "2"}}]}], "", "42"),
        ([{"content": [{"type": "image_url", "image_url": {"url": "x"}}, TEXT, None, 3]}], "", "42"),
        ([{"content": 3}, {"content": True}, {"content": {}}, {"content": "42"}], "", "42"),
        (
            [{"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, TEXT]}],
            "hm",
            "42",
        ),
        ([{"reasoning": "hm", "reasoning_content": "hm"}, {"content": "42"}], "hm", "42"),
        ([{"reasoning": [{"text": "hm"}], "content": ""}, {"content": "42"}], "hm", "42"),
        ([{"thinking": "hm"}, {"content": "42"}], "hm", "42"),
        (
            [{"reasoning_content": "a"}, {"content": "4"}, {"reasoning_content": "b"}, {"content": "2"}],
            "ab",
            "42",
        ),
        ([{"reasoning_content": "no </think> here"}, {"content": "42"}], "no </think> here", "42"),
        (
            [{"reasoning_content": "a"}, {"content": "A </think> tag, <think>"}],
            "a",
            "A </think> tag, <think>",
        ),
        ([{"content": "The </think> tag"}], "", "The </think> tag"),
        ([{"content": "<think>a</think>\n\n42"}], "a", "42"),
        ([[], {"content": "42"}], "", "42"),
        (["4", {"content": "2"}], "", "42"),
    ],
)
async def test_thinking_and_text_are_told_apart_whatever_holds_them(
    desk: Any, deltas: list[Any], thinking: str, text: str
) -> None:
    pieces = [event(choices=[{"delta": d}]) for d in deltas]
    plays = [stream([*pieces, *ended()]), stream([b"".join(pieces), *ended()])]
    if len(deltas) == 1:
        plays.append(answer(whole(**deltas[0])))
    for play in plays:
        async with desk(play) as d:
            chunks: list[Any] = []
            trace = await d.sample(on_chunk=chunks.append)
        assert (trace.thinking, trace.answer_text, trace.finish) == (thinking, text, "stop")
        assert "".join(c.text for c in chunks) == trace.text


@pytest.mark.parametrize("finish", ["stop", "content_filter", None])
@pytest.mark.parametrize("streamed", [True, False])
async def test_the_words_of_a_refusal_are_kept(desk: Any, streamed: bool, finish: Any) -> None:
    parts = [{"refusal": "I can"}, {"refusal": "not"}]
    play = (
        stream([*(delta(**p) for p in parts), *ended(finish)])
        if streamed
        else answer(whole(finish, refusal="I cannot"))
    )
    async with desk(play) as d:
        trace = await d.sample()
    assert (trace.finish, trace.meta["refusal"], trace.text) == ("refused", "I cannot", "")


# -- events

GOOD = [delta(content="4"), delta(content="2"), *ended(usage={"completion_tokens": 3})]


@pytest.mark.parametrize(
    "body",
    [
        b"data:\n\n" + b"".join(GOOD),
        b"\xef\xbb\xbf" + b"".join(GOOD),
        b"".join(GOOD).replace(b"[DONE]", b"[DONE]  "),
        b"".join(GOOD).replace(b"data: [DONE]", b"data:   [DONE]"),
        b"".join(GOOD).replace(b"\n", b"\r"),
        b"".join(GOOD).replace(b"\n", b"\r\n"),
        b"event: ping\ndata: {}\n\nevent: keepalive\ndata: now\n\n" + b"".join(GOOD),
        b'data: {"type": "ping"}\n\n' + b"".join(GOOD),
        b"".join(GOOD).replace(b'"choices"', b'"score": NaN, "choices"'),
        b"".join(GOOD).replace(b'"choices"', b'"note": "\\ud83d", "choices"'),
        b"".join(GOOD).replace(b'"delta"', b'"message"'),
        b"".join(GOOD).replace(b'"delta"', b'"logprobs": {"content": [null]}, "delta"'),
        b"".join(GOOD).replace(b'"delta"', b'"logprobs":{"tokens":[null],"token_logprobs":[null]},"delta"'),
        b"".join(GOOD[:-1]) + event(object="chat.completion", **whole(content="42")) + DONE,
        b"".join(GOOD).replace(b'{"choices"', b'{"error": "", "choices"'),
        b"\n \n" + json.dumps(whole(content="42", usage={"completion_tokens": 3})).encode(),
        b"\xef\xbb\xbf" + json.dumps(whole(content="42", usage={"completion_tokens": 3}), indent=1).encode(),
    ],
)
@pytest.mark.parametrize("content_type", ["text/event-stream", "application/json", "text/plain"])
async def test_odd_events_are_read_whatever_their_content_type(
    desk: Any, body: bytes, content_type: str
) -> None:
    async with desk(raw(body, content_type)) as d:
        trace = await d.sample()
        assert len(d.server.requests) == 1
    assert (trace.text, trace.tokens, trace.finish, trace.error) == ("42", 3, "stop", None)
    assert trace.logprobs is None


async def test_a_letter_cut_in_half_is_whole_again(desk: Any) -> None:
    halves = [delta(content="a\ud83d"), delta(content="\ude00b"), delta(content="\udc00"), *ended()]
    async with desk(stream(halves)) as d:
        trace = await d.sample()
    assert trace.text == "a😀b\ufffd"


@given(st.text(alphabet=st.characters(), max_size=8).map(lambda t: t + "😀é"), st.integers(0, 8))
def test_letters_are_joined_wherever_they_are_cut(text: str, at: int) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    halves = [
        units[: 2 * at].decode("utf-16-le", "surrogatepass"),
        units[2 * at :].decode("utf-16-le", "surrogatepass"),
    ]
    joiner = Joiner()
    assert "".join(map(joiner.feed, halves)) == writable(text)


@pytest.mark.parametrize(
    "failed",
    [
        b'data: {"choices": [{"ind' + event(error={"message": "no room"}),
        b'data: {"choices": [{"ind\n' + event(error={"message": "no room"}),
        b'event: error\ndata: {"message": "no room"}\n\n',
        b"event: error\ndata: no room\n\n",
        b'error: {"code": 500, "message": "no room"}\n\n',
        event(message="no room", object="error"),
        event(detail="no room"),
        event(error="no room"),
        event(error=["no room"]),
    ],
)
async def test_an_error_in_the_stream_is_told_however_it_is_written(desk: Any, failed: bytes) -> None:
    async with desk(stream([delta(content="a"), failed])) as d:
        trace = await d.sample()
        assert len(d.server.requests) == 1
    assert (trace.finish, trace.text) == ("error", "a")
    assert "no room" in str(trace.error)


async def test_a_text_is_never_shown_twice(desk: Any) -> None:
    """Also where its tokens are counted as none: what has been shown is not asked for again."""
    begun = event(choices=[{"delta": {"content": "once"}}], usage={"completion_tokens": 0})
    async with desk(stream([begun], then="reset"), stream(said("once", usage=1))) as d:
        chunks: list[Any] = []
        trace = await d.sample(on_chunk=chunks.append)
    assert ("".join(c.text for c in chunks), trace.finish) == ("once", "error")


@pytest.mark.parametrize("part", ["feed", "text", "arrays"])
async def test_what_fails_while_a_reply_is_read_ends_its_trace_and_is_logged(
    desk: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    """The reader itself is broken here: no reply is known that breaks it."""
    monkeypatch.setattr(ResponseReader, part, lambda *_: 1 / 0)
    async with desk(stream(said("4"))) as d:
        trace = await d.sample()
    assert (trace.finish, type(trace.error)) == ("error", ZeroDivisionError)
    assert any(r.exc_info for r in caplog.records)
