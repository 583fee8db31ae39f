"""What the gateway adds to a model server, measured on one machine in one run.

    python benchmarks/gateway.py [--seconds 3] [--minutes 5] [--rounds 2] [--tensorzero PYTHON]

A model server without any latency runs in a process of its own; beside it a bare aiohttp
pass-through (the floor) and the gateway, each in a process of its own, one worker. Every figure is
the better of the rounds, which alternate between them, so that a busy machine hits all alike.
Added latencies are differences of percentiles to the bare upstream. TensorZero is measured last, as
many rounds, by `tensorzero_peer.py`, if the interpreter of an environment with it is given. Everything runs
on uvloop where that is installed, and says so. The goals are ratios of the run; the last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

HOST = "127.0.0.1"
WORDS = ["The ", "answer ", "is ", "\\boxed{4}"]
BODY = {"model": "m", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}
LEVELS = (1, 16, 128)
SLOW = 77  # max_tokens at which the upstream takes its time:
READING, WRITING = 0.2, 0.5  # seconds, and the mean of an exponential distribution
FIVE = 5  # samples of a race, as many as TensorZero's variants have candidates


# -- the servers, each a process of its own


def upstream(port: int) -> None:
    """Answers at once; a body with `max_tokens` 77 takes 0.2 s to be read, then Exp(0.5 s) in which the
    tokens are made. It is not a web framework, which would be the slowest of all that is measured
    here. `/counts` tells of calls, and of what was left to be made when they were cancelled."""
    usage = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    message = {"role": "assistant", "content": "".join(WORDS)}
    choice = {"index": 0, "finish_reason": "stop", "message": message}

    def event(choices: list[Any], **more: Any) -> bytes:
        chunk = {**whole, "object": "chat.completion.chunk", "choices": choices, **more}
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    events = b"".join(
        [
            *(event([{"index": 0, "delta": {"content": w}, "finish_reason": None}]) for w in WORDS),
            event([{"index": 0, "delta": {}, "finish_reason": "stop"}]),
            event([], usage=usage),
            b"data: [DONE]\n\n",
        ]
    )
    seen: dict[str, Any] = {"calls": 0, "cancelled": 0, "slow": [], "unmade": []}

    def plain(document: Any) -> bytes:
        body = json.dumps(document).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return head % len(body) + body

    answer = plain({**whole, "choices": [choice], "usage": usage})
    verdict = {**message, "content": '{"thinking": "", "answer_choice": 0}'}
    judged = plain({**whole, "choices": [{**choice, "message": verdict}], "usage": usage})
    stream = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(events), events)
    )

    class Server(asyncio.Protocol):
        def __init__(self) -> None:
            self.buffer, self.timer, self.ends = b"", None, 0.0

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def connection_lost(self, error: Exception | None) -> None:
            if self.timer is not None:
                self.timer.cancel()
                seen["cancelled"] += 1
                seen["unmade"].append(self.ends - asyncio.get_running_loop().time())

        def data_received(self, data: bytes) -> None:
            self.buffer += data
            head, end, body = self.buffer.partition(b"\r\n\r\n")
            length = int((head.lower() + b"\r\n").partition(b"content-length:")[2].split(b"\r")[0] or 0)
            if not end or len(body) < length:
                return
            self.buffer = body[length:]
            if head.startswith(b"GET /counts"):
                self.transport.write(plain(seen))
            elif head.startswith(b"GET"):
                self.transport.write(plain({"data": [{"id": "m"}]}))
            else:
                self.asked(json.loads(body[:length]), judge=b"answer_choice" in body)

        def asked(self, body: dict[str, Any], judge: bool) -> None:
            seen["calls"] += 1
            reply = stream if body.get("stream") else judged if judge else answer
            if SLOW in (body.get("max_tokens"), body.get("max_completion_tokens")):
                takes = READING + random.Random(body.get("seed")).expovariate(1 / WRITING)
                seen["slow"].append(takes)
                loop = asyncio.get_running_loop()
                self.ends = loop.time() + takes
                self.timer = loop.call_later(takes, self.send, reply)
            else:
                self.send(reply)

        def send(self, reply: bytes) -> None:
            self.timer = None
            self.transport.write(reply)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Server, HOST, port, backlog=1024)
        await server.serve_forever()

    run_fast(serve())


def run_fast(main: Coroutine[Any, Any, None]) -> None:
    """On uvloop where that is installed, as the gateway does."""
    factory = import_module("uvloop").new_event_loop if find_spec("uvloop") else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)


def floor(port: int, target: str) -> None:
    """The least a pass-through can do with aiohttp."""

    async def relay(request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        async with request.app[SESSION].post(
            target + request.path, data=raw, headers={"Content-Type": "application/json"}
        ) as reply:
            if reply.content_type != "text/event-stream":
                body = await reply.read()
                return web.Response(body=body, content_type="application/json")
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            while packet := await reply.content.readany():
                await response.write(packet)
            await response.write_eof()
            return response

    async def connect(app: web.Application) -> Any:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            app[SESSION] = session
            yield

    app = web.Application()
    app.cleanup_ctx.append(connect)
    app.router.add_post("/{path:.*}", relay)

    async def serve() -> None:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        await asyncio.Event().wait()

    run_fast(serve())


SESSION = web.AppKey("session", aiohttp.ClientSession)


@contextlib.contextmanager
def running(command: list[str], port: int, path: str, log: Path | None = None) -> Iterator[int]:
    """A process, once it answers (within two minutes); its id. What it says is written to `log`."""
    with open(log or os.devnull, "wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        for _ in range(2400):
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), 0.2) as sock:
                sock.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
                if b" 5" not in sock.recv(64)[:13]:
                    break
            if process.poll() is not None:
                raise SystemExit(f"{command} ended at once")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def memory(pid: int) -> float:
    """Resident megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


# -- load


async def load(
    session: aiohttp.ClientSession, url: str, body: Any, level: int, seconds: float
) -> dict[str, float]:
    """Requests of `level` clients for some time: rate, percentiles (ms), failures."""
    raw, took, failures = json.dumps(body).encode(), list[float](), 0
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal failures
        while time.perf_counter() < end:
            began = time.perf_counter()
            try:
                async with session.post(url, data=raw) as reply:
                    await reply.read()
                    failures += reply.status != 200
            except aiohttp.ClientError:
                failures += 1
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(level)))
    spent = time.perf_counter() - began
    took.sort()
    return {
        "rps": len(took) / spent,
        "p50": 1e3 * took[len(took) // 2],
        "p99": 1e3 * took[min(len(took) - 1, int(len(took) * 0.99))],
        "failures": failures,
    }


async def measure(urls: dict[str, str], seconds: float, rounds: int) -> list[dict[str, Any]]:
    """Every kind of request at every level, through every server that takes it."""
    headers = {"Content-Type": "application/json"}
    rows = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        for kind, model in (("pass-through", "m"), ("self-consistency n=8", "sc(n=8)/m")):
            for stream in (False, True):
                for level in LEVELS:
                    best: dict[str, dict[str, float]] = {}
                    for _ in range(rounds):
                        for name, url in urls.items():
                            methods = name == "gateway"
                            asked = model if methods or kind == "pass-through" else "m"
                            if kind != "pass-through" and name == "floor":
                                continue
                            body = {**BODY, "model": asked, "stream": stream}
                            got = await load(session, url + "/v1/chat/completions", body, level, seconds)
                            known = best.get(name)
                            if known is None or got["rps"] > known["rps"]:
                                best[name] = got
                    rows.append({"kind": kind, "stream": stream, "level": level, **best})
                    print(described(rows[-1]), flush=True)
    return rows


def described(row: dict[str, Any]) -> str:
    """A line for people."""
    bare = row["upstream"]
    parts = [f"{row['kind']:22} {'stream' if row['stream'] else 'plain ':6} c={row['level']:<4}"]
    for name in ("upstream", "floor", "gateway"):
        if name in row:
            got = row[name]
            text = f"{name} {got['rps']:7.0f}/s"
            if name != "upstream":
                text += f" p50 +{got['p50'] - bare['p50']:.2f} p99 +{got['p99'] - bare['p99']:.2f} ms"
            parts.append(text + (f" ({got['failures']:.0f} failed)" if got["failures"] else ""))
    if row["kind"] != "pass-through":
        parts.append(f"{8 * row['gateway']['rps']:.0f} upstream calls/s")
    return " | ".join(parts)


async def racing(url: str, target: str, times: int = 40) -> dict[str, float]:
    """First-finish over five on the slow upstream: the fastest should set the time, and the others
    should be cancelled. The upstream tells what it has drawn, and what was left to be made."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def counts() -> dict[str, Any]:
            async with session.get(target + "/counts") as reply:
                return dict(await reply.json())

        async def timed(model: str, number: int) -> float:
            body = {**BODY, "model": model, "max_tokens": SLOW, "seed": number}
            began = time.perf_counter()
            async with session.post(url + "/v1/chat/completions", json=body) as reply:
                await reply.read()
            return time.perf_counter() - began

        single = sorted([await timed("m", n) for n in range(times)])
        before = await counts()
        raced = sorted([await timed(f"ffs(n={FIVE})/m", n) for n in range(times)])
        await asyncio.sleep(0.3)
        after = await counts()
    taken, unmade = (after[name][len(before[name]) :] for name in ("slow", "unmade"))
    groups = [taken[at : at + FIVE] for at in range(0, len(taken), FIVE)]  # one request after the other
    fastest = sorted(map(min, groups))
    written = sum(sum(group) - min(group) - (len(group) - 1) * READING for group in groups)
    return {
        "single_p50_s": single[times // 2],
        "ffs_p50_s": raced[times // 2],
        "fastest_drawn_p50_s": fastest[times // 2],
        "fastest_expected_p50_s": READING + WRITING / FIVE * 0.6931,
        "cancelled_per_request": (after["cancelled"] - before["cancelled"]) / times,
        # a call cancelled while its prompt is read has all of its tokens before it
        "losers_tokens_unmade": sum(unmade) / written,
    }


async def soak(url: str, pid: int, minutes: float, rate: float) -> dict[str, float]:
    """Half load for some minutes: memory must stay flat and nothing may fail."""
    connector = aiohttp.TCPConnector(limit=0)
    failures = answered = 0
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(model: str, stream: bool) -> None:
            nonlocal failures, answered
            body = {**BODY, "model": model, "stream": stream}
            async with session.post(url + "/v1/chat/completions", json=body) as reply:
                await reply.read()
                failures += reply.status != 200
                answered += 1

        kinds = [("m", False), ("m", True), ("m", False), ("sc(n=8)/m", True)]
        began, number, first = time.perf_counter(), 0, 0.0
        pending: set[asyncio.Task[None]] = set()
        while (now := time.perf_counter() - began) < minutes * 60:
            if not first and now > minutes * 60 / 4:
                first = memory(pid)
            while number < now * rate and len(pending) < 256:
                task = asyncio.create_task(ask(*kinds[number % 4]))
                pending.add(task)
                task.add_done_callback(pending.discard)
                number += 1
            await asyncio.sleep(0.005)
        await asyncio.gather(*pending)
    return {
        "requests": answered,
        "failures": failures,
        "memory_after_a_quarter_mb": first,
        "memory_at_the_end_mb": memory(pid),
    }


def imported() -> float:
    """CPU seconds to import the gateway, compiled as pip installs it: the best of five fresh
    interpreters after one that compiles."""
    code = "import time; b = time.process_time(); import ttscale.gateway; "
    code += "print(time.process_time() - b)"
    with tempfile.TemporaryDirectory() as cache:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = cache
        runs = [subprocess.check_output([sys.executable, "-c", code], env=env) for _ in range(6)]
    return min(map(float, runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="per figure and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=0.25, help="of soaking at half load")
    parser.add_argument("--tensorzero", metavar="PYTHON", help="of an environment with it, to measure it too")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        kind, port, *rest = given.serve
        upstream(int(port)) if kind == "upstream" else floor(int(port), *rest)
        return

    ports = {name: free_port() for name in ("upstream", "floor", "gateway")}
    urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
    me = [sys.executable, __file__, "--serve"]
    with contextlib.ExitStack() as stack:

        def start(name: str, command: list[str], path: str = "/v1/models") -> int:
            return stack.enter_context(running(command, ports[name], path))

        start("upstream", [*me, "upstream", str(ports["upstream"])])
        start("floor", [*me, "floor", str(ports["floor"]), urls["upstream"]])
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        config = Path(folder) / "gateway.toml"
        spec = f"openai:m@{urls['upstream']}"
        config.write_text(f'[server]\nport = {ports["gateway"]}\n[models]\nm = "{spec}"\n')
        serve = [sys.executable, "-m", "ttscale", "serve", "--config", str(config)]
        pid = start("gateway", serve, "/ready")
        time.sleep(1)  # its upstream is being probed
        idle = memory(pid)
        shown = {name: urls[name] for name in ("upstream", "floor", "gateway")}
        rows = asyncio.run(measure(shown, given.seconds, given.rounds))
        loaded = memory(pid)
        race = asyncio.run(racing(urls["gateway"], urls["upstream"]))
        half = next(r["gateway"]["rps"] for r in rows if r["level"] == 16) / 4
        soaked = asyncio.run(soak(urls["gateway"], pid, given.minutes, half))
        peer = None
        if given.tensorzero:
            peer = tensorzero(given.tensorzero, urls["upstream"], given.seconds, given.rounds)
            for name, figure in peer["figures"].items():
                print(f"TensorZero {name:16} {figure['upstream_calls_per_s']:.0f} upstream calls/s")

    one, sixteen = rows[0], rows[1]
    fan = [r for r in rows if r["kind"] != "pass-through"]
    summary = {
        "pass_through_p50_added_ms": one["gateway"]["p50"] - one["upstream"]["p50"],
        "floor_p50_added_ms": one["floor"]["p50"] - one["upstream"]["p50"],
        "pass_through_rps_16": sixteen["gateway"]["rps"],
        "share_of_floor_16": sixteen["gateway"]["rps"] / sixteen["floor"]["rps"],
        "upstream_calls_per_s": max(8 * r["gateway"]["rps"] for r in fan),
        "memory_idle_mb": idle,
        "memory_loaded_mb": loaded,
        "import_cpu_s": imported(),
        "first_finish": race,
        "soak": soaked,
        "tensorzero": peer,
        "failures": sum(r["gateway"]["failures"] for r in rows),
        "uvloop": find_spec("uvloop") is not None,
        "load_average": os.getloadavg(),
        "rows": rows,
    }
    summary["goals"] = goals(summary, rows)
    for name, value in summary.items():
        if name != "rows":
            print(f"{name}: {value}")
    print(json.dumps(summary))


def tensorzero(python: str, upstream: str, seconds: float, rounds: int) -> dict[str, Any]:
    """Its best-of-n and its mixture on the same upstream."""
    script = Path(__file__).with_name("tensorzero_peer.py")
    done = subprocess.run(
        [python, script, upstream, str(seconds), str(rounds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def goals(summary: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What is to hold in any run: (figure, bound, whether it holds). Figures are ratios, or of an
    upstream whose pace is given."""
    one, sixteen = rows[0], rows[1]

    def added(row: dict[str, Any], name: str, percentile: str) -> float:
        return float(row[name][percentile] - row["upstream"][percentile])

    race, peer = summary["first_finish"], summary["tensorzero"]
    # forty races have luck, the same in every run: what they draw is replaced by what is to be expected
    raced = race["fastest_expected_p50_s"] + race["ffs_p50_s"] - race["fastest_drawn_p50_s"]
    most = {
        "p50_added_to_the_floors": (added(one, "gateway", "p50") / added(one, "floor", "p50"), 1.2),
        "p99_added_to_p50_added_16": (
            added(sixteen, "gateway", "p99") / added(sixteen, "gateway", "p50"),
            3.0,
        ),
        "first_finish_p50_s": (raced, 0.30),
        "memory_mb": (summary["memory_loaded_mb"], 100.0),
    }
    least = {"losers_tokens_unmade": (race["losers_tokens_unmade"], 0.7)}
    if peer is not None:
        theirs = max(figure["upstream_calls_per_s"] for figure in peer["figures"].values())
        least["upstream_calls_to_tensorzeros"] = (summary["upstream_calls_per_s"] / theirs, 1.25)
    return {name: (round(x, 3), f"<= {bound}", x <= bound) for name, (x, bound) in most.items()} | {
        name: (round(x, 3), f">= {bound}", x >= bound) for name, (x, bound) in least.items()
    }


if __name__ == "__main__":
    main()
