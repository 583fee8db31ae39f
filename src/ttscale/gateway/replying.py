"""Finding a replica that answers a plain request, before the first byte of its reply.

One that fails is replaced by another. One that is slow may be overtaken: after the hedging time a
second replica is asked too, the first to answer is taken, and the other is told to stop.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from ..engines.failures import BROKEN
from ..engines.openai_http import OpenAIHTTP
from ..engines.replicas import Replica
from ..engines.retry import retry_after
from .errors import ApiError

_AGAIN = frozenset({500, 502, 503, 504, 529})


@dataclass(slots=True)
class Passed:
    """What a passed request is known to have used.

    Attributes:
        completion_tokens: as the upstream reports them, else the events of the stream.
        estimated: whether they were counted by events.
        hedged: whether a second replica was asked.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    hedged: bool = False

    def read(self, usage: Any) -> None:
        """Take in a `usage` object of any of the APIs."""
        if not isinstance(usage, dict):
            return
        prompt = usage.get("prompt_tokens", usage.get("input_tokens"))
        completion = usage.get("completion_tokens", usage.get("output_tokens"))
        if isinstance(prompt, int):
            self.prompt_tokens = prompt
        if isinstance(completion, int):
            self.completion_tokens, self.estimated = completion, False


@asynccontextmanager
async def answering(
    server: OpenAIHTTP, hedge: float, path: str, payload: bytes, cost: int, passed: Passed
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The reply of the first replica that gives one; leaving the block early stops it. A replica
    whose reply was not read to its end, or with an `ApiError`, has failed.

    Raises:
        ApiError: 502 if none does.
    """
    asking = _Asking(server, path, payload, cost)
    if hedge and len(server.replicas.all) > 1:
        leased = await _first(asking, hedge, passed)
    else:
        leased = await asking.ask()
    replica, reply = leased.replica, leased.reply
    try:
        yield reply
        if reply.status == 429:
            replica.full(retry_after(reply.headers.get("Retry-After")))
        elif reply.content.at_eof():
            replica.worked()
        else:  # a stream that broke off, which has been told to the client already
            replica.failed()
    except ApiError:
        replica.failed()
        raise
    finally:
        reply.close()  # if nobody has read the rest the connection goes: the upstream stops
        await leased.lease.aclose()


@dataclass(frozen=True, slots=True)
class _Leased:
    """A replica that answers, and what gives it back."""

    reply: aiohttp.ClientResponse
    replica: Replica
    lease: AsyncExitStack


class _Asking:
    """One request on its way to some replica."""

    def __init__(self, server: OpenAIHTTP, path: str, payload: bytes, cost: int) -> None:
        self._server, self._path, self._payload, self._cost = server, path, payload, cost
        self._prefix = zlib.crc32(payload[:1024])
        self._tried: set[Replica] = set()
        self._tries = 0

    async def ask(self) -> _Leased:
        """Ask one replica after the other."""
        server = self._server
        while True:
            async with AsyncExitStack() as lease:
                replica = await lease.enter_async_context(
                    server.replicas.lease(self._cost, self._prefix, self._tried)
                )
                self._tried.add(replica)
                self._tries += 1
                # a single replica gets a second chance: its kept connection may have been stale
                last = self._tries >= max(2, len(server.replicas.all))
                try:
                    reply = await self._post(replica)
                except BROKEN:
                    replica.failed()
                    if last:
                        raise failed(server) from None
                    continue
                if reply.status in _AGAIN and not last and len(server.replicas.all) > 1:
                    reply.close()
                    if reply.status != 500:  # that may be the request's own fault
                        replica.failed()
                    continue
                return _Leased(reply, replica, lease.pop_all())

    async def _post(self, replica: Replica) -> aiohttp.ClientResponse:
        server = self._server
        async with asyncio.timeout(server.idle):
            return await server.session.post(
                replica.url + self._path, data=self._payload, allow_redirects=False
            )


async def _first(asking: _Asking, hedge: float, passed: Passed) -> _Leased:
    """The first of two, the second of which starts `hedge` seconds later."""
    tasks = [asyncio.ensure_future(asking.ask())]
    try:
        done, _ = await asyncio.wait(tasks, timeout=hedge)
        if not done:
            passed.hedged = True
            tasks.append(asyncio.ensure_future(asking.ask()))
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
            if isinstance(left, _Leased):
                left.reply.close()
                await left.lease.aclose()


def _answered(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def failed(server: OpenAIHTTP) -> ApiError:
    """No replica answers, or the one that did broke off."""
    return ApiError(502, f"{server.server} cannot be reached or broke off", code="upstream_failed")
