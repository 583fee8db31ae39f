"""A small world on loopback: model servers that count every token they make, and a gateway before
them. At its end nothing may be left: no task, no connection, no generation."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
from aiohttp import web

from ttscale.gateway import Gateway, application, parse
from ttscale.gateway.http_server import Runner
from ttscale.gateway.logs import LOG

Pieces = Callable[[dict[str, Any], int], Sequence[str]]
USER = [{"role": "user", "content": "What is 2 + 2?"}]


def boxed(body: dict[str, Any], number: int) -> list[str]:
    """A reply of four tokens that says 4."""
    return ["The ", "answer ", "is ", "\\boxed{4}"]


class Model:
    """A model server. `pieces(body, number of the request)` are a reply's tokens.

    Attributes:
        pause: seconds per token. first: seconds before the first.
        made: tokens generated so far, whether or not anybody was left to read them.
        busy: replies being generated. stopped: replies whose client went away.
        bodies: of all requests since the gateway was ready; `raw` as they came.
        fail: plays instead of the reply, if it returns a response.
    """

    def __init__(self, pieces: Pieces = boxed, pause: float = 0.0, first: float = 0.0) -> None:
        self.pieces, self.pause, self.first = pieces, pause, first
        self.made = self.busy = self.stopped = 0
        self.bodies: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.headers: list[Any] = []
        self.tool_calls: Callable[[dict[str, Any], int], Any] | None = None
        self.responses = False  # whether it has the Responses API
        self.answer_responses: Callable[[web.Request], Any] | None = None  # plays there
        self.fail: Callable[[web.Request, dict[str, Any]], Any] | None = None
        self.owner, self.properties = "somebody", dict[str, Any]()  # as llama.cpp tells them
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def up(self, port: int = 0) -> None:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/props", self._props)
        app.router.add_post("/v1/chat/completions", self._reply)
        app.router.add_post("/v1/completions", self._reply)
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_post("/v1/responses", self._responses)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def down(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def asked(self, seconds: float = 10.0) -> None:
        """Wait until a reply is being generated."""
        for _ in range(int(seconds * 100)):
            if self.busy:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("nothing is being generated")

    async def quiet(self, seconds: float = 5.0) -> None:
        """Wait until nothing is generated any more."""
        for _ in range(int(seconds * 100)):
            if not self.busy:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{self.busy} replies are still being generated")

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "m", "owned_by": self.owner}]})

    async def _props(self, request: web.Request) -> web.Response:
        return web.json_response(self.properties, status=200 if self.properties else 404)

    async def _embeddings(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json())
        data = [{"object": "embedding", "index": 0, "embedding": [0.0, 1.0]}]
        return web.json_response(
            {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 2, "total_tokens": 2}}
        )

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        if not self.responses:
            raise web.HTTPNotFound
        if self.answer_responses is not None:
            return await self.answer_responses(request)  # type: ignore[no-any-return]
        self.raw.append(await request.read())
        self.bodies.append(json.loads(self.raw[-1]))
        used = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
        response = {"id": "resp_1", "object": "response", "status": "completed", "usage": used}
        if not self.bodies[-1].get("stream"):
            return web.json_response(response)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        event = json.dumps({"type": "response.completed", "response": response})
        await stream.write(f"event: response.completed\ndata: {event}\n\n".encode())
        return stream

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw)
        number = len(self.bodies)
        self.bodies.append(body)
        self.raw.append(raw)
        self.headers.append(request.headers)
        self.busy += 1
        try:
            if self.fail is not None:
                failed = await self.fail(request, body)
                if failed is not None:
                    return failed  # type: ignore[no-any-return]
            await asyncio.sleep(self.first)
            for name in ("max_tokens", "n"):
                if not isinstance(body.get(name) or 1, int):
                    raise TypeError(f"{name} must be a whole number")
            if not isinstance(body.get("messages") or [], list):
                raise TypeError("messages must be a list")
            if body.get("stream"):
                return await self._stream(request, body, number)
            return await self._whole(request, body, number)
        except (asyncio.CancelledError, ConnectionError):
            self.stopped += 1
            raise
        except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
            told = {"error": {"message": str(error), "type": "invalid_request_error"}}
            return web.json_response(told, status=400)
        finally:
            self.busy -= 1

    def _usage(self, body: dict[str, Any], tokens: int) -> dict[str, int]:
        seen = [body.get(k) for k in ("messages", "prompt", "tools")]
        prompt = len(json.dumps([s for s in seen if s])) // 4
        return {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}

    async def _whole(self, request: web.Request, body: dict[str, Any], number: int) -> web.StreamResponse:
        choices, tokens = [], 0
        for index in range(body.get("n") or 1):
            pieces = list(self.pieces(body, number))[: body.get("max_tokens") or None]
            await asyncio.sleep(self.pause * len(pieces))
            self.made += len(pieces)
            tokens += len(pieces)
            text = "".join(pieces)
            messages = body.get("messages")
            if messages is None:
                own: dict[str, Any] = {"text": text}
            else:
                begun = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
                own = {"message": {"role": "assistant", "content": (begun or "") + text}}
                if self.tool_calls is not None and body.get("tools"):
                    own["message"]["tool_calls"] = self.tool_calls(body, number)
            choices.append({"index": index, **own, "finish_reason": "stop"})
        return web.json_response(
            {
                "id": "cmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": "m",
                "choices": choices,
                "usage": self._usage(body, tokens),
            }
        )

    async def _stream(self, request: web.Request, body: dict[str, Any], number: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        made, chat = 0, "messages" in body
        limit = body.get("max_tokens")
        pieces = list(self.pieces(body, number))
        finish = "stop" if limit is None or len(pieces) <= limit else "length"
        for piece in pieces[: limit or None]:
            await asyncio.sleep(self.pause)
            made += 1
            self.made += 1
            choice = {
                "index": 0,
                "finish_reason": None,
                **({"delta": {"content": piece}} if chat else {"text": piece}),
            }
            if body.get("logprobs"):
                top = [{"token": piece, "logprob": -0.1}, {"token": "?", "logprob": -3.0}]
                entry = {"token": piece, "logprob": -0.1, "top_logprobs": top}
                choice["logprobs"] = {"content": [entry]}
            await response.write(self._event(body, [choice], made))
        if self.tool_calls is not None and body.get("tools"):
            calls = [{"index": i, **c} for i, c in enumerate(self.tool_calls(body, number))]
            delta = {"index": 0, "delta": {"tool_calls": calls}, "finish_reason": None}
            await response.write(self._event(body, [delta], made))
        last = {"index": 0, "finish_reason": finish, **({"delta": {}} if chat else {"text": ""})}
        await response.write(self._event(body, [last], made))
        if (body.get("stream_options") or {}).get("include_usage"):
            await response.write(self._event(body, [], made))
        await response.write(b"data: [DONE]\n\n")
        return response

    def _event(self, body: dict[str, Any], choices: list[Any], made: int) -> bytes:
        event = {
            "id": "cmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": choices,
        }
        options = body.get("stream_options") or {}
        if options.get("continuous_usage_stats") or (options.get("include_usage") and not choices):
            event["usage"] = self._usage(body, made)
        return b"data: " + json.dumps(event).encode() + b"\n\n"


class World:
    """A gateway at `url`, and the models behind it."""

    def __init__(self, gateway: Gateway, url: str, session: aiohttp.ClientSession) -> None:
        self.gateway, self.url, self.session = gateway, url, session

    async def post(self, path: str = "chat/completions", **body: Any) -> tuple[int, Any]:
        """(status, JSON reply) of a request; `headers` are its own."""
        headers = body.pop("headers", None)
        if path == "chat/completions":
            body = {"messages": USER, **body}
        async with self.session.post(f"{self.url}/v1/{path}", json=body, headers=headers) as reply:
            return reply.status, await reply.json()

    async def send(self, raw: bytes, path: str = "chat/completions") -> tuple[int, Any]:
        async with self.session.post(f"{self.url}/v1/{path}", data=raw) as reply:
            return reply.status, await reply.json()

    async def events(self, path: str = "chat/completions", **body: Any) -> list[Any]:
        """The events of a stream, as JSON; comments as texts."""
        body = {"stream": True, "model": "m", **body}
        if path == "chat/completions":
            body = {"messages": USER, **body}
        events: list[Any] = []
        async with self.session.post(f"{self.url}/v1/{path}", json=body) as reply:
            assert reply.status == 200, await reply.text()
            for block in (await reply.text()).split("\n\n"):
                *before, line = block.split("\n")
                events += [comment for comment in before if comment.startswith(":")]
                if line.startswith("data: ") and line != "data: [DONE]":
                    events.append(json.loads(line[6:]))
        return events


def content(events: Sequence[Any], choice: int = 0, part: str = "content") -> str:
    """What the deltas of a choice say."""
    return "".join(
        c["delta"].get(part) or ""
        for e in events
        if isinstance(e, dict)
        for c in e.get("choices", ())
        if c["index"] == choice
    )


@asynccontextmanager
async def world(
    *models: Model, config: dict[str, Any] | None = None, probed: bool = True, **model: Any
) -> AsyncIterator[World]:
    """A gateway with model "m" on these servers, which are its replicas."""
    before, complaints = asyncio.all_tasks(), _Complaints()
    LOG.addHandler(complaints)
    LOG.propagate = False
    for server in models:
        if not server.url:
            await server.up()
    config = dict(config or {})
    spec = "openai:m@" + ",".join(server.url for server in models)
    config.setdefault("models", {"m": {"spec": spec, "health": 0.2, **model}})
    gateway = Gateway(parse(config))
    runner = Runner(application(gateway), 0.2)
    await gateway.start()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        if probed:
            for upstream in gateway.upstreams.values():
                await upstream.open()
        for server in models:
            server.made = 0
            server.bodies.clear()
            server.raw.clear()
            server.headers.clear()
        timeout = aiohttp.ClientTimeout(total=60)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            yield World(gateway, url, session)
        for server in models:
            await server.quiet()
        assert gateway.admission.active == 0, "a request is left in service"
    finally:
        await runner.cleanup()
        await gateway.close()
        for server in models:
            await server.down()
        LOG.removeHandler(complaints)
    assert not complaints.said, f"the log complains: {complaints.said}"
    for _ in range(20):
        left = asyncio.all_tasks() - before
        if not left:
            break
        await asyncio.sleep(0.05)
    assert not left, f"tasks are left: {left}"


class _Complaints(logging.Handler):
    """Remembers unhandled exceptions that reached the log."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.getMessage()} {record.exc_info}")


@contextmanager
def elsewhere(model: Model) -> Iterator[str]:
    """The address of a model that runs in a thread of its own."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        await model.up()
        ready.set()
        await over.wait()
        await model.down()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield model.url
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
