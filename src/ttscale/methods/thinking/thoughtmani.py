"""ThoughtMani: another, smaller model's key points stand where a reasoner would have thought.

Thought Manipulation, arXiv:2504.13626. A model that does not reason writes the key points of a problem and a
mark; they are put between the reasoner's thinking tags, and it goes on with its answer. Where the smaller
model feels unable it writes the mark at once, and the reasoner is asked as if nothing had been tried. A
reasoner may open its thinking again (those trained by reinforcement often do, distilled ones seldom), and
one that does not follows wrong key points blindly.

With T tokens of own thinking, R of thinking again and G of the generator, T - R - G tokens are saved; at
prices, G counts rho = price of a generator's token / price of a reasoner's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from ...answers import last_boxed, reply_of
from ...core import THINK, AtLeast, Card, Context, Outcome, Problem, Trace, Within, declared
from ...core.cards import roles
from ..prompts import PromptFile
from ..registry import method
from .steering import SteeredReply

PROMPTS = PromptFile(__file__, key_points=("mark",), solution=("mark",), concise=())
CARD = Card(
    name="thoughtmani",
    title="ThoughtMani: a smaller model's key points stand in for the thinking",
    paper="arXiv:2504.13626",
    what="sequential",
    stimulation="mixture",
    verification="process",
    verification_source="self-evaluation",
    verification_use=("stop",),
    knob="thought_tokens",
    stops="the answer's end",
    needs={"main": roles.answers("text", "prefix"), "generator": roles.plans("text")},
    files=("prompts",),
    status="reconstruction",
    deviations=(
        "The prompts are in our words, and the limit of the external thought is ours.",
        "A thought that reaches its limit without the mark, or holds a boxed answer, is treated like an "
        "empty one (inferred; gate=mark takes it as it is).",
        "Thinking that is opened again is told by its tag.",
        "Own thinking that is cut at half its length is paid for in full: the length is not known before.",
    ),
    aliases=("thought-manipulation",),
    streams=True,
)
Thought = Literal["key-points", "solution", "empty", "half", "concise"]
MARK = "<STOP>"


@declared
class Config:
    """What stands in for the thinking.

    Attributes:
        thought: "key-points" of the generator (the method), or what it is compared with: its whole
            "solution", an "empty" one, the first "half" of the reasoner's own, or a "concise" instruction.
        gate: what counts as no thought: "strict" an empty one, one without its mark at the limit, and
            one that gives an answer; "mark" an empty one only; "off" nothing.
        thought_tokens: of the external thought (512, ours; 7 to 209 were seen); None means no limit.
        max_tokens: of the reasoner's reply (20,000; 30,000 on AIME); None means no limit.
        temperature, top_p: of both (0.7 and 0.95).
        mark: what the generator writes at the end.
        opening, closing: what the reasoner's chat template puts around finished thinking. Where the template
            has opened it, opening is "". For harmony on raw prompts:
            "<|channel|>analysis<|message|>" and "<|end|><|start|>assistant<|channel|>final<|message|>".
        prompts: file of templates, or a set; see `methods/prompts.py`. templates: single ones.
    """

    thought: Thought = "key-points"
    gate: Literal["strict", "mark", "off"] = "strict"
    thought_tokens: Annotated[int, AtLeast(1)] | None = 512
    max_tokens: Annotated[int, AtLeast(1)] | None = None
    temperature: Annotated[float, Within(0, 100)] | None = 0.7
    top_p: Annotated[float, Within(0, 1)] | None = 0.95
    mark: str = MARK
    opening: str = f"{THINK.opening}\n"
    closing: str = f"\n{THINK.closing}\n\n"
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)


@method(card=CARD)
async def thoughtmani(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Get a thought from elsewhere, put it in place of the reasoner's own, and let it answer."""
    taste: dict[str, Any] = {"temperature": cfg.temperature, "top_p": cfg.top_p}
    extra: dict[str, Any] = {"fallback": ""}
    thought: str | None = None  # no other than the reasoner's own
    source = problem.prompt
    if cfg.thought in ("key-points", "solution"):
        given = await _external(problem, ctx, cfg)
        thought, reason = gated(given, cfg)
        extra |= {"fallback": reason, "generator_tokens": given.tokens}
    elif cfg.thought == "empty":
        thought = ""
    elif cfg.thought == "half":
        own = await ctx.sample(problem.prompt, part="step", max_tokens=cfg.max_tokens, **taste)
        thought = first_half(own)
        extra["own_tokens"] = own.tokens
    else:
        source = PROMPTS.chosen(cfg, ctx)("concise", problem)

    reply = SteeredReply(source)
    if thought is not None:
        reply.text = cfg.opening + thought + cfg.closing
    part = await reply.extend(ctx, max_tokens=cfg.max_tokens, **taste)
    whole = reply.whole()
    again = 0 if thought is None else rethinking(part, cfg)
    extra |= {"thought": thought, "rethinking": again > 0, "rethinking_tokens": again}
    return Outcome(problem.answer(whole), whole, "answered" if part.finish == "stop" else part.finish, extra)


async def _external(problem: Problem, ctx: Context, cfg: Config) -> Trace:
    name = "key_points" if cfg.thought == "key-points" else "solution"
    prompt = PROMPTS.chosen(cfg, ctx, "generator")(name, problem, mark=cfg.mark)
    return await ctx.sample(
        prompt,
        "generator",
        part="plan",
        max_tokens=cfg.thought_tokens,
        temperature=cfg.temperature,
        top_p=cfg.top_p,
    )


def gated(given: Trace, cfg: Config) -> tuple[str | None, str]:
    """(the thought without its mark, "") or (None, why there is none)."""
    if given.finish not in ("stop", "length"):
        return None, "failed"
    before, mark, _ = reply_of(given).partition(cfg.mark)
    thought = before.strip()
    if cfg.gate == "off":
        return thought, ""
    if not thought:
        return None, "empty"
    if cfg.gate == "strict" and cfg.thought == "key-points" and last_boxed(thought) is not None:
        return None, "gives an answer"
    if cfg.gate == "strict" and given.finish == "length" and not mark:
        return None, "too long"
    return thought, ""


def first_half(own: Trace) -> str | None:
    """The first half of a reasoner's own thinking, in characters, to the last whole word; None if it has
    failed or not thought."""
    thinking = own.thinking
    if own.finish not in ("stop", "length") or not thinking:
        return None
    return thinking[: len(thinking) // 2].rsplit(None, 1)[0]


def rethinking(part: Trace, cfg: Config) -> int:
    """Tokens that a reply begins with because its thinking was opened again, up to the last tag that closes
    it; all if none does, 0 if it never was. Without the tokens' ends, by the share of characters."""
    opening, closing = (cfg.opening.strip() or THINK.opening), cfg.closing.strip()
    text = part.text
    if opening not in text and closing not in text:
        return 0
    closed = text.rfind(closing)
    until = len(text) if closed < 0 else closed + len(closing)
    if part.ends is not None:
        return min(part.tokens, bisect_left(part.ends, until) + 1)
    return round(part.tokens * until / len(text))
