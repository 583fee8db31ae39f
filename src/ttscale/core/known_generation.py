"""A generation whose whole trace is known beforehand: recorded, synthetic, served from a journal, or
failed at the start.

In token time it takes one event however long the trace is: rules, limits and the recording's own
end are worked out at the start, and only a trace that is watched is reported token by token.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .errors import UsageError
from .generation import Generation, GenerationRequest
from .thinking import within
from .token_time import TokenLoop
from .trace import Chunk, Finish, FloatArray, Trace
from .verdict import CORRECT

_OPEN_ENDED = frozenset({"cut", "cancelled", "budget", "censored"})


class KnownGeneration(Generation):
    """Hands `known` over after as many ticks as it has tokens (times `speed`, in ticks per token).

    A trace that was itself stopped early is censored: what would have come next is not known, and
    a sample that runs to its end finishes as `censored`, unless a rule cuts it before.

    With `own`, the trace is of this very sample, made before an interruption: it ends as it ended
    then.
    """

    __slots__ = ("_began", "_due", "_finish", "_known", "_loop", "_shown", "_speed", "_tokens")

    def __init__(
        self, request: GenerationRequest, known: Trace, speed: int = 1, *, own: bool = False
    ) -> None:
        # every field once: a replay makes as many of these as it has samples, and little else
        self.request, self.finished = request, False
        self._known, self._speed = known, speed
        if own:
            self._tokens, self._finish = known.tokens, known.finish
        else:
            self._find_end()
        loop: Any = request.loop
        self._loop = loop
        self._due: Any  # the event, or out of token time the handle, that goes on
        self._shown = 0  # tokens, out of token time
        if isinstance(loop, TokenLoop):
            self._began = loop.tick
            if request.on_chunk is not None and self._tokens:
                self._due = loop.at(self._began + speed, lambda: self._step(1))
            else:
                self._due = loop.at(self._began + self._tokens * speed, self._end)
        else:
            self._began = loop.time()
            self._due = loop.call_soon(self._end_at_once)

    def _find_end(self) -> None:
        """Work out after how many tokens the trace ends, and how."""
        known, rule = self._known, self.request.rule
        tokens, finish = known.tokens, known.finish
        if finish in _OPEN_ENDED:
            finish = "censored"
        if rule is not None and tokens:
            kept = rule.feed(Chunk(known.text, tokens, known.logprobs, known.conf, known.ends))
            if kept is not None:
                tokens, finish = kept, "cut"
        most, full = self.request.most()
        if most is not None and most < tokens:
            tokens, finish = most, full
        self._tokens, self._finish = tokens, finish

    @property
    def prompt_tokens(self) -> int | None:
        return self._known.prompt_tokens

    @property
    def cached_tokens(self) -> int | None:
        return self._known.cached_tokens

    def seen(self, at: float | None = None) -> int:
        if not isinstance(self._loop, TokenLoop):
            return self._shown
        now = self._loop.tick if at is None else at
        return min(self._tokens, int(now - self._began) // self._speed)

    def abort(self, finish: Finish) -> None:
        if not self.finished:
            self._withdraw()
            self._tokens, self._finish = self.seen(), finish
            self._end()

    def cap(self, tokens: int) -> None:
        if self.finished or tokens >= self._tokens:
            return
        seen = self.seen()  # tokens beyond the cap were spent, and count
        self._tokens, self._finish = max(tokens, seen), "cut"
        if seen >= tokens:
            self._withdraw()
            self._end()
        elif self.request.on_chunk is None and isinstance(self._loop, TokenLoop):
            self._withdraw()
            self._due = self._loop.at(self._began + tokens * self._speed, self._end)

    def _step(self, token: int) -> None:
        """Report one token of a watched trace."""
        self._report(token - 1, token)
        if token >= self._tokens:
            self._end()
        elif not self.finished:
            tick = self._began + (token + 1) * self._speed
            self._due = self._loop.at(tick, lambda: self._step(token + 1))

    def _end_at_once(self) -> None:
        self._shown = self._tokens
        if self.request.on_chunk is not None and self._tokens:
            self._report(0, self._tokens)
        self._end()

    def _report(self, begin: int, end: int) -> None:
        part = piece(self._known, begin, end)
        try:
            if self.request.on_chunk is not None:
                self.request.on_chunk(part)
            if self.request.progress is not None:
                self.request.progress()
        except Exception as error:  # a watcher has failed, and the sample with it
            if not self.finished:
                self._finish_with(end, "error", error)

    def _withdraw(self) -> None:
        if isinstance(self._loop, TokenLoop):
            TokenLoop.withdraw(self._due)
        else:
            self._due.cancel()

    def _end(self) -> None:
        if not self.finished:
            self._finish_with(self._tokens, self._finish)

    def _finish_with(self, tokens: int, finish: Finish, error: Exception | None = None) -> None:
        self.finished, self._tokens = True, tokens
        known = self._known
        trace = known.copy() if tokens >= known.tokens else head(known, tokens)
        trace.finish = finish
        if error is not None:
            trace.error = error
        trace.began = float(self._began)
        trace.ended = self._loop.time()
        self.request.finish(trace)


def check_speed(ticks_per_token: int) -> None:
    """Refuse a speed at which nothing would ever take time, or time run backwards."""
    if ticks_per_token < 1:
        raise UsageError(f"ticks_per_token={ticks_per_token}", fix="give at least 1")


def head(trace: Trace, tokens: int) -> Trace:
    """The first tokens of a trace. Its text is known only where the tokens' ends are; what was said
    of the whole, an answer, a reward, a verdict, is not known of them."""
    part = piece(trace, 0, tokens)
    return replace(
        trace,
        text=part.text,
        tokens=tokens,
        estimated=min(trace.estimated, tokens),
        logprobs=part.logprobs,
        conf=part.conf,
        ends=part.ends,
        thinking_at=part.thinking_at,
        mean_logprob=None,
        answer=None,
        reward=None,
        tool_calls=(),
        artifacts=(),
        meta={name: value for name, value in trace.meta.items() if name != CORRECT},
    )


def piece(trace: Trace, begin: int, end: int) -> Chunk:
    """Tokens [begin, end) of a trace as a chunk. Without token ends all text is in the last one."""
    ends, first = trace.ends, 0
    if ends is not None:
        first = ends[begin - 1] if begin else 0
        text = trace.text[first : ends[end - 1] if end else 0]
        if end == trace.tokens:
            text = trace.text[first:]
        cut = [e - first for e in ends[begin:end]]
    else:
        text, cut = (trace.text if end == trace.tokens else ""), None
    return Chunk(
        text,
        end - begin,
        _slice(trace.logprobs, begin, end),
        _slice(trace.conf, begin, end),
        cut,
        within(trace.thinking_at, first, first + len(text)),
    )


def _slice(values: FloatArray | None, begin: int, end: int) -> FloatArray | None:
    return None if values is None else values[begin:end]
