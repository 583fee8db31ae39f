"""Concurrent branches of a method, each with a context of its own.

A branch starts where its parent's chain of dependent tokens stands; joining it moves the parent, so
sequential tokens come out right for any nesting of parallel and sequential work. Nothing outlives
the block, and a single failure is raised as itself, not wrapped in a group.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import GivenUp

if TYPE_CHECKING:
    from .context import Context

T = TypeVar("T")


class Branch(Generic[T]):
    """A started branch."""

    __slots__ = ("ctx", "task")

    def __init__(self, ctx: Context, task: asyncio.Task[T]) -> None:
        self.ctx, self.task = ctx, task

    async def into(self, ctx: Context) -> T:
        """Wait for the result and let `ctx` depend on it: a graph's node waits for its
        predecessors, not for their whole level.

        Raises:
            GivenUp: if the branch was cancelled. It is not its waiter that was.
        """
        if not self.task.done():
            await asyncio.wait([self.task])
        if self.task.cancelled():
            raise GivenUp(f"{self.task.get_name()} was given up: nothing will come of it")
        result = self.task.result()
        ctx.advance(self.ctx.sequential, self.ctx.sequential_units)
        return result

    def cancel(self) -> None:
        """The branch is no longer wanted."""
        self.task.cancel()


class Group:
    """Branches under one roof: leaving the block waits for them, an error cancels them."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._branches: list[Branch[Any]] = []
        self._finished: deque[Branch[Any]] = deque()
        self._taken = 0
        self._waiter: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Group:
        return self

    def start(self, fn: Callable[..., Awaitable[T]], *args: Any, ctx: Context | None = None) -> Branch[T]:
        """Run `fn(branch_context, *args)` as a branch; `ctx` replaces the context made for it."""
        own = ctx or self._ctx.branch()

        async def run() -> T:
            return await fn(own, *args)

        number = len(self._branches)
        task = asyncio.get_running_loop().create_task(run(), name=f"branch {number}")
        branch: Branch[T] = Branch(own, task)
        self._branches.append(branch)
        task.add_done_callback(lambda _: self._note(branch))
        return branch

    def _note(self, branch: Branch[Any]) -> None:
        self._finished.append(branch)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> Branch[Any] | None:
        """The branch that finished next, joined; None once all have been taken. Those that were
        cancelled never finish, and are passed over."""
        while self._taken < len(self._branches):
            if not self._finished:
                self._waiter = asyncio.get_running_loop().create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            branch = self._finished.popleft()
            self._taken += 1
            if not branch.task.cancelled():
                branch.task.result()  # raises what the branch raised
                self._ctx.advance(branch.ctx.sequential, branch.ctx.sequential_units)
                return branch
        return None

    def cancel(self) -> None:
        """Cancel the branches still running, in the order they started."""
        for branch in self._branches:
            branch.task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [b.task for b in self._branches]
        if error is None:
            try:
                failed = await _until_failure(tasks)
            except BaseException:
                self.cancel()
                await _done(tasks)
                raise
            if failed is None:
                for branch in self._branches:
                    if not branch.task.cancelled():
                        self._ctx.advance(branch.ctx.sequential, branch.ctx.sequential_units)
                return
            self.cancel()
            await _done(tasks)
            raise failed
        self.cancel()
        await _done(tasks)


async def _until_failure(tasks: list[asyncio.Task[Any]]) -> BaseException | None:
    """Wait for all; return the first failure (in starting order) as soon as there is one."""
    pending = set(tasks)
    while True:
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                return error
        pending = {task for task in pending if not task.done()}
        if not pending:
            return None
        await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)


async def _done(tasks: list[asyncio.Task[Any]]) -> None:
    """Wait until all have ended, however they ended; results and errors stay in the tasks.

    A cancellation meanwhile is raised once all have: nothing may outlive the block.
    """
    cancelled: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: no complaint when the task is collected
    if cancelled is not None:
        raise cancelled
