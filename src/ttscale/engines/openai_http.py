"""Any server that speaks the OpenAI API: vLLM, SGLang, llama.cpp, Ollama, hosted ones.

    engine = OpenAIHTTP("Qwen/Qwen3-8B", "http://localhost:8000")
    engine = OpenAIHTTP("gpt-5", "https://api.openai.com", key_env="OPENAI_API_KEY")

What a server can do is probed when the engine is opened, never assumed. Draws are always streamed,
because only a stream can be stopped: closing its connection stops the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import aiohttp
import orjson

from ..core import (
    Call,
    Embeddings,
    Flight,
    Problem,
    Prompt,
    RateLimited,
    Rewards,
    Score,
    Trace,
    Unreachable,
    UsageError,
)
from . import failures, judging, probe, wall
from .failures import Failure
from .flight import HTTPFlight
from .keys import Key
from .replicas import Replicas
from .retry import Retry
from .wire import Dialect, Letter

KEPT = 4.0  # seconds a connection is kept: many servers close theirs after 5, and a race is lost


class OpenAIHTTP:
    """A model behind one or several equal servers.

    Args:
        model: its name there; "" for the only one, or whatever the server takes for that.
        url: address, with or without /v1; several for replicas of the same model.
        key_env, key_file: where the key is: an environment variable or a file. Without either
            none is sent.
        concurrency: requests at a time; further draws queue in the order they were started.
        connect, idle: seconds until a connection must stand, and between two packets.
        total: seconds a draw may take in all, its retries included; None for no limit.
        seeds: send the draw's own seed, so that a rerun can give the same texts.
        dialect: what the server can do, if that is known; otherwise `open` probes it.
        cache: a directory in which to remember what was probed, by URL and model.
    """

    time: Literal["wall", "tokens"] = "wall"

    def __init__(
        self,
        model: str,
        url: str | Sequence[str],
        *,
        key_env: str | None = None,
        key_file: str | Path | None = None,
        concurrency: int = 64,
        connect: float = 10.0,
        idle: float = 120.0,
        total: float | None = None,
        retry: Retry | None = None,
        seeds: bool = True,
        dialect: Dialect | None = None,
        cache: Path | None = None,
        name: str = "",
    ) -> None:
        positive = {"concurrency": concurrency, "connect": connect, "idle": idle, "total": total}
        for setting, value in positive.items():
            if value is not None and not value > 0:
                raise UsageError(f"{setting}={value!r} is out of range", fix="give more than 0")
        self.urls = [_root(u) for u in ([url] if isinstance(url, str) else url)]
        self.model, self.key = model, Key.read(key_env, key_file)
        self.concurrency, self.patience = concurrency, connect
        self.idle, self.total = idle, total
        self.retry, self.seeds, self.cache = retry or Retry(), seeds, cache
        host = self.urls[0].split("://", 1)[1] if self.urls else ""
        self.name = name or f"openai:{model}@{host}"
        self.server = f"server {self.urls[0]}" if self.urls else "the server"
        self._known = dialect
        self.dialect = dialect or Dialect()
        self.headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # compression would hold tokens back
            **self.key.headers(),
        }
        self.session: aiohttp.ClientSession
        self.replicas: Replicas
        self._opened = self._probed = False
        self._flights: dict[asyncio.Task[None], HTTPFlight] = {}
        self._watchdog: Callable[[], None] | None = None
        self._letter: Letter | None = None  # the last: draws of a question follow one another

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def capabilities(self) -> frozenset[str]:
        return self.dialect.capabilities

    # -- opening and closing

    async def open(self) -> None:
        """Connect and probe. Raises the typed error of an unreachable server or a wrong key."""
        if self._probed:
            return
        connected = self._opened
        self.attach()
        try:
            if self._known is None:
                self.dialect, self.model = await probe.known_or_probed(self)
                self._letter = None
        except BaseException:
            if not connected:
                await self.close()
            raise
        self._probed = True

    def attach(self) -> None:
        """Get ready for plain requests, without asking the server for anything."""
        if self._opened:
            return
        self.replicas = Replicas(self.urls, self.concurrency)
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT, ttl_dns_cache=300),
            headers=self.headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.patience),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=1 << 18,
        )
        self._opened = True

    async def close(self) -> None:
        """Abort what is under way and close all connections."""
        if not self._opened:
            return
        self._opened = self._probed = False
        for flight in list(self._flights.values()):
            flight.abort("cancelled")
        tasks = list(self._flights)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._watchdog is not None:
            self._watchdog()
            self._watchdog = None
        await self.session.close()

    # -- drawing

    def start(self, call: Call) -> Flight:
        if not self._opened:
            raise RuntimeError(f"{self!r} is not open")
        flight = HTTPFlight(self, call)
        self._flights[flight.task] = flight
        if self._watchdog is None:
            self._watchdog = wall.later(self._patrol, self._watch)
        return flight

    def letter(self, call: Call) -> Letter:
        """What a draw asks the server; raises `CapabilityError` for what it cannot do."""
        letter = self._letter
        if letter is None or not letter.fits(call):
            letter = self._letter = Letter(
                call, self.dialect, self.model, seeds=self.seeds, server=self.server
            )
        return letter

    def flight_over(self, task: asyncio.Task[None]) -> None:
        """Forget a flight whose connection has been given back."""
        flight = self._flights.pop(task, None)
        if flight is not None:
            flight.abort("cancelled")  # if somebody else has cancelled the task
            del flight.task  # a cancelled task leads back to its flight: a circle

    @property
    def _patrol(self) -> float:
        return min(1.0, self.idle / 4, (self.total or 4.0) / 4)

    def _watch(self) -> None:
        """Look for flights that take too long: one timer for all is cheaper than one each."""
        self._watchdog = None
        now = monotonic()
        for flight in list(self._flights.values()):
            flight.expire(now, self.idle, self.total)
        if self._flights:
            self._watchdog = wall.later(self._patrol, self._watch)

    # -- plain requests

    async def ask(self, path: str, body: Any = None, *, retry: Retry | None = None) -> Any:
        """The JSON reply to a plain request, retried like a draw; `path` is below the address.

        Raises the typed error of whatever made the server refuse for good.
        """
        reply = await self.ask_raw(path, body, retry=retry)
        try:
            return orjson.loads(reply)
        except orjson.JSONDecodeError:
            raise failures.garbled(self.server, "a reply that cannot be read").error from None

    async def ask_raw(self, path: str, body: Any = None, *, retry: Retry | None = None) -> bytes:
        """The bytes of the reply to a plain request."""
        retry, retries = retry or self.retry, 0
        while True:
            async with self.replicas.lease() as replica:
                try:
                    reply = await self._ask_once(replica.url + path, body)
                    replica.worked()
                    return reply
                except Failure as caught:
                    failure = caught
                    if isinstance(failure.error, RateLimited):
                        replica.full(failure.after)
                    elif failure.again:
                        replica.failed()
            wait = retry.wait(retries, failure.after) if failure.again else None
            if wait is None:
                raise failure.error
            retries += 1
            if not self.replicas.free:
                await wall.sleep(wait)

    async def _ask_once(self, url: str, body: Any) -> bytes:
        patience = asyncio.current_task()
        assert patience is not None
        expired: list[bool] = []

        def expire() -> None:
            expired.append(True)
            patience.cancel()

        cancel = wall.later(self.idle, expire)
        try:
            method, sent = ("GET", None) if body is None else ("POST", orjson.dumps(body))
            async with self.session.request(
                method, url, data=sent, allow_redirects=False
            ) as response:
                reply = await response.read()
                if response.status != 200:
                    raise failures.of_reply(
                        response.status, response.headers, reply, self.server, self.key
                    )
        except failures.BROKEN as error:
            raise failures.of_connection(error, self.server) from None
        except asyncio.CancelledError:
            if not expired or patience.uncancel():
                raise
            silent = Unreachable(
                f"{self.server} was silent for {self.idle:g} s", fix="raise the timeout"
            )
            raise Failure(silent, True) from None
        finally:
            cancel()
        return reply

    # -- judging

    async def score(self, prompt: Prompt, text: str) -> Score:
        """Log-probabilities of `text` as the reply to `prompt`, in nats."""
        return await judging.score(self, prompt, text)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """The server's embeddings."""
        return await judging.embed(self, texts)

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        """A reward model's scores; see `judging.reward` for which endpoint gives them."""
        return await judging.reward(self, problem, traces)


def _root(url: str) -> str:
    """The address without /v1 and trailing slashes; http if it does not say."""
    url = url.strip().rstrip("/")
    if "://" not in url:
        url = f"http://{url}"
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest or " " in url:
        raise UsageError(
            f"{url!r} is not the address of a server", fix="for example http://localhost:8000"
        )
    if "@" in rest.split("/", 1)[0]:
        raise UsageError(
            "a server's address must not hold a password", fix="use key_env or key_file"
        )
    return url.removesuffix("/v1")
