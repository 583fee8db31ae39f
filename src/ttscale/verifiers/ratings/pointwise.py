"""One solution at a time: a language model rates each by itself, from 1 to 10.

What pairwise comparison is compared with in V1 (arXiv:2603.04304): the model gives almost everything the
highest rating, and how kind it is today does not cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core import Context, Problem, Prompt, Trace
from ...core.cards import roles
from ..registry import register
from .reading import mean_rating, single_rating
from .tournament import MISSING

QUESTION = (
    "{question}\n\nSolution:\n{solution}\n\n"
    "Check the solution, then rate how likely its answer is right, from 1 (surely wrong) to 10 (surely "
    "right). End with\n<rating>number</rating>"
)


async def rated(
    ctx: Context,
    traces: Sequence[Trace],
    question: Callable[[Trace], Prompt],
    *,
    times: int = 1,
    **sampling: Any,
) -> list[float]:
    """The mean of `times` ratings of each solution, in [1, 10]; MISSING if none of them can be read."""
    prompts = [question(trace) for trace in traces]
    verdicts = await ctx.sample_all(prompts, times, "judge", part="verdict", **sampling)
    means = (
        mean_rating(map(single_rating, verdicts[k * times : (k + 1) * times])) for k in range(len(traces))
    )
    return [MISSING if mean is None else mean for mean in means]


@register("pointwise", needs={"judge": roles.judges("text")})
async def pointwise(ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
    """A rating from 1 to 10, asked for once."""
    return await rated(
        ctx,
        traces,
        lambda trace: Prompt.user(QUESTION.format(question=problem.prompt.text, solution=trace.answer_text)),
    )
