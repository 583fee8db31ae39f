"""A client of one or several equal servers: connections, replicas, plain requests."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import orjson

from ...core import UsageError
from .. import real_time
from .address import endpoint, key_header, root_of
from .attempts import Attempts
from .connector import Connector, Resolver
from .credentials import Key
from .errors import failures
from .errors.failures import Failure, RequestsSpent
from .forwarding import Forwarding
from .replicas import Lease, Replica, Replicas
from .retry import Retry

_HEADER = re.compile(r"[\w-]+", re.ASCII)
_SOON = 0.001  # seconds: what is given up needs a moment to go
KEPT = 4.0  # seconds a connection is kept: many servers close theirs after 5, and a race is lost


class HTTPClient:
    """Asks servers, as many requests at a time as they take, and again where that may help.

    Args:
        url: address, as `root_of` takes it; several for replicas.
        key_env, key_file: where the key is: an environment variable or a file. Without either
            none is sent.
        headers: sent with every request, beside those of the protocol.
        key_in: the header that carries it; None for the one such a server expects.
        concurrency: requests at a time; further ones queue in the order they were started.
        connect, idle: seconds until a connection must stand, and between two packets.
        total: seconds a request may take in all, its turn and its retries included; None for no limit.

    Attributes:
        requests: sent so far, retries and probes included.
        most_requests: how many may be sent in all; None for no limit.
    """

    session: aiohttp.ClientSession
    replicas: Replicas
    most_requests: int | None

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        key_env: str | None,
        key_file: str | Path | None,
        key_in: str | None = None,
        headers: Mapping[str, str] | None = None,
        concurrency: int,
        connect: float,
        idle: float,
        total: float | None,
        retry: Retry,
    ) -> None:
        positive = {"concurrency": concurrency, "connect": connect, "idle": idle, "total": total}
        for setting, value in positive.items():
            if value is not None and not value > 0:
                raise UsageError(f"{setting}={value!r} is out of range", fix="give more than 0")
        self.urls = list(dict.fromkeys(map(root_of, [url] if isinstance(url, str) else url)))
        self.server = f"server {self.urls[0]}" if self.urls else "the server"
        self.key = Key.read(key_env, key_file)
        if key_in and not _HEADER.fullmatch(key_in):
            raise UsageError(f"{key_in=} cannot be a header", fix="for example key_in=x-api-key")
        key_in = key_in or (key_header(self.urls[0]) if self.urls else None)
        self.concurrency, self.patience, self.retry = concurrency, connect, retry
        self.idle, self.total = idle, total
        self.headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # compression would hold tokens back
            **_checked(headers or {}),
            **self.key.headers(key_in),
        }
        self.requests, self.most_requests = 0, None
        self.attached = False
        self._waiting: dict[Attempts, None] = {}
        self._stop_clock: Callable[[], None] | None = None

    def attach(self) -> None:
        """Get ready for plain requests, without asking the server for anything."""
        if self.attached:
            return
        self.replicas = Replicas(self.urls, self.concurrency)
        self.session = aiohttp.ClientSession(
            connector=Connector(limit=0, keepalive_timeout=KEPT, ttl_dns_cache=300, resolver=Resolver()),
            headers=self.headers,
            # a threshold would round longer times up to whole seconds
            timeout=aiohttp.ClientTimeout(total=None, connect=self.patience, ceil_threshold=math.inf),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=1 << 18,
        )
        self.attached = True

    async def detach(self) -> None:
        """Close all connections."""
        self.attached = False
        if self._stop_clock is not None:
            self._stop_clock()
            self._stop_clock = None
        await self.session.close()

    # -- requests

    async def fetch(self, path: str, body: Any = None, *, retry: Retry | None = None) -> Any:
        """The JSON reply to a plain request, retried like a sample; `path` is below the address.

        Raises the typed error of whatever made the server refuse for good.
        """
        reply = await self.fetch_raw(path, body, retry=retry)
        try:
            return orjson.loads(reply)
        except orjson.JSONDecodeError:
            raise failures.garbled(self.server, "a reply that cannot be read").error from None

    async def fetch_raw(self, path: str, body: Any = None, *, retry: Retry | None = None) -> bytes:
        """The bytes of the reply to a plain request."""
        method, sent = ("GET", None) if body is None else ("POST", orjson.dumps(body))

        async def attempt(lease: Lease) -> bytes:
            url = endpoint(lease.replica.url, path)
            async with self.session.request(method, url, data=sent, allow_redirects=False) as response:
                reply = await response.read()
            if response.status != 200:
                raise failures.of_response(response.status, response.headers, reply, self.server, self.key)
            lease.replica.worked()
            return reply

        try:
            return await Attempts(self, (retry or self.retry).wait, identity=sent or b"").run(attempt)
        except Failure as failure:
            raise failure.error from None

    def count_request(self) -> None:
        """One more is sent.

        Raises:
            Failure: if no more may be.
        """
        if self.most_requests is not None and self.requests >= self.most_requests:
            fact = f"{self.requests} requests have been sent, which is the limit"
            raise Failure(RequestsSpent(fact, fix="allow more"), again=False)
        self.requests += 1

    async def answers(self, replica: Replica, seconds: float) -> bool:
        """Whether a replica lists its models, within so many seconds."""
        with contextlib.suppress(*failures.BROKEN):  # a timeout is one
            async with self.session.get(
                endpoint(replica.url, "/v1/models"),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as reply:
                await reply.read()
                return reply.status < 500
        return False

    def forward(
        self, path: str, payload: bytes, *, cost: int = 0, hedge: float = 0.0, seconds: float | None = None
    ) -> Forwarding:
        """Bytes passed on, and the reply as it comes: `async with client.forward(...) as reply`.

        The reply is expected to `cost` so many tokens, 0 if unknown. After `hedge` seconds, if not
        0, a second replica is asked too. After `seconds`, if not None, it is given up.
        """
        return Forwarding(self, path, payload, cost, hedge, seconds)

    # -- silence

    def supervise(self, attempts: Attempts) -> None:
        """End it when it takes too long. One timer for all is cheaper than one each, and never late:
        those that came before are due before."""
        self._waiting[attempts] = None
        if self._stop_clock is None:
            self._look()

    def unwatch(self, attempts: Attempts) -> None:
        del self._waiting[attempts]

    def _look(self) -> None:
        self._stop_clock = None
        now = monotonic()
        for attempts in list(self._waiting):
            attempts.expire(now)
        if self._waiting:
            due = min(attempts.due(now) for attempts in self._waiting)
            self._stop_clock = real_time.later(max(_SOON, due - now), self._look)


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that can be sent.

    Raises:
        UsageError: for one that cannot.
    """
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not isinstance(value, str) or not value.isprintable():
            raise UsageError(f"header {name!r} cannot be sent", fix="for example headers.X-Title=bench")
    return dict(headers)
