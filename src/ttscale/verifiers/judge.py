"""A language model judges: "is this solution right?", answered yes or no, with a probability."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core import Context, Problem, Prompt, Trace
from .register import register

QUESTION = (
    "{question}\n\nProposed solution:\n{solution}\n\n"
    "Is the proposed solution correct? Reply with one word, Yes or No."
)


@register("judge", needs={"judge": frozenset({"text"})}, partial=True, probability=True)
async def judge(ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
    """The probability of "yes", in [0, 1].

    With log-probabilities it is that of the word drawn (or its complement if that is "no");
    without, 1 or 0. A reply that is neither counts as 0.5: the judge abstains.
    """
    prompts = [
        Prompt.user(QUESTION.format(question=problem.prompt.text, solution=trace.text))
        for trace in traces
    ]
    replies = await ctx.sample_all(prompts, 1, "judge", temperature=0.0, max_tokens=64, logprobs=0)
    return [probability_of_yes(reply) for reply in replies]


def probability_of_yes(reply: Trace) -> float:
    """What a reply of yes or no says, weighted by the probability of its first word."""
    word = reply.reply.strip().lower()
    if not word.startswith(("yes", "no")):
        return 0.5
    sure = 1.0
    if reply.logprobs is not None and len(reply.logprobs) and "</think>" not in reply.text:
        sure = math.exp(float(reply.logprobs[0]))
    return sure if word.startswith("yes") else 1.0 - sure
