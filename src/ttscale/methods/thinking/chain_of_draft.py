"""Chain of draft: step by step, a few words a step.

arXiv:2502.18600 (Xu, Xie, Zhao, He; 2025), Sec. 3:
  1. One call: the question, and the wish that every step of thinking be a draft of five words at most.
  2. The answer follows a separator; it is read by the problem's own rule.
Nothing is enforced: the limit is a wish, as in the paper, which adds worked examples in that style.
The paper reports 91% against 95% of a full chain of thought on GSM8K (GPT-4o) for a fifth of the tokens;
follow-ups find that models below 3B, asked without examples, lose more.
Without the wish (templates={'draft': ''}) it is plain decoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from ...core import AtLeast, Card, Context, Outcome, Problem, declared
from ..prompts import PromptFile
from ..refinement.revision import continued
from ..registry import method

PROMPTS = PromptFile(__file__, draft=("words",))

CARD = Card(
    name="chain-of-draft",
    title="Chain of draft: a few words a step",
    paper="arXiv:2502.18600",
    what="internal",
    stimulation="prompt",
    knob="words",
    stops="the sample ends",
    files=("prompts",),
    status="reconstruction",
    deviations=(
        "No worked examples: the paper's are made for its tasks.",
        "The wish follows the question; the paper puts it into the system message.",
        "The answer is asked for in a box, not after a separator.",
    ),
)


@declared
class Config:
    """How short a step is to be.

    Attributes:
        words: of a step, at most (5, as in the paper).
        prompts: file of templates, or a set; see `methods/prompts.py`. templates: single ones.
    """

    words: Annotated[int, AtLeast(1)] = 5
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)


@method(card=CARD)
async def chain_of_draft(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """One sample, asked for in drafts."""
    wish = PROMPTS.chosen(cfg, ctx).text("draft", problem, words=str(cfg.words))
    trace = await ctx.sample(continued(problem.prompt, wish) if wish else problem.prompt)
    return Outcome(problem.answer(trace), trace, "answered")
