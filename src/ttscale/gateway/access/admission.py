"""The queue at the door: so many requests in service, so many waiting, and no more.

What waits has not been read yet, so a full queue costs connections, not memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from types import TracebackType

from ..errors import ApiError


class AdmissionQueue:
    """`async with admission:` is a place in service.

    Attributes:
        active, waiting: requests now. draining: no request is let in any more.
    """

    def __init__(self, active: int, queue: int, seconds: float) -> None:
        self._most, self._queue, self._seconds = max(1, active), queue, seconds
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._empty: asyncio.Future[None] | None = None
        self.active = 0
        self.draining = False

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    async def __aenter__(self) -> None:
        if self.draining:
            raise ApiError(503, "the gateway is shutting down", code="shutting_down", after=5.0)
        if self.active < self._most and not self._waiters:
            self.active += 1
            return
        if len(self._waiters) >= self._queue:
            raise self._full("too many requests are waiting")
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(self._seconds):
                await waiter
        except TimeoutError:
            self._withdraw(waiter)
            raise self._full(f"no place was free within {self._seconds:g} s") from None
        except BaseException:
            self._withdraw(waiter)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def resize(self, active: int, queue: int, seconds: float) -> None:
        """Other limits from now on; who is in stays in."""
        self._most, self._queue, self._seconds = max(1, active), queue, seconds
        while self._waiters and self.active < self._most:
            self._let_in()

    async def drained(self, seconds: float) -> bool:
        """Wait until nothing is in service; whether that came within the time."""
        self.draining = True
        if self.active or self._waiters:
            self._empty = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._empty
        return not self.active

    def _leave(self) -> None:
        self.active -= 1
        if self.active < self._most and self._waiters:
            self._let_in()
        if not self.active and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _let_in(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.active += 1
                waiter.set_result(None)
                return

    def _withdraw(self, waiter: asyncio.Future[None]) -> None:
        """Give up waiting; a place that was given meanwhile goes to the next."""
        if waiter.done() and not waiter.cancelled():
            self._leave()
        else:
            with suppress(ValueError):
                self._waiters.remove(waiter)

    def _full(self, why: str) -> ApiError:
        return ApiError(503, why, code="overloaded", after=1.0 + self.waiting / self._most)
