"""The model's own probability judges: the geometric mean probability of the tokens it drew."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core import CapabilityError, Context, Problem, Trace
from .registry import register


@register("logprob", probability=True, sampling={"logprobs": 0})
async def logprob(ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
    """exp(mean log-probability), in (0, 1]; 0 for a trace that failed. Costs nothing.

    Raises:
        CapabilityError: if a finished trace has no log-probabilities.
    """
    scores = []
    for trace in traces:
        mean = trace.average_logprob
        if mean is None and trace.finish in ("stop", "length") and trace.tokens:
            raise CapabilityError(
                f"verifier 'logprob' needs log-probabilities, which {trace.model or 'the engine'} "
                "did not return",
                fix="use an engine that reports them, or another verifier",
            )
        scores.append(0.0 if mean is None else math.exp(mean))
    return scores
