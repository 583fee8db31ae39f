"""What a method returns, and what the runner adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

from .artifact import Artifact
from .spending.usage import Usage
from .trace import Trace


@dataclass(slots=True, repr=False)
class Outcome:
    """The answer to one problem.

    Attributes:
        answer: None if nothing parsed.
        winner: the trace that speaks for the answer: its text is the reply, and what it made
            besides is part of the answer.
        stopped_by: the rule, or "budget:KIND", that ended the method.
        extra: what the method wants to show (thresholds, posteriors), ready for JSON.
        traces: all samples in the order they finished, cancelled ones included (added by the runner).
        usage: what it cost (added by the runner).
        error: set if there is no answer and a sample failed that might have held it: then the
            outcome is unknown, not wrong.
        correct: whether the answer is right; None if that is not known (added by a session, never
            inside a run, where a method could see it).
    """

    answer: str | None
    winner: Trace | None = None
    stopped_by: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    traces: list[Trace] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    error: Exception | None = None
    correct: bool | None = None

    def __repr__(self) -> str:
        return f"<Outcome {self.answer!r}: {', '.join(self._facts())}>"

    def _repr_html_(self) -> str:
        """For notebooks: the answer, what it cost, and the samples behind a fold."""
        samples = "".join(
            f"<details><summary>sample {number}: {trace.finish}, {trace.tokens:,} tokens</summary>"
            f"<pre>{escape(trace.text)}</pre></details>"
            for number, trace in enumerate(self.traces, 1)
        )
        answer = "no answer" if self.answer is None else escape(self.answer)
        return f"<b>{answer}</b><br><small>{escape(', '.join(self._facts()))}</small>{samples}"

    def _facts(self) -> list[str]:
        known = [] if self.correct is None else ["right" if self.correct else "wrong"]
        usage = self.usage
        samples = f"{usage.samples} sample" + ("" if usage.samples == 1 else "s")
        return [*known, samples, f"{usage.completion_tokens:,} tokens", f"stopped by {self.stopped_by}"]

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """What the answer is besides text: the winner's artifacts."""
        return self.winner.artifacts if self.winner else ()

    @property
    def over_budget(self) -> bool:
        """Whether a budget ended the method."""
        return self.stopped_by.startswith("budget:")
