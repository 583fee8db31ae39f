"""Length judges: shorter traces score higher. First Finish Search is best-of-n under this."""

from __future__ import annotations

from collections.abc import Sequence

from ..core import Context, Problem, Trace
from .registry import register


@register("short")
async def short(ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
    """Minus the generated tokens. Costs nothing."""
    return [-float(trace.tokens) for trace in traces]
