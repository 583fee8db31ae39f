"""Beam search and diverse verifier tree search (DVTS) over reasoning steps.

Snell et al., arXiv:2408.03314, Sec. 5.2, and the open re-implementation search-and-learn, whose
defaults these are. *Beam search*: extend n beams by one step, score them, keep the best n // M,
copy them up to n. *Lookahead*: a beam is scored where a greedy rollout of k more steps ends, which
makes k + 1 steps of every one; k = 0 is beam search. *DVTS*: n // M independent subtrees; each
extends its beam M ways and keeps the best. Finished beams leave the pool and are candidates at the
end.

Symbols: n = beams, M = width, k = lookahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from ...core import AtLeast, Card, Context, NotEmpty, Outcome, Problem, Role, UsageError, Within, declared
from ...core.cards import roles
from ...verifiers import Verifier, verifier
from ..registry import method
from .steps import Beam, Select, conclude, extend

NEEDS = {"main": roles.answers("text", "prefix"), "prm": roles.judges("reward")}

BEAM = Card(
    name="beam-search",
    title="Beam search with a verifier",
    paper="arXiv:2408.03314",
    what="hybrid",
    stimulation="self-repetition",
    verification="process",
    verification_source="reward-model",
    verification_use=("search", "weight"),
    search="beam",
    aggregation="best-of-n",
    knob="n",
    stops="all beams have ended, or `iterations` steps",
    needs=NEEDS,
    deviations=("Finished beams keep their place among the candidates (inferred).",),
    aliases=("beam",),
)
DVTS = Card(
    name="dvts",
    title="Diverse verifier tree search",
    paper="search-and-learn (Hugging Face, 2024)",
    what="hybrid",
    stimulation="self-repetition",
    verification="process",
    verification_source="reward-model",
    verification_use=("search", "weight"),
    search="tree",
    aggregation="best-of-n",
    knob="n",
    stops="all subtrees have ended, or `iterations` steps",
    needs=NEEDS,
    deviations=("Subtrees advance on their own, not in rounds: same result, shorter chains.",),
)


@declared
class Config:
    """The search.

    Attributes:
        n: beams (4 as released).
        width: M, ways each kept beam is extended (4 as released).
        iterations: steps at most; the last one decodes to the end (40).
        separator: what ends a step (a blank line).
        temperature: of the steps (0.8); None is the model's own.
        verifier: who scores beginnings.
        select: among the finished: best score, weighted vote, or plain vote.
        unique: drop beams whose text another one has before copying.
        lookahead: k, steps of a greedy rollout at whose end a beam is scored (0; the paper's 1 and 3
            were worst at equal budget).
    """

    n: Annotated[int, AtLeast(1)] = 4
    width: Annotated[int, AtLeast(1)] = 4
    iterations: Annotated[int, AtLeast(1)] = 40
    separator: Annotated[str, NotEmpty()] = "\n\n"
    temperature: Annotated[float, Within(0, 100)] | None = 0.8
    verifier: str = "prm"
    select: Select = "weighted"
    unique: bool = False
    lookahead: Annotated[int, AtLeast(0)] = 0

    def __post_init__(self) -> None:
        Within(1, self.n).check(width=self.width)
        if self.n % self.width:
            raise UsageError(
                f"n={self.n} is not a multiple of width={self.width}", fix="keep n // width whole"
            )
        if not verifier(self.verifier).partial:
            raise UsageError(
                f"verifier {self.verifier!r} cannot judge the beginning of a solution", fix="use prm or judge"
            )

    def needs(self) -> Mapping[str, Role]:
        return {"main": NEEDS["main"], **verifier(self.verifier).needs}


@method(card=BEAM)
async def beam_search(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Search with one pool of n beams."""
    judge = verifier(cfg.verifier)
    beams, ended = [Beam() for _ in range(cfg.n)], list[Beam]()
    for iteration in range(cfg.iterations):
        beams = await _step(ctx, problem, beams, cfg, judge, iteration)
        ended += [b for b in beams if b.ended]
        active = sorted((b for b in beams if not b.ended), key=lambda b: -b.score)
        if not active:
            break
        if cfg.unique:
            active = list({b.text: b for b in reversed(active)}.values())[::-1]
        kept = active[: cfg.n // cfg.width]
        beams = [kept[i % len(kept)] for i in range(cfg.n)]
        _offer(ctx, problem, ended, cfg)
    return conclude(problem, ended, cfg.select, "all_ended")


@method(card=DVTS)
async def dvts(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Search n // width subtrees side by side, each keeping the best of its extensions."""
    judge, ended = verifier(cfg.verifier), list[Beam]()

    async def subtree(branch: Context, number: int) -> Beam:
        beam = Beam()
        for iteration in range(cfg.iterations):
            grown = await _step(branch, problem, [beam] * cfg.width, cfg, judge, iteration)
            beam = max(grown, key=lambda b: b.score)
            if beam.ended:
                break
        ended.append(beam)
        _offer(ctx, problem, ended, cfg)
        return beam

    beams = await ctx.map(subtree, range(cfg.n // cfg.width))
    return conclude(problem, beams, cfg.select, "all_ended")


async def _step(
    ctx: Context, problem: Problem, beams: list[Beam], cfg: Config, judge: Verifier, iteration: int
) -> list[Beam]:
    """Extend and score."""
    last = iteration == cfg.iterations - 1
    grown = await extend(
        ctx, problem, beams, separator=cfg.separator, temperature=cfg.temperature, to_the_end=last
    )
    ahead = await _rolled_out(ctx, problem, grown, cfg)
    scores = await judge(ctx, problem, [beam.whole() for beam in ahead])
    for beam, score in zip(grown, scores, strict=True):
        beam.score = score
    return grown


async def _rolled_out(ctx: Context, problem: Problem, beams: Sequence[Beam], cfg: Config) -> list[Beam]:
    """Where greedy rollouts of the beams stand after cfg.lookahead steps; they serve the scores
    only. A beam that has ended stays where it is."""
    ahead = list(beams)
    for _ in range(cfg.lookahead):
        going = [i for i, beam in enumerate(ahead) if not beam.ended]
        further = await extend(
            ctx,
            problem,
            [ahead[i] for i in going],
            separator=cfg.separator,
            temperature=0.0,
            to_the_end=False,
            part="rollout",
        )
        for i, beam in zip(going, further, strict=True):
            ahead[i] = beam
    return ahead


def _offer(ctx: Context, problem: Problem, ended: list[Beam], cfg: Config) -> None:
    if ended:
        best = conclude(problem, ended, cfg.select, "")
        ctx.offer(best.answer, best.winner)
