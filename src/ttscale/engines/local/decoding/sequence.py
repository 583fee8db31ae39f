"""One sample inside the batch: its prompt, how it is sampled, what it has said.

The worker's thread appends; the event loop's thread reads what lies below the number of tokens it
has been told of, which never changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from ....core import Finish
from ..detokenizer import Speller

_BLOCK = 64  # random numbers made at a time


class Row:
    """A sample under way.

    Attributes:
        prompt: its tokens, before anything generated.
        temperature, top_p, top_k, min_p: 0, 1, 0, 0 switch them off.
        most: generated tokens at most; `full` is how the sample ends there.
        least: generated tokens before it may end by itself.
        alternatives: how many log-probabilities make the confidence; None if none are wanted.
        ids, pieces, ends, logprobs, confs: one entry per token. `pieces` is the text shown with the
            token: text that may still become a stop text, or half a character, waits.
        stopped_at: the stop text it ended at; "" if the model ended it.
        gone: it is no longer waited for. cut: and its text may be continued.
        cached: prompt tokens whose keys and values were there already; None before its first step.
    """

    __slots__ = (
        "_final",
        "_pending",
        "_random",
        "_shown",
        "_speller",
        "_uniforms",
        "alternatives",
        "cached",
        "confs",
        "cut",
        "ends",
        "finish",
        "full",
        "gone",
        "ids",
        "least",
        "logprobs",
        "min_p",
        "most",
        "pieces",
        "prompt",
        "stop",
        "stopped_at",
        "temperature",
        "top_k",
        "top_p",
    )

    def __init__(
        self,
        prompt: tuple[int, ...],
        seed: int,
        speller: Speller,
        final: frozenset[int],
        *,
        most: int,
        full: Finish = "length",
        least: int = 0,
        temperature: float = 1.0,
        top_p: float = 1.0,
        top_k: int = 0,
        min_p: float = 0.0,
        stop: Sequence[str] = (),
        alternatives: int | None = None,
    ) -> None:
        self.prompt, self.most, self.full, self.least = prompt, most, full, least
        self.temperature, self.top_p, self.top_k, self.min_p = temperature, top_p, top_k, min_p
        self.stop = tuple(s for s in stop if s)
        self.alternatives = alternatives
        self.ids: list[int] = []
        self.pieces: list[str] = []
        self.ends: list[int] = []
        self.logprobs: list[float] = []
        self.confs: list[float] = []
        self.finish: Finish | None = None
        self.stopped_at: str | None = None
        self.cached: int | None = None
        self.gone = self.cut = False
        self._speller, self._final = speller, final
        self._pending, self._shown = "", 0
        self._random = torch.Generator()
        self._random.manual_seed(seed)
        self._uniforms: list[float] = []

    @property
    def last(self) -> int:
        """The token to go on from."""
        return self.ids[-1]

    @property
    def position(self) -> int:
        """Where that token stands."""
        return len(self.prompt) + len(self.ids) - 1

    @property
    def may_end(self) -> bool:
        return len(self.ids) >= self.least

    def uniform(self) -> float:
        """The next random number in [0, 1): the n-th token always uses the n-th, whatever else is
        in the batch and wherever the model runs."""
        if not self._uniforms:
            block = torch.rand(_BLOCK, generator=self._random, dtype=torch.float64)
            self._uniforms = block.tolist()[::-1]
        return self._uniforms.pop()

    def push(self, token: int, logprob: float | None, conf: float | None) -> None:
        """Take the next token; sets `finish` if the sample ends with it."""
        finish: Finish | None = None
        may_end = self.may_end
        self.ids.append(token)
        if token in self._final:
            finish, self.stopped_at = "stop", ""
            shown = self._pending + self._speller.rest()
        else:
            shown, at = self._split(self._pending + self._speller.push(token), may_end)
            if at is not None:
                finish, self.stopped_at = "stop", at
            elif len(self.ids) >= self.most:
                finish = self.full
                shown += self._pending + self._speller.rest()
        if logprob is not None:
            self.logprobs.append(logprob)
        if conf is not None:
            self.confs.append(conf)
        self.pieces.append(shown)
        self._shown += len(shown)
        self.ends.append(self._shown)
        self.finish = finish

    def _split(self, text: str, may_end: bool) -> tuple[str, str | None]:
        """(what can be shown, the stop text that follows it); what may become one is held."""
        self._pending = ""
        if not self.stop or not may_end:
            return text, None
        found = [(at, stop) for stop in self.stop if (at := text.find(stop)) >= 0]
        if found:
            at, stop = min(found, key=lambda hit: hit[0])
            return text[:at], stop
        held = _overlap(text, self.stop)
        if held:
            self._pending = text[-held:]
            return text[:-held], None
        return text, None


def _overlap(text: str, stops: Iterable[str]) -> int:
    """Length of the longest end of `text` that begins a stop text."""
    return max(
        next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
        for stop in stops
    )
