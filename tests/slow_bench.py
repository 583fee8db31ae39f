"""A synthetic model that takes real time and logs every sample it starts, and a bench of it that can
be killed: `python slow_bench.py STORE LOG [SECONDS_PER_TOKEN]`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Literal

from ttscale.bench import Settings, Store, Task, arrange, run_bench
from ttscale.core import (
    EngineError,
    Finish,
    GenerationRequest,
    LiveGeneration,
    Problem,
    Prompt,
    StoreError,
    Trace,
)
from ttscale.core.known_generation import head
from ttscale.engines.catalogue.source import ModelSource
from ttscale.engines.synthetic import Synthetic, binary
from ttscale.methods.registry import parse

TOKEN = 0.0004  # seconds
METHODS = ("simple", "sc(n=4)", "ffs(n=4, k=4)")


class Same:
    """The boxed text; answers are the same if they are equal."""

    name = "text"

    def extract(self, trace: Trace) -> str | None:
        return trace.text.removeprefix("\\boxed{").removesuffix("}") or None

    def same(self, a: str, b: str) -> bool:
        return a == b


def questions(n: int) -> list[Problem]:
    return [Problem(f"q{i:03}", Prompt.user(f"Question {i}"), Same(), "right") for i in range(n)]


class PacedGeneration(LiveGeneration):
    def __init__(self, request: GenerationRequest, known: Trace, token: float) -> None:
        super().__init__(request)
        self.known, self.token, self.over = known, token, False
        self.timer = request.loop.call_later(known.tokens * token, self.deliver)

    def seen(self, at: float | None = None) -> int:
        made = int((self.request.loop.time() - self.began) / self.token)
        return self.known.tokens if self.over else min(self.known.tokens, made)

    def deliver(self) -> None:
        self.over = True
        self.end("stop")

    def _stop(self, finish: Finish) -> int:
        self.timer.cancel()
        return 0

    def _trace(self, finish: Finish, kept: int) -> Trace:
        return head(self.known, kept) if kept < self.known.tokens else self.known.copy()


class Paced:
    """`Synthetic` at `token` seconds a token; every `fails`-th draw of a question fails."""

    time: Literal["wall", "tokens"] = "wall"
    capabilities = frozenset({"text"})
    name = "paced"

    def __init__(self, log: Path | None = None, fails: int = 0, token: float = TOKEN) -> None:
        self.log, self.fails, self.token = log, fails, token
        self.world = binary(0.7, length=60, wrong_length=80, spread=15, wrong_spread=15)
        self.synthetic = Synthetic(self.world)
        self.starts = 0

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def start(self, request: GenerationRequest) -> PacedGeneration:
        self.starts += 1
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{request.run_seed} {request.problem.id} {request.index}\n")
        if self.fails and self.starts % self.fails == 0:
            raise EngineError("the server said 500")
        return PacedGeneration(
            request, self.synthetic.sample_trace(self.world, request.problem, request.seed), self.token
        )


def model(**settings: object) -> ModelSource:
    return ModelSource(name="paced", spec="paced", make=partial(Paced, **settings))


def planned(log: Path | None, n: int = 12, methods: tuple[str, ...] = METHODS, **settings: object):
    task = Task("questions", questions(n))
    return arrange([parse(m) for m in methods], [(model(log=log, **settings), [task])], repeats=2)


def main(path: str, log: str, token: str = str(TOKEN)) -> None:
    store = Store.open(path, write=True) if Path(path).exists() else Store.create(path, {})
    with store:
        run_bench(store, planned(Path(log), token=float(token)), Settings(concurrency=4))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    except StoreError as error:
        print(error)
        sys.exit(error.exit_code)
