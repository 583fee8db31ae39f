"""3D scaling: context x batch x turn.

arXiv:2511.15738. T turns of B candidates of C tokens each; after every turn an aggregator picks the
best candidate, the model reflects on it, and both are shown to the next turn. T = 1 is batch
scaling, B = 1 self-refinement, both 1 plain decoding.

With u the chance that a candidate of a turn is right and j the chance that a judge finds a right
one where there is one, the pick is right with probability
    sum over k of Binomial(k; B, u) * (1 if k = B, 0 if k = 0, else j + (1 - j) k / B).

Symbols: C = context, B = batch, T = turns, g = aggregator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from ...answers import reply_of
from ...core import AtLeast, Card, Context, Outcome, Problem, Role, Trace, declared
from ...core.cards import roles
from ...verifiers import verifier
from ..registry import method
from .knockout import agreed, knockout, vote
from .revision import Carry, Turn, next_prompt, reflect

TEXT = roles.answers("text")
CARD = Card(
    name="three-d",
    title="3D scaling: context x batch x turn",
    paper="arXiv:2511.15738",
    what="hybrid",
    stimulation="prompt",
    verification="agreement",
    verification_use=("select",),
    aggregation="selection",
    knob="batch",
    stops="all turns are taken, or a turn's candidates agree (stop_agreed)",
    needs={"main": TEXT},
    status="reconstruction",
    deviations=(
        "Prompts, the bounded summary (latest best and reflection) and its optional stop are "
        "inferred: neither prompts nor grids are public.",
        "The answer is the best over all turns, because turns lose right answers; the paper takes "
        "the last turn's (select=last).",
        "The judge sees the candidates shuffled, twice; if it disagrees with itself, or names "
        "none, the vote decides. It is not asked where all candidates agree.",
        "What the reflection is told to avoid is the first candidate that answers otherwise, not one "
        "drawn at random.",
        "Judging, reflection and growing prompts are metered; the paper's budget C*B*T counts none of them.",
        "The context limit cuts a whole reply, not only its thinking.",
        "The human aggregator and the embodied variant are left out.",
    ),
    aliases=("3d",),
)


@declared
class Config:
    """The three axes; the paper's grids are not public, the numbers are ours.

    Attributes:
        context: C, tokens of a candidate; None is the model's own limit.
        batch: B, candidates per turn.
        turns: T.
        aggregator: g: "vote", "judge" (a model names the best), or a verifier's name.
        carry: what a turn sees of the one before; reflection is the paper's.
        select: best over "all" turns, or of the "last" one, as the paper.
        negative: show a rejected candidate to the reflection as what to avoid (the paper's).
        judgements: how often the judge is asked, each time in another order; all must agree.
        judge_at_once: candidates a judge compares; more are judged as a knockout.
        stop_agreed: end when all candidates of a turn agree.
        reflection_tokens: of every reflection; None means no limit.
        thinking: show solutions with their thinking, not only their reply.
    """

    context: Annotated[int, AtLeast(1)] | None = None
    batch: Annotated[int, AtLeast(1)] = 4
    turns: Annotated[int, AtLeast(1)] = 2
    aggregator: str = "vote"
    carry: Carry = "reflection"
    select: Literal["all", "last"] = "all"
    negative: bool = True
    judgements: Annotated[int, AtLeast(1)] = 2
    judge_at_once: Annotated[int, AtLeast(2)] = 8
    stop_agreed: bool = False
    reflection_tokens: Annotated[int, AtLeast(1)] | None = None
    thinking: bool = False

    def __post_init__(self) -> None:
        if self.aggregator not in ("vote", "judge"):
            verifier(self.aggregator)

    def needs(self) -> Mapping[str, Role]:
        if self.aggregator == "vote":
            return {"main": TEXT}
        if self.aggregator == "judge":
            return {"main": TEXT, "judge": roles.judges("text")}
        return {"main": TEXT, **verifier(self.aggregator).needs}


@method(card=CARD)
async def three_d(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """T turns of B candidates, the best of each carried to the next."""
    prompt, candidates, picked = problem.prompt, list[Trace](), list[Trace]()
    reflected, stopped_by = 0, "all_turns"
    for number in range(cfg.turns):
        batch = await ctx.sample_all(prompt, cfg.batch, max_tokens=cfg.context)
        candidates += batch
        best = await aggregate(problem, ctx, batch, cfg, number)
        if best is None:
            stopped_by = "no_candidate"
            break
        picked.append(best)
        _offer(problem, ctx, picked)
        if cfg.stop_agreed and agreed(problem, batch):
            stopped_by = "agreed"
            break
        if number < cfg.turns - 1:
            notes = ""
            if cfg.carry == "reflection":
                rejected = _rejected(problem, batch, best) if cfg.negative else None
                reflection = await reflect(
                    problem, ctx, best, rejected, thinking=cfg.thinking, max_tokens=cfg.reflection_tokens
                )
                notes, reflected = reply_of(reflection).strip(), reflected + reflection.tokens
            turn = Turn(best, problem.answer(best), notes)
            prompt = next_prompt(problem, turn, cfg.carry, cfg.thinking)
    winner = await _conclude(problem, ctx, candidates, picked, cfg)
    extra = {
        "answers": [problem.answer(t) for t in picked],
        "solver_tokens": sum(t.tokens for t in candidates),
        "reflection_tokens": reflected,
        "most": cfg.context * cfg.batch * cfg.turns if cfg.context else None,  # the paper's budget
    }
    answer = None if winner is None else problem.answer(winner)
    return Outcome(answer, None if answer is None else winner, stopped_by, extra)


async def _conclude(
    problem: Problem, ctx: Context, candidates: list[Trace], picked: list[Trace], cfg: Config
) -> Trace | None:
    """The answer's trace: the aggregator's choice over all turns, or the last turn's."""
    if not picked or cfg.select == "last" or len(picked) == 1:
        return picked[-1] if picked else None
    among = candidates if cfg.aggregator == "vote" else picked
    return await aggregate(problem, ctx, among, cfg, cfg.turns)


async def aggregate(
    problem: Problem, ctx: Context, batch: Sequence[Trace], cfg: Config, turn: int
) -> Trace | None:
    """The best candidate. Where none has an answer, the longest that ran out of space, so that its
    work is carried on; None if there is none either."""
    answered = [t for t in batch if problem.answer(t) is not None]
    if not answered:
        cut = [t for t in batch if t.finish == "length" and t.text]
        return max(cut, key=lambda t: t.tokens, default=None)
    if cfg.aggregator == "vote" or agreed(problem, answered):
        return vote(problem, answered)
    if cfg.aggregator == "judge":
        return await knockout(
            problem,
            ctx,
            answered,
            at_once=cfg.judge_at_once,
            times=cfg.judgements,
            thinking=cfg.thinking,
            key=(turn,),
        )
    scores = await verifier(cfg.aggregator)(ctx, problem, answered)
    return answered[max(range(len(answered)), key=lambda i: scores[i])]


def _rejected(problem: Problem, batch: Sequence[Trace], best: Trace) -> Trace | None:
    """A candidate that answers otherwise than the best one; None if none does."""
    right = problem.answer(best)
    for trace in batch:
        answer = problem.answer(trace)
        if answer is not None and right is not None and not problem.rule.same(answer, right):
            return trace
    return None


def _offer(problem: Problem, ctx: Context, picked: Sequence[Trace]) -> None:
    """The latest pick with an answer is the best so far."""
    for trace in reversed(picked):
        if (answer := problem.answer(trace)) is not None:
            ctx.offer(answer, trace)
            return
