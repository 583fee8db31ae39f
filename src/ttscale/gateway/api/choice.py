"""One of a request's choices, answered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ...core import Outcome, Problem, Trace
from ...core.cards.roles import VOTING


@dataclass
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

    @cached_property
    def agreement(self) -> dict[str, int] | None:
        """How many of the samples that answered gave this answer; None without an answer. What
        judges, plans or reflects did not answer."""
        answer, rule = self.outcome.answer, self.problem.rule
        if answer is None:
            return None
        given = [a for t in self.outcome.traces if (a := self.answer_of(t)) is not None]
        return {"votes": sum(rule.same(answer, a) for a in given), "of": len(given)}

    def answer_of(self, trace: Trace) -> str | None:
        """What a sample votes for."""
        return self.problem.answer(trace) if trace.part in VOTING else None
