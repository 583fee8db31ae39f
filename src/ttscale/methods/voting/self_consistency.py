"""Self-consistency: the plurality of n independent samples.

Wang et al., arXiv:2203.11171. Draw n samples, extract and group their answers, return the largest
group. With two answers P(correct) = P(Bin(n, p) > n/2) + P(Bin(n, p) = n/2) / 2.
"""

from __future__ import annotations

from typing import Annotated

from ...core import AtLeast, Card, Context, Outcome, Problem, Tie, Trace, Votes, declared
from ..registry import method

CARD = Card(
    name="self-consistency",
    title="Self-consistency: majority vote",
    paper="arXiv:2203.11171",
    what="parallel",
    stimulation="self-repetition",
    verification="agreement",
    verification_use=("select",),
    aggregation="vote",
    knob="n",
    draws="n",
    stops="n samples",
    deviations=("Samples are drawn at the model's own temperature; the paper sets 0.7.",),
    aliases=("sc", "vote", "majority"),
)


@declared
class Config:
    """n: samples; 8 is ours, the paper draws 40. tie: which of equal groups wins."""

    n: Annotated[int, AtLeast(1)] = 8
    tie: Tie = "first"


@method(card=CARD)
async def self_consistency(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Vote over n samples; samples without an answer abstain."""

    def choose(traces: list[Trace]) -> Outcome:
        votes = Votes.of(problem, traces, tie=cfg.tie)
        return Outcome(votes.top(), votes.winner(), "n_samples", {"votes": votes.counts})

    ctx.offer_among(choose)
    return choose(await ctx.sample_all(problem.prompt, cfg.n))
