"""PETS online: four samples tell how hard a question is, a table how many more it gets.

PETS, arXiv:2602.16745, the streaming setting. Draw four answers, look up the bucket of their
pattern, draw up to the bucket's budget, vote. The table comes from `fit_table` on recorded answers
to other questions, without gold answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from ...core import AtLeast, Ballot, Card, Context, Outcome, Problem, Trace, Votes, declared
from ..registry import method
from .pets_curves import WARM_UP, Kind
from .pets_table import TABLE_FILE, Table, fit_table

__all__ = ["Config", "Table", "fit_table", "labels", "pets_online"]

CARD = Card(
    name="pets-online",
    title="PETS online: a budget by the pattern of the first four answers",
    paper="arXiv:2602.16745",
    what="parallel",
    stimulation="self-repetition",
    verification="agreement",
    verification_use=("stop",),
    aggregation="vote",
    knob="max_samples",
    draws="max_samples",
    files=("table",),
    stops="the bucket's budget is spent",
    deviations=(
        "The fit enumerates exactly what the released code simulates: agreement curves for any "
        "number of answers (it does so for four only) and bucket frequencies.",
        "Samples without an answer count against the budget, with both kinds of question.",
        "A bucket that never occurred in the fit gets the average budget (inferred).",
        "A bucket budget above what a replay pool holds is cut to it.",
        "Curves are fitted up to k = 40 for open answers too; the released code takes 32, and ten "
        "answers at most.",
        "A table of kind patterns sorts open answers into the five buckets of a choice (ours).",
    ),
)


MADE_UP = ((58, 2, 2, 2), (36, 18, 6, 6), (24, 20, 12, 8))
"""Answer counts of an easy, a middling and a hard question."""


@declared
class Config:
    """Where the budgets come from.

    Attributes:
        table: file of a fitted table; "" is a table fitted on a made-up mixture of easy, middling
            and hard questions, 16 samples on average (ours): fit your own.
        max_samples: samples of one question at most, whatever the table says (64, released B_max).
    """

    table: str = ""
    max_samples: Annotated[int, AtLeast(WARM_UP)] = 64

    def __post_init__(self) -> None:
        if self.table:
            TABLE_FILE.cached(self.table)


@method(card=CARD)
async def pets_online(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Draw four, look up the budget, draw the rest, vote."""
    choice = problem.choices or hasattr(problem.rule, "letters")
    table = TABLE_FILE.cached(cfg.table) if cfg.table else made_up("choice" if choice else "open")
    votes, sampled = Votes(problem), 0
    accepted: list[Trace] = []

    async def add_samples(wanted: int) -> None:
        nonlocal sampled
        sampled += wanted
        for trace in await ctx.sample_all(problem.prompt, wanted):
            if votes.add(trace) is not None:
                accepted.append(trace)
        ctx.offer(votes.top(), votes.winner())

    def most() -> int:
        """Samples the question may still have."""
        there = ctx.samples_left(problem.prompt)
        left = cfg.max_samples - sampled
        return left if there is None else min(left, there)

    while missing := min(max(0, WARM_UP - votes.total), most()):
        await add_samples(missing)
    extra: dict[str, object] = {"bucket": None, "budget": sampled}
    if votes.total >= WARM_UP:
        number = table.bucket(labels(problem, accepted[:WARM_UP]))
        budget = min(table.budgets[number], cfg.max_samples)
        extra = {"bucket": number + 1, "budget": budget}
        if rest := min(max(0, budget - sampled), most()):
            await add_samples(rest)
    ballot = _leader(votes, table)
    answer, winner = (ballot.answer, ballot.traces[0]) if ballot else (None, None)
    return Outcome(answer, winner, "table", {**extra, "votes": votes.counts})


def labels(problem: Problem, traces: Sequence[Trace]) -> list[int | None]:
    """Answers as labels, equivalent ones alike, as `fit_table` takes them; None abstains."""
    votes, found = Votes(problem), list[int | None]()
    for trace in traces:
        answer = votes.add(trace)
        ballot = None if answer is None else votes.ballot(answer)
        found.append(None if ballot is None else votes.ballots.index(ballot))
    return found


@lru_cache(maxsize=2)
def made_up(kind: Kind) -> Table:
    """The table used where none is given."""
    pools = [[a for a, n in enumerate(counts) for _ in range(n)] for counts in MADE_UP]
    return fit_table(pools, 16, kind=kind)


def _leader(votes: Votes, table: Table) -> Ballot | None:
    """Ties go to the smallest answer in multiple choice, else to the earliest (released code)."""
    top = max((b.weight for b in votes.ballots), default=0.0)
    tied = [b for b in votes.ballots if b.weight == top]
    if table.kind == "choice":
        tied.sort(key=lambda ballot: ballot.answer)
    return tied[0] if tied else None
