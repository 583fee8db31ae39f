"""Waiting in real time, also while a run lives in token time.

A live judge among recorded traces holds the token clock, so that the loop's own timers stand still;
a thread counts the seconds instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from ..core import TokenLoop


def later(seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
    """Call back in the running loop after `seconds` of real time; returns what cancels it."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, TokenLoop):
        return loop.call_later(seconds, callback).cancel

    def ring() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(callback)

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    return timer.cancel


async def sleep(seconds: float) -> None:
    """Sleep for `seconds` of real time."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not over.done():
            over.set_result(None)

    cancel = later(seconds, wake)
    try:
        await over
    finally:
        cancel()
