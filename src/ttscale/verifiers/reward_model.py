"""A reward model judges: process (PRM) or outcome (ORM), whatever engine stands in role "prm"."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..core import Context, Problem, Trace
from ..core.cards import roles
from .registry import register

_NEEDS = {"prm": roles.judges("reward")}


def _aggregated(aggregate: Callable[[list[float]], float]) -> Callable[..., object]:
    async def judge(ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
        rewards = await ctx.reward(traces)
        if rewards.steps is None:  # an outcome score, or one that is aggregated already
            return rewards.values
        return [aggregate(steps) if steps else 0.0 for steps in rewards.steps]

    return judge


# The last step's score is the default: min and product did worse (arXiv:2408.03314, App. E).
register("prm", needs=_NEEDS, partial=True)(_aggregated(lambda steps: steps[-1]))  # type: ignore[arg-type]
register("prm-min", needs=_NEEDS, partial=True)(_aggregated(min))  # type: ignore[arg-type]
register("prm-prod", needs=_NEEDS, partial=True)(_aggregated(math.prod))  # type: ignore[arg-type]
