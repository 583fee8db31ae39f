"""DEER: at every turn of thought a trial answer is asked for, and believed if the model is sure of it.

Yang et al., Dynamic Early Exit in Reasoning Models, arXiv:2504.15895; defaults as in the released script
for most models (BugSmith/DEER, vllm-deer.py). Its steps:

1. Generate thinking until a word that turns it ("Wait"), the end of thinking, or the limit.
2. At the word, put a phrase that asks for the answer in its place, up to an open box.
3. Generate the trial answer, `trial_tokens` at most, with log-probabilities.
4. Its confidence is the mean of its tokens' probabilities (arithmetic as released by default; the
   geometric mean is the paper's).
5. From `threshold` (0.95) on, end the thinking before the word and let the model answer.
6. Otherwise put the word back and go on from there; the trial leaves no trace in the text.
7. After `trials` attempts (10) thinking runs to its own end.
8. All is greedy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from ...core import THINK, AtLeast, Card, Context, Outcome, Problem, Trace, Within, declared
from ...core.cards import roles
from ..prompts import PromptFile
from ..registry import method
from .steering import SteeredReply

PROMPTS = PromptFile(__file__, trial=(), final=())
CARD = Card(
    name="deer",
    title="DEER: thinking ends at a trial answer the model is sure of",
    paper="arXiv:2504.15895",
    what="sequential",
    stimulation="decode",
    verification="confidence",
    verification_use=("stop",),
    knob="threshold",
    stops="a trial answer reaches the threshold",
    needs={"main": roles.answers("text", "prefix", "logprobs")},
    files=("prompts",),
    status="reconstruction",
    deviations=(
        "The probability of a token is that of the one chosen, which is the largest at temperature 0.",
        "All tokens of the trial count; the released script leaves out the first, which opens the box.",
        "The trial begins inside the box.",
        "Thinking that reaches its limit is closed and the answer asked for, as the script's default.",
    ),
    streams=True,
)


@declared
class Config:
    """When the model is asked, and how sure it must be.

    Attributes:
        threshold: confidence from which on the trial is believed (0.95); above 1 it never is.
        mean: of the tokens' probabilities, "arithmetic" (released) or "geometric" (paper).
        turn: the word that turns a thought ("Wait"; compared there: "Alternatively").
        trials: attempts at most (10); then thinking is left alone.
        trial_tokens: of a trial (20).
        max_thinking: tokens of thinking; None means no limit (0.9 * 16,384 there).
        opening: how thinking begins; "" if the chat template writes it.
        temperature: 0 as released; None is the model's own.
        prompts: file of templates, or a set; see `methods/prompts.py`. templates: single ones.
    """

    threshold: Annotated[float, AtLeast(0)] = 0.95
    mean: Literal["arithmetic", "geometric"] = "arithmetic"
    turn: str = "Wait"
    trials: Annotated[int, AtLeast(0)] = 10
    trial_tokens: Annotated[int, AtLeast(1)] = 20
    max_thinking: Annotated[int, AtLeast(1)] | None = None
    opening: str = f"{THINK.opening}\n"
    temperature: Annotated[float, Within(0, 100)] | None = 0.0
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)


@method(card=CARD)
async def deer(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Think from turn to turn until a trial answer is believed, then answer."""
    say, reply = PROMPTS.chosen(cfg, ctx), SteeredReply(problem.prompt, cfg.opening)
    confidences, used, stopped_by = list[float | None](), 0, "thinking_ended"
    while True:
        watched = len(confidences) < cfg.trials
        left = None if cfg.max_thinking is None else cfg.max_thinking - used
        part = await reply.extend(
            ctx,
            part="step",
            stop=(THINK.closing, cfg.turn) if watched else (THINK.closing,),
            max_tokens=left,
            temperature=cfg.temperature,
        )
        used += part.tokens
        if part.finish not in ("stop", "length"):
            return Outcome(None, reply.whole(), part.finish)
        if part.finish == "length" or (cfg.max_thinking is not None and used >= cfg.max_thinking):
            stopped_by = "max_thinking"
            break
        if not watched or not _turned(part, cfg):
            break
        trial = await ctx.sample(
            problem.prompt.then(reply.text.rstrip() + say("trial", problem).prefix),
            part="calibration",
            stop=("}",),
            max_tokens=cfg.trial_tokens,
            temperature=cfg.temperature,
            logprobs=0,
        )
        confidences.append(confidence(trial, cfg.mean))
        if (confidences[-1] or 0.0) >= cfg.threshold:
            stopped_by = "sure"
            break
        reply.text += cfg.turn
    reply.append(say("final", problem).prefix, gap="")
    await reply.extend(ctx, temperature=cfg.temperature)
    whole = reply.whole()
    extra = {"thinking_tokens": used, "confidences": confidences}
    return Outcome(problem.answer(whole), whole, stopped_by, extra)


def _turned(part: Trace, cfg: Config) -> bool:
    """Whether the thinking stopped at the word, and not at its end; where a server does not say at which
    stop text, a text that has ended a paragraph is about to go on."""
    stopped_at = part.meta.get("stopped_at")
    return stopped_at == cfg.turn if stopped_at is not None else part.text.endswith("\n\n")


def confidence(trial: Trace, mean: Literal["arithmetic", "geometric"]) -> float | None:
    """Mean probability of a trial's tokens, in [0, 1]; None if it failed or told no log-probabilities."""
    if trial.finish not in ("stop", "length") or trial.logprobs is None or not len(trial.logprobs):
        return None
    import numpy as np

    logprobs = np.asarray(trial.logprobs, dtype=float)
    return float(np.exp(logprobs).mean() if mean == "arithmetic" else np.exp(logprobs.mean()))
