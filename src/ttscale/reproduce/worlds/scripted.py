"""An engine whose traces are a function of the request, and questions for it: what generated worlds are
made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from ...core import Generation, GenerationRequest, KnownGeneration, Problem, Prompt, Trace


class Scripted:
    """Plays what `script` makes of a request; `request.seed` is the source of what is random.

    Args:
        ticks_per_token: how slow it is.
    """

    time: Literal["wall", "tokens"] = "tokens"
    name = "scripted"
    capabilities = frozenset({"text", "prefix"})

    def __init__(self, script: Callable[[GenerationRequest], Trace], *, ticks_per_token: int = 1) -> None:
        self.script, self.ticks_per_token = script, ticks_per_token

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to give back."""

    def start(self, request: GenerationRequest) -> Generation:
        return KnownGeneration(request, self.script(request), self.ticks_per_token)


class Boxed:
    """What stands in the last box is the answer, and nothing else is: a step or a segment has none."""

    name = "boxed"

    def extract(self, trace: Trace) -> str | None:
        found = re.findall(r"\\boxed\{(.*?)\}", trace.text)
        return found[-1] if found else None

    def same(self, a: str, b: str) -> bool:
        return a == b


def questions(count: int) -> list[Problem]:
    """Problems whose answer is "right"; a world draws other samples for each."""
    return [Problem(f"q{i}", Prompt.user("?"), Boxed(), "right") for i in range(count)]
