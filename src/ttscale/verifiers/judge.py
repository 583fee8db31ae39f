"""A language model judges: "is this solution right?", answered yes or no, with a probability."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Sequence

from ..answers import reply_of
from ..core import THINK, Context, Problem, Prompt, Trace
from ..core.cards import roles
from .registry import register

QUESTION = (
    "{question}\n\nProposed solution:\n{solution}\n\n"
    "Is the proposed solution correct? Reply with one word, Yes or No."
)

_FIRST_WORD = re.compile(r"\W*(yes|no)")


@register("judge", needs={"judge": roles.judges("text")}, partial=True, probability=True)
async def judge(ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
    """The probability of "yes", in [0, 1].

    With log-probabilities it is that of the verdict drawn (or its complement if that is "no"),
    after whatever the judge thought first; without, 1 or 0. A reply that is neither counts as 0.5:
    the judge abstains.
    """
    prompts = [
        Prompt.user(QUESTION.format(question=problem.prompt.text, solution=trace.text)) for trace in traces
    ]
    logprobs = 0 if ctx.gives("logprobs", "judge") else None
    judgements = await ctx.sample_all(prompts, 1, "judge", part="verdict", temperature=0.0, logprobs=logprobs)
    return [probability_of_yes(judgement) for judgement in judgements]


def probability_of_yes(judgement: Trace) -> float:
    """What a reply of yes or no says, weighted by the probability of its first word."""
    yes = yes_or_no(judgement)
    if yes is None:
        return 0.5
    sure, place = 1.0, _first_token_of_the_verdict(judgement)
    if judgement.logprobs is not None and place is not None and place < len(judgement.logprobs):
        sure = math.exp(float(judgement.logprobs[place]))
    return sure if yes else 1.0 - sure


def yes_or_no(judgement: Trace) -> bool | None:
    """What a reply of yes or no says; None if it is neither."""
    word = _FIRST_WORD.match(reply_of(judgement).lower())
    return None if word is None else word[1] == "yes"


def _first_token_of_the_verdict(judgement: Trace) -> int | None:
    """Its index; None if the judge thought first and where tokens end is not known."""
    if not THINK.closed(judgement.text):
        return 0
    if judgement.ends is None:
        return None
    begins = judgement.text.rfind(reply_of(judgement).strip())
    return bisect_right(judgement.ends, begins) if begins >= 0 else None
