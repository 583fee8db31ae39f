"""Asynchronous test-time scaling (ATTS): a small model drafts, a large one takes over at need.

arXiv:2509.15148. m chains per question grow in turns of three stages: the draft writes a segment;
the target scores that segment; if its conformal p-value is above alpha the segment is rejected and
the target goes on from there, else the draft does. Every candidate is judged on its own against a
bank of calibration scores, so that no chain waits for another.

A *conditional* bank is made of the question's own first segments, a *marginal* one of those of a
data set.

Symbols: m = chains, T = turns, K_d = draft_tokens, K_t = target_tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from ...core import AtLeast, Card, Context, Outcome, Problem, Trace, Votes, Within, declared
from ...core.cards import roles
from ..registry import method
from .conformal import BANK_FILE, Bank

NEEDS = {"draft": roles.answers("text", "prefix"), "target": roles.answers("text", "prefix", "score")}
DEVIATIONS = (
    "Chains vote; the released accuracy counts a question as right if any of its chains is.",
    "p has the +1 that makes the guarantee exact; the released percentile has not.",
    "A chain has answered when a model ended its text with an answer in it; a box in a segment "
    "that its limit cut does not end the chain, as it does in the released code, which also looks "
    "for one in what there is after the last turn: here such a chain does not vote.",
    "The bank does not grow during inference (nor does it in the released code).",
    "The question's own prompt is used, without the released system message.",
)
CONDITIONAL = Card(
    name="atts",
    title="Asynchronous test-time scaling with a draft and a target",
    paper="arXiv:2509.15148",
    what="hybrid",
    stimulation="mixture",
    verification="process",
    verification_source="likelihood",
    verification_use=("stop",),
    aggregation="vote",
    knob="chains",
    files=("bank",),
    stops="every chain has answered or used its turns",
    needs=NEEDS,
    deviations=(*DEVIATIONS, "Without a bank the question's own calibration samples are paid for."),
)
MARGINAL = Card(
    name="atts-marginal",
    title="ATTS with one calibration bank for the whole set",
    paper="arXiv:2509.15148",
    what="hybrid",
    stimulation="mixture",
    verification="process",
    verification_source="likelihood",
    verification_use=("stop",),
    aggregation="vote",
    knob="chains",
    files=("bank",),
    scope="set",
    stops="every chain has answered or used its turns",
    needs=NEEDS,
    deviations=(*DEVIATIONS, "Calibration is part of the run and booked on its questions."),
)


@declared
class Config:
    """The pipeline; defaults are the released ones unless they say otherwise.

    Attributes:
        chains: m (16).
        turns: T (15).
        draft_tokens: K_d, of a draft's segment (500).
        target_tokens: K_t, of the target's continuation (500).
        alpha: a segment whose p-value is above is rejected (0.6: about 40 percent are).
        temperature: of both models (0.8); None leaves it to them.
        calibration: first segments per question in a bank that is made on the spot (16).
        bank: file of a saved bank; "" makes one.
        joiner: put between segments (a blank line).
    """

    chains: Annotated[int, AtLeast(1)] = 16
    turns: Annotated[int, AtLeast(1)] = 15
    draft_tokens: Annotated[int, AtLeast(1)] = 500
    target_tokens: Annotated[int, AtLeast(1)] = 500
    alpha: Annotated[float, Within(0, 1)] = 0.6
    temperature: Annotated[float, Within(0, 100)] | None = 0.8
    calibration: Annotated[int, AtLeast(1)] = 16
    bank: str = ""
    joiner: str = "\n\n"

    def __post_init__(self) -> None:
        if self.bank:
            BANK_FILE.cached(self.bank).check(self.draft_tokens, self.temperature)


@method(card=CONDITIONAL)
async def atts(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Answer one question; the bank is a saved one or the question's own."""
    if cfg.bank:
        return await pipeline(problem, ctx, cfg, BANK_FILE.cached(cfg.bank))
    scores = await first_scores(problem, ctx, cfg)
    return await pipeline(problem, ctx, cfg, bank_of(scores, cfg))


@method(card=MARGINAL)
async def atts_marginal(problems: list[Problem], ctx: Context, cfg: Config) -> list[Outcome]:
    """Answer a set with one bank, a saved one or that of all its questions."""
    bank = BANK_FILE.cached(cfg.bank) if cfg.bank else await calibrate(problems, ctx, cfg)

    async def answer(branch: Context, problem: Problem) -> Outcome:
        return await pipeline(problem, branch, cfg, bank)

    return await ctx.map(answer, problems, of=lambda problem: problem)


async def calibrate(problems: Sequence[Problem], ctx: Context, cfg: Config) -> Bank:
    """The marginal bank: scores of cfg.calibration first segments of every question."""

    async def scores(branch: Context, problem: Problem) -> list[float]:
        return await first_scores(problem, branch, cfg)

    found = await ctx.map(scores, problems, of=lambda problem: problem)
    return bank_of([s for scores in found for s in scores], cfg)


async def first_scores(problem: Problem, ctx: Context, cfg: Config) -> list[float]:
    """Scores of first segments that serve calibration only; failed ones are left out."""
    parts = await ctx.sample_all(
        problem.prompt,
        cfg.calibration,
        "draft",
        part="calibration",
        max_tokens=cfg.draft_tokens,
        temperature=cfg.temperature,
    )

    async def score(branch: Context, part: Trace) -> float:
        return await plausibility(problem, branch, "", part.text)

    return await ctx.map(score, [p for p in parts if _usable(p)])


async def plausibility(problem: Problem, ctx: Context, before: str, segment: str) -> float:
    """Mean log-probability of `segment` after `before`, under the target; the history itself is
    read but not scored."""
    score = await ctx.score(problem.prompt.then(before), segment, "target")
    return float(score.logprobs.mean()) if len(score.logprobs) else 0.0


@dataclass(slots=True)
class Chain:
    """One chain: its text, the samples it is made of, and the verdicts on its segments."""

    text: str = ""
    parts: list[Trace] = field(default_factory=list)
    p_values: list[float] = field(default_factory=list)
    target_tokens: int = 0

    def add(self, part: Trace, text: str) -> None:
        self.text = text
        self.parts.append(part)

    def whole(self) -> Trace:
        """The chain as one trace; it ended as its last sample ended."""
        return Trace.joined(self.parts, self.text)


async def pipeline(problem: Problem, ctx: Context, cfg: Config, bank: Bank) -> Outcome:
    """Grow all chains, none waiting for another, and vote."""
    chains = [Chain() for _ in range(cfg.chains)]

    async def grow(branch: Context, chain: Chain) -> None:
        for _ in range(cfg.turns):
            if not await _turn(problem, branch, cfg, bank, chain):
                break
        votes = _vote(problem, chains)
        branch.offer(votes.top(), votes.winner())

    await ctx.map(grow, chains)
    votes = _vote(problem, chains)
    judged = [c.p_values for c in chains]
    turns = max(map(len, judged), default=0)
    by_turn = [[p > cfg.alpha for ps in judged for p in ps[t : t + 1]] for t in range(turns)]
    tokens = sum(p.tokens for c in chains for p in c.parts)
    extra = {
        "rejected": [sum(turn) / len(turn) for turn in by_turn],
        "target_share": sum(c.target_tokens for c in chains) / tokens if tokens else 0.0,
        "bank": len(bank.scores),
        "votes": votes.counts,
    }
    return Outcome(votes.top(), votes.winner(), "all_ended", extra)


async def _turn(problem: Problem, ctx: Context, cfg: Config, bank: Bank, chain: Chain) -> bool:
    """Draft, judge, take over; False once the chain has ended."""
    before = chain.text + cfg.joiner if chain.text else ""
    drafted = await ctx.sample(
        problem.prompt.then(before),
        "draft",
        part="step",
        max_tokens=cfg.draft_tokens,
        temperature=cfg.temperature,
    )
    chain.add(drafted, before + drafted.text if drafted.text else chain.text)
    if not _usable(drafted):
        return False
    p = bank.p_value(await plausibility(problem, ctx, before, drafted.text))
    chain.p_values.append(p)
    if p > cfg.alpha:  # worse than most: the target goes on, the segment stays
        behind = chain.text + cfg.joiner
        taken = await ctx.sample(
            problem.prompt.then(behind),
            "target",
            part="step",
            max_tokens=cfg.target_tokens,
            temperature=cfg.temperature,
        )
        chain.add(taken, behind + taken.text if taken.text else chain.text)
        chain.target_tokens += taken.tokens
        if taken.finish not in ("stop", "length"):
            return False
    if problem.answer(chain.whole()) is None:
        return True
    chain.parts[-1].part = "answer"  # the step that ends the chain
    return False


def _vote(problem: Problem, chains: Sequence[Chain]) -> Votes:
    """The vote of the chains that have answered."""
    return Votes.of(problem, [chain.whole() for chain in chains if chain.parts])


def _usable(part: Trace) -> bool:
    """Whether a draft's segment can be judged: it did not fail and is not empty."""
    return part.finish in ("stop", "length") and bool(part.text.strip())


def bank_of(scores: Sequence[float], cfg: Config) -> Bank:
    return Bank.of(scores, cfg.draft_tokens, cfg.temperature)
