"""Agreement judges: the share of votes that a trace's answer has among the traces themselves."""

from __future__ import annotations

from collections.abc import Sequence

from ..core import Context, Problem, Trace, Votes
from .registry import register


@register("agreement", probability=True)
async def agreement(ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
    """In [0, 1]; 0 for a trace that abstains. Costs nothing."""
    votes = Votes(problem)
    answers = [votes.add(trace) for trace in traces]
    shares = []
    for answer in answers:
        ballot = votes.ballot(answer) if answer is not None else None
        shares.append(ballot.count / votes.total if ballot else 0.0)
    return shares
