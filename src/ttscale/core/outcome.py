"""What a method returns, and what the runner adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .artifact import Artifact
from .spending.usage import Usage
from .trace import Trace


@dataclass(slots=True)
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
    """

    answer: str | None
    winner: Trace | None = None
    stopped_by: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    traces: list[Trace] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    error: Exception | None = None

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """What the answer is besides text: the winner's artifacts."""
        return self.winner.artifacts if self.winner else ()

    @property
    def over_budget(self) -> bool:
        """Whether a budget ended the method."""
        return self.stopped_by.startswith("budget:")
