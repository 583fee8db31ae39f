"""A lean HTTP/1.1 client: a request, a reply read as it comes, a connection kept for the next.

Model servers are asked thousands of times a second by small requests. What a general client does
besides (redirects, cookies, proxies, a reader and a writer for every request) costs more than the
reply, and it hides what has arrived from somebody who has to stop at once and count it.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
import zlib
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

Origin = tuple[bool, str, int]  # (secure, host, port)

KEPT = 4.0  # seconds a connection is kept: many servers close theirs after 5, and a race is lost
_LONGEST_HEAD = 1 << 16  # bytes
_LONGEST_LINE = 1 << 12  # bytes of the line before a chunk
_FULL = 1 << 18  # bytes that wait for a reader, until the server is made to wait too
_ROUNDS = 10  # of the event loop, in which a connection that was aborted is over
_PUNCTUATION = "!$&'()*+,/:;=?@[]~%"


class Unconnected(ConnectionError):
    """No connection could be made."""


class Broken(ConnectionError):
    """The connection ended too early, or what came is not HTTP."""


class Pool:
    """Connections to servers, each kept until it has been idle for a while.

    Args:
        headers: of every request.
        patience: seconds until a connection must stand.
    """

    def __init__(self, headers: Mapping[str, str], patience: float) -> None:
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._patience = patience
        self._targets: dict[tuple[str, str], tuple[Origin, bytes]] = {}
        self._idle: dict[Origin, deque[Connection]] = {}
        self._all: set[Connection] = set()
        self._tls: ssl.SSLContext | None = None

    async def ask(self, method: str, url: str, body: bytes = b"") -> Reply:
        """The reply, once its head is there. It must be closed: `async with await pool.ask(...)`.

        Raises:
            Unconnected, Broken, OSError: there is no reply.
        """
        origin, head = self._targets.get((method, url)) or self._target(method, url)
        connection = self._kept(origin) or await self._connect(origin)
        reply = Reply(connection)
        try:
            connection.send(reply, b"%s%d\r\n\r\n%s" % (head, len(body), body))
            await reply.begun()
        except BaseException:
            reply.close()
            raise
        return reply

    async def close(self) -> None:
        """End all connections."""
        for connection in list(self._all):
            connection.abort()
        for _ in range(_ROUNDS):
            if not self._all:
                break
            await asyncio.sleep(0)

    # -- called by connections

    def keep(self, connection: Connection) -> None:
        """One that can be used again."""
        idle = self._idle.setdefault(connection.origin, deque())
        now = connection.idle_since = time.monotonic()
        idle.append(connection)
        while now - idle[0].idle_since > KEPT:
            idle.popleft().abort()

    def forget(self, connection: Connection) -> None:
        """One that has ended."""
        self._all.discard(connection)

    # -- private

    def _kept(self, origin: Origin) -> Connection | None:
        """The connection used last: the likeliest to be still open."""
        idle, now = self._idle.get(origin), time.monotonic()
        while idle:
            connection = idle.pop()
            if connection.open and now - connection.idle_since <= KEPT:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin) -> Connection:
        secure, host, port = origin
        if secure and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        # a race between the addresses of a name loses a socket if it is cancelled at its end
        named = host.strip("0123456789.") != "" and ":" not in host
        try:
            async with asyncio.timeout(self._patience):
                _, connection = await loop.create_connection(
                    lambda: Connection(self, origin), host, port,
                    ssl=self._tls if secure else None,
                    happy_eyeballs_delay=0.25 if named else None,
                )  # fmt: skip
        except ssl.SSLError:
            raise
        except TimeoutError:
            raise Unconnected(f"no connection within {self._patience:g} s") from None
        except (OSError, UnicodeError) as error:
            raise Unconnected(_reason(error)) from None
        self._all.add(connection)
        return connection

    def _target(self, method: str, url: str) -> tuple[Origin, bytes]:
        """(origin, head of the request up to the number of its bytes)."""
        try:
            parts = urlsplit(url)
            secure, host = parts.scheme == "https", parts.hostname or ""
            origin = (secure, host, parts.port or (443 if secure else 80))
        except ValueError:
            raise Unconnected("that is not an address") from None
        path = quote(parts.path or "/", safe=_PUNCTUATION)
        query = "?" + quote(parts.query, safe=_PUNCTUATION) if parts.query else ""
        head = f"{method} {path}{query} HTTP/1.1\r\nHost: {parts.netloc}\r\n{self._headers}"
        found = origin, f"{head}Content-Length: ".encode(errors="replace")
        self._targets[method, url] = found
        return found


class Connection(asyncio.Protocol):
    """One connection, which carries one exchange after the other."""

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self.origin, self.idle_since, self.open = origin, 0.0, False
        self._pool = pool
        self._reply: Reply | None = None
        self._transport: Any = None

    def send(self, reply: Reply, request: bytes) -> None:
        self._reply = reply
        self._transport.write(request)

    def done(self, again: bool) -> None:
        """The exchange is over; `again` says whether the connection can carry another one."""
        self._reply = None
        if again and self.open:
            self._pool.keep(self)
        else:
            self.abort()

    def abort(self) -> None:
        """End it at once: that is what stops a server."""
        self.open = False
        self._transport.abort()

    def pause(self) -> None:
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def look(self) -> bytes:
        """What has come from the network and the loop has had no time for."""
        if not self.open or self.origin[0]:
            return b""  # encrypted bytes are of no use
        try:
            return os.read(self._transport.get_extra_info("socket").fileno(), _FULL)
        except OSError:  # nothing there; and where a socket is no file
            return b""

    # -- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.open = transport, True

    def data_received(self, data: bytes) -> None:
        if self._reply is None:
            self.abort()  # nobody has asked
        else:
            self._reply.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._pool.forget(self)
        if self._reply is not None:
            self._reply.lost(error)


class Reply:
    """What a server answers: `status`, `headers` (names in lower case) and the body as it comes.

    Attributes:
        complete: nothing follows.
    """

    __slots__ = (
        "_again", "_chunked", "_connection", "_error", "_inflate", "_left", "_packets", "_paused",
        "_rest", "_size", "_trailer", "_waiter", "complete", "headers", "status",
    )  # fmt: skip

    def __init__(self, connection: Connection) -> None:
        self.status, self.complete = 0, False
        self.headers: dict[str, str] = {}
        self._connection: Connection | None = connection
        self._packets: list[bytes] = []
        self._size = 0  # of them together
        self._rest = b""  # what cannot be read without what follows
        self._left: int | None = 0  # bytes of the body, or of the chunk; None up to the end
        self._chunked = self._trailer = self._again = self._paused = False
        self._inflate: Any = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None

    @property
    def content_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    # -- reading

    async def begun(self) -> None:
        """Wait for the head."""
        while not self.status:
            await self._news()

    async def packet(self) -> bytes:
        """What has come since the last time, once there is something; empty at the end."""
        while not self._packets:
            if self.complete:
                return b""
            await self._news()
        return self.arrived()

    async def read(self) -> bytes:
        """The rest of the body."""
        packets = []
        while packet := await self.packet():
            packets.append(packet)
        return b"".join(packets)

    def arrived(self, look: bool = False) -> bytes:
        """What has come since the last time, without waiting; `look` also into the network's buffer,
        by somebody who will close and shall miss nothing."""
        if look and self._connection is not None and self.status and self._error is None:
            self.feed(self._connection.look())
        packets = self._packets
        whole = packets[0] if len(packets) == 1 else b"".join(packets)
        packets.clear()
        self._size = 0
        if self._paused and self._connection is not None:
            self._paused = False
            self._connection.resume()
        return whole

    def close(self) -> None:
        """Give the connection back, or end it if something is still to come."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.done(self.complete and self._again and not self._paused)

    async def __aenter__(self) -> Reply:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- called by the connection

    def feed(self, data: bytes) -> None:
        """Bytes from the network, however they are cut."""
        if self.complete:
            self._again = False  # more than was announced
            return
        if self._rest:
            data, self._rest = self._rest + data, b""
        try:
            if not self.status:
                data = self._head(data)
            if self.status and not self.complete:
                self._body(data)
        except (ValueError, zlib.error, Broken) as error:
            why = error if isinstance(error, Broken) else Broken("what it sent is not HTTP")
            self._fail(why)
        if self._size > _FULL and not self._paused and self._connection is not None:
            self._paused = True
            self._connection.pause()
        self._wake()

    def lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        if self.status and self._left is None and not self._chunked and error is None:
            self.complete = True
        elif not self.complete and self._error is None:
            self._error = error if isinstance(error, OSError) else Broken("it hung up")
        self._wake()

    # -- private

    async def _news(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error, self._again = error, False
        if self._connection is not None:
            self._connection.abort()

    def _head(self, data: bytes) -> bytes:
        """Read status and headers, if they are all there; what follows them."""
        head, end, rest = data.partition(b"\r\n\r\n")
        if not end:
            if len(data) > _LONGEST_HEAD:
                raise Broken("the head of its reply is too long")
            self._rest = data
            return b""
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, said = first.partition(" ")
        status = int(said[:3])
        if not version.startswith("HTTP/1.") or not 100 <= status < 600:
            raise Broken("what it sent is not HTTP")
        if status < 200:  # a note before the reply
            return self._head(rest)
        headers = self.headers
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.status = status
        self._again = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
        self._chunked = headers.get("transfer-encoding", "").lower().endswith("chunked")
        if not self._chunked:
            length = headers.get("content-length")
            if length is not None and not length.isdecimal():
                raise ValueError(length)
            self._left = None if length is None else int(length)
            self.complete = status in (204, 304) or self._left == 0
        if headers.get("content-encoding", "").lower() in ("gzip", "deflate"):
            self._inflate = zlib.decompressobj(47)  # although it was asked not to
        return rest

    def _body(self, data: bytes) -> None:
        if self._chunked:
            self._chunks(data)
        elif self._left is None:
            self._take(data)
        else:
            self._take(data[: self._left])
            self._again = self._again and len(data) <= self._left
            self._left = max(0, self._left - len(data))
            self.complete = not self._left

    def _chunks(self, data: bytes) -> None:
        """A body in chunks: a line with its size in hexadecimal digits before each, 0 at the end."""
        at, left = 0, self._left or 0
        while True:
            if left:
                piece = data[at : at + left]
                self._take(piece)
                at += len(piece)
                left -= len(piece)
                if left:
                    break
            end = data.find(b"\r\n", at)
            if end < 0:
                self._rest = data[at:]
                if len(self._rest) > _LONGEST_LINE:
                    raise Broken("what it sent is not HTTP")
                break
            line, at = data[at:end], end + 2
            if self._trailer:
                if not line:
                    self.complete = True
                    self._again = self._again and at == len(data)
                    break
            elif line:  # an empty one ends the chunk before
                left = int(line.partition(b";")[0], 16)
                if left < 0:
                    raise ValueError(line)
                self._trailer = not left
        self._left = left

    def _take(self, piece: bytes) -> None:
        if self._inflate is not None:
            piece = self._inflate.decompress(piece)
        if piece:
            self._packets.append(piece)
            self._size += len(piece)


def _reason(error: Exception) -> str:
    """Why there is no connection, in the system's words."""
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or "no connection"
