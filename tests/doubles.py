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
    Call,
    Card,
    EngineError,
    Finish,
    Flight,
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
from ttscale.core.timed import TimedFlight, head, piece

Course = Callable[[Call], Trace]


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
    """Plays the traces that a function of the call returns; an `EngineError` it raises is raised."""

    time: Literal["wall", "tokens"] = "tokens"

    def __init__(
        self,
        course: Course | Iterable[Trace | EngineError],
        *,
        capabilities: Iterable[str] = ("text", "prefix", "reward", "logprobs"),
        speed: int = 1,
        rewards: Callable[[Trace], float] | None = None,
        name: str = "scripted",
    ) -> None:
        self.capabilities, self.speed, self.name = frozenset(capabilities), speed, name
        self.calls: list[Call] = []
        self.rewards = rewards or (lambda trace: 0.5)
        self.opened = self.closed = 0
        if callable(course):
            self.course: Course = course
        else:
            script = list(course)

            def play(call: Call) -> Trace:
                entry = script[len(self.calls) - 1]
                if isinstance(entry, EngineError):
                    raise entry
                return entry

            self.course = play

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    def start(self, call: Call) -> Flight:
        self.calls.append(call)
        return TimedFlight(call, self.course(call), self.speed)

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        return Rewards([self.rewards(t) for t in traces], tokens=sum(t.tokens for t in traces))


class Ticking(Scripted):
    """The same courses, generated one token per event and counted: what the meter has to equal."""

    def __init__(self, course: Course | Iterable[Trace | EngineError], **options: Any) -> None:
        super().__init__(course, **options)
        self.generated = 0
        self.flights: list[TickingFlight] = []

    def start(self, call: Call) -> Flight:
        self.calls.append(call)
        flight = TickingFlight(self, call, self.course(call))
        self.flights.append(flight)
        return flight


class TickingFlight:
    """Knows nothing beforehand but its course; asks rule, limits and cap after every token."""

    def __init__(self, engine: Ticking, call: Call, course: Trace) -> None:
        self.engine, self.call, self.course = engine, call, course
        self.tokens, self.landed = 0, False
        self.most: float = float("inf")
        assert isinstance(call.loop, TokenLoop)
        self.loop = call.loop
        self.start = self.loop.tick
        self.due = self.loop.at(self.start, self.begin)

    def begin(self) -> None:
        if not self.ended():
            self.next()

    def next(self) -> None:
        self.due = self.loop.at(self.loop.tick + self.engine.speed, self.token)

    def token(self) -> None:
        self.tokens += 1
        self.engine.generated += 1
        chunk = piece(self.course, self.tokens - 1, self.tokens)
        if self.call.watch is not None:
            self.call.watch(chunk)
        if self.call.rule is not None and self.call.rule.feed(chunk) is not None:
            self.land("cut")
            return
        if not self.ended():
            self.next()
            if self.call.progress is not None:
                self.call.progress()

    def ended(self) -> bool:
        limit = self.call.sampling.max_tokens
        if self.tokens >= self.course.tokens:
            self.land(self.course.finish)
        elif limit is not None and self.tokens >= limit:
            self.land("length")
        elif self.call.limit is not None and self.tokens >= self.call.limit:
            self.land("budget")
        elif self.tokens >= self.most:
            self.land("cut")
        return self.landed

    def seen(self, at: float | None = None) -> int:
        return self.tokens if at is None else self.tokens + max(0, int(at) - self.loop.tick)

    def abort(self, finish: Finish) -> None:
        if not self.landed:
            self.land(finish)

    def cap(self, tokens: int) -> None:
        self.most = tokens
        if not self.landed and self.tokens >= tokens:
            self.land("cut")

    def land(self, finish: Finish) -> None:
        self.landed = True
        TokenLoop.withdraw(self.due)
        whole = self.tokens >= self.course.tokens
        trace = self.course.copy() if whole else head(self.course, self.tokens)
        trace.finish = finish
        trace.began, trace.ended = float(self.start), self.loop.time()
        self.call.land(trace)


class Live:
    """Lives in real time: a thread lands every draw after `seconds`."""

    time: Literal["wall", "tokens"] = "wall"
    capabilities = frozenset({"text"})
    name = "live"

    def __init__(self, course: Course, seconds: float = 0.01) -> None:
        self.course, self.seconds = course, seconds

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def start(self, call: Call) -> Flight:
        return LiveFlight(call, self.course(call), self.seconds)


class LiveFlight:
    def __init__(self, call: Call, course: Trace, seconds: float) -> None:
        self.call, self.course, self.landed = call, course, False
        self.timer = threading.Timer(
            seconds, lambda: call.loop.call_soon_threadsafe(self.land, course.finish)
        )
        self.timer.start()

    def land(self, finish: Finish) -> None:
        if not self.landed:
            self.landed = True
            self.timer.join()
            trace = self.course.copy()
            trace.finish = finish
            self.call.land(trace)

    def seen(self, at: float | None = None) -> int:
        return 0

    def abort(self, finish: Finish) -> None:
        self.timer.cancel()
        self.land(finish)

    def cap(self, tokens: int) -> None: ...


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
