"""Whether a sample, or the answer of several, is right.

A verdict recorded with a sample (`trace.meta["correct"]`, by a judge, by tests) belongs to that
sample, also where its answer cannot be read. The answer of a vote has the verdict of the samples
that gave it, most of them where they differ, as the winner's where they tie. What nothing is
recorded for is compared with the gold answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from .outcome import Outcome
from .problem import Problem
from .trace import Trace

CORRECT = "correct"  # in a trace's `meta`: the verdict recorded with it, True or False
AGREED = "agreed"  # in a problem's: its gold is what samples agree on, and verdicts do not count


def recorded(problem: Problem, trace: Trace) -> bool | None:
    """The verdict recorded with a sample; None if there is none."""
    return None if AGREED in problem.meta else trace.meta.get(CORRECT)


def is_right(problem: Problem, trace: Trace) -> bool | None:
    """Whether a sample is right; None if that is not known, or the sample failed."""
    if trace.finish == "error":
        return None
    verdict = recorded(problem, trace)
    return problem.correct(problem.answer(trace)) if verdict is None else verdict


def answer_is_right(
    problem: Problem, answer: str | None, traces: Sequence[Trace], winner: Trace | None = None
) -> bool | None:
    """Whether an answer is right that these samples gave; None if that is not known."""
    spoken = None if winner is None else recorded(problem, winner)
    if answer is None:
        return problem.correct(None) if spoken is None else spoken
    verdicts = [
        verdict
        for trace in traces
        if (verdict := recorded(problem, trace)) is not None and _gave(problem, trace, answer)
    ]
    if not verdicts:
        return problem.correct(answer) if spoken is None else spoken
    lead = 2 * sum(verdicts) - len(verdicts)
    if lead == 0:
        return verdicts[0] if spoken is None else spoken
    return lead > 0


def outcome_is_right(problem: Problem, outcome: Outcome) -> bool | None:
    """Whether an outcome is right; None if that is not known, or a failed sample left it open."""
    if outcome.error is not None:
        return None
    return answer_is_right(problem, outcome.answer, outcome.traces, outcome.winner)


def _gave(problem: Problem, trace: Trace, answer: str) -> bool:
    given = problem.answer(trace)
    return given is not None and problem.rule.same(given, answer)
