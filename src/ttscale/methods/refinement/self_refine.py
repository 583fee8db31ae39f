"""Self-Refine: draft, criticise, rewrite, until the critic has nothing to change.

arXiv:2303.17651 (Madaan and others, NeurIPS 2023), Algorithm 1:
  1. y_0 = M(question).
  2. For t = 0, 1, ...: feedback f_t = M(question, y_t); stop if f_t says that nothing is to be changed.
  3. y_{t+1} = M(question, y_0, f_0, ..., y_t, f_t): all drafts and feedback so far are shown.
  4. The answer is the last draft's; at most four rounds.
The paper's critic is the model itself; here it is a role, so that another model can criticise. On mathematics
the paper finds next to no gain, and without a sign of what is wrong models change right answers as well.
With rounds = 0, or a critic that is content at once, it answers as plain decoding does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

from ...answers import reply_of
from ...core import AtLeast, Card, Context, Outcome, Problem, Trace, declared
from ...core.cards import roles
from ..prompts import PromptFile, Prompts
from ..registry import method
from .revision import shown

PROMPTS = PromptFile(
    __file__,
    criticise=("solution", "steps"),
    attempt=("number", "solution", "steps", "feedback"),
    refine=("history",),
)
_CONTENT = re.compile(r"\W*(no changes|yes)\b", re.IGNORECASE)

CARD = Card(
    name="self-refine",
    title="Self-Refine: draft, criticise, rewrite",
    paper="arXiv:2303.17651",
    what="sequential",
    stimulation="prompt",
    verification="outcome",
    verification_source="self-evaluation",
    verification_use=("stop",),
    aggregation="last",
    knob="rounds",
    stops="the critic has nothing to change, or all rounds are made",
    needs={"main": roles.answers("text"), "critic": roles.judges("text")},
    files=("prompts",),
    status="reconstruction",
    deviations=(
        "The prompts are ours, without the paper's worked examples.",
        "A rewrite without an answer leaves the draft before it as the answer.",
    ),
)


@declared
class Config:
    """How long it goes on.

    Attributes:
        rounds: of feedback and rewriting at most (4 in the paper); 0 is plain decoding.
        feedback_tokens: of every feedback; None means no limit.
        prompts: file of templates, or a set; see `methods/prompts.py`. templates: single ones.
    """

    rounds: Annotated[int, AtLeast(0)] = 4
    feedback_tokens: Annotated[int, AtLeast(1)] | None = None
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)


@method(card=CARD)
async def self_refine(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Rewrite the draft for as long as the critic finds something."""
    criticise, say = PROMPTS.chosen(cfg, ctx, "critic"), PROMPTS.chosen(cfg, ctx)
    drafts, history, stopped_by = [await ctx.sample(problem.prompt)], list[str](), "all_rounds"
    _offer(problem, ctx, drafts)
    for number in range(1, cfg.rounds + 1):
        draft = drafts[-1]
        prompt = criticise("criticise", problem, solution=shown(draft, False), steps=shown(draft, True))
        feedback = await ctx.sample(prompt, "critic", part="verdict", max_tokens=cfg.feedback_tokens)
        if _CONTENT.match(reply_of(feedback)):
            stopped_by = "content"
            break
        history.append(_attempt(problem, say, number, draft, feedback))
        drafts.append(await ctx.sample(say("refine", problem, history="\n\n".join(history))))
        _offer(problem, ctx, drafts)
    answers = [problem.answer(draft) for draft in drafts]
    last = _last(problem, drafts)
    answer = None if last is None else problem.answer(last)
    return Outcome(answer, last, stopped_by, {"answers": answers})


def _attempt(problem: Problem, say: Prompts, number: int, draft: Trace, feedback: Trace) -> str:
    """A draft and what was said of it, as the model is shown them."""
    return say.text(
        "attempt",
        problem,
        number=str(number),
        solution=shown(draft, False),
        steps=shown(draft, True),
        feedback=reply_of(feedback).strip(),
    )


def _last(problem: Problem, drafts: list[Trace]) -> Trace | None:
    """The last draft that has an answer."""
    return next((draft for draft in reversed(drafts) if problem.answer(draft) is not None), None)


def _offer(problem: Problem, ctx: Context, drafts: list[Trace]) -> None:
    if (last := _last(problem, drafts)) is not None:
        ctx.offer(problem.answer(last), last)
