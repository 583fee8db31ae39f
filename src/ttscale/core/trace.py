"""What came back: the text of one sample, its tokens, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from .artifact import Artifact
from .thinking import THINK, Divided, Spans, within

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Finish = Literal[
    "stop",  # the model ended by itself, or at a stop text
    "length",  # the token limit cut it short
    "cut",  # a stop rule of the method ended it
    "cancelled",  # no longer wanted
    "budget",  # a budget ended
    "censored",  # a recording does not reach as far as was asked
    "refused",  # the model or its server declined to answer
    "error",  # it failed: see `error`
]
"""How a sample ended. Only `stop` may vote."""

if TYPE_CHECKING:
    FloatArray = NDArray[np.float32]
else:  # numpy is loaded where an array is made: most requests never do
    FloatArray = Any

NO_UNITS: Mapping[str, float] = {}  # what most samples use besides tokens: one for all of them


@dataclass(slots=True)
class Chunk:
    """A piece of a live trace: some text and the tokens it is made of.

    Attributes:
        text: may be empty although tokens were generated, and the other way round.
        tokens: how many tokens were generated since the chunk before.
        logprobs: log-probability of each sampled token in nats, (tokens,), if asked for.
        conf: confidence of each token, (tokens,): minus the mean log-probability of the top k.
        ends: number of characters of `text` up to the end of each token, (tokens,), if known.
        thinking_at: where thinking stands in `text`, if the engine tells it apart.
    """

    text: str
    tokens: int
    logprobs: FloatArray | None = None
    conf: FloatArray | None = None
    ends: Sequence[int] | None = None
    thinking_at: Spans | None = None

    def first(self, tokens: int) -> Chunk:
        """The first tokens of it. Their text is known only where the tokens' ends are."""
        if tokens >= self.tokens:
            return self
        ends = None if self.ends is None else self.ends[:tokens]
        text = self.text if ends is None else self.text[: ends[-1] if ends else 0]
        logprobs = None if self.logprobs is None else self.logprobs[:tokens]
        conf = None if self.conf is None else self.conf[:tokens]
        return Chunk(text, tokens, logprobs, conf, ends, within(self.thinking_at, 0, len(text)))


@dataclass(slots=True)
class Trace:
    """One sample from a model.

    Attributes:
        text: everything generated, thinking included, the prompt's prefix excluded.
        tokens: generated tokens, also those of a sample that was cancelled.
        estimated: how many of `tokens` are an estimate, not the engine's own count.
        role: who paid for it. part: what it is: an "answer", a "step", a "verdict" (see `roles`).
        index: ordinal among equal requests of the run: (problem, role, prompt).
        answer: an answer recorded with the trace, in place of one found in the text.
        reward: a verifier's score recorded with the trace.
        sequential: length of the longest dependent chain of tokens up to this trace's end.
        began, ended: seconds (ticks in token time) on the run's clock.
        units: named amounts used besides tokens. sequential_units: their longest dependent chains up
            to this trace's end.
        artifacts: what was made besides text, in order.
        thinking_at: where thinking stands in `text`, if the engine tells it apart; None: its tags do.
        opened: its prompt had opened the thinking, so that `text` begins inside it.
        error: why it failed, for finish `error` or `refused`.
    """

    text: str = ""
    tokens: int = 0
    finish: Finish = "stop"
    role: str = "main"
    prompt_key: str = ""
    index: int = 0
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    estimated: int = 0
    logprobs: FloatArray | None = None
    conf: FloatArray | None = None
    ends: Sequence[int] | None = None
    mean_logprob: float | None = None
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    answer: str | None = None
    reward: float | None = None
    sequential: int = 0
    began: float = 0.0
    ended: float = 0.0
    model: str = ""
    error: Exception | None = None
    units: dict[str, float] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    part: str = "answer"
    sequential_units: Mapping[str, float] = field(default_factory=lambda: NO_UNITS)
    artifacts: tuple[Artifact, ...] = ()
    thinking_at: Spans | None = None
    opened: bool = False

    def copy(self) -> Trace:
        """A copy that can finish and be identified on its own; arrays are shared."""
        return Trace(
            self.text,
            self.tokens,
            self.finish,
            self.role,
            self.prompt_key,
            self.index,
            self.prompt_tokens,
            self.cached_tokens,
            self.estimated,
            self.logprobs,
            self.conf,
            self.ends,
            self.mean_logprob,
            self.tool_calls,
            self.answer,
            self.reward,
            self.sequential,
            self.began,
            self.ended,
            self.model,
            self.error,
            self.units,
            self.meta,
            self.part,
            self.sequential_units,
            self.artifacts,
            self.thinking_at,
            self.opened,
        )

    @classmethod
    def joined(cls, parts: Sequence[Trace], text: str) -> Trace:
        """One trace of a text that was made in several samples, each going on where the one before
        ended (at least one); `text` holds theirs and what a method put between them.

        It began as its first sample began and was asked what that was asked: the later prompts repeat
        text that is counted already. It ended as its last sample ended and is known by it; an answer
        or a reward recorded with a sample that goes on is one of everything up to its end. What was
        made and used is the sum. Figures of single tokens are left out: no token made the text in
        between.
        """
        first, last = parts[0], parts[-1]
        units: Counter[str] = Counter()
        for part in parts:
            units.update(part.units)
        return replace(
            last,
            text=text,
            tokens=sum(part.tokens for part in parts),
            estimated=sum(part.estimated for part in parts),
            prompt_tokens=first.prompt_tokens,
            cached_tokens=first.cached_tokens,
            logprobs=None,
            conf=None,
            ends=None,
            mean_logprob=None,
            tool_calls=tuple(request for part in parts for request in part.tool_calls),
            artifacts=tuple(artifact for part in parts for artifact in part.artifacts),
            began=first.began,
            units=dict(units),
            meta=dict(last.meta),
            thinking_at=None,
            opened=first.opened and text.startswith(first.text),
        )

    @property
    def thinking(self) -> str:
        """What the model thought; empty if it did not."""
        return self._divided.thinking

    @property
    def answer_text(self) -> str:
        """The text after the thinking; all of it if the model does not think."""
        return self._divided.answer_text

    @property
    def _divided(self) -> Divided:
        return THINK.divided(self.text, self.thinking_at, opened=self.opened)

    @property
    def average_logprob(self) -> float | None:
        """Mean log-probability of the sampled tokens, in nats; None if it was not recorded."""
        if self.mean_logprob is None and self.logprobs is not None and len(self.logprobs):
            import numpy as np

            return float(np.mean(self.logprobs))
        return self.mean_logprob
