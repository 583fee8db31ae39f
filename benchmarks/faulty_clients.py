"""Clients as they should not be, for `soak.py`: what each does to the gateway, and what must come of it.

Each is given the gateway's port and its own random numbers, and tells what came of it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from faulty_upstream import MARK

LARGEST = 1 << 20  # bytes of a body that the gateway of the soak takes
PATIENCE = 2.0  # seconds it waits for a body
_FIRST_METHODS = ("", "sc(n=2)/", "ffs(n=2)/")


class Unexpected(Exception):
    """What came is not what should have come."""


@dataclass
class Connection:
    """To the gateway, without an HTTP library between."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *fields: str, body: bytes = b"") -> None:
        """The head of a request with these fields, and a body or the beginning of one."""
        head = ["POST /v1/chat/completions HTTP/1.1", "Host: soak", "Connection: close", *fields, "", ""]
        self.writer.write("\r\n".join(head).encode() + body)
        await self.writer.drain()

    async def ask(self, body: bytes) -> None:
        await self.send(f"Content-Length: {len(body)}", body=body)

    async def status(self, *expected: int) -> int:
        """The status of the reply; 0 if the connection ends."""
        line = await self.reader.readline()
        status = int(line.split()[1]) if line else 0
        if status not in expected:
            raise Unexpected(f"status {status}")
        return status

    async def rest(self, size: int = 1 << 16, pause: float = 0.0) -> bytes:
        """All that comes until the connection ends, in pieces."""
        read = b""
        while piece := await self.reader.read(size):
            read += piece
            await asyncio.sleep(pause)
        return read


@asynccontextmanager
async def connected(port: int, **more: Any) -> AsyncIterator[Connection]:
    """A connection that ends with a reset, without a farewell."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **more)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


def _body(rng: random.Random, model: str, **fields: Any) -> bytes:
    messages = [{"role": "user", "content": f"{MARK} {rng.getrandbits(48)}: what is 2 + 2?"}]
    return json.dumps({"model": rng.choice(_FIRST_METHODS) + model, "messages": messages, **fields}).encode()


async def leaves_before(port: int, rng: random.Random) -> str:
    async with connected(port) as connection:
        await connection.ask(_body(rng, "slow", stream=rng.random() < 0.5))
        await asyncio.sleep(rng.uniform(0, 0.1))
    return "left"


async def leaves_midway(port: int, rng: random.Random) -> str:
    async with connected(port) as connection:
        await connection.ask(_body(rng, "slow", stream=True))
        await connection.status(200)
        await connection.reader.readuntil(b"data:")
        await asyncio.sleep(rng.uniform(0, 0.1))
    return "left"


async def sends_half_a_body(port: int, rng: random.Random) -> str:
    body = _body(rng, "well")
    async with connected(port) as connection:
        await connection.send(f"Content-Length: {len(body)}", body=body[: rng.randrange(len(body))])
        if rng.random() < 0.8:
            await asyncio.sleep(rng.uniform(0, 0.1))
            return "left"
        return f"refused {await connection.status(408)}"


async def sends_garbage(port: int, rng: random.Random) -> str:
    nested = b"[" * 5000
    kinds = (rng.randbytes(200), b"{", b"null", b"[]", b'{"model": 3}', nested, _body(rng, "well")[:-1])
    async with connected(port) as connection:
        await connection.ask(rng.choice(kinds))
        return f"refused {await connection.status(400, 404)}"


async def reads_slowly(port: int, rng: random.Random) -> str:
    async with connected(port, limit=64) as connection:
        await connection.ask(_body(rng, "well", stream=True))
        if not (await connection.rest(64, 0.002)).endswith(b"0\r\n\r\n"):
            raise Unexpected("the stream has no end")
        return "answered"


async def sends_too_much(port: int, rng: random.Random) -> str:
    """More than is taken, told before or not."""
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
    async with connected(port) as connection:
        if rng.random() < 0.5:
            await connection.send(f"Content-Length: {10 * LARGEST}", body=bytes(1 << 16))
        else:
            await connection.send("Transfer-Encoding: chunked")
            for _ in range(2 * LARGEST // 0x8000):
                connection.writer.write(chunk)
        return f"refused {await connection.status(413)}"


async def expects_100(port: int, rng: random.Random) -> str:
    body = _body(rng, "well")
    async with connected(port) as connection:
        await connection.send("Expect: 100-continue", f"Content-Length: {len(body)}")
        await connection.status(100)
        await connection.reader.readline()
        connection.writer.write(body)
        await connection.status(200)
        return "answered"


async def idles(port: int, rng: random.Random) -> str:
    """Many connections that ask for nothing, or for half of something."""

    async def idle() -> None:
        async with connected(port) as connection:
            connection.writer.write(rng.choice((b"", b"POST /v1/chat/comp", b"GET /health HTTP/1.1\r\nHost")))
            await asyncio.sleep(rng.uniform(0.1, 2.0))

    await asyncio.gather(*(idle() for _ in range(10)))
    return "left"


CLIENTS: dict[str, Callable[[int, random.Random], Awaitable[str]]] = {
    client.__name__.replace("_", "-"): client
    for client in (
        leaves_before,
        leaves_midway,
        sends_half_a_body,
        sends_garbage,
        reads_slowly,
        sends_too_much,
        expects_100,
        idles,
    )
}
