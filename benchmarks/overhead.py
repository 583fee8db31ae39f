"""What the library adds: to a streamed sample, to start-up, and to replaying recorded samples.

    python benchmarks/overhead.py            about a minute
    python benchmarks/overhead.py --quick    a few seconds, noisier

A server in a process of its own answers at once, one event per write, so that only the clients are
measured. All clients read the same events and decode their JSON; rounds of them alternate, so that
other load on the machine hits them alike. Figures are medians; the last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson

from ttscale.core import (
    Card,
    GenerationRequest,
    Method,
    Outcome,
    Problem,
    Prompt,
    Run,
    Sampling,
    Trace,
    Votes,
    run_in_token_time,
)
from ttscale.engines.openai.dialect import Dialect
from ttscale.engines.openai.engine import OpenAIHTTP
from ttscale.engines.recordings.engine import Replay
from ttscale.engines.recordings.pool import Pool

CHUNKS = 100  # tokens per reply, one event each
DIALECT = Dialect(counting="usage")


class Plain:
    """An answer rule: the recorded answer."""

    def extract(self, trace: Trace) -> str | None:
        return trace.answer

    def same(self, a: str, b: str) -> bool:
        return a == b


PROBLEM = Problem("q", Prompt.user("Count."), Plain())


# -- the server


def events() -> list[bytes]:
    """A reply as vLLM streams it, as chunks of HTTP's chunked encoding."""
    texts = []
    for number in range(1, CHUNKS + 1):
        choice = {"index": 0, "delta": {"content": f" {number}"}, "finish_reason": None}
        usage = {"prompt_tokens": 9, "total_tokens": 9 + number, "completion_tokens": number}
        texts.append(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [choice],
                "usage": usage,
            }
        )
    texts.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    lines = [b"data: " + orjson.dumps(t) + b"\n\n" for t in texts] + [b"data: [DONE]\n\n"]
    return [b"%x\r\n%s\r\n" % (len(line), line) for line in lines] + [b"0\r\n\r\n"]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server(asyncio.Protocol):
    """Answers every request at once, and lets other connections in between two events."""

    def __init__(self, reply: list[bytes]) -> None:
        self.reply, self.buffer = reply, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if end:
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(body) >= length:
                self.buffer = body[length:]
                self.transport.write(HEAD)
                self.send(0)

    def send(self, number: int) -> None:
        if number < len(self.reply) and not self.transport.is_closing():
            self.transport.write(self.reply[number])
            asyncio.get_running_loop().call_soon(self.send, number + 1)


def serve(port: Any) -> None:
    async def main() -> None:
        reply = events()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Server(reply), "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


# -- the clients


class AwaitedRequest(GenerationRequest):
    """A call whose trace can be awaited."""

    def __init__(self, draw: int) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(PROBLEM, PROBLEM.prompt, Sampling(), "main", draw, 0, loop)
        self.done: asyncio.Future[Trace] = loop.create_future()

    def finish(self, trace: Trace) -> None:
        self.done.set_result(trace)


Client = Callable[[int], Awaitable[str]]


def ours(engine: OpenAIHTTP) -> Client:
    async def draw(number: int) -> str:
        ask = AwaitedRequest(number)
        engine.start(ask)
        trace = await ask.done
        assert trace.tokens == CHUNKS
        return trace.text

    return draw


def payload(number: int) -> bytes:
    messages = [{"role": "user", "content": "Count."}]
    return orjson.dumps({"model": "m", "messages": messages, "seed": number, "stream": True})


def by_line(session: aiohttp.ClientSession, url: str) -> Client:
    """The loop everybody writes."""

    async def draw(number: int) -> str:
        text = ""
        async with session.post(url, data=payload(number)) as response:
            async for line in response.content:
                if line.startswith(b"data: ") and not line.startswith(b"data: [DONE]"):
                    event = orjson.loads(line[6:])
                    text += event["choices"][0]["delta"].get("content", "")
        return text

    return draw


def by_packet(session: aiohttp.ClientSession, url: str) -> Client:
    """The leanest loop there is: it joins the text, and knows neither tokens nor errors."""

    async def draw(number: int) -> str:
        text, rest = "", b""
        async with session.post(url, data=payload(number)) as response:
            while packet := await response.content.readany():
                *whole, rest = (rest + packet).split(b"\n\n")
                for line in whole:
                    if line != b"data: [DONE]":
                        event = orjson.loads(line[6:])
                        text += event["choices"][0]["delta"].get("content", "")
        return text

    return draw


async def timed(client: Client, concurrency: int, each: int) -> list[float]:
    """Seconds per sample of `concurrency` workers that sample `each` samples one after another."""
    seconds: list[float] = []

    async def work(worker: int) -> None:
        for number in range(each):
            began = time.perf_counter()
            text = await client(worker * each + number)
            seconds.append(time.perf_counter() - began)
            assert text.endswith(f" {CHUNKS}")

    await asyncio.gather(*(work(w) for w in range(concurrency)))
    return seconds


async def streaming(port: int, rounds: int) -> dict[str, float]:
    root = f"http://127.0.0.1:{port}"
    url = f"{root}/v1/chat/completions"
    engine = OpenAIHTTP("m", root, dialect=DIALECT, concurrency=64)
    await engine.open()
    figures: dict[str, float] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        clients = {"ours": ours(engine), "line": by_line(session, url), "packet": by_packet(session, url)}
        for concurrency, each in ((1, 20), (64, 3)):
            seconds: dict[str, list[float]] = {name: [] for name in clients}
            for round_ in range(rounds + 1):
                for name, client in clients.items():
                    taken = await timed(client, concurrency, each)
                    if round_:  # the first round warms up
                        seconds[name] += taken
            p50 = {name: statistics.median(s) * 1e3 for name, s in seconds.items()}
            figures[f"ours_ms_{concurrency}"] = p50["ours"]
            figures[f"bare_ms_{concurrency}"] = p50["line"]
            figures[f"ratio_{concurrency}"] = p50["ours"] / p50["line"]
            figures[f"ratio_leanest_{concurrency}"] = p50["ours"] / p50["packet"]
            print(
                f"streamed sample, {CHUNKS} tokens, concurrency {concurrency:2}: ours "
                f"{p50['ours']:.2f} ms, bare client {p50['line']:.2f} ms by line "
                f"(ratio {p50['ours'] / p50['line']:.2f}), {p50['packet']:.2f} ms by packet "
                f"(ratio {p50['ours'] / p50['packet']:.2f})"
            )
    await engine.close()
    return figures


# -- start-up and replay


def importing() -> float:
    """Seconds of CPU that `import ttscale.core` takes in a fresh interpreter, at best."""
    code = "import time; t = time.process_time(); import ttscale.core; print(time.process_time() - t)"
    runs = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(5)]
    seconds = min(float(run) for run in runs)
    print(f"import ttscale.core: {seconds * 1e3:.0f} ms of CPU")
    return seconds


async def vote(problem: Problem, ctx: Any, cfg: None) -> Outcome:
    """Plurality of eight."""
    votes = Votes(problem)
    for trace in await ctx.sample_all(problem.prompt, 8):
        votes.add(trace)
    return Outcome(votes.top(), votes.winner(), "n")


def replaying(questions: int) -> float:
    """Recorded samples per second of CPU, voted on by eights."""
    problems = [Problem(f"q{i}", Prompt.user(f"{i}?"), Plain(), "0") for i in range(questions)]
    records = {
        (p.id, "main", ""): [
            Trace(tokens=50 + (7 * i + 13 * k) % 400, answer=str((i + k) % 3)) for k in range(8)
        ]
        for i, p in enumerate(problems)
    }
    run = Run({"main": Replay(Pool("m", "t", problems, records))})
    card = Card(name="vote", title="Vote", what="parallel", stops="n")
    method = Method(card, vote, type(None))

    async def main() -> None:
        for problem in problems:
            await run.answer(method.bind(None), problem)

    began = time.process_time()
    run_in_token_time(main())
    rate = 8 * questions / (time.process_time() - began)
    print(f"replay with voting, {questions} questions x 8: {rate:,.0f} samples/s of CPU")
    return rate


def bare_tasks(questions: int) -> float:
    """Bare asyncio tasks per second of CPU, awaited by eights: what this machine can do at most if
    every sample is a task that does nothing."""

    async def main() -> None:
        for _ in range(questions):
            async with asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(asyncio.sleep(0))

    began = time.process_time()
    asyncio.run(main())
    rate = 8 * questions / (time.process_time() - began)
    print(f"asyncio tasks that do nothing, by eights: {rate:,.0f} a second of CPU")
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    quick = parser.parse_args().quick
    context = multiprocessing.get_context("spawn")
    port: Any = context.Queue()
    server = context.Process(target=serve, args=(port,), daemon=True)
    server.start()
    figures = asyncio.run(streaming(port.get(timeout=30), 3 if quick else 12))
    server.terminate()
    server.join()
    figures["import_seconds"] = importing()
    figures["replay_samples_per_second"] = max(
        replaying(500 if quick else 2000) for _ in range(2 if quick else 3)
    )
    tasks = max(bare_tasks(2000) for _ in range(3))
    figures["replay_over_bare_tasks"] = figures["replay_samples_per_second"] / tasks
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
