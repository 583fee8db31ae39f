"""The gold answer judges: an upper bound on what any verifier could reach, never a method."""

from __future__ import annotations

from collections.abc import Sequence

from ..core import Context, Problem, Trace, UsageError
from ..core.verdict import is_right
from .registry import register


@register("oracle", oracle=True, probability=True)
async def oracle(ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
    """1 for a right answer, else 0.

    Raises:
        UsageError: if the problem has no reference answer.
    """
    scores = []
    for trace in traces:
        correct = is_right(problem, trace)
        if correct is None:
            raise UsageError(f"the oracle needs a reference answer for question {problem.id!r}")
        scores.append(float(correct))
    return scores
