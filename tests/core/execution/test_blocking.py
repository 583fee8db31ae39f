"""A run from beginning to end, in the caller's thread or in one of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from concurrent.futures import Future
from types import CodeType

import pytest
from fakes import Live, Scripted, method_of, problem, said

from ttscale.core import Outcome, Run, ThreadedExecution, execute


class Unclosable(Scripted):
    async def close(self) -> None:
        await super().close()
        raise OSError(f"{self.name} cannot be closed")


class Unopenable(Scripted):
    async def open(self) -> None:
        raise OSError(f"{self.name} cannot be opened")


class Counted(Live):
    """Answers after a minute, unless it is stopped."""

    def __init__(self) -> None:
        super().__init__(lambda request: said("A"), 60)
        self.started, self.open_now, self.most_open = threading.Event(), 0, 0

    async def open(self) -> None:
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)

    async def close(self) -> None:
        self.open_now -= 1

    def start(self, request):
        self.started.set()
        return super().start(request)


def under_way() -> list[CodeType]:
    """What the main thread is doing."""
    frame = sys._current_frames()[threading.main_thread().ident]
    code = []
    while frame is not None:
        code.append(frame.f_code)
        frame = frame.f_back
    return code


async def once(problem, ctx, cfg) -> Outcome:
    trace = await ctx.sample(problem.prompt)
    return Outcome(problem.answer(trace), trace)


def engines_after(first: Scripted) -> Scripted:
    """The second engine of a run whose first one is `first`, after the run has failed."""
    second = Scripted(lambda request: said("A"), name="second")
    run = Run({"main": second, "judge": first})

    async def nothing() -> None: ...

    with pytest.raises(OSError, match=first.name):
        execute(run, nothing)
    return second


def test_every_engine_is_closed_where_another_cannot_be_opened_or_closed():
    for first in (Unopenable(lambda request: said("A")), Unclosable(lambda request: said("A"))):
        second = engines_after(first)
        assert (second.opened, second.closed) == (1, 1)


def test_a_thread_of_its_own_gives_the_same_outcome_and_the_same_failure():
    def run():
        return Run({"main": Scripted(lambda request: said("A", tokens=7))})

    alone, beside = run(), run()
    threaded = ThreadedExecution(beside, lambda: beside.answer(method_of(once)(), problem())).wait()
    assert threaded.usage == execute(alone, lambda: alone.answer(method_of(once)(), problem())).usage

    async def fails() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ThreadedExecution(run(), fails).wait()


def test_an_interrupt_while_it_is_waited_for_stops_what_is_under_way_and_closes():
    engine = Counted()
    run = Run({"main": engine})
    threaded = ThreadedExecution(run, lambda: run.answer(method_of(once)(), problem()))

    def interrupt() -> None:
        engine.started.wait()
        while Future.result.__code__ not in under_way():  # the main thread has come to wait
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        threaded.wait()
    assert time.monotonic() - began < 30
    assert engine.open_now == 0
    assert run.usage.calls == 1


def test_a_cancellation_while_it_is_awaited_stops_what_is_under_way_and_closes():
    engine = Counted()
    run = Run({"main": engine})

    async def main() -> None:
        threaded = ThreadedExecution(run, lambda: run.answer(method_of(once)(), problem()))
        waiting = asyncio.create_task(threaded.ended())
        await asyncio.to_thread(engine.started.wait)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert engine.open_now == 0

    asyncio.run(main())
    assert run.usage.calls == 1


def test_one_that_is_stopped_before_it_has_begun_does_nothing():
    opening = threading.Event()

    class Slow(Counted):
        async def open(self) -> None:
            await asyncio.to_thread(opening.wait)
            await super().open()

    engine = Slow()
    run = Run({"main": engine})
    threaded = ThreadedExecution(run, lambda: run.answer(method_of(once)(), problem()))
    threaded.stop()
    opening.set()
    with pytest.raises(asyncio.CancelledError):
        threaded.wait()
    assert (engine.started.is_set(), engine.most_open, engine.open_now) == (False, 1, 0)
