"""V1: sample N solutions, find the best by comparing them in pairs.

V1-Infer of arXiv:2603.04304. The model that solves rates two of its own solutions at a time, from 1 to 10,
in a Swiss tournament of at most B = max(N, floor(b N)) calls: each candidate meets one, then two others, then
those whose values are nearest (the rules and the play are in `verifiers/ratings/`).
The answer is that of the first by (mu, mean rating). Judgements of a round are made at once, so that about
2 B / N of them follow each other, whatever N is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import partial
from typing import Annotated, Literal

from ...core import Above, AtLeast, Card, Context, Outcome, Problem, Prompt, Trace, Votes, declared
from ...core.cards import roles
from ...verifiers.ratings.pairwise import Order, compared, judgements
from ...verifiers.ratings.pointwise import rated
from ...verifiers.ratings.tournament import FLOOR, OPPONENTS, SCHEDULES, WINDOW, Schedule, Table, swiss
from ..prompts import PromptFile, Prompts
from ..refinement.revision import shown
from ..registry import method

PROMPTS = PromptFile(__file__, compare=("a", "b", "a_steps", "b_steps"), rate=("solution", "steps"))

CARD = Card(
    name="v1",
    title="V1: pairwise self-verification in a Swiss tournament",
    paper="arXiv:2603.04304",
    what="parallel",
    stimulation="self-repetition",
    verification="outcome",
    verification_source="self-evaluation",
    verification_use=("select",),
    aggregation="selection",
    knob="n",
    draws="n",
    stops="the budget of judgements is spent",
    needs={"main": roles.answers("text"), "judge": roles.judges("text")},
    files=("prompts",),
    deviations=(
        "Which solution is shown first is drawn for every comparison; as published it is the one the pairing "
        "names first (order=fixed).",
        "A sample without an answer is not compared and cannot win.",
        "The judge's words are ours: the published ones were not at hand.",
        "Ties between pairs follow the shuffled order, not the candidates' numbers.",
    ),
    aliases=("v1-infer", "pairwise"),
)


@declared
class Config:
    """How many solutions, and how they are compared.

    Attributes:
        n: N, samples (16 in the paper).
        budget: b, judgements per sample; at most max(N, floor(b N)) are made (1, 2, 3 in the paper).
        schedule: who is judged next; "pointwise" rates each solution by itself, floor(b) times, the rest
            is what Swiss pairing is compared with.
        order: which of two is shown first: by chance, as the pairing has it ("fixed", as published), or
            "both", which takes two of the judgements.
        opponents: distinct opponents each candidate meets first (d_min).
        window: ranks below its own where an opponent is sought (h).
        floor: what a comparison weighs at least (tau).
        judge_tokens: of every judgement; None means no limit.
        prompts: file of templates, or a set; see `methods/prompts.py`. templates: single ones.
    """

    n: Annotated[int, AtLeast(1)] = 16
    budget: Annotated[float, AtLeast(1)] = 3.0
    schedule: Literal["swiss", "random", "round_robin", "knockout", "pointwise"] = "swiss"
    order: Order = "random"
    opponents: Annotated[int, AtLeast(0)] = OPPONENTS
    window: Annotated[int, AtLeast(1)] = WINDOW
    floor: Annotated[float, Above(0)] = FLOOR
    judge_tokens: Annotated[int, AtLeast(1)] | None = None
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)

    @property
    def pairing(self) -> Schedule:
        if self.schedule == "swiss":
            return partial(swiss, opponents=self.opponents, window=self.window)
        return SCHEDULES[self.schedule]


@method(card=CARD)
async def v1(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Sample, compare, and answer with the winner; without an answer there is nothing to compare."""
    traces = await ctx.sample_all(problem.prompt, cfg.n)
    candidates = [trace for trace in traces if problem.answer(trace) is not None]
    if not candidates:
        return Outcome(None, stopped_by="no_candidate")
    agreed = Votes.of(problem, candidates)
    ctx.offer(agreed.top(), agreed.winner())  # all there is until they are compared
    say = PROMPTS.chosen(cfg, ctx, "judge")
    if cfg.schedule == "pointwise":
        ratings = await rated(
            ctx,
            candidates,
            lambda t: say("rate", problem, solution=shown(t, False), steps=shown(t, True)),
            times=int(cfg.budget),
            max_tokens=cfg.judge_tokens,
        )
        best = max(range(len(ratings)), key=ratings.__getitem__)  # the first of equals
        return _outcome(problem, candidates[best], {"ratings": ratings})
    table = await compared(
        ctx,
        candidates,
        partial(_comparison, problem, say),
        calls=judgements(len(candidates), cfg.budget),
        schedule=cfg.pairing,
        order=cfg.order,
        table=Table(len(candidates), cfg.floor),
        after_round=lambda table: _offer(problem, ctx, candidates[table.ranking()[0]]),
        max_tokens=cfg.judge_tokens,
    )
    values = [table.value(i) for i in range(len(candidates))]
    return _outcome(
        problem, candidates[table.ranking()[0]], {"values": values, "unread_ratings": table.unread}
    )


def _comparison(problem: Problem, say: Prompts, a: Trace, b: Trace) -> Prompt:
    replies = {"a": shown(a, False), "b": shown(b, False)}
    return say("compare", problem, **replies, a_steps=shown(a, True), b_steps=shown(b, True))


def _offer(problem: Problem, ctx: Context, leader: Trace) -> None:
    ctx.offer(problem.answer(leader), leader)


def _outcome(problem: Problem, best: Trace, extra: dict[str, object]) -> Outcome:
    return Outcome(problem.answer(best), best, "judged", extra)
