"""A time limit for calculations, in the main thread of a process of our own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDED = -signal.SIGPROF  # the exit code of a process that did not heed its deadline


class DeadlineError(BaseException):
    """The time is up. No `Exception`, so that no library's own handler swallows it."""


@contextmanager
def deadline(seconds: float, end: float) -> Iterator[None]:
    """Raise `DeadlineError` after `seconds` of the process's CPU time; after `end`, end the process.

    CPU time, so that a busy machine does not change the outcome. An operation that no exception can
    interrupt (the product of two huge numbers) is what the second limit is for: it is the system
    that ends the process then, with the exit code `ENDED`.
    """

    def expire(number: int, frame: FrameType | None) -> None:
        raise DeadlineError

    before = signal.signal(signal.SIGVTALRM, expire)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    signal.setitimer(signal.ITIMER_PROF, end)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGVTALRM, before)
