"""A flight whose whole course is known beforehand: recorded, synthetic, or served from a journal.

In token time it takes one event however long the trace is: rules, limits and the recording's own
end are worked out at the start, and only a trace that is watched reports token by token.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .clock import TokenLoop
from .engine import Call
from .errors import UsageError
from .trace import Chunk, Finish, FloatArray, Trace

_OPEN_ENDED = ("cut", "cancelled", "budget", "censored")


class TimedFlight:
    """Lands `course` after as many ticks as it has tokens (times `speed`, in ticks per token).

    A course that was itself stopped early is censored: nobody knows what would have come next, and
    a draw that runs to its end lands as `censored`, unless a rule cuts it before.

    With `own`, the course is this very draw, made before an interruption: it ends as it ended then.
    """

    __slots__ = ("_call", "_course", "_due", "_finish", "_landed", "_loop", "_speed", "_start",
                 "_tokens")  # fmt: skip

    def __init__(self, call: Call, course: Trace, speed: int = 1, *, own: bool = False) -> None:
        self._call, self._course, self._speed = call, course, speed
        self._landed = False
        self._tokens, self._finish = course.tokens, course.finish
        if not own:
            self._find_end()
        loop: Any = call.loop
        self._loop = loop
        self._due: Any  # the event, or out of token time the handle, that goes on
        if isinstance(loop, TokenLoop):
            self._start = loop.tick
            if call.watch is not None and self._tokens:
                self._due = loop.at(self._start + speed, lambda: self._step(1))
            else:
                self._due = loop.at(self._start + self._tokens * speed, self._land)
        else:
            self._start = 0
            self._due = loop.call_soon(self._land_at_once)

    def _find_end(self) -> None:
        """Work out after how many tokens the trace ends, and how."""
        course, call = self._course, self._call
        tokens, finish = course.tokens, course.finish
        if finish in _OPEN_ENDED:
            finish = "censored"
        if call.rule is not None and tokens:
            kept = call.rule.feed(
                Chunk(course.text, tokens, course.logprobs, course.conf, course.ends)
            )
            if kept is not None:
                tokens, finish = kept, "cut"
        limit = call.sampling.max_tokens
        if limit is not None and limit < tokens:
            tokens, finish = limit, "length"
        if call.limit is not None and call.limit < tokens:
            tokens, finish = call.limit, "budget"
        self._tokens, self._finish = tokens, finish

    @property
    def prompt_tokens(self) -> int | None:
        """Tokens of the prompt, known beforehand; None if the course does not tell."""
        return self._course.prompt_tokens

    @property
    def cached_tokens(self) -> int | None:
        """Those of them that came from a cache."""
        return self._course.cached_tokens

    def seen(self, at: float | None = None) -> int:
        if not isinstance(self._loop, TokenLoop):
            return self._tokens if self._landed else 0
        now = self._loop.tick if at is None else at
        return min(self._tokens, int(now - self._start) // self._speed)

    def abort(self, finish: Finish) -> None:
        if not self._landed:
            self._withdraw()
            tokens = self.seen()
            self._deliver(tokens, finish)

    def cap(self, tokens: int) -> None:
        if self._landed or tokens >= self._tokens:
            return
        self._tokens, self._finish = tokens, "cut"
        if self.seen() >= tokens:
            self._withdraw()
            self._deliver(tokens, "cut")
        elif self._call.watch is None and isinstance(self._loop, TokenLoop):
            self._withdraw()
            self._due = self._loop.at(self._start + tokens * self._speed, self._land)

    def _step(self, token: int) -> None:
        """Report one token of a watched trace."""
        self._report(token - 1, token)
        if token >= self._tokens:
            self._land()
        elif not self._landed:
            tick = self._start + (token + 1) * self._speed
            self._due = self._loop.at(tick, lambda: self._step(token + 1))

    def _land(self) -> None:
        if not self._landed:
            self._deliver(self._tokens, self._finish)

    def _land_at_once(self) -> None:
        if self._call.watch is not None and self._tokens:
            self._report(0, self._tokens)
        self._land()

    def _report(self, begin: int, end: int) -> None:
        part = piece(self._course, begin, end)
        if self._call.watch is not None:
            self._call.watch(part)
        if self._call.progress is not None:
            self._call.progress()

    def _withdraw(self) -> None:
        if isinstance(self._loop, TokenLoop):
            TokenLoop.withdraw(self._due)
        else:
            self._due.cancel()

    def _deliver(self, tokens: int, finish: Finish) -> None:
        self._landed = True
        self._tokens = tokens
        course = self._course
        trace = course.copy() if tokens >= course.tokens else head(course, tokens)
        trace.finish = finish
        trace.began = float(self._start)
        trace.ended = self._loop.time()
        self._call.land(trace)


def check_speed(ticks_per_token: int) -> None:
    """Refuse a speed at which nothing would ever take time, or time run backwards."""
    if ticks_per_token < 1:
        raise UsageError(f"ticks_per_token={ticks_per_token}", fix="give at least 1")


def head(course: Trace, tokens: int) -> Trace:
    """The first tokens of a trace. Its text is known only where the tokens' ends are."""
    part = piece(course, 0, tokens)
    return replace(
        course,
        text=part.text,
        tokens=tokens,
        logprobs=part.logprobs,
        conf=part.conf,
        ends=part.ends,
        mean_logprob=None,
        answer=None,
        reward=None,
        tool_calls=(),
        artifacts=(),
    )


def piece(course: Trace, begin: int, end: int) -> Chunk:
    """Tokens [begin, end) of a trace as a chunk. Without token ends all text is in the last one."""
    ends = course.ends
    if ends is not None:
        first = ends[begin - 1] if begin else 0
        text = course.text[first : ends[end - 1] if end else 0]
        if end == course.tokens:
            text = course.text[first:]
        cut = [e - first for e in ends[begin:end]]
    else:
        text, cut = (course.text if end == course.tokens else ""), None
    return Chunk(
        text, end - begin, _slice(course.logprobs, begin, end), _slice(course.conf, begin, end), cut
    )


def _slice(values: FloatArray | None, begin: int, end: int) -> FloatArray | None:
    return None if values is None else values[begin:end]
