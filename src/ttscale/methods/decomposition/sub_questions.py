"""A planner splits a question into sub-questions and says what each is worth.

Plan and weighing of Plan-and-Budget (arXiv:2505.16122): one call lists the sub-questions, another rates the
level of the question and gives each sub-question credits, 100 in all. A plan whose entries end with a
rating in brackets, from 1 to 5, has weighed itself, and the second call is saved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ...answers import reply_of
from ...core import Context, Problem, Trace
from ..parsing import json_object, number_within, numbered, whole_number
from ..prompts import Prompts

DIRECTLY = "Directly solve the question."
LEVELS = (1, 5)
MIDDLE = 3
MOST_STEPS = 12  # the paper asks for two to five; what a model lists beyond this is a loop
_RATED = re.compile(r"\(([1-5])\)$")


@dataclass(slots=True)
class Plan:
    """What the planner made of a question.

    Attributes:
        steps: the sub-questions, in order; at least one.
        credits: what each is worth, in any unit.
        level: how hard the question is, 1 to 5.
        fallbacks: what could not be read, and how often.
    """

    steps: list[str] = field(default_factory=lambda: [DIRECTLY])
    credits: list[float] = field(default_factory=lambda: [1.0])
    level: int = MIDDLE
    fallbacks: dict[str, int] = field(default_factory=dict)

    def fell_back(self, what: str) -> None:
        self.fallbacks[what] = self.fallbacks.get(what, 0) + 1


async def planned(problem: Problem, ctx: Context, say: Prompts, level: int | None, **sampling: Any) -> Plan:
    """The sub-questions, weighed. `level` is that of the question if it is known; else it is predicted."""
    prompt = say("plan", problem, level=_level_text(level))
    reply = await ctx.sample(prompt, "planner", part="plan", **sampling)
    plan = Plan()
    if steps := numbered(_finished(reply))[:MOST_STEPS]:
        plan.steps = steps
    else:
        plan.fell_back("plan")
    if len(rated := [int(r[1]) for r in map(_RATED.search, plan.steps) if r]) == len(plan.steps):
        plan.credits, plan.level = [float(r) for r in rated], level or max(rated)
        return plan
    listed = "\n".join(f"{number}. {step}" for number, step in enumerate(plan.steps, 1))
    weighing = await ctx.sample(say("weigh", problem, steps=listed), "planner", part="plan", **sampling)
    weighed(plan, _finished(weighing), level)
    return plan


def weighed(plan: Plan, reply: str, level: int | None) -> None:
    """Enter the credits and the level that a planner's JSON gives; equal credits and the middle level
    where it gives none that can be read."""
    found = json_object(reply) or {}
    credits = _credits(found.get("credits"), len(plan.steps))
    if credits is None:
        plan.fell_back("credits")
        credits = [1.0] * len(plan.steps)
    plan.credits = credits
    if level is None:
        level = whole_number(found.get("level"))
        if level is None or not LEVELS[0] <= level <= LEVELS[1]:
            plan.fell_back("level")
            level = MIDDLE
    plan.level = level


async def rated(problem: Problem, ctx: Context, say: Prompts, **sampling: Any) -> Plan:
    """The level of a question that is not split."""
    reply = await ctx.sample(say("rate", problem), "planner", part="plan", **sampling)
    plan, found = Plan(), number_within(_finished(reply), *LEVELS)
    if found is None:
        plan.fell_back("level")
    else:
        plan.level = round(found)
    return plan


def _credits(given: Any, steps: int) -> list[float] | None:
    """As many whole numbers as there are steps, none below 0 and not all 0; they need not add up to 100."""
    if isinstance(given, dict):
        given = list(given.values())
    if not isinstance(given, list) or len(given) != steps:
        return None
    credits = [whole_number(value) for value in given]
    if any(credit is None or credit < 0 for credit in credits) or not any(credits):
        return None
    return [float(credit) for credit in credits if credit is not None]


def _finished(trace: Trace) -> str:
    """What a planner answered; "" if it failed. A plan that was cut short is read as far as it goes."""
    return reply_of(trace) if trace.finish in ("stop", "length") else ""


def _level_text(level: int | None) -> str:
    return "not known: judge it yourself" if level is None else str(level)
