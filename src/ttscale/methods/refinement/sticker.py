"""Sticker-TTS: what an attempt has found is carried on as a short list, corrected on the way.

arXiv:2509.05007. A sticker is a numbered list of conditions and the question in one line. In K chains side by
side, with extractor E, modifier M and utiliser U,

    y_0 = a plain sample
    s_t = E(q, y_t),  s'_t = M(q, s_t),  y_(t+1) = U(q, s'_t)        for t < R
    the answer is the plurality of the chains' last answers

U never sees an attempt, only the sticker. A sticker that cannot be read is asked for once more; then the one
before stands, and without any the question is asked plainly. R = 0 is self-consistency of K samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from ...answers import reply_of
from ...core import AtLeast, Card, Context, Outcome, Problem, Trace, Votes, declared
from ...core.cards import roles
from ..parsing import numbered, sections
from ..prompts import PromptFile, Prompts
from ..registry import method
from .revision import shown

PROMPTS = PromptFile(
    __file__, extract=("attempt",), modify=("sticker",), utilize=("sticker",), sticker=("conditions", "goal")
)
TRIES = 2
TEXT = roles.answers("text")

CARD = Card(
    name="sticker",
    title="Sticker-TTS: attempts distilled into stickers, corrected, and used again",
    paper="arXiv:2509.05007",
    what="hybrid",
    stimulation="mixture",
    verification="agreement",
    aggregation="vote",
    domain=("math",),
    knob="rounds",
    stops="all rounds are taken",
    needs={"main": TEXT, "extractor": TEXT, "modifier": TEXT},
    files=("prompts",),
    status="reconstruction",
    deviations=(
        "The three roles are trained in the paper; here any model plays them, or three.",
        "The prompts of modifier and utiliser are ours; they were not to be had.",
        "Rounds, aggregation and what happens to a sticker that cannot be read are inferred.",
    ),
    aliases=("sticker-tts",),
)


@declared
class Config:
    """How often, and what is counted.

    Attributes:
        rounds: R (3, inferred).
        chains: K.
        aggregate: the plurality of the chains' last answers, or of the answers of all rounds.
        agree: end a chain once two answers in a row agree.
        sticker_tokens: of every sticker, at most (512, inferred).
        max_tokens: of every solution; None means no limit.
        thinking: show the extractor an attempt's thinking too.
        prompts: file of the words it uses, or the name of a set ("auto", "paper", "tiny").
        templates: single ones in their place; see `methods/prompts.py`.
    """

    rounds: Annotated[int, AtLeast(0)] = 3
    chains: Annotated[int, AtLeast(1)] = 1
    aggregate: Literal["last", "all"] = "last"
    agree: bool = False
    sticker_tokens: Annotated[int, AtLeast(1)] = 512
    max_tokens: Annotated[int, AtLeast(1)] | None = None
    thinking: bool = False
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)


@dataclass(frozen=True, slots=True)
class Sticker:
    """What an attempt leaves: conditions, which may be none, and what is asked."""

    conditions: tuple[str, ...]
    goal: str


@method(card=CARD)
async def sticker(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Attempt, distil, correct and try again in every chain, and vote."""
    taken: list[list[Trace]] = [[] for _ in range(cfg.chains)]
    fallbacks: Counter[str] = Counter()

    async def grow(branch: Context, chain: list[Trace]) -> None:
        carried: Sticker | None = None
        chain.append(await branch.sample(problem.prompt, max_tokens=cfg.max_tokens))
        for _ in range(cfg.rounds):
            votes = _votes(problem, taken, "all")
            branch.offer(votes.top(), votes.winner())
            if cfg.agree and _agreed(problem, chain):
                return
            carried = await _distilled(problem, branch, cfg, chain[-1], carried, fallbacks)
            chain.append(await _used(problem, branch, cfg, carried))

    await ctx.map(grow, taken)
    votes = _votes(problem, taken, cfg.aggregate)
    answers = [[problem.answer(trace) for trace in chain] for chain in taken]
    return Outcome(
        votes.top(), votes.winner(), "all_rounds", {"answers": answers, "fallbacks": dict(fallbacks)}
    )


async def _distilled(
    problem: Problem,
    ctx: Context,
    cfg: Config,
    attempt: Trace,
    carried: Sticker | None,
    fallbacks: Counter[str],
) -> Sticker | None:
    """The corrected sticker of an attempt; the one that was carried before if none can be read, and the
    uncorrected one if its correction cannot."""
    extracted = None
    if text := shown(attempt, cfg.thinking):
        extracted = await _requested(problem, ctx, cfg, "extract", text)
    if extracted is None:
        fallbacks["extract"] += 1
        extracted = carried
    if extracted is None:
        return None
    modified = await _requested(
        problem, ctx, cfg, "modify", _written(problem, PROMPTS.chosen(cfg, ctx, "modifier"), extracted)
    )
    if modified is None:
        fallbacks["modify"] += 1
    return modified or extracted


async def _requested(
    problem: Problem, ctx: Context, cfg: Config, what: Literal["extract", "modify"], text: str
) -> Sticker | None:
    """The sticker that an extractor makes of an attempt, or a modifier of a sticker; None if it can be read
    in no try."""
    role, place = ("extractor", "attempt") if what == "extract" else ("modifier", "sticker")
    prompt = PROMPTS.chosen(cfg, ctx, role)(what, problem, **{place: text})
    for _ in range(TRIES):
        reply = await ctx.sample(prompt, role, part="reflection", max_tokens=cfg.sticker_tokens)
        if (found := read(reply_of(reply) if reply.finish == "stop" else "")) is not None:
            return found
    return None


async def _used(problem: Problem, ctx: Context, cfg: Config, carried: Sticker | None) -> Trace:
    """The next solution: with the sticker as hints, or plainly where there is none."""
    prompt = problem.prompt
    if carried is not None:
        say = PROMPTS.chosen(cfg, ctx)
        prompt = say("utilize", problem, sticker=_written(problem, say, carried))
    return await ctx.sample(prompt, max_tokens=cfg.max_tokens)


def read(reply: str) -> Sticker | None:
    """The sticker in a reply: a list, under its heading or not, and the question; None without one."""
    found = sections(f"Conditions:\n{reply}", ("Conditions", "Question"))
    if found is None:
        return None
    conditions = (" ".join(entry.split()) for entry in numbered(found["Conditions"]))
    return Sticker(tuple(conditions), found["Question"])


def _written(problem: Problem, say: Prompts, given: Sticker) -> str:
    """A sticker as a role is shown it."""
    listed = "\n".join(f"{number}. {text}" for number, text in enumerate(given.conditions, 1))
    return say.text("sticker", problem, conditions=listed, goal=given.goal)


def _votes(problem: Problem, chains: list[list[Trace]], counted: Literal["last", "all"]) -> Votes:
    return Votes.of(problem, (t for chain in chains for t in (chain if counted == "all" else chain[-1:])))


def _agreed(problem: Problem, chain: list[Trace]) -> bool:
    """Whether the last two solutions have the same answer."""
    answers = [problem.answer(trace) for trace in chain[-2:]]
    first, last = answers[0], answers[-1]
    return len(answers) == 2 and first is not None and last is not None and problem.rule.same(first, last)
