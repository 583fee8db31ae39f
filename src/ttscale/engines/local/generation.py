"""One sample of a local model, in the event loop's thread: it takes in what the worker reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...core import Chunk, Finish, FloatArray, GenerationRequest, LiveGeneration, Trace
from .decoding.sequence import Row

if TYPE_CHECKING:
    from .worker import Worker


class LocalGeneration(LiveGeneration):
    """A sample under way. It finishes by itself, or at once when it is aborted.

    Attributes:
        posted: tokens generated and how the row ended, reported by the worker and not taken in.
        stepping: the worker is making the next token. Both belong to the worker's lock.
        error: why the step failed, if it did.
    """

    def __init__(self, worker: Worker, request: GenerationRequest, row: Row, model: str) -> None:
        super().__init__(request)
        self.row = row
        self.posted: tuple[int, Finish | None] | None = None
        self.stepping = False
        self.error: Exception | None = None
        self._worker, self._model = worker, model
        self._tokens = self._ahead = 0
        if row.most > 0:
            worker.add(self)
        else:
            request.loop.call_soon(self.end, row.full)

    @property
    def prompt_tokens(self) -> int:
        return len(self.row.prompt)

    def seen(self, at: float | None = None) -> int:
        return self._tokens

    @property
    def late(self) -> int:
        # the step the worker is at, and one that it has reported and was not taken in
        return 0 if self.finished else max(0, min(2, self.row.most - self._tokens))

    def take(self) -> None:
        """Take in what has been reported: show it, finish if it was the end."""
        posted = self._worker.take_posted(self)
        if posted is None or self.finished:
            return
        if self.error is not None:
            self.end("error", self.error, stopped=True)
            return
        before, (self._tokens, finish) = self._tokens, posted
        wanted = self.request.rule is not None or self.request.on_chunk is not None
        new = self._tokens - before
        chunk = self._chunk(before, self._tokens) if wanted else Chunk("", new)
        self.show(chunk, ended=finish is not None)
        if finish is not None:
            self.end(finish)

    def _chunk(self, begin: int, end: int) -> Chunk:
        row = self.row
        start = row.ends[begin - 1] if begin else 0
        return Chunk(
            "".join(row.pieces[begin:end]),
            end - begin,
            _array(row.logprobs, begin, end),
            _array(row.confs, begin, end),
            [e - start for e in row.ends[begin:end]],
        )

    # -- finishing

    def _unread(self) -> Chunk | None:
        posted = self._worker.take_posted(self)
        if posted is None or self.error is not None:
            return None
        before, self._tokens = self._tokens, posted[0]
        return self._chunk(before, self._tokens)

    def _stop(self, finish: Finish) -> int:
        """The worker drops the row, and may be a token ahead."""
        self._ahead = self._worker.drop(self, finish)
        return self._ahead

    def _trace(self, finish: Finish, kept: int) -> Trace:
        row = self.row
        unread = row.cached is None and not self._ahead  # not even the prompt was read
        trace = Trace(
            text="".join(row.pieces[:kept]),
            prompt_tokens=0 if unread else len(row.prompt),
            cached_tokens=row.cached or 0,
            logprobs=_array(row.logprobs, 0, kept),
            conf=_array(row.confs, 0, kept),
            ends=row.ends[:kept],
            model=self._model,
        )
        if finish == "stop" and row.stopped_at is not None:
            trace.meta["stopped_at"] = row.stopped_at
        return trace


def _array(values: Sequence[float], begin: int, end: int) -> FloatArray | None:
    return np.array(values[begin:end], dtype=np.float32) if values else None
