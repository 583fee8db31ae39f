"""Best-of-N: n samples, a verifier scores them, the best one or the best-scored answer wins.

Plain: argmax_i v_i. Weighted: argmax_a sum over samples with answer a of v_i (arXiv:2408.03314,
Sec. 5.1). Constant scores turn the weighted form into a majority vote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from ...core import AtLeast, Card, Context, Outcome, Problem, Role, Tie, Votes, declared
from ...core.cards import roles
from ...verifiers import verifier
from ..registry import method

CARD = Card(
    name="best-of-n",
    title="Best-of-N, plain and weighted",
    paper="arXiv:2408.03314",
    what="parallel",
    stimulation="self-repetition",
    verification="outcome",
    verification_source="reward-model",
    verification_use=("select", "weight"),
    aggregation="best-of-n",
    knob="n",
    draws="n",
    stops="n samples",
    needs={"main": roles.answers("text"), "prm": roles.judges("reward")},
    deviations=(
        "With verifier=oracle it is the upper bound pass@n, not a method.",
        "A sample without an answer is not judged and cannot win.",
    ),
    aliases=("bon",),
)


@declared
class Config:
    """n: samples. verifier: who scores. weighted: sum scores per answer. tie: between equals."""

    n: Annotated[int, AtLeast(1)] = 8
    verifier: str = "prm"
    weighted: bool = False
    tie: Tie = "first"

    def __post_init__(self) -> None:
        verifier(self.verifier)

    def needs(self) -> Mapping[str, Role]:
        return {"main": roles.answers("text"), **verifier(self.verifier).needs}


@method(card=CARD)
async def best_of_n(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Score the samples that have an answer and pick; without any, there is no answer."""
    judge = verifier(cfg.verifier)
    traces = await ctx.sample_all(problem.prompt, cfg.n, **judge.sampling)
    finished = [t for t in traces if problem.answer(t) is not None]
    if not finished:
        return Outcome(None, stopped_by="n_samples")
    agreed = Votes.of(problem, finished, tie=cfg.tie)
    ctx.offer(agreed.top(), agreed.winner())  # all there is until they are judged
    scores = await judge(ctx, problem, finished)
    votes = Votes.of(problem, finished, scores, cfg.tie)
    order = sorted(range(len(finished)), key=lambda i: -scores[i])  # stable: first of equals
    best = finished[order[0]]
    if not cfg.weighted:
        return Outcome(problem.answer(best), best, "n_samples", {"scores": scores})
    answer = votes.top()
    ballot = votes.leader()
    winner = next(t for t in (finished[i] for i in order) if ballot and t in ballot.traces)
    return Outcome(answer, winner, "n_samples", {"scores": scores})
