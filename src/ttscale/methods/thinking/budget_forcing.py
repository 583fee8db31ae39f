"""Budget forcing: make a model think longer, or shorter, than it would.

Muennighoff et al. (s1), arXiv:2501.19393, Sec. 3.1. *Minimum*: when thinking ends early, the end
marker is dropped and "Wait" put in its place, n_ignore times. *Maximum*: when thinking reaches the
limit it is closed by force and the answer asked for. All rounds of thinking share one limit.
"""

from __future__ import annotations

from typing import Annotated

from ...core import THINK, AtLeast, Card, Context, Outcome, Problem, Within, declared
from ...core.cards import roles
from ..registry import method
from .steering import SteeredReply

CARD = Card(
    name="budget-forcing",
    title="Budget forcing",
    paper="arXiv:2501.19393",
    what="sequential",
    stimulation="decode",
    knob="max_thinking",
    stops="the thinking limit, then the answer's end",
    needs={"main": roles.answers("text", "prefix")},
    deviations=(
        "The end-of-thinking marker is a stop text, so the tokens it is made of count as thinking.",
        "max_thinking has no automatic value: without it, thinking ends when the model ends it.",
        "A new line stands before what replaces the end marker.",
        "A round of thinking may be empty; the released code has it write a token at least.",
    ),
    aliases=("s1",),
    streams=True,
)


@declared
class Config:
    """How thinking is bounded.

    Attributes:
        max_thinking: tokens of thinking in all rounds together; None means no limit.
        n_ignore: how often an early end is ignored (the paper studies 1, 2, 4 and 6).
        wait: what replaces the end marker ("Wait"; compared there: "Hmm", "Alternatively", "").
        opening: how thinking begins; "" if the chat template writes it.
        end: the end-of-thinking marker. For models without think tags, a phrase such as
            "Final Answer".
        cue: what follows a forced end.
        answer_tokens: tokens for the answer (1000: arXiv:2512.02008); None means no limit.
        temperature: 0, as in the reference; None is the model's own.
    """

    max_thinking: Annotated[int, AtLeast(1)] | None = None
    n_ignore: Annotated[int, AtLeast(0)] = 0
    wait: str = "Wait"
    opening: str = f"{THINK.opening}\n"
    end: str = THINK.closing
    cue: str = "Final Answer:"
    answer_tokens: Annotated[int, AtLeast(1)] | None = 1000
    temperature: Annotated[float, Within(0, 100)] | None = 0.0


@method(card=CARD)
async def budget_forcing(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Think within the limits, then answer; the answer phase is always reached."""
    reply = SteeredReply(problem.prompt, cfg.opening)
    used, ignored = 0, 0
    while True:
        left = None if cfg.max_thinking is None else cfg.max_thinking - used
        part = await reply.extend(
            ctx, part="step", stop=(cfg.end,), max_tokens=left, temperature=cfg.temperature
        )
        if part.finish not in ("stop", "length"):
            return Outcome(None, reply.whole(), part.finish)
        used += part.tokens
        forced = part.finish == "length" or (cfg.max_thinking is not None and used >= cfg.max_thinking)
        if forced or ignored == cfg.n_ignore:
            break
        reply.append(cfg.wait)
        ignored += 1

    reply.end_thinking(cfg.end, cfg.cue if forced else "")
    await reply.extend(ctx, max_tokens=cfg.answer_tokens, temperature=cfg.temperature)
    whole = reply.whole()
    stopped_by = "max_thinking" if forced else "thinking_ended"
    extra = {"thinking_tokens": used, "ignored": ignored}
    return Outcome(problem.answer(whole), whole, stopped_by, extra)
