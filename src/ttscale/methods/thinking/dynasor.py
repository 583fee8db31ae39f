"""Dynasor: every few tokens the model is asked for its answer, and stopped when it keeps giving the same.

Fu et al., Efficiently Scaling LLM Reasoning with Certaindex, arXiv:2412.20993 (Dynasor-CoT, "probe in the
middle"); defaults as in the controller that TensorRT-LLM ships for it. Its steps:

1. Generate thinking in pieces of `every` tokens (64).
2. At the beginning of each piece, beside it, ask for the answer: the text so far, a phrase that
   announces the final answer, and an open box.
3. The probe may have `probe_tokens` (20); its answer is what stands before the box is closed.
4. A probe is unsure if it holds a word of doubt ("wait", "hold", "but", "okay", "no", "hmm").
5. If the last `agreeing` (3) probes are sure, not empty, and agree, the thinking is ended and
   their answer is the answer: no further token is generated.
6. Otherwise the piece is appended and all begins again; thinking that ends by itself ends it.
7. Probes leave no trace in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Annotated

from ...core import THINK, AtLeast, Card, Context, Outcome, Problem, Trace, Within, declared
from ...core.cards import roles
from ..prompts import PromptFile
from ..registry import method
from .steering import SteeredReply

PROMPTS = PromptFile(__file__, probe=(), final=())
CARD = Card(
    name="dynasor",
    title="Dynasor: thinking ends when probes keep giving the same answer",
    paper="arXiv:2412.20993",
    what="sequential",
    stimulation="decode",
    verification="agreement",
    verification_use=("stop",),
    knob="agreeing",
    stops="so many probes in a row give the same answer",
    needs={"main": roles.answers("text", "prefix")},
    files=("prompts",),
    status="reconstruction",
    deviations=(
        "Words of doubt are looked for as whole words; the released controller finds no in another.",
        "A probe ends at a closing brace that no brace in it has opened, or at its limit, which leaves none.",
        "Answers agree by the problem's own rule.",
        "Scheduling among programs, the other half of the paper, is not part of a method.",
    ),
    aliases=("certaindex",),
    streams=False,
)


@declared
class Config:
    """How often the model is asked, and how often it must agree with itself.

    Attributes:
        agreeing: probes in a row that end the thinking (3).
        every: tokens between two probes (64; the paper tries 32 to 320).
        probe_tokens: of a probe (20).
        doubt: words that make a probe unsure.
        max_tokens: of thinking and answer; None means no limit (8,192 there).
        opening: how thinking begins; "" if the chat template writes it.
        temperature, top_p: of both (0.6 and 0.95); None is the model's own.
        prompts: file of templates, or a set; see `methods/prompts.py`. templates: single ones.
    """

    agreeing: Annotated[int, AtLeast(1)] = 3
    every: Annotated[int, AtLeast(1)] = 64
    probe_tokens: Annotated[int, AtLeast(1)] = 20
    doubt: tuple[str, ...] = ("wait", "hold", "but", "okay", "no", "hmm")
    max_tokens: Annotated[int, AtLeast(1)] | None = None
    opening: str = f"{THINK.opening}\n"
    temperature: Annotated[float, Within(0, 100)] | None = 0.6
    top_p: Annotated[float, Within(0, 1)] | None = 0.95
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)


@method(card=CARD)
async def dynasor(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Think piece by piece until the probes agree."""
    say, reply = PROMPTS.chosen(cfg, ctx), SteeredReply(problem.prompt, cfg.opening)
    probes, used = list[str | None](), 0

    async def probe(branch: Context) -> Trace:
        return await branch.sample(
            problem.prompt.then(reply.text.rstrip() + say("probe", problem).prefix),
            part="calibration",
            max_tokens=cfg.probe_tokens,
            temperature=cfg.temperature,
            top_p=cfg.top_p,
        )

    while True:
        open_thinking = not THINK.closed(reply.text)
        left = None if cfg.max_tokens is None else cfg.max_tokens - used
        limits = [n for n in (left, cfg.every if open_thinking else None) if n is not None]
        size = min(limits, default=None)
        async with ctx.group() as group:
            probing = group.start(probe) if open_thinking else None
            part = await reply.extend(ctx, max_tokens=size, temperature=cfg.temperature, top_p=cfg.top_p)
        used += part.tokens
        extra = {"thinking_tokens": used, "probes": probes}
        if probing is not None:
            trial = probing.task.result()
            probes.append(answer_of(trial, cfg.doubt))
            if agree(problem, probes, cfg.agreeing):
                reply.parts.append(trial)
                reply.append(f"{say('final', problem).prefix}{probes[-1]}}}", gap="")
                whole = reply.whole()
                whole.finish = "stop"
                return Outcome(problem.answer(whole), whole, "agreement", extra)
        full = size is None or part.tokens < size  # the model's own limit, not this piece's
        if part.finish != "length" or full or used == cfg.max_tokens:
            break
    whole = reply.whole()
    stopped_by = "thinking_ended" if part.finish == "stop" else part.finish
    return Outcome(problem.answer(whole), whole, stopped_by, extra)


def agree(problem: Problem, probes: Sequence[str | None], count: int) -> bool:
    """Whether the last `count` probes gave answers, and the same."""
    first, *others = probes[-count:] if len(probes) >= count else [None]
    return first is not None and all(
        other is not None and problem.rule.same(first, other) for other in others
    )


def answer_of(trial: Trace, doubt: Sequence[str]) -> str | None:
    """What a probe says before its box is closed; None if that is nothing, or it doubts."""
    if trial.finish not in ("stop", "length") or any(
        re.search(rf"\b{re.escape(word)}\b", trial.text, re.IGNORECASE) for word in doubt
    ):
        return None
    depth = 0
    for at, character in enumerate(trial.text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return trial.text[:at].strip() or None
    return None
