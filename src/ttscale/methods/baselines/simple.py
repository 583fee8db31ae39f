"""Simple decoding: one sample, or the one greedy sample.

The accuracy of `simple` at a temperature and that of `greedy` are different quantities: report
both.
"""

from __future__ import annotations

from ...core import Card, Context, Outcome, Problem, declared
from ..registry import method


@declared
class Config:
    """Simple decoding has nothing to set."""


@method(
    card=Card(
        name="simple",
        title="Simple decoding: one sample",
        what="internal",
        stops="the sample ends",
        streams=True,
        aliases=("single",),
    )
)
async def simple(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """One sample at the model's own temperature."""
    trace = await ctx.sample(problem.prompt)
    return Outcome(problem.answer(trace), trace, trace.finish)


@method(
    card=Card(
        name="greedy",
        title="Greedy decoding: the most probable token, always",
        what="internal",
        stimulation="decode",
        stops="the sample ends",
        streams=True,
    )
)
async def greedy(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """One sample at temperature 0."""
    trace = await ctx.sample(problem.prompt, temperature=0.0)
    return Outcome(problem.answer(trace), trace, trace.finish)
