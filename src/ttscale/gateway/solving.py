"""Running a method for a request: one independent run per choice, all within one budget."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..assembly import Assembly
from ..core import Budget, Configured, Outcome, Problem, SampleCount, Trace
from ..core.roles import VOTING, may_answer
from .asking import Asked
from .config import Limits
from .errors import ApiError, of, wrong
from .limits import UNLIMITED
from .reading import Reader, Reading
from .rules import rule
from .tapping import Course, Tapped
from .upstream import Upstream

Tell = Callable[[int, str], None]  # (choice, piece of its reply)


@dataclass
class Solved:
    """One choice.

    Attributes:
        trace: speaks for the answer, or is the nearest thing to one.
        partial: the trace did not end by itself, or gives no answer: a budget or a limit ended it.
    """

    problem: Problem
    outcome: Outcome
    trace: Trace
    partial: bool

    @cached_property
    def agreement(self) -> dict[str, int] | None:
        """How many of the samples that answered gave this answer; None without an answer. What
        judges, plans or reflects did not answer."""
        answer, rule = self.outcome.answer, self.problem.rule
        if answer is None:
            return None
        given = [a for t in self.outcome.traces if (a := self.answer_of(t)) is not None]
        return {"votes": sum(rule.same(answer, a) for a in given), "of": len(given)}

    def answer_of(self, trace: Trace) -> str | None:
        """What a sample votes for."""
        return self.problem.answer(trace) if trace.part in VOTING else None


async def solve(
    asked: Asked,
    method: Configured,
    upstream: Upstream,
    budget: Budget,
    limits: Limits,
    count: SampleCount,
    reader: Reader,
    tell: Tell | None = None,
) -> list[Solved]:
    """Every choice of a request, in order; `count` is told of their samples.

    `tell` is given the pieces of the replies, if the method's draws are the reply.

    Raises:
        ApiError: what the request or the upstream did wrong.
    """
    draws = method.draws()
    if draws is not None and draws * asked.choices > limits.max_samples:
        raise wrong(
            f"{draws * asked.choices} samples are more than {limits.max_samples} per request",
            "ttscale.params", "too_many_samples",
        )  # fmt: skip
    if draws is None and (budget.samples is None or budget.samples > limits.max_samples):
        budget = dataclasses.replace(
            budget, samples=limits.max_samples
        )  # it may ask for any number
    try:
        models = (await upstream.opened()).wrapped(lambda _, engine: Reading(engine, reader))
        each = _share(budget, asked.choices)
        numbered = list(enumerate(p for p in asked.prompts for _ in range(asked.n)))
        streams = method.card.streams and tell is not None
        courses = [
            _answer(
                # alike for alike requests: their draws are alike, and form one pool when recorded
                Problem(prompt.key, prompt, rule(asked.options.answer)),
                asked, method, _tapped(models, number, tell) if streams else models, each, count,
                asked.seed + number % asked.n,
            )
            for number, prompt in numbered
        ]  # fmt: skip
        return [await courses[0]] if len(courses) == 1 else await _all(courses)
    except ApiError:
        raise
    except Exception as error:
        raise _told(error) from error


def _told(error: Exception) -> ApiError:
    told = of(error)
    if told.status == 500:
        raise error  # a bug: let the log have it
    return told


async def _answer(
    problem: Problem,
    asked: Asked,
    method: Configured,
    models: Assembly,
    budget: Budget | None,
    count: SampleCount,
    seed: int,
) -> Solved:
    run = models.run(seed=seed & 0x7FFF_FFFF, request=asked.sampling, observers=[count])
    outcome = await run.answer(method, problem, budget=budget)
    if outcome.error is not None:
        raise outcome.error
    if outcome.winner is not None:
        ended = outcome.winner.finish in ("stop", "refused")
        return Solved(problem, outcome, outcome.winner, not ended)
    return Solved(problem, outcome, _nearest(outcome), True)


def _nearest(outcome: Outcome) -> Trace:
    """What comes closest to a reply where nothing gives an answer: the first sample that ended,
    else the one that got furthest."""
    own = [t for t in outcome.traces if may_answer(t.part) and t.finish != "error"]
    ended = [t for t in own if t.finish == "stop" and (t.text or t.tool_calls)]
    if ended:
        return ended[0]
    return max(own, key=lambda t: len(t.text), default=Trace(finish="budget"))


def _tapped(models: Assembly, number: int, tell: Tell | None) -> Assembly:
    assert tell is not None
    course = Course(lambda text: tell(number, text))
    return models.with_main(Tapped(models.engines["main"], course))


def _share(budget: Budget, choices: int) -> Budget | None:
    """What each of several choices may spend of what adds up."""
    if budget == UNLIMITED:
        return None
    if choices == 1:
        return budget
    return dataclasses.replace(
        budget,
        tokens=None if budget.tokens is None else max(1, budget.tokens // choices),
        samples=None if budget.samples is None else max(1, budget.samples // choices),
        cost=None if budget.cost is None else budget.cost / choices,
    )


async def _all(courses: Sequence[Any]) -> list[Solved]:
    """All at once; the first failure stops the others and is raised as itself."""
    tasks = [asyncio.ensure_future(course) for course in courses]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
