"""The life cycle of one sample: a request goes in, a generation comes out and finishes once.

An engine exposes no coroutine for sampling. `Engine.start` returns a generation at once; it shows
chunks while it lasts and hands over exactly one trace, by itself or because it was aborted. Abort
is synchronous and idempotent: there is no cleanup to wait for, hence none that a second
cancellation could break.
"""

from __future__ import annotations

import abc
import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Protocol

from .problem import Problem
from .prompt import Prompt
from .sampling import Sampling
from .trace import Chunk, Finish, Trace

LOG = logging.getLogger("ttscale.core")


class StopRule(Protocol):
    """Ends a trace early. One instance watches one trace, from its beginning."""

    def feed(self, chunk: Chunk) -> int | None:
        """How many of the chunk's tokens to keep if the trace ends inside it, else None.

        The outcome must not depend on how a trace is divided into chunks: a recording is fed whole,
        a live stream piece by piece.
        """
        ...


class GenerationRequest(abc.ABC):
    """One sample asked of an engine.

    Attributes:
        problem: the problem it is for; replay pools are looked up by its id.
        part: what the trace will be (see `roles`).
        index: ordinal among equal requests of the run (problem, role, prompt).
        run_seed: the seed of the run; with the identity of the sample it gives `seed`.
        loop: the event loop of the run.
        rule: ends the trace early; its verdict is finish `cut`.
        limit: tokens this sample may have before a budget ends it (finish `budget`).
        on_chunk: receives every chunk, in order, before the trace is handed over.
        progress: called after every chunk, if it matters how far the generation is.
    """

    __slots__ = (
        "index",
        "limit",
        "loop",
        "on_chunk",
        "part",
        "problem",
        "progress",
        "prompt",
        "role",
        "rule",
        "run_seed",
        "sampling",
    )

    def __init__(
        self,
        problem: Problem,
        prompt: Prompt,
        sampling: Sampling,
        role: str,
        index: int,
        run_seed: int,
        loop: asyncio.AbstractEventLoop,
        rule: StopRule | None = None,
        limit: int | None = None,
        on_chunk: Callable[[Chunk], None] | None = None,
        progress: Callable[[], None] | None = None,
        part: str = "answer",
    ) -> None:
        self.problem, self.prompt, self.sampling, self.role = problem, prompt, sampling, role
        self.part, self.index, self.run_seed, self.loop = part, index, run_seed, loop
        self.rule, self.limit, self.on_chunk, self.progress = rule, limit, on_chunk, progress

    @abc.abstractmethod
    def finish(self, trace: Trace) -> None:
        """Receive the trace: once, in the event loop's thread; later ones are ignored."""

    def probed(self, prompt_tokens: int, tokens: int) -> None:
        """On its way the engine has found out something of itself, at this cost; not the sample's own."""
        return

    def tighten(self) -> bool:
        """Lower `limit` to what a budget has left by now; whether that was less."""
        return False

    @property
    def seed(self) -> int:
        """A seed in [0, 2^31) that depends on what is asked and on its ordinal only."""
        name = f"{self.run_seed}|{self.problem.id}|{self.role}|{self.prompt.key}|{self.index}"
        digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") & 0x7FFFFFFF

    def time_left(self) -> float | None:
        """Seconds until a budget ends it; None if none does."""
        return None

    def most(self, room: int | None = None) -> tuple[int | None, Finish]:
        """(tokens the sample may have, how it ends there); `room`: what the model has left."""
        requested = self.sampling.max_tokens
        if room is not None and (requested is None or room < requested):
            requested = room
        if self.limit is not None and (requested is None or self.limit < requested):
            return self.limit, "budget"
        return requested, "length"


class Generation(abc.ABC):
    """A sample under way.

    Attributes:
        finished: the trace has been handed over.
    """

    __slots__ = ("finished", "request")

    def __init__(self, request: GenerationRequest) -> None:
        self.request, self.finished = request, False

    @abc.abstractmethod
    def seen(self, at: float | None = None) -> int:
        """Tokens generated so far; in token time also at a later tick `at`."""

    @abc.abstractmethod
    def abort(self, finish: Finish) -> None:
        """Stop generating and finish with what is there, unless it has finished already."""

    @abc.abstractmethod
    def cap(self, tokens: int) -> None:
        """Let the sample have `tokens` tokens at most, then cut it; at once if it has more."""

    @property
    def late(self) -> int:
        """Tokens beyond those seen that it may still cost if it is stopped now: those of the step
        under way, and those a stop comes too late for. In token time there are none."""
        return 0

    @property
    def prompt_tokens(self) -> int | None:
        """Tokens of the prompt; None as long as they are not known."""
        return None

    @property
    def cached_tokens(self) -> int | None:
        """Those of them that came from a cache."""
        return None


class LiveGeneration(Generation):
    """A sample made piece by piece: feeds the stop rule, keeps to cap and limit, shows chunks.

    A subclass generates. It counts its tokens (`seen`), shows every piece, and says when the model
    has ended; it can be told to stop at any time, and gives the trace of what there is.

    Attributes:
        began: when, on the run's clock.
        limit: tokens before a budget ends it; None if the model's own limit comes first.
        watched: whether its pieces matter; if they do not, they need not be shown.
    """

    __slots__ = ("_cap", "began", "limit", "watched")

    def __init__(self, request: GenerationRequest) -> None:
        super().__init__(request)
        self.began = request.loop.time()
        self._cap: int | None = None
        self._read_limit()

    # -- what a subclass is asked

    @abc.abstractmethod
    def _stop(self, finish: Finish) -> int:
        """Generate no more; the tokens that are made nevertheless, beyond those seen. Also called
        when the model has ended."""

    @abc.abstractmethod
    def _trace(self, finish: Finish, kept: int) -> Trace:
        """What was seen, with the text, log-probabilities and ends of its first `kept` tokens."""

    def _unread(self) -> Chunk | None:
        """Take in what has been generated and not been shown, before an abort."""
        return None

    def _read_limit(self) -> None:
        request = self.request
        most, finish = request.most()
        self.limit = most if finish == "budget" else None
        watchers = (request.rule, request.on_chunk, request.progress, self.limit, self._cap)
        self.watched = any(watcher is not None for watcher in watchers)

    # -- what a subclass says

    def show(self, chunk: Chunk, *, ended: bool = False) -> None:
        """New tokens, which `seen` counts already; `ended`: the model has ended with them."""
        request, before, kept = self.request, 0, None
        finish: Finish = "cut"
        try:
            if request.rule is not None or self._cap is not None or self.limit is not None:
                before = self.seen() - chunk.tokens
                kept, finish = self._kept(chunk, before, ended)
            if request.on_chunk is not None:
                request.on_chunk(chunk if kept is None else chunk.first(kept))
            if request.progress is not None and not self.finished:
                request.progress()
        except Exception as error:  # a watcher or a rule has failed, and the sample with it
            self.end("error", error, stopped=True)
        else:
            if kept is not None:
                self.end(finish, kept=before + kept, stopped=True)

    def end(
        self,
        finish: Finish,
        error: Exception | None = None,
        *,
        kept: int | None = None,
        stopped: bool = False,
    ) -> None:
        """Finish, unless it has finished: the model has ended, or `stopped` is what ends it.

        Tokens beyond those `kept`, and those a stop comes too late for, are counted: they were
        spent.
        """
        if self.finished:
            return
        self.finished = True
        seen = self.seen()
        kept = seen if kept is None else min(kept, seen)
        late = self._stop(finish)
        ahead = late if stopped else 0
        try:
            trace = self._trace(finish, kept)
        except Exception as broken:  # a trace is waited for even if nothing can be said of it
            LOG.exception("a sample has ended and its trace cannot be made")
            trace, finish, error = Trace(), "error", broken
        trace.tokens, trace.estimated = seen + ahead, trace.estimated + ahead
        past = trace.tokens - kept
        if past:
            trace.meta = {**trace.meta, "past_end": past}
            if trace.ends is not None:
                trace.ends = [*trace.ends, *[trace.ends[-1] if trace.ends else 0] * past]
        trace.finish, trace.error = finish, error
        trace.began, trace.ended = self.began, self.request.loop.time()
        self.request.finish(trace)

    # -- what a method may do

    def abort(self, finish: Finish) -> None:
        if self.finished:
            return
        chunk, failure = self._unread(), None
        if chunk is not None and self.request.on_chunk is not None:
            self.finished = True  # the watcher has nothing more to stop
            try:
                self.request.on_chunk(chunk)
            except Exception as error:  # as in `show`
                finish, failure = "error", error
            self.finished = False
        self.end(finish, failure, stopped=True)

    def cap(self, tokens: int) -> None:
        if self.finished:
            return
        self._cap, self.watched = tokens if self._cap is None else min(tokens, self._cap), True
        if self.seen() >= self._cap:
            self.end("cut", kept=self._cap, stopped=True)

    def _kept(self, chunk: Chunk, before: int, ended: bool) -> tuple[int | None, Finish]:
        """How many of a chunk's tokens to keep if the sample ends inside it, and how it ends."""
        rule, cap, limit = self.request.rule, self._cap, self.limit
        after = before + chunk.tokens
        kept = None if rule is None else rule.feed(chunk)
        # a sample may end by itself on its last token
        if cap is not None and (after > cap or (after == cap and not ended)):
            left = max(0, cap - before)
            kept = left if kept is None else min(kept, left)
        if limit is not None and after > limit:  # of an engine that does not keep to it
            left = max(0, limit - before)
            if kept is None or left < kept:
                return left, "budget"
        return kept, "cut"
