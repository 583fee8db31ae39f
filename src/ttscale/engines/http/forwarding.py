"""Passing bytes on to a server, and its reply back as it comes.

Until the reply begins, a replica that fails is replaced by another. One that is slow may be
overtaken: after the hedging time a second replica is asked too, the first to answer is taken, and
the other is told to stop.
"""

from __future__ import annotations

import asyncio
import zlib
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

from ...core import Unreachable
from . import failures
from .attempts import Attempts
from .failures import Failure
from .replicas import Lease, Replica
from .retry import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .client import HTTPClient

_AGAIN = frozenset({500, 502, 503, 504, 529})
_COST = 256  # tokens a reply is expected to have where the request does not say


class _Reply(NamedTuple):
    """A replica that answers, and the room it takes there."""

    response: aiohttp.ClientResponse
    lease: Lease

    def close(self) -> None:
        self.response.close()  # if the rest was not read the connection goes: the server stops
        self.lease.give_back()


class Forwarding:
    """`async with client.forward(path, payload) as reply:`; leaving the block early stops it.

    A replica whose reply breaks off has failed.

    Attributes:
        status, headers, content_type: of the reply.
        hedged: whether a second replica was asked.
    """

    _reply: _Reply
    status: int
    headers: Mapping[str, str]
    content_type: str

    def __init__(self, client: HTTPClient, path: str, payload: bytes, cost: int, hedge: float) -> None:
        self._client, self._path, self._payload = client, path, payload
        self._cost, self._hedge = cost or _COST, hedge
        self._tried: set[Replica] = set()
        self._tries = 0
        self._broken = self.hedged = False

    async def __aenter__(self) -> Forwarding:
        """Raises `Unreachable` if no replica answers."""
        several = len(self._client.replicas.all) > 1
        try:
            self._reply = await (self._first() if self._hedge and several else self._request())
        except Failure as failure:
            raise failure.error from None
        response = self._reply.response
        self.status, self.headers = response.status, response.headers
        self.content_type = response.content_type
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        replica = self._reply.lease.replica
        if self._broken:
            replica.failed()
        elif kind is None and self.status == 429:
            replica.full(retry_after(self.headers.get("Retry-After")))
        elif kind is None and self._reply.response.content.at_eof():
            replica.worked()
        self._reply.close()

    # -- the reply

    async def packet(self) -> bytes:
        """What comes next; empty at the end. Raises `Unreachable` if nothing does."""
        content = self._reply.response.content
        if content.at_eof():
            return b""
        try:
            async with asyncio.timeout(self._client.idle):
                return await content.readany()
        except failures.BROKEN as error:
            self._broken = True
            raise failures.of_connection(error, self._client.server).error from None

    async def read(self) -> bytes:
        """All that comes."""
        packets = []
        while packet := await self.packet():
            packets.append(packet)
        return b"".join(packets)

    # -- finding a replica

    async def _request(self) -> _Reply:
        """Ask one replica after the other."""
        prefix = zlib.crc32(self._payload[:1024])
        attempts = Attempts(self._client, self._wait, cost=self._cost, prefix=prefix, avoid=self._tried)
        return await attempts.run(self._request_one)

    async def _request_one(self, lease: Lease) -> _Reply:
        client, replica = self._client, lease.replica
        self._tried.add(replica)
        self._tries += 1
        response = await client.session.post(
            replica.url + self._path, data=self._payload, allow_redirects=False
        )
        status = response.status
        if status in _AGAIN and len(client.replicas.all) > 1 and self._wait() is not None:
            response.close()
            error = Unreachable(f"{client.server} failed: status {status}", fix="see its log")
            raise Failure(error, True, blamed=status != 500)  # that may be the request's own fault
        return _Reply(response, lease.keep())

    def _wait(self, retries: int = 0, requested: float | None = None) -> float | None:
        """Each is asked once and at once. A single one gets a second chance: its kept connection
        may have been stale."""
        return 0.0 if self._tries < max(2, len(self._client.replicas.all)) else None

    async def _first(self) -> _Reply:
        """The first of two, the second of which starts a hedging time later."""
        tasks = [asyncio.ensure_future(self._request())]
        try:
            done, _ = await asyncio.wait(tasks, timeout=self._hedge)
            if not done:
                self.hedged = True
                tasks.append(asyncio.ensure_future(self._request()))
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if not any(_answered(task) for task in tasks):
                    await asyncio.wait(tasks)  # one has failed: the other may not
            winner = next((task for task in tasks if _answered(task)), tasks[0])
            tasks.remove(winner)
            return winner.result()
        finally:
            for task in tasks:
                task.cancel()
            for left in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(left, _Reply):
                    left.close()


def _answered(task: asyncio.Task[_Reply]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
