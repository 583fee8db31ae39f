"""A model names the best of several solutions.

It sees them numbered and in random order, as often as asked; only a choice it makes every time
counts, else the vote decides. Where all solutions agree it is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...answers import reply_of
from ...core import Context, Problem, Prompt, Trace, Votes
from .revision import shown

JUDGE = (
    "{question}\n\n{candidates}\n\nCompare the solutions for correctness and completeness. Reply "
    "with the number of the best one and nothing else."
)


async def knockout(
    problem: Problem,
    ctx: Context,
    traces: list[Trace],
    *,
    at_once: int,
    times: int,
    thinking: bool,
    key: tuple[int, ...] = (),
) -> Trace:
    """The judge's choice, in rounds of groups of at most `at_once`, which it compares `times` times
    each. `key` tells apart what is judged for one problem."""
    stage = 0
    while len(traces) > 1:
        groups = [traces[i : i + at_once] for i in range(0, len(traces), at_once)]

        async def pick(branch: Context, item: tuple[int, list[Trace]], stage: int = stage) -> Trace:
            number, group = item
            return await judged(
                problem, branch, group, times=times, thinking=thinking, key=(*key, stage, number)
            )

        traces = await ctx.map(pick, list(enumerate(groups)))
        stage += 1
    return traces[0]


async def judged(
    problem: Problem,
    ctx: Context,
    traces: Sequence[Trace],
    *,
    times: int,
    thinking: bool,
    key: tuple[int, ...],
) -> Trace:
    """The candidate the judge names every time it is asked; else the vote's."""
    if agreed(problem, traces):
        return traces[0]
    orders, prompts = [], []
    for again in range(times):
        order = list(range(len(traces)))
        ctx.rng("judge", *key, again).shuffle(order)
        orders.append(order)
        listed = "\n\n".join(
            f"Solution {place}:\n{shown(traces[i], thinking)}" for place, i in enumerate(order, 1)
        )
        text = JUDGE.format(question=problem.prompt.text, candidates=listed)
        prompts.append(Prompt.user(text))
    judgements = await ctx.sample_all(prompts, 1, "judge", part="verdict", temperature=0.0)
    named = {
        order[place - 1] if (place := _number(judgement)) is not None and 1 <= place <= len(order) else None
        for order, judgement in zip(orders, judgements, strict=True)
    }
    choice = named.pop() if len(named) == 1 else None
    return vote(problem, traces) if choice is None else traces[choice]


def agreed(problem: Problem, traces: Sequence[Trace]) -> bool:
    """Whether all have an answer, and the same one."""
    return Votes.of(problem, traces).unanimous


def vote(problem: Problem, traces: Sequence[Trace]) -> Trace:
    """The first trace of the most frequent answer; some trace must have one."""
    winner = Votes.of(problem, traces).winner()
    assert winner is not None
    return winner


def _number(judgement: Trace) -> int | None:
    found = re.search(r"\d+", reply_of(judgement))
    return int(found[0]) if found else None
