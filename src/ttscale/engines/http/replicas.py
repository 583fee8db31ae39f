"""Several servers behind one name: each request goes to one that works, has little to do, and has
probably seen the beginning of the prompt before."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Collection, Hashable, Sequence
from types import TracebackType

REST = 5.0  # seconds a replica that failed is avoided while another one works
LONGEST_REST = 60.0
FULL = 1.0  # seconds a replica that takes no more is left alone, where it does not say itself
BROKEN = 3  # failures in a row after which a replica is asked by one request at a time
LEAD = 2  # requests a replica that knows the prompt may be ahead of the least busy one


class Replica:
    """One server: its address (without /v1), the requests it is working on, and its failures.

    Attributes:
        tokens: expected of the outstanding requests.
        failures: in a row, those on one thing counted once.
        answered: it has done what it was asked, once at least.
    """

    __slots__ = (
        "_failed_on",
        "answered",
        "failures",
        "full_until",
        "outstanding",
        "rests_until",
        "served",
        "tokens",
        "url",
    )

    def __init__(self, url: str) -> None:
        self.url, self.outstanding, self.served, self.tokens = url, 0, 0, 0
        self.failures, self.rests_until, self.full_until = 0, 0.0, 0.0
        self.answered = False
        self._failed_on: set[Hashable] = set()

    def full(self, seconds: float | None) -> None:
        """It works, but takes no more for now (429): others are asked first."""
        self.worked()
        self.full_until = time.monotonic() + min(FULL if seconds is None else seconds, LONGEST_REST)

    def failed(self, on: Hashable = None) -> None:
        """Avoid it for a while, longer every time; failing on the same thing again is not another
        time, unless that is None."""
        if on is None or on not in self._failed_on:
            self.failures += 1
            if self.failures <= BROKEN:  # beyond, no more need to be told apart
                self._failed_on.add(on)
        rest = min(LONGEST_REST, REST * 2.0 ** min(self.failures - 1, 8))
        self.rests_until = time.monotonic() + rest

    def worked(self) -> None:
        """It answers."""
        self.answered = True
        if self.failures:
            self.failures, self.rests_until = 0, 0.0
            self._failed_on.clear()

    def rests(self, now: float) -> bool:
        """Whether it is to be avoided: it failed lately, or is being tried out by one request."""
        return self.rests_until > now or (self.broken and self.outstanding > 0)

    def closed(self, now: float) -> bool:
        """Whether it is not to be asked at all: it fails whatever it is asked."""
        return self.broken and self.rests_until > now

    @property
    def broken(self) -> bool:
        return self.failures >= BROKEN


class Replicas:
    """Leases replicas, `concurrency` requests at a time in all; the others queue in order.

    Attributes:
        all: the replicas. room: for requests, in all.
    """

    def __init__(self, urls: Sequence[str], concurrency: int) -> None:
        self.all = [Replica(url) for url in urls]
        self.room = asyncio.Semaphore(concurrency)

    def lease(self, cost: int = 1, prefix: int | None = None, avoid: Collection[Replica] = ()) -> Lease:
        """A replica with little to do, once there is room for one more request.

        Args:
            cost: tokens the request is expected to take.
            prefix: a hash of the prompt's beginning: equal ones go to the same replica, whose cache
                has it, unless that has clearly more to do than another.
            avoid: asked in vain before.
        """
        return Lease(self, cost, prefix, avoid)

    def free(self, tried: Collection[Replica]) -> bool:
        """Whether a replica that has not been tried can be asked at once."""
        now = time.monotonic()
        return any(not (r in tried or r.rests(now) or r.full_until > now) for r in self.all)

    @property
    def met(self) -> bool:
        """Whether any has ever answered."""
        return any(replica.answered for replica in self.all)

    def closed_for(self) -> float:
        """Seconds until any replica may be asked again: above 0 only if all are broken."""
        now = time.monotonic()
        if any(not replica.closed(now) for replica in self.all):
            return 0.0
        return min((r.rests_until - now for r in self.all), default=0.0)

    def pick(self, cost: int, prefix: int | None, avoid: Collection[Replica]) -> Replica:
        """The replica to ask now; nothing is taken yet."""
        if len(self.all) == 1:
            return self.all[0]
        now = time.monotonic()
        least = min(
            self.all,
            key=lambda r: (r in avoid, r.rests(now), r.full_until > now, r.tokens, r.outstanding, r.served),
        )
        if prefix is None or least.rests(now):
            return least
        there = [r for r in self.all if not (r in avoid or r.rests(now) or r.full_until > now)]
        # the highest of independent samples: when a replica goes, only its own prompts move
        known = max(there, key=lambda r: zlib.crc32(r.url.encode(), prefix), default=least)
        return known if known.tokens <= least.tokens + LEAD * cost else least


class Lease:
    """`async with lease as replica:` takes one request's room on one replica.

    Every sample takes one, so it is a plain object: a generator's context costs three times as
    much. `keep` lets it outlast the block; then `give_back` ends it.
    """

    __slots__ = ("_avoid", "_cost", "_kept", "_of", "_prefix", "replica")

    replica: Replica

    def __init__(self, of: Replicas, cost: int, prefix: int | None, avoid: Collection[Replica]) -> None:
        self._of, self._cost, self._prefix, self._avoid = of, cost, prefix, avoid
        self._kept = False

    async def __aenter__(self) -> Replica:
        await self._of.room.acquire()
        replica = self.replica = self._of.pick(self._cost, self._prefix, self._avoid)
        replica.outstanding += 1
        replica.served += 1
        replica.tokens += self._cost
        return replica

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._kept:
            self.give_back()

    def keep(self) -> Lease:
        self._kept = True
        return self

    def give_back(self) -> None:
        self.replica.outstanding -= 1
        self.replica.tokens -= self._cost
        self._of.room.release()
