"""Plan-and-Budget: split the question, weigh the parts, tell the model each part's share.

arXiv:2505.16122 (ICLR 2026). Of a question q:

    steps, credits = planner(q)                  two calls; level l of q predicted, or given
    B = budget of the level                      200, 250, 350, 450, 600 words for l = 1..5
    b_j = floor(B * d_j g_j / sum d g)           credits d, schedule g (`budget_split`), rest to the largest
    answer = solver(q, [(step_j, b_j)])          one call, which may follow them or not; or step by step

The budgets are asked for, nothing is cut at them. Six forms: without plan or budget, with either, with both,
and with equal or weighted shares per step. The planner's tokens are counted, which the paper's do not:
`usage.planning_tokens` is apart from the rest, `completion_tokens` has all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from ...answers import reply_of
from ...core import AtLeast, Card, Context, Outcome, Problem, Trace, UsageError, declared
from ...core.cards import roles
from ..prompts import PromptFile, Prompts
from ..registry import method
from .budget_split import Schedule, split
from .sub_questions import LEVELS, Plan, planned, rated

PROMPTS = PromptFile(
    __file__,
    plan=("level",),
    weigh=("steps",),
    rate=(),
    vanilla=(),
    within=("budget",),
    step=("number", "step"),
    step_within=("number", "step", "words"),
    steps=("steps",),
    steps_within=("steps", "budget"),
    single=("done", "step"),
    done=("number", "step", "answer"),
    synthesize=("done",),
)
WORDS = (200, 250, 350, 450, 600)
Form = Literal["vanilla", "budget", "plan", "plan-budget", "uniform", "weighted"]

CARD = Card(
    name="plan-and-budget",
    title="Plan-and-Budget: sub-questions, each with its share of a budget",
    paper="arXiv:2505.16122",
    what="sequential",
    stimulation="prompt",
    domain=("math", "general"),
    knob="scale",
    stops="the sub-questions are answered",
    needs={"main": roles.answers("text"), "planner": roles.plans("text")},
    files=("prompts",),
    deviations=(
        "The level is predicted; the released code takes the gold label (difficulty=oracle).",
        "The planner's tokens are counted; the paper plans beforehand and leaves them out.",
        "The reply is not begun with an open think tag, which the templates of reasoners do themselves.",
        "The examples of the levels are fixed ones of ours, not questions of the test set.",
        "A plan whose entries end with a rating (the bundled reasoner's) is not weighed in a second call.",
    ),
)


@declared
class Config:
    """What is planned, and how the budget is told.

    Attributes:
        form: "weighted" (the method), or what it is compared with: "vanilla" (step by step), "budget" (the
            whole budget told), "plan" (the steps told), "plan-budget" (both), "uniform" (equal shares).
        schedule: of the weights by place; polynomial and cosine are the nearest to the theory.
        solving: one call that sees all steps (as released), or a call per step and one that puts the
            answers together (as written).
        difficulty: the level of the question is predicted, or read from the problem's own label
            ("oracle", for comparison with published figures).
        scale: factor of the budgets (1: 200 to 600 words by level).
        temperature, top_p: as released.
        max_tokens: of every reply; None means no limit (8192 as released).
        prompts: file of the words it uses, or the name of a set ("auto", "paper", "tiny").
        templates: single ones in their place; see `methods/prompts.py`.
    """

    form: Form = "weighted"
    schedule: Schedule = "polynomial"
    solving: Literal["single", "sequential"] = "single"
    difficulty: Literal["predicted", "oracle"] = "predicted"
    scale: Annotated[float, AtLeast(0.01)] = 1.0
    temperature: Annotated[float, AtLeast(0)] | None = 0.1
    top_p: Annotated[float, AtLeast(0)] | None = 0.9
    max_tokens: Annotated[int, AtLeast(1)] | None = None
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)

    @property
    def sampling(self) -> dict[str, Any]:
        return {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}


@method(card=CARD)
async def plan_and_budget(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Plan, split the budget of the level over the steps, and solve."""
    say = PROMPTS.chosen(cfg, ctx)
    plan = await _plan(problem, ctx, cfg)
    total = max(1, round(cfg.scale * WORDS[plan.level - 1]))
    budgets = step_budgets(plan, cfg, total)
    if cfg.solving == "sequential" and cfg.form in ("uniform", "weighted"):
        trace, words = await _in_sequence(problem, ctx, cfg, plan, budgets, say)
    else:
        prompt = say(_FORMS[cfg.form], problem, steps=_listed(say, problem, plan, budgets), budget=str(total))
        trace = await ctx.sample(prompt, **cfg.sampling)
        words = [_words(trace)]
    extra = {
        "level": plan.level,
        "steps": plan.steps,
        "credits": plan.credits,
        "budget": total,
        "budgets": budgets,
        "words": words,
        "fallbacks": plan.fallbacks,
    }
    return Outcome(problem.answer(trace), trace, "answered", extra)


_FORMS: Mapping[Form, str] = {
    "vanilla": "vanilla",
    "budget": "within",
    "plan": "steps",
    "plan-budget": "steps_within",
    "uniform": "steps",
    "weighted": "steps",
}


def step_budgets(plan: Plan, cfg: Config, total: int) -> list[int]:
    """The words of each step; none where the form tells no shares."""
    if cfg.form == "uniform":
        return [total // len(plan.steps)] * len(plan.steps)
    return split(total, plan.credits, cfg.schedule) if cfg.form == "weighted" else []


async def _plan(problem: Problem, ctx: Context, cfg: Config) -> Plan:
    """As much of a plan as the form needs."""
    level = _label(problem) if cfg.difficulty == "oracle" else None
    say = PROMPTS.chosen(cfg, ctx, "planner")
    if cfg.form == "vanilla":
        return Plan()
    if cfg.form == "budget":
        return await rated(problem, ctx, say, **cfg.sampling) if level is None else Plan(level=level)
    return await planned(problem, ctx, say, level, **cfg.sampling)


def _label(problem: Problem) -> int:
    level = problem.meta.get("level")
    if not isinstance(level, int) or not LEVELS[0] <= level <= LEVELS[1]:
        raise UsageError(
            f"difficulty=oracle: problem {problem.id!r} has no level from 1 to 5",
            fix="use difficulty=predicted",
        )
    return level


def _listed(say: Prompts, problem: Problem, plan: Plan, budgets: list[int]) -> str:
    """The steps as the model is shown them, with their words if there are any."""
    return "\n".join(
        say.text(
            "step_within" if budgets else "step",
            problem,
            number=str(number + 1),
            step=step,
            words=str(budgets[number]) if budgets else "",
        )
        for number, step in enumerate(plan.steps)
    )


async def _in_sequence(
    problem: Problem, ctx: Context, cfg: Config, plan: Plan, budgets: list[int], say: Prompts
) -> tuple[Trace, list[int]]:
    """A call per step, which sees the answers before it, and one that puts them together; with the words
    each took."""
    done, words = "", []
    for place, (step, budget) in enumerate(zip(plan.steps, budgets, strict=True)):
        number = str(place + 1)
        shown = say.text("step_within", problem, number=number, step=step, words=str(budget))
        trace = await ctx.sample(say("single", problem, done=done, step=shown), part="step", **cfg.sampling)
        words.append(_words(trace))
        answer = problem.rule.extract(trace) or reply_of(trace).strip()
        done += say.text("done", problem, number=number, step=step, answer=answer) + "\n"
    return await ctx.sample(say("synthesize", problem, done=done), **cfg.sampling), words


def _words(trace: Trace) -> int:
    return len(trace.text.split())
