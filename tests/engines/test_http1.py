"""The HTTP client reads what servers send, however it is cut, and leaves no connection behind."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.engines import http1
from ttscale.engines.http1 import Broken, Connection, Pool, Reply, Unconnected

BODY = b"data: one\n\ndata: two\r\n\r\n0\r\n\r\n"


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x;x=y\r\n%s\r\n" % (len(p), p) for p in (*pieces, b""))[:-2] + b"\r\n"


def reply(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join((b"HTTP/1.1 " + status, *headers, b"", body))


LENGTH = reply(BODY, b"content-LENGTH: %d" % len(BODY))
CHUNKS = reply(chunked(BODY[:3], BODY[3:]), b"Transfer-Encoding: chunked")
UNTIL_THE_END = reply(BODY, b"Content-Type: text/plain; charset=utf-8")
NOTED = b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH
TRAILED = CHUNKS[:-2] + b"X-Sum: 3\r\n\r\n"
ZIPPED = reply(chunked(gzip.compress(BODY)), b"Transfer-Encoding: chunked",
               b"Content-Encoding: gzip")  # fmt: skip


@asynccontextmanager
async def server(play: Callable[[Any, Any, int], Any]) -> AsyncIterator[tuple[str, list[bytes]]]:
    """(address, requests) of a server that plays `play(reader, writer, connection)`."""
    asked: list[bytes] = []
    numbers = itertools.count()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(numbers)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
                asked.append(head + await reader.readexactly(length))
                await play(reader, writer, number)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}", asked
    running.close()
    await running.wait_closed()


@asynccontextmanager
async def pool() -> AsyncIterator[Pool]:
    made = Pool({"X-Own": "1"}, 5.0)
    yield made
    await made.close()
    assert not made._all
    await asyncio.sleep(0.01)


def sends(*packets: bytes, close: bool = False) -> Any:
    async def play(reader: Any, writer: Any, connection: int) -> None:
        for packet in packets:
            writer.write(packet)
            await asyncio.sleep(0)
        if close:
            writer.close()

    return play


class Deaf(Connection):
    """A connection nobody is at the other end of."""

    def __init__(self) -> None:
        self.ended, self.origin, self.open = False, (False, "h", 1), True

    def abort(self) -> None:
        self.ended = True


def fed(data: bytes, cuts: list[int]) -> Reply:
    edges = sorted({0, len(data), *(c % len(data) for c in cuts)})
    reply = Reply(Deaf())
    for a, b in itertools.pairwise(edges):
        reply.feed(data[a:b])
    return reply


@given(
    whole=st.sampled_from([LENGTH, CHUNKS, NOTED, TRAILED, ZIPPED, UNTIL_THE_END]),
    cuts=st.lists(st.integers(0, 500), max_size=40),
)
def test_how_a_reply_is_cut_never_changes_it(whole: bytes, cuts: list[int]) -> None:
    reply = fed(whole, cuts)
    if whole is UNTIL_THE_END:
        assert not reply.complete
        reply.lost(None)
    assert (reply.status, reply.complete) == (200, True)
    assert reply.arrived() == BODY


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=10))
def test_whatever_a_server_sends_is_a_reply_or_a_broken_one(data: bytes, cuts: list[int]) -> None:
    for head in (b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        reply = fed(head + data + b"\r\n\r\n", cuts)
        assert isinstance(reply._error, Broken | None)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\nHTTP/9\r\n\r\n", b"x" * 70_000,
        reply(b"zz\r\n", b"Transfer-Encoding: chunked"),
        reply(b"-5\r\n", b"Transfer-Encoding: chunked"),
        reply(b"1" * 5000, b"Transfer-Encoding: chunked"),
        reply(b"", b"Content-Length: x"), reply(b"", b"Content-Length: -4"),
        reply(chunked(b"no gzip"), b"Transfer-Encoding: chunked", b"Content-Encoding: gzip"),
    ],
)  # fmt: skip
async def test_what_is_not_http_is_broken(garbage: bytes) -> None:
    async with server(sends(garbage)) as (url, _), pool() as asking:
        with pytest.raises(Broken):
            async with await asking.ask("GET", url) as got:
                await got.read()


async def test_a_request_is_written_as_it_should_be() -> None:
    async with server(sends(LENGTH)) as (url, asked), pool() as asking:
        got = await asking.ask("POST", url + "/v1/a b?q=ü&x=%20", b"{}")
        assert await got.read() == BODY
        got.close()
    host = url.removeprefix("http://").encode()
    assert asked == [
        b"POST /v1/a%20b?q=%C3%BC&x=%20 HTTP/1.1\r\nHost: " + host
        + b"\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\n{}"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("play", "again"),
    [
        (sends(LENGTH), True), (sends(CHUNKS), True), (sends(TRAILED), True),
        (sends(reply(b"", status=b"204 No Content")), True),
        (sends(reply(b"", b"Connection: close", b"Content-Length: 0")), False),
        (sends(LENGTH + b"more"), False), (sends(UNTIL_THE_END, close=True), False),
        (sends(LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0")), False),
    ],
)  # fmt: skip
async def test_a_connection_is_used_again_if_its_exchange_is_over(play: Any, again: bool) -> None:
    connections = set()

    async def watched(reader: Any, writer: Any, connection: int) -> None:
        connections.add(connection)
        await play(reader, writer, connection)

    async with server(watched) as (url, _), pool() as asking:
        for _ in range(3):
            async with await asking.ask("GET", url) as got:
                await got.read()
            await asyncio.sleep(0.01)
    assert len(connections) == (1 if again else 3)


async def test_a_connection_that_has_been_idle_for_long_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections = set()

    async def watched(reader: Any, writer: Any, connection: int) -> None:
        connections.add(connection)
        writer.write(LENGTH)

    monkeypatch.setattr(http1, "KEPT", 0.05)
    async with server(watched) as (url, _), pool() as asking:
        for pause in (0.0, 0.1, 0.0):
            async with await asking.ask("GET", url) as got:
                await got.read()
            await asyncio.sleep(pause)
        assert len(asking._all) == 1
    assert len(connections) == 2


async def test_closing_before_the_end_hangs_up() -> None:
    gone = asyncio.Event()

    async def endless(reader: Any, writer: Any, connection: int) -> None:
        writer.write(reply(b"", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n")
        await reader.read()
        gone.set()

    async with server(endless) as (url, _), pool() as asking:
        async with await asking.ask("GET", url) as got:
            assert await got.packet() == b"abc"
        await asyncio.wait_for(gone.wait(), 5)


async def test_what_lies_in_the_networks_buffer_can_be_looked_at() -> None:
    late = asyncio.Event()

    async def twice(reader: Any, writer: Any, connection: int) -> None:
        writer.write(reply(b"", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n")
        await late.wait()
        writer.write(b"3\r\ndef\r\n")
        await asyncio.sleep(0)
        found.append(got.arrived(look=True))  # sent, and the loop has not read it yet

    found: list[bytes] = []
    async with server(twice) as (url, _), pool() as asking, await asking.ask("GET", url) as got:
        assert await got.packet() == b"abc"
        late.set()
        await asyncio.sleep(0.05)
        found.append(got.arrived())
    assert b"".join(found) == b"def"
    assert found[0] == b"def"


async def test_a_server_waits_for_a_slow_reader() -> None:
    written = 0

    async def flood(reader: Any, writer: Any, connection: int) -> None:
        nonlocal written
        writer.write(reply(b"", b"Content-Length: %d" % (64 << 20)))
        for _ in range(64):
            writer.write(b"x" * (1 << 20))
            await writer.drain()
            written += 1

    async with server(flood) as (url, _), pool() as asking, await asking.ask("GET", url) as got:
        await asyncio.sleep(0.2)
        assert written < 32
        assert len(await got.read()) == 64 << 20


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9", "refused"), ("http://127.0.0.1:x", "not an address"),
        ("http://nowhere.invalid", None), ("http://" + "a" * 300, None),
    ],
)  # fmt: skip
async def test_no_connection_is_told_with_the_reason(url: str, why: str | None) -> None:
    async with pool() as asking:
        with pytest.raises(Unconnected, match=why):
            await asking.ask("GET", url)


async def test_a_server_that_hangs_up_is_broken() -> None:
    for sent in (b"", b"HTTP/1.1 200 OK\r\n", LENGTH[:-3], CHUNKS[:-5]):
        async with server(sends(sent, close=True)) as (url, _), pool() as asking:
            with pytest.raises((Broken, OSError)):
                async with await asking.ask("GET", url) as got:
                    await got.read()


async def test_a_request_that_is_given_up_leaves_no_connection() -> None:
    async def silent(reader: Any, writer: Any, connection: int) -> None:
        await asyncio.sleep(30)

    async with server(silent) as (url, _), pool() as asking:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await asking.ask("GET", url)
        await asyncio.sleep(0.01)
        assert not asking._all


async def test_a_secure_connection_is_made_only_with_a_server_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost"]  # fmt: skip
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(CHUNKS)
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{running.sockets[0].getsockname()[1]}"
    async with pool() as asking:
        with pytest.raises(ssl.SSLError):
            await asking.ask("GET", url)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    async with pool() as asking:
        for _ in range(2):
            async with await asking.ask("GET", url) as got:
                assert await got.read() == BODY
        assert len(asking._all) == 1
    running.close()
    await running.wait_closed()
