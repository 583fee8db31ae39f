"""The one loop in which a server is asked: a replica is leased, silence is ended, and what went
wrong decides whether it is asked again, and when."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ...core import Unreachable
from .. import real_time
from .errors import failures
from .errors.failures import Failure
from .replicas import Lease, Replica

if TYPE_CHECKING:
    from .client import HTTPClient

T = TypeVar("T")
Wait = Callable[[int, float | None], float | None]
"""(retries so far, what the server wants) -> seconds until the next one, None to give up."""
_numbers = itertools.count(1)


def _for_ever() -> None:
    return None


class Attempts:
    """A request on its way to one replica after another.

    Only what has not produced a token is asked again.

    Args:
        cost, prefix: see `Replicas.lease`.
        identity: what requests that ask the same have in common.
        tried: replicas that are asked last: those this request has been to, and those given.
        time_left: seconds until the answer is of no use.

    Attributes:
        retries: attempts after the first.
        heard: when the server last sent something, on the monotonic clock; None while nothing is
            expected of it: its turn or a retry is waited for, or all has been said.
    """

    def __init__(
        self,
        client: HTTPClient,
        wait: Wait,
        *,
        cost: int = 1,
        prefix: int | None = None,
        identity: bytes = b"",
        tried: set[Replica] | None = None,
        time_left: Callable[[], float | None] = _for_ever,
    ) -> None:
        self._client, self._wait, self._time_left = client, wait, time_left
        self._cost, self._prefix, self._identity = cost, prefix, identity
        self._tried = set() if tried is None else tried
        self.retries = 0
        self._produced: Callable[[], int] = int
        self._started = time.monotonic()
        self.heard: float | None = None
        self._expired: Unreachable | None = None
        self._number = next(_numbers)
        self._task: asyncio.Task[object] | None = None

    async def run(self, attempt: Callable[[Lease], Awaitable[T]], produced: Callable[[], int] = int) -> T:
        """What `attempt` makes of the first replica that does not fail; `produced` gives the tokens of the
        attempt under way.

        Raises:
            Failure: the last one. `attempt` raises it, or what aiohttp raises.
        """
        client = self._client
        self._task, self._produced = asyncio.current_task(), produced
        client.supervise(self)
        try:
            while True:
                lease = client.replicas.lease(self._cost, self._prefix, self._tried)
                async with lease as replica:
                    try:
                        return await self._attempt(attempt, lease)
                    except Failure as caught:
                        failure = caught
                        failure.note(replica, self._identity, self._number)
                        self._tried.add(replica)
                wait = self._pause(failure)
                if wait is None:
                    raise failure
                self.retries += 1
                if wait:
                    await real_time.sleep(wait)
        except asyncio.CancelledError:
            if (late := self._given_up()) is None:
                raise
            raise Failure(late, False) from None
        finally:
            client.unwatch(self)
            self._task, self._produced = None, int  # nothing refers to the generation any more

    def expire(self, now: float) -> None:
        """Give up what has been silent or under way for too long."""
        client = self._client
        if self._expired is not None or self._task is None or now < self.due(now):
            return
        if self._late(now):
            what = f"was not done after {client.total:g} s"
        else:
            what = f"was silent for {client.idle:g} s"
        if tokens := self._produced():
            what += f", after {tokens} tokens"
        self._expired = Unreachable(f"{client.server} {what}", fix="raise the timeout, or see its log")
        self._task.cancel()

    def due(self, now: float) -> float:
        """When there is something to give up, on the monotonic clock, if nothing is heard until then."""
        total = self._client.total
        silent = (now if self.heard is None else self.heard) + self._client.idle
        return silent if total is None else min(silent, self._started + total)

    def _given_up(self) -> Unreachable | None:
        """Why `expire` has cancelled the task; None if it was cancelled otherwise, too."""
        expired, self._expired = self._expired, None
        return None if expired is None or self._task is None or self._task.uncancel() else expired

    async def _attempt(self, attempt: Callable[[Lease], Awaitable[T]], lease: Lease) -> T:
        client = self._client
        self.heard = time.monotonic()
        client.count_request()
        try:
            return await attempt(lease)
        except asyncio.CancelledError:
            if (expired := self._given_up()) is None:
                raise
            # one that hangs twice would hang for ever: each is asked once, a single one twice
            again = self.retries < max(1, len(client.replicas.all) - 1)
            raise Failure(expired, again, condition="failed") from None
        except failures.BROKEN as error:
            raise failures.of_connection(error, client.server, self._produced()) from None
        finally:
            self.heard = None

    def _pause(self, failure: Failure) -> float | None:
        """Seconds until the next attempt, None if there is to be none. Another replica is asked at
        once, whatever this one wants. Where none has ever answered, one retry is enough: what is not
        there will not come; one that has answered may be starting again, and gets every retry."""
        if not failure.again or self._produced() or self._late(time.monotonic()):
            return None
        if self._client.replicas.free(self._tried):
            return None if self._wait(self.retries, None) is None else 0.0
        if failure.condition == "gone" and self.retries and not self._client.replicas.met:
            return None
        wait, left = self._wait(self.retries, failure.after), self._time_left()
        return None if wait is None or (left is not None and wait >= left) else wait

    def _late(self, now: float) -> bool:
        return self._client.total is not None and now >= self._started + self._client.total
