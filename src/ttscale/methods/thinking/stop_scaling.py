"""Stop-token scaling: the end of thinking is made likelier, and the model chooses where.

TS of arXiv:2505.07961 over a server: the odds of the end-of-thinking token are multiplied by kappa at every
step of the thinking, a constant bias of ln kappa on its logit, and the answer is written without it. The
forms that need the logits themselves are in `engines/local/decoding/stop_scaling.py`.

Where thinking ends in each step with chance h, it is 1 / h tokens long; with the bias the chance is
h' = kappa h / (1 - h + kappa h) and the length 1 + (1 - h) / (kappa h).
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from ...core import THINK, Above, AtLeast, Card, Context, Outcome, Problem, Within, declared
from ...core.cards import roles
from ..registry import method
from .steering import SteeredReply

CARD = Card(
    name="stop-scaling",
    title="Stop-token scaling: the end of thinking made likelier",
    paper="arXiv:2505.07961",
    what="sequential",
    stimulation="decode",
    knob="kappa",
    stops="the model ends its thinking, then the answer's end",
    needs={"main": roles.answers("text", "prefix")},
    status="reconstruction",
    deviations=(
        "The paper divides the logit, which depends on its sign and on a constant that no model fixes; over "
        "a server only this form can be had.",
        "The server must take logit_bias; the marker must be one token of the model.",
        "The values of kappa are ours.",
    ),
    aliases=("ts",),
    streams=True,
)


@declared
class Config:
    """How much likelier, and of which token.

    Attributes:
        kappa: factor of the odds that thinking ends; 1 changes nothing, less than 1 lengthens.
        token: id of the end-of-thinking token in the model's vocabulary; None gives its text, which
            llama.cpp takes.
        end: the end-of-thinking marker.
        opening: how thinking begins; "" if the chat template writes it.
        max_thinking: tokens of thinking at most; None means no limit.
        answer_tokens: tokens for the answer; None means no limit.
        temperature: None is the model's own.
    """

    kappa: Annotated[float, Above(0)] = 2.0
    token: Annotated[int, AtLeast(0)] | None = None
    end: str = THINK.closing
    opening: str = f"{THINK.opening}\n"
    max_thinking: Annotated[int, AtLeast(1)] | None = None
    answer_tokens: Annotated[int, AtLeast(1)] | None = None
    temperature: Annotated[float, Within(0, 100)] | None = None

    @property
    def bias(self) -> dict[str, Any]:
        """Fields of the request while the thinking is open; none where nothing changes."""
        if self.kappa == 1:
            return {}
        amount = math.log(self.kappa)
        if self.token is None:
            return {"logit_bias": [[self.end, amount]]}
        return {"logit_bias": {str(self.token): amount}}


@method(card=CARD)
async def stop_scaling(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Think with the end made likelier, then answer without."""
    reply = SteeredReply(problem.prompt, cfg.opening)
    thinking = await reply.extend(
        ctx,
        part="step",
        stop=(cfg.end,),
        max_tokens=cfg.max_thinking,
        temperature=cfg.temperature,
        extra=cfg.bias,
    )
    if thinking.finish not in ("stop", "length"):
        return Outcome(None, reply.whole(), thinking.finish)
    reply.end_thinking(cfg.end)
    await reply.extend(ctx, max_tokens=cfg.answer_tokens, temperature=cfg.temperature)
    whole = reply.whole()
    stopped_by = "max_thinking" if thinking.finish == "length" else "thinking_ended"
    return Outcome(problem.answer(whole), whole, stopped_by, {"thinking_tokens": thinking.tokens})
