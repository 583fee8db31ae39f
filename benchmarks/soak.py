"""The gateway under faults on both of its sides: does it leave, leak, hang, swell or stumble?

    python benchmarks/soak.py [--requests 100000] [--minutes N] [--clients 96] [--seed 0]

A model server with the faults of `faulty_upstream.py`, the gateway before it, each a process of its
own, and clients, some with the faults of `faulty_clients.py`. Requests go to every address, streamed
and not, plainly and under methods. It holds if

- every request ends within its limit, as it should: a steady model answers, a faulty one answers
  right, is refused with an error object, or fails in the stream, in that protocol's words;
- at the end nobody is working on anything: neither the upstream nor, by /metrics, the gateway;
- the gateway's memory at the end is that of the first quarter;
- its log has no traceback and no task whose exception nobody took.

It ends with 0 if it held, else with 1; the last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from faulty_clients import CLIENTS, LARGEST, PATIENCE, Unexpected
from faulty_upstream import ANSWER, FAULTS, MARK, STEADY, Upstream
from gateway import HOST, free_port, memory, running

METHODS = {
    "plain": "",
    "ffs": "ffs(n=3)/",
    "sc": "sc(n=3)/",
    "esc": "esc(window=2,max_samples=4)/",
    "best-of-n": "best-of-n(n=2,verifier=judge)/",
}
PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions", "responses": "/v1/responses"}
LIMIT = 60.0  # seconds a request may take: all retries, and a machine that is shared
IDLE = 3  # seconds after which the gateway gives up a silent upstream
SHARES = {"steady": 0.5, "faulty upstream": 0.35, "faulty client": 0.15}
SETTLING = 20.0  # seconds in which everything has to come to rest
GROWTH, SLACK = 1.1, 8.0  # memory at the end: so many times that of the first quarter, and MB more
PASSED_ON = ("half-events", "unreadable")  # to a plain client, as it comes
_UNHANDLED = re.compile(r"Traceback|Unhandled|never retrieved|never awaited|Task was destroyed")


@dataclass
class Asked:
    """A request of a client that does as it should."""

    kind: str
    model: str
    api: str
    method: str
    stream: bool
    body: dict[str, Any]

    @classmethod
    def drawn(cls, kind: str, rng: random.Random) -> Asked:
        model = "well" if kind == "steady" else rng.choice(list(FAULTS))
        api, method = rng.choice(list(PATHS)), rng.choice(list(METHODS))
        stream = rng.random() < 0.5
        question = f"{MARK} {rng.getrandbits(48)}: what is 2 + 2?"
        asked = {
            "chat": {"messages": [{"role": "user", "content": question}]},
            "completions": {"prompt": question},
            "responses": {"input": question},
        }[api]
        return cls(
            model, model, api, method, stream, {"model": METHODS[method] + model, "stream": stream, **asked}
        )


@dataclass
class Tally:
    """What came of the requests."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)
    hangs: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def add(self, kind: str, outcome: str) -> None:
        self.outcomes.setdefault(kind, Counter())[outcome] += 1


# -- reading replies


def outcome(asked: Asked, status: int, raw: bytes) -> str:
    """What a reply comes to. Raises `Unexpected` if it is none."""
    if status != 200:
        try:
            said = json.loads(raw)["error"]["message"]
        except (ValueError, TypeError, KeyError):
            raise Unexpected(f"status {status} without an error object") from None
        if asked.model in STEADY:
            raise Unexpected(f"status {status}: {said[:80]}")
        return f"refused {status}"
    try:
        return _streamed(asked, raw) if asked.stream else _whole(asked, raw)
    except (Unexpected, TypeError, AttributeError, KeyError) as error:
        if asked.method == "plain" and asked.api != "responses" and asked.model in PASSED_ON:
            return "passed on"
        raise Unexpected(str(error)) from None


def _whole(asked: Asked, raw: bytes) -> str:
    try:
        document = json.loads(raw)
    except ValueError:
        raise Unexpected("200 without JSON") from None
    return _answered(_text(document))


def _streamed(asked: Asked, raw: bytes) -> str:
    """A stream ends in order, or says why not."""
    events = [line[5:].strip() for line in raw.split(b"\n") if line.startswith(b"data:")]
    done = bool(events) and events[-1] == b"[DONE]"
    try:
        documents = [json.loads(data) for data in events if data != b"[DONE]"]
    except ValueError:
        raise Unexpected("an event without JSON") from None
    if any(document.get("error") or document.get("type") == "response.failed" for document in documents):
        if asked.model in STEADY:
            raise Unexpected("an error in the stream")
        return "failed in the stream"
    ends = [
        d["response"] for d in documents if d.get("type") in ("response.completed", "response.incomplete")
    ]
    if asked.api == "responses":
        if not ends:
            raise Unexpected("a stream without an end")
        return _answered(_text(ends[-1]))
    if not done:
        raise Unexpected("a stream without an end")
    return _answered("".join(map(_text, documents)))


def _text(document: Any) -> str:
    """The words of a reply of any API, whole or a piece of a stream."""
    words = []
    for choice in document.get("choices") or ():
        message = choice.get("message") or choice.get("delta") or choice
        words.append(message.get("content") or message.get("text") or "")
    for item in document.get("output") or ():
        words += [part.get("text", "") for part in item.get("content") or () if item["type"] == "message"]
    return "".join(words)


def _answered(text: str) -> str:
    if text != ANSWER:
        raise Unexpected(f"the text is {text[:60]!r}")
    return "answered"


# -- the soak


class Soak:
    """Clients that ask, one request after the other each."""

    def __init__(self, port: int, pid: int, given: argparse.Namespace) -> None:
        self.port, self.pid, self.given = port, pid, given
        self.tally, self.number = Tally(), 0
        self.early: float | None = None  # MB, at a quarter
        self.began = time.monotonic()

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(f"http://{HOST}:{self.port}", connector=connector) as session:
            await asyncio.gather(*(self._client(session) for _ in range(self.given.clients)))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while (share := self._done()) < 1:
            if share >= 0.25 and self.early is None:
                self.early = memory(self.pid)
            self.number += 1
            if self.number % 5000 == 0:
                print(f"{self.number} after {time.monotonic() - self.began:.0f} s", flush=True)
            await self._request(session, random.Random(f"{self.given.seed}:{self.number}"))

    def _done(self) -> float:
        """How much of the soak is over, from 0 to 1."""
        share = self.number / self.given.requests
        if self.given.minutes:
            share = max(share, (time.monotonic() - self.began) / 60 / self.given.minutes)
        return share

    async def _request(self, session: aiohttp.ClientSession, rng: random.Random) -> None:
        (kind,) = rng.choices(list(SHARES), list(SHARES.values()))
        asked = None if kind == "faulty client" else Asked.drawn(kind, rng)
        client = rng.choice(list(CLIENTS))
        name = client if asked is None else asked.kind
        detail = name if asked is None else f"{name} {asked.api} {asked.method} stream={asked.stream}"
        began = time.monotonic()
        try:
            async with asyncio.timeout(LIMIT):
                if asked is None:
                    came = await CLIENTS[client](self.port, rng)
                else:
                    async with session.post(PATHS[asked.api], json=asked.body) as response:
                        came = outcome(asked, response.status, await response.read())
            self.tally.add(name, came)
        except TimeoutError:
            self.tally.hangs[detail] += 1
        except (Unexpected, aiohttp.ClientError, OSError, EOFError) as error:
            self.tally.wrong[f"{detail}: {error!r}"] += 1
        self.tally.slowest = max(self.tally.slowest, time.monotonic() - began)


async def rest(urls: dict[str, str]) -> dict[str, float]:
    """What is still being worked on, once it has had time to come to rest."""
    async with aiohttp.ClientSession() as session:

        async def text(url: str) -> str:
            async with session.get(url) as reply:
                return await reply.text()

        end = time.monotonic() + SETTLING
        while True:
            left = {"upstream": float(json.loads(await text(urls["upstream"] + "/counts"))["working"])}
            shown = await text(urls["gateway"] + "/metrics")
            for name in ("active_requests", "waiting_requests", "upstream_outstanding"):
                values = re.findall(rf"^ttscale_{name}(?:{{.*}})? (\S+)$", shown, re.MULTILINE)
                left[name] = sum(map(float, values))
            if not any(left.values()) or time.monotonic() > end:
                return left
            await asyncio.sleep(0.5)


def configuration(port: int, upstream: str) -> str:
    """The gateway's file: each model by itself, so that the faults of one are not those of another."""
    models = [
        f'[models.{name}]\nspec = "openai:{name}@{upstream}?idle={IDLE}"\nroles.judge = "{name}"\n'
        for name in (*FAULTS, *STEADY)
    ]
    server = f"[server]\nport = {port}\nmax_body = {LARGEST}\nbody_seconds = {PATIENCE}\n"
    return server + "".join(models)


def unhandled(log: Path) -> Iterator[str]:
    """The lines of a log that tell of something nobody has taken care of."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        yield from (line.rstrip() for line in lines if _UNHANDLED.search(line))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, help="the most it takes")
    parser.add_argument("--clients", type=int, default=96, help="at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="keep the gateway's log here")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(Upstream(given.seed).serve(HOST, given.serve))
        return 0

    ports = {name: free_port() for name in ("upstream", "gateway")}
    urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config, log = folder / "gateway.toml", given.log or folder / "gateway.log"
        config.write_text(configuration(ports["gateway"], urls["upstream"]))
        me = [sys.executable, __file__, "--seed", str(given.seed), "--serve", str(ports["upstream"])]
        stack.enter_context(running(me, ports["upstream"], "/v1/models"))
        serve = [sys.executable, "-m", "ttscale", "serve", "--config", str(config)]
        pid = stack.enter_context(running(serve, ports["gateway"], "/ready", log))
        soak = Soak(ports["gateway"], pid, given)
        asyncio.run(soak.run())
        seconds = time.monotonic() - soak.began
        left = asyncio.run(rest(urls))
        early, late = soak.early or 0.0, memory(pid)
        lines = list(unhandled(log))

    tally = soak.tally
    held = {
        "as_expected": not tally.wrong,
        "no_hang": not tally.hangs,
        "no_leak": not any(left.values()),
        "flat_memory": late <= GROWTH * early + SLACK,
        "clean_log": not lines,
    }
    for kind, counts in sorted(tally.outcomes.items()):
        print(f"{kind:20}", ", ".join(f"{outcome} {count}" for outcome, count in counts.most_common()))
    for title, counts in (("not as expected", tally.wrong), ("hangs", tally.hangs), ("log", Counter(lines))):
        for line, count in counts.most_common(20):
            print(f"{title}: {count} x {line}")
    summary = {
        "requests": soak.number,
        "seconds": round(seconds, 1),
        "slowest_s": round(tally.slowest, 1),
        "outcomes": tally.outcomes,
        "not_as_expected": sum(tally.wrong.values()),
        "hangs": sum(tally.hangs.values()),
        "left_at_the_end": left,
        "memory_after_a_quarter_mb": early,
        "memory_at_the_end_mb": late,
        "unhandled_in_the_log": len(lines),
        "load_average": os.getloadavg(),
        "held": held,
    }
    print(f"after a quarter {early} MB, at the end {late} MB; left at the end: {left}")
    print(", ".join(f"{name}: {'yes' if so else 'NO'}" for name, so in held.items()))
    print(json.dumps(summary))
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
