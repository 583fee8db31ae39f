"""Two solutions at a time: a language model rates both, and a tournament makes scores of the ratings.

A judge that is too kind, or too strict, today is so with both solutions it sees: what all its ratings have in
common cancels within a pair, and does not between separate questions (V1, arXiv:2603.04304). `compared`
is open to methods that choose schedule, budget and words; the verifier `pairwise` is V1's default on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from ...core import Context, Problem, Prompt, Trace
from ...core.cards import roles
from ..registry import register
from .reading import mean_rating, pair_of_ratings
from .tournament import Pair, Schedule, Table, swiss

QUESTION = (
    "{question}\n\nSolution A:\n{a}\n\nSolution B:\n{b}\n\n"
    "Compare both solutions: which steps are right, where do they differ, and who is right there? Then rate "
    "how likely each answer is right, from 1 (surely wrong) to 10 (surely right). End with\n"
    "<rating_A>number</rating_A>\n<rating_B>number</rating_B>"
)
PER_CANDIDATE = 2  # judgements, in the verifier: V1 reports 1 to 3

Question = Callable[[Trace, Trace], Prompt]
"""The judge's prompt about a solution A and a solution B."""
Order = Literal["fixed", "random", "both"]
"""Which of a pair is shown as A: the one the schedule names first, either by chance, or each once, which
takes two judgements a pair. Judges prefer a place; only "fixed" lets that decide."""


def judgements(n: int, per_candidate: float) -> int:
    """B = max(N, floor(b N)): how many calls of the judge are made for n candidates at most."""
    return max(n, int(per_candidate * n + 1e-9))  # 2.3 * 10 is 23


async def compared(
    ctx: Context,
    traces: Sequence[Trace],
    question: Question,
    *,
    calls: int,
    schedule: Schedule = swiss,
    order: Order = "random",
    table: Table | None = None,
    after_round: Callable[[Table], None] = lambda table: None,
    **sampling: Any,
) -> Table:
    """Play a tournament with at most `calls` judgements, round by round, and return its table.

    Args:
        ctx: where judgements are asked for, of the role "judge".
        traces: the candidates.
        question: the words.
        calls: judgements at most.
        schedule: who meets whom.
        order: which of two is shown first.
        table: an empty one for as many candidates, if its weights are to be other than usual.
        after_round: is shown the table after every round, to offer what a budget may end with.
        **sampling: settings of the judge.
    """
    table = table or Table(len(traces))
    rng = ctx.rng("pairwise")
    each = 2 if order == "both" else 1
    for pairs in schedule(table, rng):
        pairs = pairs[: calls // each]
        if not pairs:
            break
        calls -= len(pairs) * each
        shown = [_shown(pair, order, rng.random() < 0.5) for pair in pairs]
        prompts = [question(traces[a], traces[b]) for views in shown for a, b in views]
        verdicts = iter(await ctx.sample_all(prompts, 1, "judge", part="verdict", **sampling))
        for (i, j), views in zip(pairs, shown, strict=True):
            found = [dict(zip(view, pair_of_ratings(next(verdicts)), strict=True)) for view in views]
            table.add(i, j, mean_rating(r[i] for r in found), mean_rating(r[j] for r in found))
        after_round(table)
    return table


def _shown(pair: Pair, order: Order, turned: bool) -> list[Pair]:
    """The pair as (A, B), once or twice."""
    if order == "both":
        return [pair, pair[::-1]]
    return [pair[::-1] if order == "random" and turned else pair]


@register("pairwise", needs={"judge": roles.judges("text")}, probability=True)
async def pairwise(ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
    """The share of its comparisons that a solution wins, weighed by their clearness, in [0, 1]; two
    judgements a solution, in a Swiss tournament."""

    def question(a: Trace, b: Trace) -> Prompt:
        return Prompt.user(QUESTION.format(question=problem.prompt.text, a=a.answer_text, b=b.answer_text))

    table = await compared(ctx, traces, question, calls=judgements(len(traces), PER_CANDIDATE))
    return [table.value(i) for i in range(len(traces))]
