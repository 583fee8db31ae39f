"""Test doubles behind the real interfaces: a scripted engine, one that generates token by token and
counts what it generated, one that lives in real time, and a plain answer rule."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ttscale.core import (
    Budget,
    Card,
    EngineError,
    Finish,
    Generation,
    GenerationRequest,
    KnownGeneration,
    LiveGeneration,
    Method,
    Outcome,
    Problem,
    Prompt,
    Rewards,
    Run,
    TokenLoop,
    Trace,
    run_in_token_time,
)
from ttscale.core.known_generation import head, piece

Script = Callable[[GenerationRequest], Trace]


class Boxed:
    """The last box is the answer; answers are the same if they are equal but for case."""

    name = "boxed"

    def extract(self, trace: Trace) -> str | None:
        if trace.answer is not None:
            return trace.answer
        found = re.findall(r"\\boxed\{(.*?)\}", trace.text)
        return found[-1] if found else None

    def same(self, a: str, b: str) -> bool:
        return a.casefold() == b.casefold()


def problem(name: str = "p", reference: str | None = "right") -> Problem:
    return Problem(name, Prompt.user(f"question {name}"), Boxed(), reference)


def said(answer: str | None, tokens: int = 10, **fields: Any) -> Trace:
    """A finished trace that gives `answer` (None: it gives none)."""
    return Trace("" if answer is None else f"\\boxed{{{answer}}}", tokens, **fields)


class Scripted:
    """Plays the traces that a function of the request returns; an `EngineError` it raises is raised."""

    time: Literal["wall", "tokens"] = "tokens"

    def __init__(
        self,
        script: Script | Iterable[Trace | EngineError],
        *,
        capabilities: Iterable[str] = ("text", "prefix", "reward", "logprobs"),
        speed: int = 1,
        rewards: Callable[[Trace], float] | None = None,
        name: str = "scripted",
    ) -> None:
        self.capabilities, self.speed, self.name = frozenset(capabilities), speed, name
        self.calls: list[GenerationRequest] = []
        self.rewards = rewards or (lambda trace: 0.5)
        self.opened = self.closed = 0
        if callable(script):
            self.script: Script = script
        else:
            entries = list(script)

            def play(request: GenerationRequest) -> Trace:
                entry = entries[len(self.calls) - 1]
                if isinstance(entry, EngineError):
                    raise entry
                return entry

            self.script = play

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    def start(self, request: GenerationRequest) -> Generation:
        self.calls.append(request)
        return KnownGeneration(request, self.script(request), self.speed)

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        return Rewards([self.rewards(t) for t in traces], tokens=sum(t.tokens for t in traces))


class Ticking(Scripted):
    """The same traces, generated one token per event and counted: what the meter has to equal."""

    def __init__(self, script: Script | Iterable[Trace | EngineError], **options: Any) -> None:
        super().__init__(script, **options)
        self.generated = 0
        self.generations: list[TickingGeneration] = []

    def start(self, request: GenerationRequest) -> Generation:
        self.calls.append(request)
        generation = TickingGeneration(self, request, self.script(request))
        self.generations.append(generation)
        return generation


class TickingGeneration(LiveGeneration):
    """Knows nothing beforehand but its trace; asks rule, limits and cap after every token."""

    def __init__(self, engine: Ticking, request: GenerationRequest, known: Trace) -> None:
        super().__init__(request)
        self.engine, self.known, self.tokens = engine, known, 0
        assert isinstance(request.loop, TokenLoop)
        self.loop = request.loop
        self.due = self.loop.at(self.loop.tick, self.go_on)

    def go_on(self) -> None:
        most, finish = self.request.most()
        if self.tokens >= self.known.tokens:
            self.end(self.known.finish, self.known.error)
        elif most is not None and self.tokens >= most:
            self.end(finish)
        elif not self.finished:
            self.due = self.loop.at(self.loop.tick + self.engine.speed, self.token)

    def token(self) -> None:
        self.tokens += 1
        self.engine.generated += 1
        chunk = piece(self.known, self.tokens - 1, self.tokens)
        self.show(chunk, ended=self.tokens >= self.known.tokens)
        self.go_on()

    def seen(self, at: float | None = None) -> int:
        return self.tokens if at is None else self.tokens + max(0, int(at) - self.loop.tick)

    def _stop(self, finish: Finish) -> int:
        TokenLoop.withdraw(self.due)
        return 0

    def _trace(self, finish: Finish, kept: int) -> Trace:
        return head(self.known, kept) if kept < self.known.tokens else self.known.copy()


class Live:
    """Lives in real time: a thread ends every sample after `seconds`."""

    time: Literal["wall", "tokens"] = "wall"
    capabilities = frozenset({"text"})
    name = "live"

    def __init__(self, script: Script, seconds: float = 0.01) -> None:
        self.script, self.seconds = script, seconds

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def start(self, request: GenerationRequest) -> Generation:
        return TimedGeneration(request, self.script(request), self.seconds)


class TimedGeneration(LiveGeneration):
    """Everything at once, when its time has come."""

    def __init__(self, request: GenerationRequest, known: Trace, seconds: float) -> None:
        super().__init__(request)
        self.known, self.tokens = known, 0
        self.timer = threading.Timer(seconds, lambda: request.loop.call_soon_threadsafe(self.deliver))
        self.timer.start()

    def deliver(self) -> None:
        self.timer.join()
        if not self.finished:
            self.tokens = self.known.tokens
            self.end(self.known.finish, self.known.error)

    def seen(self, at: float | None = None) -> int:
        return self.tokens

    def _stop(self, finish: Finish) -> int:
        self.timer.cancel()
        return 0

    def _trace(self, finish: Finish, kept: int) -> Trace:
        return head(self.known, kept) if kept < self.known.tokens else self.known.copy()


@dataclass(frozen=True)
class NoConfig:
    """Nothing to set."""


def method_of(fn: Callable[..., Awaitable[Any]], **card: Any) -> Method:
    """An unregistered method made of an async function `(problem, ctx, cfg)`."""
    return Method(
        Card(**{"name": "probe", "title": "Probe", "what": "parallel", "stops": "at once", **card}),
        fn,
        NoConfig,
    )


def answer(
    engines: Any,
    fn: Callable[..., Awaitable[Any]] | Method,
    cfg: Any = None,
    *,
    of: Problem | None = None,
    budget: Budget | None = None,
    **run: Any,
) -> Outcome:
    """Run a method in token time on one engine or several, and check that nothing is left over."""
    made = Run(engines if isinstance(engines, Mapping) else {"main": engines}, **run)
    method = fn if isinstance(fn, Method) else method_of(fn)

    async def main() -> Outcome:
        outcome = await made.answer(method.bind(cfg), of or problem(), budget=budget)
        nothing_left()
        return outcome

    return run_in_token_time(main())


def nothing_left() -> None:
    """No task but the current one is under way."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"left over: {sorted(str(t) for t in left)}"
