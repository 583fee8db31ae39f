"""One draw of a local model, seen from the event loop: it takes in what the worker reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...core import Call, Chunk, Finish, FloatArray, Trace
from ..reply import first
from .row import Row

if TYPE_CHECKING:
    from .worker import Worker


class LocalFlight:
    """A draw under way. It lands by itself, or at once when it is aborted.

    Attributes:
        posted: tokens generated and how the row ended, reported by the worker and not taken in.
        stepping: the worker is making the next token. Both belong to the worker's lock.
        error: why the step failed, if it did.
    """

    __slots__ = (
        "_began", "_cap", "_landed", "_model", "_tokens", "_worker", "call", "error", "loop",
        "posted", "row", "stepping",
    )  # fmt: skip

    def __init__(self, worker: Worker, call: Call, row: Row, model: str) -> None:
        self.call, self.row, self.loop = call, row, call.loop
        self.posted: tuple[int, Finish | None] | None = None
        self.stepping = False
        self.error: Exception | None = None
        self._worker, self._model = worker, model
        self._began = call.loop.time()
        self._cap: int | None = None
        self._landed, self._tokens = False, 0
        if row.most > 0:
            worker.add(self)
        else:
            self.loop.call_soon(self._land, row.full)

    # -- the Flight protocol

    def seen(self, at: float | None = None) -> int:
        return self._tokens

    def abort(self, finish: Finish) -> None:
        if self._landed:
            return
        posted = self._worker.take_posted(self)
        if posted is not None and self.error is None:
            before, self._tokens = self._tokens, posted[0]
            if self.call.watch is not None:
                self._landed = True  # the watcher has nothing more to stop
                self.call.watch(self._chunk(before, posted[0]))
                self._landed = False
        self._land(finish, stopped=True)

    def cap(self, tokens: int) -> None:
        if self._landed:
            return
        self._cap = tokens if self._cap is None else min(tokens, self._cap)
        if self._tokens >= self._cap:
            self._land("cut", kept=self._cap, stopped=True)

    # -- the worker's reports

    def take(self) -> None:
        """Take in what has been reported: show it to those who watch, land if it was the end."""
        posted = self._worker.take_posted(self)
        if posted is None or self._landed:
            return
        try:
            if self.error is not None:
                self._land("error", self.error, stopped=True)
            else:
                self._take(*posted)
        except Exception as error:  # a watcher or a rule: the draw has failed, and must land
            self._land("error", error, stopped=True)

    def _take(self, tokens: int, finish: Finish | None) -> None:
        call, before = self.call, self._tokens
        self._tokens = tokens
        kept: int | None = None
        if call.rule is not None or call.watch is not None:
            chunk = self._chunk(before, tokens)
            if call.rule is not None:
                kept = call.rule.feed(chunk)
            kept = self._within_cap(kept, before, tokens, finish)
            if call.watch is not None:
                call.watch(chunk if kept is None else first(chunk, kept))
        else:
            kept = self._within_cap(kept, before, tokens, finish)
        if call.progress is not None and not self._landed:
            call.progress()
        if self._landed:
            return
        if kept is not None:
            self._land("cut", kept=before + kept, stopped=True)
        elif finish is not None:
            self._land(finish)

    def _within_cap(
        self, kept: int | None, before: int, tokens: int, finish: Finish | None
    ) -> int | None:
        """How many new tokens a cap leaves, if it ends the draw; a draw may end by itself on it."""
        cap = self._cap
        if cap is None or tokens < cap or (tokens == cap and finish is not None):
            return kept
        left = max(0, cap - before)
        return left if kept is None else min(kept, left)

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

    # -- landing

    def _land(
        self,
        finish: Finish,
        error: Exception | None = None,
        *,
        kept: int | None = None,
        stopped: bool = False,
    ) -> None:
        """Deliver the trace. `stopped`: the worker is to drop the row, and may be a token ahead."""
        if self._landed:
            return
        self._landed = True
        row, seen = self.row, self._tokens
        ahead = self._worker.drop(self, finish)
        estimated = ahead if stopped else 0
        kept = seen if kept is None else min(kept, seen)
        tokens = seen + estimated
        ends = row.ends[:kept]
        trace = Trace(
            text="".join(row.pieces[:kept]),
            tokens=tokens,
            finish=finish,
            estimated=estimated,
            prompt_tokens=0 if row.cached is None and not ahead else len(row.prompt),
            cached_tokens=row.cached or 0,
            logprobs=_array(row.logprobs, 0, kept),
            conf=_array(row.confs, 0, kept),
            ends=ends + [ends[-1] if ends else 0] * (tokens - kept),
            began=self._began,
            ended=self.loop.time(),
            model=self._model,
            error=error,
        )
        if finish == "stop" and row.stopped_at is not None:
            trace.meta["stopped_at"] = row.stopped_at
        if tokens > kept:
            trace.meta["past_end"] = tokens - kept
        self.call.land(trace)


def _array(values: Sequence[float], begin: int, end: int) -> FloatArray | None:
    return np.array(values[begin:end], dtype=np.float32) if values else None
