"""One of a request's choices, answered."""

from __future__ import annotations

from dataclasses import dataclass

from ...core import Outcome, Problem, Trace


@dataclass(slots=True)
class Choice:
    """One choice.

    Attributes:
        trace: speaks for the answer, or is the nearest thing to one.
        partial: the trace did not end by itself, or gives no answer: a budget or a limit ended it.
    """

    problem: Problem
    outcome: Outcome
    trace: Trace
    partial: bool
