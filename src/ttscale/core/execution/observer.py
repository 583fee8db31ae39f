"""Observers: told what happens in a run, while it happens.

They are called synchronously, some of them while a sample ends, where an exception would leave the
method waiting for ever: they must neither block nor raise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ..problem import Problem
    from ..trace import Trace
    from .sample import Sample

T = TypeVar("T")


class Observer:
    """Watches a run; a subclass overrides what interests it."""

    def started(self, sample: Sample) -> None:
        """A sample starts. One that a budget refuses never does."""

    def finished(self, sample: Sample, trace: Trace) -> None:
        """A sample that started has ended, however it did; none is told of one that failed the
        whole run as it started."""

    def judged(self, problem: Problem, traces: Sequence[Trace]) -> None:
        """These traces were given rewards."""

    def offered(self, problem: Problem | None, answer: str | None, trace: Trace | None) -> None:
        """The method announced its best answer so far."""


class SampleCount(Observer):
    """How far a run is, also if it never comes to its end.

    Attributes:
        begun, ended: samples.
    """

    def __init__(self) -> None:
        self.begun = self.ended = self._tokens = 0
        self._under_way: dict[Sample, None] = {}

    def started(self, sample: Sample) -> None:
        self.begun += 1
        self._under_way[sample] = None

    def finished(self, sample: Sample, trace: Trace) -> None:
        del self._under_way[sample]
        self.ended += 1
        self._tokens += trace.tokens

    @property
    def tokens(self) -> int:
        """Generated so far, by the samples under way too."""
        return self._tokens + sum(sample.seen() for sample in self._under_way)

    async def followed(self, work: Coroutine[Any, Any, T], show: Callable[[str], None]) -> T:
        """Await `work`, and show how far it is five times a second and once at its end."""

        async def report() -> None:
            while True:
                show(str(self))
                await asyncio.sleep(0.2)

        reporting = asyncio.create_task(report())
        try:
            return await work
        finally:
            reporting.cancel()
            show(str(self))

    def __str__(self) -> str:
        return f"{self.ended} of {self.begun} samples finished, {self.tokens:,} tokens"
