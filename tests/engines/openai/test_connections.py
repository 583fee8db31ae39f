"""Replies as servers send them, whole and broken, and connections: kept, lost, and none left."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from engines.fake_server import CHAT, PROBLEM, QUICK, AwaitedRequest, said

from ttscale.core import Sampling, Trace, Unreachable
from ttscale.engines.http import client
from ttscale.engines.http.retry import Retry
from ttscale.engines.openai.dialect import Dialect
from ttscale.engines.openai.engine import OpenAIHTTP

ONCE = Retry(times=0)
COUNTING = Dialect(capabilities=CHAT.capabilities, counting="usage")
EVENTS = said("4", "2", counting=True)
BODY = b"".join(EVENTS)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x;x=y\r\n%s\r\n" % (len(p), p) for p in (*pieces, b""))[:-2] + b"\r\n"


def reply(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    stream = b"Content-Type: text/event-stream"
    return b"\r\n".join((b"HTTP/1.1 " + status, stream, *headers, b"", body))


IN_CHUNKS = b"Transfer-Encoding: chunked"
LENGTH = reply(BODY, b"content-LENGTH: %d" % len(BODY))
CHUNKS = reply(chunked(BODY[:3], BODY[3:]), IN_CHUNKS)
UNTIL_THE_END = reply(BODY)
NOTED = b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH
TRAILED = CHUNKS[:-2] + b"X-Sum: 3\r\n\r\n"
ZIPPED = reply(chunked(gzip.compress(BODY)), IN_CHUNKS, b"Content-Encoding: gzip")


class Raw:
    """A server that plays `play(writer)` for every request, and knows what it was asked.

    Attributes:
        asked: (number of the connection, the request) of everything that came.
        open: connections that stand.
    """

    def __init__(self, play: Callable[[asyncio.StreamWriter], Any]) -> None:
        self.play, self.url, self.open = play, "", 0
        self.asked: list[tuple[int, bytes]] = []
        self._numbers = itertools.count()

    @property
    def connections(self) -> int:
        return len({number for number, _ in self.asked})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(self._numbers)
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0] or 0)
                self.asked.append((number, head + await reader.readexactly(length)))
                await self.play(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def asking(
    play: Callable[[asyncio.StreamWriter], Any], retry: Retry = QUICK, idle: float = 5.0
) -> AsyncIterator[tuple[OpenAIHTTP, Raw]]:
    """An engine and the server it asks; at the end no connection may be left."""
    raw = Raw(play)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    engine = OpenAIHTTP("m", raw.url, dialect=COUNTING, retry=retry, idle=idle)
    await engine.open()
    try:
        yield engine, raw
    finally:
        await engine.close()
        server.close()
        await server.wait_closed()
    await gone(raw)


async def gone(raw: Raw) -> None:
    """Wait until the server's side of all connections is over."""
    async with asyncio.timeout(5):
        while raw.open:  # noqa: ASYNC110 - the server reports nothing
            await asyncio.sleep(0.01)


def draw(engine: OpenAIHTTP, number: int = 0, **fields: Any) -> tuple[Any, AwaitedRequest]:
    ask = AwaitedRequest(Sampling(), PROBLEM.prompt, number, **fields)
    return engine.start(ask), ask


async def drawn(engine: OpenAIHTTP, number: int = 0) -> Trace:
    return await asyncio.wait_for(draw(engine, number)[1].done, 10)


def sends(*packets: bytes, close: bool = False, pause: float = 0.0) -> Any:
    async def play(writer: asyncio.StreamWriter) -> None:
        for packet in packets:
            writer.write(packet)
            await asyncio.sleep(pause)
        if close:
            writer.close()

    return play


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    "whole",
    [LENGTH, CHUNKS, NOTED, TRAILED, ZIPPED, UNTIL_THE_END],
    ids=["length", "chunks", "noted", "trailed", "zipped", "until the end"],
)
async def test_a_reply_is_read_however_it_comes(whole: bytes, size: int) -> None:
    packets = [whole[at : at + size] for at in range(0, len(whole), size)]
    async with asking(sends(*packets, close=whole is UNTIL_THE_END)) as (engine, _):
        trace = await drawn(engine)
        plain = await engine.fetch_raw("/x", {})
    assert (trace.text, trace.tokens, trace.finish) == ("42", 2, "stop")
    assert "retries" not in trace.meta
    assert plain == BODY


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"x" * 70_000,
        reply(b"zz\r\n", IN_CHUNKS),
        reply(b"-5\r\n", IN_CHUNKS),
        reply(b"", b"Content-Length: x"),
        reply(b"", b"Content-Length: -4"),
        reply(b"", b"Content-Length: 3", IN_CHUNKS),
        reply(b"", *(b"X-%d: %s" % (n, b"x" * 5000) for n in range(300))),
        LENGTH + b"more",
        reply(chunked(b"no gzip"), IN_CHUNKS, b"Content-Encoding: gzip"),
    ],
    ids=lambda garbage: repr(garbage[-24:]),
)
async def test_what_is_not_http_is_an_error_and_never_hangs(garbage: bytes) -> None:
    async with asking(sends(garbage), ONCE) as (engine, _):
        trace = await drawn(engine)
        with pytest.raises(Unreachable):
            await asyncio.wait_for(engine.fetch_raw("/x", {}), 10)
    assert (trace.finish, trace.tokens) == ("error", 0)
    assert isinstance(trace.error, Unreachable)


@pytest.mark.parametrize(
    "sent",
    [b"", b"HTTP/1.1 200 OK\r\n", LENGTH[:-200], CHUNKS[:-200]],
    ids=["nothing", "half a head", "length", "chunks"],
)
async def test_a_server_that_hangs_up_too_early_is_an_error(sent: bytes) -> None:
    async with asking(sends(sent, close=True), ONCE) as (engine, _):
        trace = await drawn(engine)
        with pytest.raises(Unreachable):
            await engine.fetch_raw("/x", {})
    assert trace.finish == "error"
    assert isinstance(trace.error, Unreachable)


async def test_tokens_before_a_broken_end_are_told_and_not_asked_for_again() -> None:
    begin = b"".join(EVENTS[:3])
    begun = reply(b"%x\r\n%s\r\n" % (len(begin), begin), IN_CHUNKS)
    async with asking(sends(begun, close=True, pause=0.05)) as (engine, raw):
        trace = await drawn(engine)
        assert len(raw.asked) == 1
    assert (trace.text, trace.tokens, trace.finish) == ("42", 2, "error")
    assert "broke off after 2 tokens" in str(trace.error)


@pytest.mark.parametrize(
    "garbage",
    [b"zz\r\n", b"5\r\nabcdeXX\r\n", b"-1\r\n", b"f" * 20 + b"\r\n", b"0\r\nno trailer\r\n\r\n"],
    ids=["size", "end", "negative", "huge", "trailer"],
)
async def test_a_reply_that_turns_into_garbage_ends_at_once(garbage: bytes) -> None:
    """The HTTP parser tells the reader nothing; the server says nothing more, and stays."""
    begin = b"".join(EVENTS[:3])
    begun = reply(b"%x\r\n%s\r\n" % (len(begin), begin), IN_CHUNKS)
    async with asking(sends(begun, garbage, pause=0.05), ONCE, idle=60.0) as (engine, raw):
        async with asyncio.timeout(5):
            trace = await drawn(engine)
            with pytest.raises(Unreachable):
                await engine.fetch_raw("/x", {})
            async with engine.forward("/x", b"{}") as passed:
                assert await passed.packet() == begin
                with pytest.raises(Unreachable):
                    await passed.read()
        assert len(raw.asked) == 3
    assert (trace.text, trace.tokens, trace.finish) == ("42", 2, "error")


async def test_a_request_is_written_as_it_should_be() -> None:
    async with asking(sends(LENGTH)) as (engine, raw):
        await drawn(engine, 3)
        await engine.fetch_raw("/v1/models")
    head, _, body = raw.asked[0][1].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [(name.lower(), value) for name, value in (line.split(": ", 1) for line in lines)]
    assert first == "POST /v1/chat/completions HTTP/1.1"
    assert len(dict(headers)) == len(headers)
    told = {"host": raw.url[7:], "content-type": "application/json", "accept-encoding": "identity"}
    assert {**told, "content-length": str(len(body))}.items() <= dict(headers).items()
    assert "cookie" not in dict(headers)
    assert body.endswith(b"}")
    assert body.count(b'"seed":') == 1
    assert raw.asked[1][1].startswith(b"GET /v1/models HTTP/1.1\r\n")


async def test_a_redirection_is_not_followed() -> None:
    """It would turn a sample into something else, and show the key to somebody else."""
    moved = reply(b"", b"Location: http://127.0.0.1:9/", b"Content-Length: 0", status=b"302 Found")
    async with asking(sends(moved), ONCE) as (engine, raw):
        trace = await drawn(engine)
        assert len(raw.asked) == 1
    assert trace.finish == "error"
    assert "302" in str(trace.error)


@pytest.mark.parametrize(
    ("play", "again"),
    [
        (sends(LENGTH), True),
        (sends(CHUNKS), True),
        (sends(TRAILED), True),
        (sends(reply(BODY, b"Connection: close", b"Content-Length: %d" % len(BODY))), False),
        (sends(UNTIL_THE_END, close=True), False),
        (sends(LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0")), False),
    ],
    ids=["length", "chunks", "trailed", "close", "until the end", "1.0"],
)
async def test_a_connection_is_used_again_if_its_exchange_is_over(play: Any, again: bool) -> None:
    async with asking(play) as (engine, raw):
        for number in range(3):
            trace = await drawn(engine, number)
            assert (trace.text, trace.finish) == ("42", "stop")
            await asyncio.sleep(0.01)
        assert raw.connections == (1 if again else 3)


async def test_a_connection_that_has_been_idle_for_long_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "KEPT", 0.5)
    async with asking(sends(LENGTH)) as (engine, raw):
        for pause in (0.0, 1.0, 0.0):
            await drawn(engine)
            await asyncio.sleep(pause)
        assert raw.connections == 2


async def test_an_idle_connection_that_the_server_closes_is_no_failure() -> None:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(LENGTH)
        asyncio.get_running_loop().call_later(0.02, writer.close)

    async with asking(play, ONCE) as (engine, raw):
        for number in range(3):
            trace = await drawn(engine, number)
            assert (trace.text, trace.finish) == ("42", "stop")
            await gone(raw)
            await asyncio.sleep(0.05)  # and the client has seen it
        assert raw.connections == 3


async def test_a_server_that_closes_as_it_is_asked_is_asked_again() -> None:
    """The race between a kept connection's end and the next request."""
    served = 0

    async def play(writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        if served == 2:
            writer.close()
        else:
            writer.write(LENGTH)

    async with asking(play) as (engine, raw):
        traces = [await drawn(engine, number) for number in range(3)]
        assert [number for number, _ in raw.asked] == [0, 0, 1, 1]
    assert [t.text for t in traces] == ["42"] * 3
    assert [t.meta.get("retries", 0) for t in traces] == [0, 1, 0]


async def test_what_lies_in_the_networks_buffer_is_counted_as_a_draw_is_aborted() -> None:
    pieces = [b"%x\r\n%s\r\n" % (len(e), e) for e in EVENTS]
    late = asyncio.Event()

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(reply(b"", IN_CHUNKS) + pieces[0] + pieces[1])
        await late.wait()
        writer.write(pieces[2])
        time.sleep(0.05)  # noqa: ASYNC251 - it arrives, and the loop has no time to read it
        generation.abort("cancelled")

    async with asking(play) as (engine, _):
        generation, ask = draw(engine)
        while generation.seen() < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        late.set()
        trace = await asyncio.wait_for(ask.done, 5)
    assert (trace.text, trace.tokens, trace.estimated) == ("42", 3, 1)


async def test_an_aborted_draw_hangs_up_at_once() -> None:
    """Also before the reply has begun."""
    for begin in (b"", reply(b"", IN_CHUNKS) + b"3\r\nabc\r\n"):

        async def play(writer: asyncio.StreamWriter, begin: bytes = begin) -> None:
            writer.write(begin)

        async with asking(play) as (engine, raw):
            generation, ask = draw(engine)
            while not raw.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            generation.abort("cancelled")
            assert ask.traces[0].finish == "cancelled"
            await gone(raw)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9", "is the server running"),
        ("http://nowhere.invalid", None),
        ("http://" + "a" * 300, None),
    ],
)
async def test_no_connection_is_told_with_the_reason(url: str, why: str | None) -> None:
    engine = OpenAIHTTP("m", url, dialect=COUNTING, retry=ONCE)
    await engine.open()
    try:
        with pytest.raises(Unreachable, match=why):
            await engine.fetch_raw("/v1/models")
        assert isinstance((await drawn(engine)).error, Unreachable)
    finally:
        await engine.close()


async def test_a_server_without_tls_is_not_asked_again_for_a_secure_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, family=socket.AF_INET)
    port = server.sockets[0].getsockname()[1]
    engine = OpenAIHTTP("m", f"https://127.0.0.1:{port}", dialect=COUNTING, retry=QUICK)
    await engine.open()
    trace = await drawn(engine)
    await engine.close()
    server.close()
    assert "no secure connection" in str(trace.error)
    assert trace.meta.get("retries", 0) == 0
