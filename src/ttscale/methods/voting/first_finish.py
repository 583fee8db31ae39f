"""First Finish Search and its relatives: how soon a race of samples may be decided.

FFS, arXiv:2505.18149: start n samples, take the first that finishes, cancel the rest. FFS-k@n and
LFS-k@n, arXiv:2512.02008: vote on the first k (on the k longest) to finish. FFS-1 is FFS, and both
with k = n are the majority vote.

A trace without a parsable answer has not finished: an empty or runaway sample cannot win. With
fewer than k answers, all samples run to their end and those that answered vote.
"""

from __future__ import annotations

from typing import Annotated, Literal

from ...core import AtLeast, Card, Context, Outcome, Problem, Tie, Trace, Votes, Within, declared
from ..registry import method

FFS = Card(
    name="ffs",
    title="First Finish Search, FFS-k@n",
    paper="arXiv:2505.18149",
    what="parallel",
    stimulation="self-repetition",
    verification="length",
    verification_use=("select",),
    aggregation="first",
    knob="n",
    draws="n",
    stops="k samples have finished with an answer",
    deviations=(
        "Samples without a parsable answer do not finish the race (the released evaluation's "
        "convention; valid_only=false counts them).",
        "Ties in length go to the sample started first.",
    ),
    aliases=("first-finish",),
)
LFS = Card(
    name="lfs",
    title="Last Finish Search, LFS-k@n",
    paper="arXiv:2512.02008",
    what="parallel",
    stimulation="self-repetition",
    verification="length",
    verification_use=("select",),
    aggregation="vote",
    knob="n",
    draws="n",
    stops="n samples",
    aliases=("last-finish",),
)


@declared
class Config:
    """How many race and how many decide.

    Attributes:
        n: samples started (8 in arXiv:2512.02008).
        k: finished samples that vote; 1 is plain FFS.
        mode: "async" decides by arrival, on workers of any speed. "sync" decides by length, as one
            batch advancing in lockstep would: a sample that is shorter but slower still wins.
        valid_only: only samples with a parsable answer count as finished.
        tie: which of equally voted answers wins (the released evaluation: the shortest trace).
    """

    n: Annotated[int, AtLeast(1)] = 8
    k: Annotated[int, AtLeast(1)] = 1
    mode: Literal["async", "sync"] = "async"
    valid_only: bool = True
    tie: Tie = "shortest"

    def __post_init__(self) -> None:
        Within(1, self.n).check(k=self.k)


@method(card=FFS)
async def first_finish(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Vote on the first k samples to finish; the rest are cancelled."""
    finished: list[Trace] = []
    ctx.offer_among(lambda _: _vote(problem, finished[: cfg.k], cfg, "n_samples"))
    async with ctx.as_finished(problem.prompt, cfg.n) as race:
        async for trace in race:
            ended = problem.answer(trace) is not None or (not cfg.valid_only and trace.finish == "stop")
            if not ended:
                continue
            finished.append(trace)
            if len(finished) < cfg.k:
                continue
            if cfg.mode == "async":
                break
            # lockstep: no sample gets further than the k-th shortest that has finished
            finished.sort(key=lambda t: (t.tokens, t.index))
            race.cap(finished[cfg.k - 1].tokens)
    return _vote(problem, finished[: cfg.k], cfg, "k_finished")


@declared
class LastConfig:
    """n: samples started. k: the longest of them that vote. tie: as in FFS."""

    n: Annotated[int, AtLeast(1)] = 8
    k: Annotated[int, AtLeast(1)] = 4
    tie: Tie = "shortest"

    def __post_init__(self) -> None:
        Within(1, self.n).check(k=self.k)


@method(card=LFS)
async def last_finish(problem: Problem, ctx: Context, cfg: LastConfig) -> Outcome:
    """Vote on the k longest of n samples that have an answer."""

    def choose(traces: list[Trace]) -> Outcome:
        valid = [t for t in traces if problem.answer(t) is not None]
        valid.sort(key=lambda t: (t.tokens, t.index))
        return _vote(problem, valid[-cfg.k :], cfg, "n_samples")

    ctx.offer_among(choose)
    return choose(await ctx.sample_all(problem.prompt, cfg.n))


def _vote(problem: Problem, traces: list[Trace], cfg: Config | LastConfig, reached: str) -> Outcome:
    votes = Votes.of(problem, traces, tie=cfg.tie)
    stopped_by = reached if len(traces) == cfg.k or reached == "n_samples" else "n_samples"
    return Outcome(votes.top(), votes.winner(), stopped_by, {"votes": votes.counts})
