"""Steering a reply while it is written: look on, end it early, put words in, let the model go on.

A steered reply is one text made in several samples. Each continues what is there as the beginning of
its own reply (capability `prefix`: an engine that cannot is refused before the first token), so
whatever a method puts in between is to the model its own words. Budget forcing, trimming of thoughts,
supplied thoughts and probes are all made of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...core import THINK, Chunk, Context, Prompt, Trace

Steer = Callable[[Chunk], bool]
"""Is shown every chunk as it comes; true ends the sample here."""


class SteeredReply:
    """A reply in the making.

    Attributes:
        text: what there is of it, the beginning that was given included.
        parts: the samples it is made of, in order.
    """

    def __init__(self, prompt: Prompt, opening: str = "") -> None:
        self._beginning, self.text = prompt, opening
        self.parts: list[Trace] = []

    @property
    def prompt(self) -> Prompt:
        """What the next sample is to continue."""
        return self._beginning.then(self.text)

    @property
    def thinking(self) -> bool:
        """Whether the text ends inside the thinking."""
        return THINK.left_open(self.text)

    async def extend(self, ctx: Context, steer: Steer | None = None, **settings: Any) -> Trace:
        """Let the model go on: to its end, a stop text or limit of `settings` (as of `Context.sample`), or
        until `steer` ends it, which gives finish `cut`. Engines may be some tokens ahead of what was
        shown; they are in the text and they are counted."""
        if steer is None:
            part = await ctx.sample(self.prompt, **settings)
        else:
            part = await _steered(ctx, self.prompt, steer, settings)
        self.parts.append(part)
        self.text += part.text
        return part

    def append(self, words: str, gap: str = "\n") -> None:
        """Put words in after `gap`, in place of the white space the text ends with."""
        self.text = self.text.rstrip() + gap + words

    def end_thinking(self, closing: str = THINK.closing, cue: str = "") -> None:
        """Put the end of the thinking in, on a line of its own; a `cue` begins the answer text."""
        self.text += closing if self.text.endswith("\n") else f"\n{closing}"
        if cue:
            self.text += f"\n\n{cue}"

    def whole(self) -> Trace:
        """All of it as one trace; at least one sample has been made."""
        return Trace.joined(self.parts, self.text)


async def _steered(ctx: Context, prompt: Prompt, steer: Steer, settings: dict[str, Any]) -> Trace:
    async with ctx.stream(prompt, **settings) as live:
        async for chunk in live:
            if steer(chunk):
                return live.cut()
    assert live.trace is not None
    return live.trace
