"""A real local server that plays what a test wants, good and bad, and helpers to draw from it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiohttp import web

from ttscale.core import GenerationRequest, Problem, Prompt, Sampling, Trace
from ttscale.engines.http.retry import Retry
from ttscale.engines.openai.dialect import Dialect
from ttscale.engines.openai.engine import OpenAIHTTP

Play = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
CHAT = Dialect(capabilities=frozenset({"text", "logprobs", "prefix"}), prefix="last")
QUICK = Retry(times=3, first=0.01, longest=2.0)


class Plain:
    """An answer rule: the text is the answer."""

    def extract(self, trace: Trace) -> str | None:
        return trace.text or None

    def same(self, a: str, b: str) -> bool:
        return a == b


PROBLEM = Problem("q1", Prompt.user("What is 2 + 2?"), Plain())


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def said(
    *pieces: str,
    finish: str | None = "stop",
    usage: int | None = None,
    counting: bool = False,
    logprobs: int | None = None,
) -> list[bytes]:
    """The events of a chat reply, one token per piece; `usage` is the count reported at its end."""
    events = [event(choices=[{"index": 0, "delta": {"role": "assistant", "content": None}}])]
    for number, piece in enumerate(pieces, 1):
        choice: dict[str, Any] = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
        if logprobs is not None:
            top = [{"token": piece, "logprob": -0.5 - k} for k in range(logprobs)]
            entry = {"token": piece, "logprob": -0.5, "top_logprobs": top}
            choice["logprobs"] = {"content": [entry]}
        extra = {"usage": {"completion_tokens": number, "prompt_tokens": 7}} if counting else {}
        events.append(event(choices=[choice], **extra))
    if finish is not None:
        events.append(event(choices=[{"index": 0, "delta": {}, "finish_reason": finish}]))
    if usage is not None:
        events.append(event(choices=[], usage={"completion_tokens": usage, "prompt_tokens": 7}))
    if finish is not None:
        events.append(b"data: [DONE]\n\n")
    return events


async def _begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


def stream(packets: Sequence[bytes], *, pause: float = 0.0, then: str = "") -> Play:
    """Send packets, `pause` seconds apart; then end well, or "reset" or "hang"."""

    async def play(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = await _begin(request)
        for packet in packets:
            await response.write(packet)
            if pause:
                await asyncio.sleep(pause)
        if then == "reset":
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
        if then == "hang":
            await asyncio.sleep(60)
        return response

    return play


def refuse(status: int, message: str = "", headers: Any = None, **error: Any) -> Play:
    async def play(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        reply = {"error": {"message": message, **error}}
        return web.json_response(reply, status=status, headers=headers)

    return play


def answer(reply: Any) -> Play:
    async def play(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(reply)

    return play


async def reset(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


class Server:
    """Plays one play per request to a path; the last is repeated.

    Attributes:
        requests: (path, body, headers) of everything that came.
        busy, most_busy: requests being served, now and at most.
        left: requests whose client went away before the end.
    """

    def __init__(self) -> None:
        self.plays: list[Play] = []
        self.paths: dict[str, Play] = {}
        self.requests: list[tuple[str, dict[str, Any], Any]] = []
        self.busy = self.most_busy = self.left = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else {}
        self.requests.append((request.path, body, request.headers))
        play = self.paths.get(request.path)
        if play is None:
            play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            return await play(request, body)
        except (asyncio.CancelledError, ConnectionError):
            self.left += 1
            raise
        finally:
            self.busy -= 1

    @asynccontextmanager
    async def up(self) -> AsyncIterator[Server]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


class AwaitedRequest(GenerationRequest):
    """A call whose trace can be awaited."""

    def __init__(self, sampling: Sampling, prompt: Prompt, index: int, **fields: Any) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(PROBLEM, prompt, sampling, "main", index, 0, loop, **fields)
        self.traces: list[Trace] = []
        self.done: asyncio.Future[Trace] = loop.create_future()

    def finish(self, trace: Trace) -> None:
        self.traces.append(trace)
        if not self.done.done():
            self.done.set_result(trace)


class Desk:
    """An open engine on a server."""

    def __init__(self, server: Server, engine: OpenAIHTTP) -> None:
        self.server, self.engine = server, engine

    def start(
        self, *, prompt: Prompt = PROBLEM.prompt, index: int = 0, sampling: Any = None, **fields: Any
    ) -> tuple[Any, AwaitedRequest]:
        ask = AwaitedRequest(Sampling(**(sampling or {})), prompt, index, **fields)
        return self.engine.start(ask), ask

    async def sample(self, **fields: Any) -> Trace:
        _, ask = self.start(**fields)
        return await asyncio.wait_for(ask.done, 20)


@asynccontextmanager
async def opened(
    *plays: Play,
    make: Callable[..., OpenAIHTTP] = OpenAIHTTP,
    dialect: Dialect | None = CHAT,
    others: Sequence[str] = (),
    **settings: Any,
) -> AsyncIterator[Desk]:
    """A desk on a server with these plays; at the end nothing may be left behind."""
    before = asyncio.all_tasks()
    async with Server().up() as server:
        server.plays = list(plays)
        settings = {"retry": QUICK, "idle": 5.0, **settings}
        engine = make("m", [server.url, *others], dialect=dialect, **settings)
        await engine.open()
        try:
            yield Desk(server, engine)
        finally:
            await engine.close()
            for _ in range(50):
                if not server.busy:
                    break
                await asyncio.sleep(0.01)
            assert server.busy == 0, "a connection is left open"
    left = asyncio.all_tasks() - before
    assert not left, f"tasks are left: {left}"


@contextmanager
def elsewhere(*plays: Play) -> Iterator[str]:
    """The address of a server that runs in a thread of its own."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    server = Server()
    server.plays = list(plays)

    async def serve() -> None:
        async with server.up():
            ready.set()
            await over.wait()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield server.url
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
