"""A run from beginning to end: its engines opened, something done with them, and all closed again;
in the caller's thread, or in one of its own where an event loop runs in the caller's already."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from ..engine import Engine
from ..token_time import run_in_token_time
from .run import Run

T = TypeVar("T")
Main = Callable[[], Coroutine[Any, Any, T]]


@contextlib.asynccontextmanager
async def opened(run: Run) -> AsyncIterator[None]:
    """Open the engines of a run, and close every one at the end, also if another cannot be."""

    async def close(engine: Engine) -> None:
        await run.real(engine, engine.close())

    engines = {id(engine): engine for engine in run.engines.values()}
    async with contextlib.AsyncExitStack() as stack:
        for engine in engines.values():
            stack.push_async_callback(close, engine)
            await run.real(engine, engine.open())
        yield


def execute(run: Run, main: Main[T]) -> T:
    """Run `main` synchronously, in token time or real time as the run's engines ask for."""

    async def whole() -> T:
        async with opened(run):
            return await main()

    return run_in_token_time(whole()) if run.token_time else asyncio.run(whole())


class ThreadedExecution(Generic[T]):
    """`execute` in a thread of its own, begun at once. It ends when its result is no longer awaited."""

    def __init__(self, run: Run, main: Main[T]) -> None:
        self._run, self._main = run, main
        self._result: Future[T] = Future()
        self._result.set_running_or_notify_cancel()  # only `stop` can end it, and not at once
        self._stopped = False
        self._task: asyncio.Task[Any] | None = None
        self._thread = threading.Thread(target=self._execute, name="ttscale.execute")
        self._thread.start()

    def wait(self) -> T:
        """Block until it has ended; its result. An interrupt of the caller ends it first."""
        try:
            return self._result.result()
        finally:
            self.stop()
            self._thread.join()

    async def ended(self) -> T:
        """Await its end; its result. A cancellation of the caller ends it first."""
        result = asyncio.wrap_future(self._result)
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait([result])
            result.exception()  # seen: the caller is told of its own cancellation instead
            raise

    def stop(self) -> None:
        """Cancel what it does; its engines are closed then. Does not wait for it."""
        self._stopped = True
        task = self._task
        if task is not None and not self._result.done():
            with contextlib.suppress(RuntimeError):  # its loop has just been closed
                task.get_loop().call_soon_threadsafe(task.cancel)

    def _execute(self) -> None:
        try:
            result = execute(self._run, self._stoppable)
        except BaseException as error:
            self._result.set_exception(error)
        else:
            self._result.set_result(result)

    async def _stoppable(self) -> T:
        self._task = asyncio.current_task()
        if self._stopped:  # before there was a task to cancel
            raise asyncio.CancelledError
        return await self._main()
