"""Re-reading (RE2): the question twice, then the answer.

arXiv:2309.06275 (Xu, Tao, Shen and others, EMNLP 2024), Sec. 2:
  1. One prompt: the question, a sentence that asks to read it again, and the question once more.
  2. The model answers in whatever way it would have: with a chain of thought, as a program, by vote.
A model that reads from left to right sees the whole question when it reads it for the second time.
The paper finds gains on most of 14 data sets, also below self-consistency, and losses of untuned chat models
on some; two readings did best there, three and more did not. Cost: the question's tokens once more.
With n = 1 it is one sample; without the second reading (templates={'again': ''}) a majority vote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from ...core import AtLeast, Card, Context, Outcome, Problem, Trace, Votes, declared
from ..prompts import PromptFile
from ..refinement.revision import continued
from ..registry import method

PROMPTS = PromptFile(__file__, again=())

CARD = Card(
    name="re2",
    title="Re-reading: the question twice",
    paper="arXiv:2309.06275",
    what="parallel",
    stimulation="prompt",
    verification="agreement",
    aggregation="vote",
    knob="n",
    draws="n",
    stops="n samples",
    files=("prompts",),
    status="reconstruction",
    deviations=(
        "What the user said last is read twice, earlier turns are not.",
        "No instruction for a chain of thought is added: the question's own prompt says how to answer.",
    ),
    aliases=("re-reading",),
)


@declared
class Config:
    """How many samples vote.

    Attributes:
        n: samples (1; the paper also votes).
        prompts: file of templates, or a set; see `methods/prompts.py`. templates: single ones.
    """

    n: Annotated[int, AtLeast(1)] = 1
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)


@method(card=CARD)
async def re_reading(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Ask twice in one prompt; vote where there are several samples."""

    def choose(traces: list[Trace]) -> Outcome:
        votes = Votes.of(problem, traces)
        return Outcome(votes.top(), votes.winner(), "n_samples", {"votes": votes.counts})

    again = PROMPTS.chosen(cfg, ctx).text("again", problem)
    prompt = continued(problem.prompt, again) if again else problem.prompt
    ctx.offer_among(choose)
    return choose(await ctx.sample_all(prompt, cfg.n))
