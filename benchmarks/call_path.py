"""How much of ttscale one request passes through: files, functions, calls, moves between files.

    python benchmarks/call_path.py                           this tree's code
    PYTHONPATH=OTHER/src python benchmarks/call_path.py      another tree's, by the same hook

Three requests, each to a streaming server in a process of its own:

    solve            ttscale solve "What is 17*23?" --method "sc(n=1)" --model openai:m@URL
    gateway method   sc(n=1)/m from a warm `ttscale serve`
    gateway plain    m from such a server

Each is the second of its kind, and all share one cache folder of a user: what is asked of a server
once and kept, in a process or in that folder, does not count.

A profile hook in every thread sees each Python function of ttscale that begins. What runs while a
module is imported does not count, nor does a coroutine or generator that goes on. A move is a call
in another file than the call before it. Only the command line is used, so that the figures of code
before and after a change of its inside compare. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

QUESTION = "What is 17*23?"
REPLY = ("17*20", " is 340,", " 17*3", " is 51:", " so", " \\boxed{391}", ".")  # one chunk each
PAUSE = 0.01  # seconds between two chunks, so that a client reads each by itself
SETTLING = 0.5  # seconds after a reply until the gateway has booked it


# -- the measured process


class Hook:
    """Records the calls in ttscale's files, in order, of all threads that start from now on."""

    def __init__(self) -> None:
        spec = find_spec("ttscale")
        if spec is None or not spec.submodule_search_locations:
            sys.exit("call_path: ttscale is not installed")
        self.root = str(Path(spec.submodule_search_locations[0]).resolve())
        self.calls: list[CodeType] = []
        threading.setprofile(self)
        sys.setprofile(self)

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event == "call" and self._is_ours(code) and _begins(frame) and not self._imports(frame):
            self.calls.append(code)

    def _is_ours(self, code: CodeType) -> bool:
        return code.co_filename.startswith(self.root)

    def _imports(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame.f_code.co_name == "<module>" and self._is_ours(frame.f_code):
                return True
            frame = frame.f_back
        return False

    def save(self, path: str) -> None:
        """Write what was recorded, and forget it."""
        calls, self.calls = self.calls, []
        files = [code.co_filename.removeprefix(self.root + "/") for code in calls]
        document = {
            "files": len(set(files)),
            "functions": len(set(calls)),
            "calls": len(calls),
            "moves": sum(a != b for a, b in pairwise(files)),
            "calls_by_file": Counter(files).most_common(),
        }
        Path(path + ".new").write_text(json.dumps(document))
        os.replace(path + ".new", path)


def _begins(frame: FrameType) -> bool:
    """Whether the frame begins, and does not go on after a yield or an await.

    The instruction at a call event is RESUME; its argument is 0 where a function begins.
    """
    return frame.f_code.co_code[frame.f_lasti + 1] & 3 == 0


def run_command(path: str, command: list[str]) -> None:
    """Run `ttscale COMMAND` under the hook; save at its end, and whenever SIGUSR1 arrives."""
    hook = Hook()
    signal.signal(signal.SIGUSR1, lambda *_: hook.save(path))
    from ttscale.__main__ import main

    sys.argv = ["ttscale", *command]
    try:
        main()
    finally:
        hook.save(path)


# -- the model's server


def serve_model() -> None:
    """Answer every chat completion with REPLY; the first line of stdout is the port."""
    from aiohttp import web

    async def complete(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        usage = {"prompt_tokens": 9, "completion_tokens": len(REPLY), "total_tokens": 9 + len(REPLY)}
        if not body.get("stream"):
            message = {"role": "assistant", "content": "".join(REPLY)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return web.json_response(_reply("chat.completion", choices=[choice], usage=usage))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        chunks = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in REPLY]
        chunks.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        events = [_reply("chat.completion.chunk", choices=[chunk]) for chunk in chunks]
        events.append(_reply("chat.completion.chunk", choices=[], usage=usage))
        for event in [*map(json.dumps, events), "[DONE]"]:
            await response.write(f"data: {event}\n\n".encode())
            await asyncio.sleep(PAUSE)
        return response

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "m", "object": "model"}]})

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", complete)
        app.router.add_get("/v1/models", models)
        runner = web.AppRunner(app)
        await runner.setup()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            await web.SockSite(runner, listening).start()
            print(listening.getsockname()[1], flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())


def _reply(kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "m", **fields}


# -- the measurement


@contextlib.contextmanager
def running(*args: str, folder: Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """This script in a process of its own, with a home of its own, ended at the end of the block."""
    variables = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TTSCALE_CACHE")
    environment = {**os.environ, **dict.fromkeys(variables, str(folder))}
    command = [sys.executable, __file__, *args]
    process = subprocess.Popen(command, text=True, env=environment, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def follow_solve(upstream: str, folder: Path) -> dict[str, Any]:
    """What a second `ttscale solve` passes through, from the entry of the command to its end."""
    record = folder / "solve.json"
    command = ["solve", QUESTION, "--method", "sc(n=1)", "--model", f"openai:m@{upstream}", "--json"]
    for _ in range(2):
        with running("record", str(record), *command, folder=folder, stdout=subprocess.PIPE) as process:
            printed, _ = process.communicate(timeout=60)
        if "391" not in printed:
            sys.exit(f"call_path: solve gave {printed}")
    return json.loads(record.read_text())


def follow_gateway(upstream: str, folder: Path, model: str) -> dict[str, Any]:
    """What the second request for `model` to a gateway passes through."""
    record, log = folder / "gateway.json", folder / "gateway.log"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["serve", "--upstream", upstream, "--name", "m", "--port", str(port)]
    with (
        log.open("w") as errors,
        running("record", str(record), *command, folder=folder, stderr=errors) as gateway,
    ):
        wait_until(lambda: gateway.poll() is not None or _listens(port), f"a gateway: see {log}")
        for _ in range(2):
            ask(f"http://127.0.0.1:{port}/v1/chat/completions", model)
            time.sleep(SETTLING)
            record.unlink(missing_ok=True)
            gateway.send_signal(signal.SIGUSR1)
            wait_until(record.exists, "the gateway's record")
        return json.loads(record.read_text())


def ask(url: str, model: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        reply = json.load(response)
    if "391" not in reply["choices"][0]["message"]["content"]:
        sys.exit(f"call_path: {model} gave {reply}")


def wait_until(holds: Callable[[], bool], what: str) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    sys.exit(f"call_path: waited 30 s for {what}")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def measure() -> dict[str, dict[str, Any]]:
    """The figures of the three requests, by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running("model", folder=folder, stdout=subprocess.PIPE) as model:
            assert model.stdout is not None
            upstream = f"http://127.0.0.1:{int(model.stdout.readline())}/v1"
            return {
                "solve": follow_solve(upstream, folder),
                "gateway method": follow_gateway(upstream, folder, "sc(n=1)/m"),
                "gateway plain": follow_gateway(upstream, folder, "m"),
            }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--by-file", action="store_true", help="show the calls in each file")
    args = parser.parse_args()
    figures = measure()
    print(f"{'':16}{'files':>8}{'functions':>11}{'calls':>8}{'moves':>8}")
    for name, row in figures.items():
        print(f"{name:16}{row['files']:8}{row['functions']:11}{row['calls']:8}{row['moves']:8}")
        if args.by_file:
            for file, calls in row["calls_by_file"]:
                print(f"{calls:43}  {file}")
    print(
        json.dumps({n: {k: v for k, v in row.items() if k != "calls_by_file"} for n, row in figures.items()})
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["record", path, *command]:
            run_command(path, command)
        case ["model"]:
            serve_model()
        case _:
            main()
