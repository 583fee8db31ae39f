"""Traces land when their answers have been read: no other request waits for a parser meanwhile.

Methods compare answers as their traces arrive, at once. Most answers are numbers and words; a trace
whose answer takes the parser is held back until a process of its own has read it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..answers.parser_process import Helper, known
from ..core import (
    PLANNER_ROLES,
    VERIFIER_ROLES,
    Call,
    Engine,
    EngineError,
    Finish,
    Flight,
    Trace,
)

_APART = VERIFIER_ROLES | PLANNER_ROLES  # their replies hold no answers


class Reader:
    """Reads the answers of all requests of a worker, one after another."""

    def __init__(self) -> None:
        self._helper = Helper()
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def read(self, held: Held) -> None:
        """Let a trace go on when its answer has been read, or as failed if it cannot be."""
        task = asyncio.ensure_future(self._read(held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._helper.close()

    async def _read(self, held: Held) -> None:
        try:
            async with self._turn:
                # it may have been stopped meanwhile, or an equal answer read
                if held.waits and not held.known:
                    await self._helper.read(held.reply)
        except Exception as error:  # whatever it is, somebody waits for the trace
            held.give_up("error", EngineError(f"the answer could not be read ({error})"))
        held.let_go()


class Reading:
    """An engine whose traces land when their answers have been read, and is the engine otherwise."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        self._engine, self._reader = engine, reader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def start(self, call: Call) -> Flight:
        if call.role in _APART:
            return self._engine.start(call)
        held = Held(call, self._reader)
        flight = self._engine.start(held)
        if not held.landed:
            held.flight = flight
        return held


class Held(Call):
    """A call that hands its trace on when it has been read: a call to the engine, a flight to the
    method."""

    __slots__ = ("_call", "_reader", "_tokens", "_trace", "flight", "landed")

    flight: Flight | None

    def __init__(self, call: Call, reader: Reader) -> None:
        super().__init__(
            call.problem, call.prompt, call.sampling, call.role, call.draw, call.run_seed,
            call.loop, call.rule, call.limit, call.watch, call.progress,
        )  # fmt: skip
        self._call, self._reader = call, reader
        self._trace: Trace | None = None
        self._tokens = 0
        self.flight, self.landed = None, False

    def land(self, trace: Trace) -> None:
        # cut the references that go round in circles, as a draw does
        self.flight, self.landed = None, True
        self._tokens = trace.tokens
        if trace.finish != "stop" or known(self.problem, trace):
            self._call.land(trace)
        else:
            self._trace = trace
            self._reader.read(self)

    # -- while it is held

    @property
    def waits(self) -> bool:
        return self._trace is not None

    @property
    def known(self) -> bool:
        return self._trace is not None and known(self.problem, self._trace)

    @property
    def reply(self) -> str:
        return "" if self._trace is None else self._trace.reply

    def give_up(self, finish: Finish, error: Exception | None = None) -> None:
        """Nobody is to read the answer any more."""
        if self._trace is not None:
            self._trace.finish, self._trace.error = finish, error

    def let_go(self) -> None:
        trace, self._trace = self._trace, None
        if trace is not None:
            self._call.land(trace)

    # -- the Flight protocol

    @property
    def prompt_tokens(self) -> int | None:
        return getattr(self.flight or self._trace, "prompt_tokens", None)

    @property
    def cached_tokens(self) -> int | None:
        return getattr(self.flight or self._trace, "cached_tokens", None)

    def seen(self, at: float | None = None) -> int:
        return self._tokens if self.flight is None else self.flight.seen(at)

    def abort(self, finish: Finish) -> None:
        if self.flight is not None:
            self.flight.abort(finish)
        self.give_up(finish)
        self.let_go()

    def cap(self, tokens: int) -> None:
        if self.flight is not None:
            self.flight.cap(tokens)
