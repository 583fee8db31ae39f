"""A time limit for calculations, in any thread and without signals."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class DeadlineError(BaseException):
    """The time is up. No `Exception`, so that no library's own handler swallows it."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `DeadlineError` at the first function call after `seconds` of the thread's CPU time.

    CPU time, so that a busy machine does not change the outcome. It works through the thread's
    profile function, hence off the main thread and inside an event loop too. A thread that is being
    profiled already keeps its profiler and has no time limit.
    """
    if sys.getprofile() is not None:
        yield
        return
    end = time.thread_time() + seconds

    def check(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and time.thread_time() > end:
            raise DeadlineError

    sys.setprofile(check)
    try:
        yield
    finally:
        sys.setprofile(None)
