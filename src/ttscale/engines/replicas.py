"""Several servers behind one name: each request goes to the one with the least to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

REST = 5.0  # seconds a replica that failed is avoided while another one works


class Replica:
    """One server: its address (without /v1) and the requests it is working on."""

    __slots__ = ("outstanding", "rests_until", "served", "url")

    def __init__(self, url: str) -> None:
        self.url, self.outstanding, self.served, self.rests_until = url, 0, 0, 0.0

    def failed(self) -> None:
        """Avoid it for a while."""
        self.rests_until = time.monotonic() + REST


class Replicas:
    """Leases replicas, `concurrency` requests at a time in all; the others queue in order."""

    def __init__(self, urls: Sequence[str], concurrency: int) -> None:
        self.all = [Replica(url) for url in urls]
        self._room = asyncio.Semaphore(concurrency)

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Replica]:
        """A replica with the fewest requests outstanding, once there is room for one more."""
        async with self._room:
            replica = self._pick()
            replica.outstanding += 1
            replica.served += 1
            try:
                yield replica
            finally:
                replica.outstanding -= 1

    def _pick(self) -> Replica:
        if len(self.all) == 1:
            return self.all[0]
        now = time.monotonic()
        return min(self.all, key=lambda r: (r.rests_until > now, r.outstanding, r.served))
