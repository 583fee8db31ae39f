"""Servers misbehave. Every way is survived or reported, and tokens are accounted for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from engines.fake_server import (
    CHAT,
    PROBLEM,
    AwaitedRequest,
    Server,
    answer,
    event,
    hang,
    refuse,
    reset,
    said,
    stream,
)

from ttscale.core import (
    AuthError,
    ContextOverflow,
    EngineError,
    ModelNotFound,
    RateLimited,
    Sampling,
    Unreachable,
    UsageError,
)
from ttscale.engines.http.errors.failures import Refused
from ttscale.engines.http.retry import Retry
from ttscale.engines.openai.engine import OpenAIHTTP

FINE = stream(said("4", "2", usage=3))


async def test_a_good_reply_lands_with_its_text_and_the_servers_count(desk: Any) -> None:
    async with desk(FINE) as d:
        trace = await d.sample()
    assert (trace.text, trace.tokens, trace.estimated, trace.finish) == ("42", 3, 0, "stop")
    assert trace.prompt_tokens == 7


async def test_429_is_asked_again_after_the_time_the_server_wants(desk: Any) -> None:
    async with desk(refuse(429, "slow down", {"Retry-After": "0.3"}), FINE) as d:
        began = time.monotonic()
        trace = await d.sample()
        waited = time.monotonic() - began
    assert trace.text == "42"
    assert 0.3 <= waited < 2
    assert trace.meta["retries"] == 1


async def test_a_server_that_wants_too_long_a_pause_is_not_waited_for(desk: Any) -> None:
    async with desk(refuse(429, "tomorrow", {"Retry-After": "86400"})) as d:
        trace = await d.sample()
        assert len(d.server.requests) == 1
    assert trace.finish == "error"
    assert isinstance(trace.error, RateLimited)


@pytest.mark.parametrize("failure", [refuse(500), refuse(503, "loading"), reset], ids=str)
async def test_what_fails_before_the_first_token_is_asked_again(desk: Any, failure: Any) -> None:
    async with desk(failure, failure, FINE) as d:
        trace = await d.sample()
        assert len(d.server.requests) == 3
    assert (trace.text, trace.tokens) == ("42", 3)


async def test_retries_end(desk: Any) -> None:
    async with desk(refuse(500, "out of order")) as d:
        trace = await d.sample()
        assert len(d.server.requests) == 4
    assert isinstance(trace.error, Unreachable)
    assert "out of order" in str(trace.error)


async def test_a_reset_in_mid_stream_is_reported_with_the_tokens_so_far(desk: Any) -> None:
    async with desk(stream(said("a", "b", "c", finish=None), then="reset")) as d:
        trace = await d.sample()
        assert len(d.server.requests) == 1, "tokens were spent: it is not asked again"
    assert (trace.finish, trace.text, trace.tokens) == ("error", "abc", 3)
    assert isinstance(trace.error, Unreachable)
    assert "after 3 tokens" in str(trace.error)


async def test_a_stream_that_ends_without_its_end_is_no_answer(desk: Any) -> None:
    async with desk(stream(said("a", finish=None))) as d:
        trace = await d.sample()
    assert (trace.finish, trace.tokens) == ("error", 1)


async def test_a_hang_before_the_first_token_times_out_and_is_asked_again(desk: Any) -> None:
    async with desk(hang, FINE, idle=0.2) as d:
        trace = await d.sample()
    assert trace.text == "42"


async def test_a_server_that_hangs_twice_would_hang_for_ever(desk: Any) -> None:
    """Samples and plain requests alike: `QUICK` would allow three retries."""
    async with desk(hang, idle=0.2) as d:
        trace = await d.sample()
        assert len(d.server.requests) == 2
        with pytest.raises(Unreachable, match="was silent"):
            await d.engine.fetch_raw("/x", {})
        assert len(d.server.requests) == 4
    assert (trace.finish, trace.meta["retries"]) == ("error", 1)


async def test_a_hang_in_mid_stream_times_out_with_the_tokens_so_far(desk: Any) -> None:
    async with desk(stream(said("a", "b", finish=None), then="hang"), idle=0.2) as d:
        trace = await d.sample()
    assert (trace.finish, trace.text, trace.tokens) == ("error", "ab", 2)
    assert "silent for 0.2 s" in str(trace.error)


async def test_a_slow_drip_is_survived_byte_by_byte(desk: Any) -> None:
    whole = b"".join(said("4", "2", usage=3, logprobs=2))
    drip = [whole[i : i + 9] for i in range(0, len(whole), 9)]
    async with desk(stream(drip, pause=0.002), idle=0.5) as d:
        trace = await d.sample(sampling={"logprobs": 2})
    assert (trace.text, trace.tokens, trace.finish) == ("42", 3, "stop")
    assert trace.logprobs is not None
    assert trace.conf is not None
    assert list(trace.logprobs) == [-0.5, -0.5]
    assert list(trace.conf) == [1.0, 1.0]
    assert trace.ends == [1, 2, 2]


async def test_the_total_time_ends_what_never_stops_dripping(desk: Any) -> None:
    async with desk(stream(said(*"abcdefgh" * 40, finish=None), pause=0.01), total=0.3) as d:
        trace = await d.sample()
    assert trace.finish == "error"
    assert 5 < trace.tokens < 100
    assert "not done after 0.3 s" in str(trace.error)


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {oops}\n\n",
        b'data: {"choices": [{"delta": {"cont\n\n',
        b'data: {"choices": 3}\n\n',
        b"data: []\n\n",
        b'data: {"choices": [null]}\n\n',
    ],
)
async def test_garbage_in_mid_stream_is_reported_with_the_tokens_so_far(desk: Any, garbage: bytes) -> None:
    async with desk(stream([*said("a", "b", finish=None), garbage])) as d:
        trace = await d.sample()
    assert (trace.finish, trace.text, trace.tokens) == ("error", "ab", 2)
    assert "cannot be read" in str(trace.error)


async def test_comments_pings_and_foreign_fields_are_ignored(desk: Any) -> None:
    noise = [b": ping\n\n", b"event: x\nid: 3\n\n", b"\n\n", b"retry: 10\n\n"]
    async with desk(stream([*noise, *said("4", usage=2), *noise])) as d:
        trace = await d.sample()
    assert (trace.text, trace.tokens) == ("4", 2)


async def test_an_error_inside_the_stream_is_typed(desk: Any) -> None:
    failing = [*said("a", finish=None), event(error={"code": 500, "message": "out of memory"})]
    async with desk(stream(failing)) as d:
        trace = await d.sample()
    assert (trace.finish, trace.tokens) == ("error", 1)
    assert "out of memory" in str(trace.error)


async def test_without_usage_one_token_per_chunk_is_assumed_and_marked(desk: Any) -> None:
    async with desk(stream(said("a", "b", "c"))) as d:
        trace = await d.sample()
    assert (trace.tokens, trace.estimated, trace.finish) == (3, 3, "stop")
    assert trace.ends is None
    assert trace.prompt_tokens is None


async def test_without_usage_log_probabilities_are_counted(desk: Any) -> None:
    async with desk(stream(said("a", "b", "c", logprobs=2))) as d:
        trace = await d.sample(sampling={"logprobs": 2})
    assert (trace.tokens, trace.estimated) == (3, 0)


async def test_a_wrong_key_is_a_fatal_error_that_does_not_show_the_key(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", "sk-secret")
    wrong = refuse(401, "Incorrect API key provided: sk-secret")
    async with desk(wrong, key_env="SOME_KEY") as d:
        trace = await d.sample()
        assert d.server.requests[0][2]["Authorization"] == "Bearer sk-secret"
        assert "sk-secret" not in repr(d.engine) + repr(vars(d.engine)["key"]) + d.engine.name
    assert isinstance(trace.error, AuthError)
    assert trace.error.fatal
    assert "sk-secret" not in str(trace.error)


async def test_an_unknown_model_is_fatal(desk: Any) -> None:
    async with desk(refuse(404, "The model `m` does not exist.", code="model_not_found")) as d:
        trace = await d.sample()
    assert isinstance(trace.error, ModelNotFound)


@pytest.mark.parametrize(
    "refusal",
    [
        refuse(
            400,
            "request (5031 tokens) exceeds the available context size (2048 tokens)",
            type="exceed_context_size_error",
        ),
        refuse(400, "This model's maximum context length is 4096 tokens. However, you requested"),
        refuse(400, "too long", code="context_length_exceeded"),
        refuse(413, "too large"),
    ],
)
async def test_a_prompt_that_does_not_fit_is_named_so_and_not_asked_again(desk: Any, refusal: Any) -> None:
    async with desk(refusal) as d:
        trace = await d.sample()
        assert len(d.server.requests) == 1
    assert isinstance(trace.error, ContextOverflow)


async def test_another_refusal_quotes_the_server(desk: Any) -> None:
    async with desk(refuse(400, "temperature must be 1")) as d:
        trace = await d.sample()
    assert type(trace.error) is EngineError
    assert "temperature must be 1" in str(trace.error)


async def test_an_empty_reply_is_asked_again_and_then_reported(desk: Any) -> None:
    async with desk(stream([])) as d:
        trace = await d.sample()
        assert len(d.server.requests) == 4
    assert trace.finish == "error"
    assert "without a reply" in str(trace.error)


async def test_a_reply_of_no_text_is_an_answer_of_nothing(desk: Any) -> None:
    async with desk(stream(said(usage=1))) as d:
        trace = await d.sample()
    assert (trace.text, trace.tokens, trace.finish) == ("", 1, "stop")


async def test_refusals_abstain(desk: Any) -> None:
    declining = [event(choices=[{"delta": {"refusal": "I can't"}}]), *said(finish="stop")]
    filtered = stream(said("a", finish="content_filter"))
    blocked = refuse(400, "blocked", code="content_filter")
    for play in (stream(declining), filtered, blocked):
        async with desk(play) as d:
            trace = await d.sample()
        assert trace.finish == "refused"
        assert isinstance(trace.error, Refused)


async def test_a_finish_nobody_knows_does_not_vote(desk: Any) -> None:
    async with desk(stream(said("a", finish="abort"))) as d:
        trace = await d.sample()
    assert trace.finish == "error"


async def test_a_plain_reply_is_taken_and_the_repeated_beginning_left_out(desk: Any) -> None:
    message = {"role": "assistant", "content": "The answer is 4."}
    reply = {
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"completion_tokens": 3, "prompt_tokens": 9},
    }
    async with desk(answer(reply)) as d:
        trace = await d.sample(prompt=PROBLEM.prompt.then("The answer is"))
    assert (trace.text, trace.tokens, trace.finish) == (" 4.", 3, "stop")


async def test_no_server_at_all_is_told_with_the_fix() -> None:
    engine = OpenAIHTTP("m", "http://127.0.0.1:9", retry=Retry(times=1, first=0.01))
    await engine.open()
    with pytest.raises(Unreachable, match="is the server running"):
        await engine.identify()
    await engine.close()
    assert not [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]


@pytest.mark.parametrize("dead", [1, 3])
async def test_a_server_that_was_never_there_is_asked_twice_and_each_replica_once(dead: int) -> None:
    engine = OpenAIHTTP("m", [f"http://127.0.0.1:{port}" for port in range(9, 9 + dead)], dialect=CHAT)
    await engine.open()
    ask = AwaitedRequest(Sampling(), PROBLEM.prompt, 0)
    engine.start(ask)
    assert isinstance((await ask.done).error, Unreachable)
    assert engine.requests == max(2, dead)
    await engine.close()


async def test_a_server_that_starts_again_is_waited_for(desk: Any) -> None:
    async with desk(stream(said("a", usage=1)), retry=Retry(times=3, first=0.01)) as d:
        assert (await d.sample()).text == "a"
        d.engine.replicas.all[0].url = "http://127.0.0.1:9"
        assert isinstance((await d.sample()).error, Unreachable)
        assert d.engine.requests == 1 + 4


async def test_bad_addresses_and_keys_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not the address"):
        OpenAIHTTP("m", "ftp://x")
    with pytest.raises(UsageError, match="must not hold a password"):
        OpenAIHTTP("m", "http://me:secret@host")
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(AuthError, match="export NO_SUCH_KEY"):
        OpenAIHTTP("m", "http://x", key_env="NO_SUCH_KEY")


async def test_replicas_share_the_work_and_a_dead_one_is_avoided(desk: Any) -> None:
    slow = stream(said(*"abcdef", usage=6), pause=0.02)
    async with Server().up() as other:
        other.plays = [slow]
        async with desk(slow, others=[other.url, "http://127.0.0.1:9"]) as d:
            asks = [d.start(index=i)[1] for i in range(9)]
            traces = [await asyncio.wait_for(a.done, 20) for a in asks]
            assert {t.text for t in traces} == {"abcdef"}
            assert min(len(d.server.requests), len(other.requests)) >= 3


async def test_a_rule_that_fails_lands_its_draw_with_the_reason(desk: Any) -> None:
    class Broken:
        def feed(self, chunk: Any) -> int | None:
            raise ZeroDivisionError("oops")

    async with desk(FINE) as d:
        trace = await d.sample(rule=Broken())
    assert trace.finish == "error"
    assert isinstance(trace.error, ZeroDivisionError)
