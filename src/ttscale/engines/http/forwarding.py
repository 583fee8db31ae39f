"""Passing bytes on to a server, and its reply back as it comes.

Until the first bytes of the reply have come, a replica that fails, or takes no more, is replaced by
another. One that is slow may be overtaken: after the hedging time a second replica is asked too, the
first to answer is taken, and the other is told to stop.
"""

from __future__ import annotations

import asyncio
import math
import time
import zlib
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

from ...core import Unreachable
from .address import endpoint
from .attempts import Attempts
from .errors import error_bodies, failures
from .errors.failures import Failure
from .replicas import Lease, Replica
from .sse import BOM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .client import HTTPClient

_EARLY = 0.001  # seconds by which timers of event loops may ring before their time
_COST = 256  # tokens a reply is expected to have where the request does not say


class _Reply(NamedTuple):
    """A replica that answers, and the room it takes there.

    `first` are the first bytes. `failure` says what a refusal means.
    """

    response: aiohttp.ClientResponse
    lease: Lease
    first: bytes
    failure: Failure | None

    def close(self) -> None:
        self.response.close()  # if the rest was not read the connection goes: the server stops
        self.lease.give_back()


class Forwarding:
    """`async with client.forward(path, payload) as reply:`; leaving the block early stops it.

    A replica whose reply breaks off has failed.

    Attributes:
        status, headers, content_type: of the reply. A stream of status 200 that begins with an error
            has the status of that error.
        hedged: whether a second replica was asked.
        overdue: whether its seconds are over.
    """

    _reply: _Reply
    status: int
    headers: Mapping[str, str]
    content_type: str

    def __init__(
        self, client: HTTPClient, path: str, payload: bytes, cost: int, hedge: float, seconds: float | None
    ) -> None:
        self._client, self._path, self._payload = client, path, payload
        self._cost, self._hedge = cost or _COST, hedge
        self._seconds, self._began = seconds, time.monotonic()
        self._tried: set[Replica] = set()
        self._tries = 0
        self._first_bytes = b""
        self._broken = self.hedged = False

    async def __aenter__(self) -> Forwarding:
        """Raises `Unreachable` if no replica answers, or not in time."""
        several = len(self._client.replicas.all) > 1
        try:
            async with asyncio.timeout(self._seconds):
                self._reply = await (self._first() if self._hedge and several else self._request())
        except Failure as failure:
            raise failure.error from None
        except TimeoutError:
            raise Unreachable(f"{self._client.server} was not done after {self._seconds:g} s") from None
        response, refusal = self._reply.response, self._reply.failure
        self.status, self.headers = response.status, response.headers
        self.content_type = response.content_type
        self._first_bytes = self._reply.first
        if refusal is not None and refusal.error.status is not None:
            self.status = refusal.error.status
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        reply, replica = self._reply, self._reply.lease.replica
        if self._broken:
            failures.broke_off(self._client.server, 0).note(replica, self._payload, self)
        elif kind is None and reply.failure is not None:
            reply.failure.note(replica, self._payload, self)
        elif kind is None and reply.response.content.at_eof():
            replica.worked()
        reply.close()

    # -- the reply

    async def beginning(self) -> bytes:
        """What comes first, at least up to a byte that is not blank; `packet` gives it once more.

        Raises:
            Unreachable: if nothing comes.
        """
        begun = packet = await self.packet()
        while packet and not begun.removeprefix(BOM).strip():
            packet = await self.packet()
            begun += packet
        self._first_bytes = begun
        return begun

    async def packet(self) -> bytes:
        """What comes next; empty at the end. Raises `Unreachable` if nothing does."""
        first, self._first_bytes = self._first_bytes, b""
        content = self._reply.response.content
        if first or content.at_eof():
            return first
        try:
            async with asyncio.timeout(self._patience()):
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

    @property
    def overdue(self) -> bool:
        return self._seconds is not None and time.monotonic() - self._began >= self._seconds - _EARLY

    def _patience(self) -> float:
        """Seconds until the next packet must have come."""
        idle, total = self._client.idle, self._client.total
        left = math.inf if self._seconds is None else self._seconds
        left = min(left, math.inf if total is None else total) - (time.monotonic() - self._began)
        return max(0.0, min(idle, left))

    # -- finding a replica

    async def _request(self) -> _Reply:
        """Ask one replica after the other."""
        attempts = Attempts(
            self._client,
            self._wait,
            cost=self._cost,
            prefix=zlib.crc32(self._payload[:1024]),
            identity=self._payload,
            tried=self._tried,
        )
        return await attempts.run(self._request_one)

    async def _request_one(self, lease: Lease) -> _Reply:
        client, replica = self._client, lease.replica
        self._tried.add(replica)
        self._tries += 1
        response = await client.session.post(
            endpoint(replica.url, self._path), data=self._payload, allow_redirects=False
        )
        try:
            first = await response.content.readany()
            while error_bodies.half_an_error(first) and not response.content.at_eof():
                first += await response.content.readany()
            failure = self._failure(response, first)
            if failure is not None and failure.again and self._another():
                raise failure
        except BaseException:
            response.close()
            raise
        return _Reply(response, lease.keep(), first, failure)

    def _failure(self, response: aiohttp.ClientResponse, first: bytes) -> Failure | None:
        """What a reply that begins like this means; None for a success."""
        client = self._client
        if not 200 <= response.status < 300:
            return failures.of_response(response.status, response.headers, first, client.server, client.key)
        if response.content_type == "text/event-stream":
            error = error_bodies.opening_error(first)
            return None if error is None else failures.of_event_data(error, client.server, client.key)
        return None

    def _another(self) -> bool:
        """Whether a refusal of this replica is not yet the last word."""
        return self._tries < len(self._client.replicas.all)

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
