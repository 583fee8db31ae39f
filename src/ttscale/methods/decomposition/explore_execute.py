"""Explore-Execute Chain: many short plans are cheap, one long execution is not.

arXiv:2509.23946. A trace is an exploration p (a plan that says how) and an execution e that follows it;
p is sampled K times, e greedily, for one plan or a few:

    random     one plan, executed                                              K = 1
    vote       all K executed; the most frequent answer
    select     a judge names the best of K plans; it is executed
    cluster    K plans in M groups by meaning; the plan nearest to each centre is executed, and its answer
               weighs as much as its group
    loop       as select; while the execution has no acceptable answer, the plan is revised or replaced
    layered    a plan grows by one of b next steps at a time, until a judge calls it ready

Executions are watched for loops; one that loops or gives no answer is followed by one short call for the
answer alone. Made for models that were trained to write the two parts; any model can be asked to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from ...answers import reply_of
from ...core import AtLeast, Card, Context, Outcome, Problem, Prompt, Role, Trace, Votes, Within, declared
from ...core.cards import roles
from ...signals.loops import LoopGuard, repetition
from ..parsing import number_within
from ..prompts import PromptFile
from ..registry import method
from .clusters import representatives
from .plan_texts import acceptable, avoids, overlap, rejections

PROMPTS = PromptFile(
    __file__,
    explore=(),
    explore_otherwise=("avoid",),
    execute=("plan",),
    select=("plans",),
    refine=("plan", "execution", "rejected"),
    rescue=("execution",),
    grow=("plan",),
    choose=("plans",),
)
END_OF_PLAN, END_OF_EXECUTION = "</EXPLORATION>", "</EXECUTION>"
OTHERWISE = 0.95  # temperature of a plan that is to avoid what led nowhere
LOOPING_PLAN, CALMER = 0.9, 0.7  # a plan that repeats itself so much is drawn again, at this temperature
ALIKE = 0.75  # plans that share more words with the selected one do not count as a reserve
STALLED = 0.85  # a revision that shares more words with its plan changes nothing
NAMED = 0.5  # a judge's reply that shares more words with a plan names it
PLAN_SHOWN, EXECUTION_SHOWN = 5_000, 3_500  # characters, as released

CARD = Card(
    name="explore-execute",
    title="Explore-Execute Chain: many plans, few executions",
    paper="arXiv:2509.23946",
    what="hybrid",
    stimulation="prompt",
    verification="process",
    verification_source="self-evaluation",
    verification_use=("select",),
    search="tree",
    aggregation="selection",
    knob="plans",
    stops="the chosen plans are executed",
    needs={"main": roles.answers("text"), "judge": roles.judges("text"), "embedder": roles.judges("embed")},
    files=("prompts",),
    deviations=(
        "Its models are trained to write the two parts; here any model is asked to.",
        "A judge's reply stands for the plan it shares most words with, or whose number it is.",
        "Where the engine does not continue a prefix, the plan is in the prompt alone.",
        "A plan that loops is drawn again at a lower temperature only, without penalties.",
        "Which sentences reject what was found is decided by a list of phrases of ours.",
    ),
    aliases=("e2c",),
)


@declared
class Config:
    """How plans are made and chosen.

    Attributes:
        strategy: see above ("loop" is the paper's main one).
        plans: K (ours; 32 in the paper's comparison), in "layered" b.
        groups: M of "cluster".
        refinements: of "loop", at most.
        depth: of "layered", at most.
        plan_tokens, step_tokens, select_tokens, refine_tokens, rescue_tokens: limits as released.
        execution_tokens: limit of an execution (16384 as released); None means no limit.
        temperature, top_p: of plans.
        least_before, most_after: characters before and after an acceptable box.
        rescue: whether an execution without an answer is followed by a call for it.
        prompts: file of the words it uses, or the name of a set ("auto", "paper", "tiny").
        templates: single ones in their place; see `methods/prompts.py`.
    """

    strategy: Literal["random", "vote", "select", "cluster", "loop", "layered"] = "loop"
    plans: Annotated[int, AtLeast(1)] = 8
    groups: Annotated[int, AtLeast(1)] = 3
    refinements: Annotated[int, AtLeast(0)] = 3
    depth: Annotated[int, AtLeast(1)] = 5
    plan_tokens: Annotated[int, AtLeast(1)] = 512
    step_tokens: Annotated[int, AtLeast(1)] = 256
    select_tokens: Annotated[int, AtLeast(1)] = 512
    refine_tokens: Annotated[int, AtLeast(1)] = 1024
    rescue_tokens: Annotated[int, AtLeast(1)] = 512
    execution_tokens: Annotated[int, AtLeast(1)] | None = None
    temperature: Annotated[float, AtLeast(0)] = 0.9
    top_p: Annotated[float, Within(0, 1)] = 0.95
    least_before: Annotated[int, AtLeast(0)] = 300
    most_after: Annotated[int, AtLeast(0)] = 500
    rescue: bool = True
    prompts: str = "auto"
    templates: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        PROMPTS.check(self)

    def needs(self) -> Mapping[str, Role]:
        found = {"main": roles.answers("text")}
        if self.strategy in ("select", "loop", "layered"):
            found["judge"] = roles.judges("text")
        if self.strategy == "cluster":
            found["embedder"] = roles.judges("embed")
        return found


@dataclass(slots=True)
class Execution:
    """A plan carried out.

    Attributes:
        trace: the execution itself.
        answered: the trace that gives its answer, which may be that of the short call after it; None if
            there is no answer.
    """

    trace: Trace
    answered: Trace | None


@method(card=CARD)
async def explore_execute(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Explore, choose, execute, as the strategy says."""
    fallbacks: Counter[str] = Counter()
    if cfg.strategy == "layered":
        plans = [await _layered(problem, ctx, cfg, fallbacks)]
    else:
        count = 1 if cfg.strategy == "random" else cfg.plans
        plans = await explore(problem, ctx, cfg, count)
    if not plans:
        fallbacks["plan"] += 1
        trace = await ctx.sample(problem.prompt, max_tokens=cfg.execution_tokens)
        return _outcome(problem, trace, "no_plan", [], fallbacks)
    match cfg.strategy:
        case "vote" | "cluster":
            chosen = [(plan, 1) for plan in plans]
            if cfg.strategy == "cluster":
                vectors = await ctx.embed(plans)
                chosen = [(plans[i], size) for i, size in representatives(vectors.tolist(), cfg.groups)]
            made = await ctx.map(lambda b, one: execute(problem, b, cfg, one[0]), chosen)
            votes = Votes(problem)
            for (_, weight), execution in zip(chosen, made, strict=True):
                if execution.answered is not None:
                    votes.add(execution.answered, weight)
            return _outcome(problem, votes.winner(), "all_executed", made, fallbacks)
        case "loop":
            made, stopped_by = await _loop(problem, ctx, cfg, plans, fallbacks)
            answered = [e.answered for e in made if e.answered is not None]
            return _outcome(problem, answered[-1] if answered else None, stopped_by, made, fallbacks)
    plan = await select(problem, ctx, cfg, plans, fallbacks)
    execution = await execute(problem, ctx, cfg, plan)
    return _outcome(problem, execution.answered, "executed", [execution], fallbacks)


async def explore(
    problem: Problem, ctx: Context, cfg: Config, count: int, avoid: Sequence[str] = ()
) -> list[str]:
    """So many plans, those that could not be made left out."""
    say = PROMPTS.chosen(cfg, ctx)
    other = say("explore_otherwise", problem, avoid="\n".join(avoid)) if avoid else None
    prompt = _if_continued(other or say("explore", problem), ctx)

    async def sampled(n: int, temperature: float) -> list[str]:
        traces = await ctx.sample_all(
            prompt,
            n,
            part="plan",
            temperature=temperature,
            top_p=cfg.top_p,
            max_tokens=cfg.plan_tokens,
            stop=(END_OF_PLAN,),
        )
        return [_plan_of(trace) for trace in traces]

    plans = await sampled(count, OTHERWISE if avoid else cfg.temperature)
    looping = [place for place, plan in enumerate(plans) if repetition(plan) >= LOOPING_PLAN]
    if looping:
        again = await sampled(len(looping), min(CALMER, cfg.temperature))
        for place, plan in zip(looping, again, strict=True):
            plans[place] = plan
    return [plan for plan in plans if plan]


async def execute(problem: Problem, ctx: Context, cfg: Config, plan: str) -> Execution:
    """Carry a plan out, greedily; where that gives no answer, ask for the answer alone."""
    say = PROMPTS.chosen(cfg, ctx)
    trace = await ctx.sample(
        _if_continued(say("execute", problem, plan=plan), ctx),
        until=LoopGuard,
        temperature=0.0,
        max_tokens=cfg.execution_tokens,
        stop=(END_OF_EXECUTION,),
    )
    answered: Trace | None = trace
    if problem.answer(trace) is None and cfg.rescue:
        answered = await ctx.sample(
            say("rescue", problem, execution=trace.text[-EXECUTION_SHOWN:]),
            temperature=0.0,
            max_tokens=cfg.rescue_tokens,
        )
    if answered is None or (answer := problem.answer(answered)) is None:
        return Execution(trace, None)
    ctx.offer(answer, answered)
    return Execution(trace, answered)


async def select(
    problem: Problem, ctx: Context, cfg: Config, plans: Sequence[str], fallbacks: Counter[str]
) -> str:
    """The plan that a judge names; the first where it names none. One plan needs no judge."""
    if len(plans) == 1:
        return plans[0]
    say = PROMPTS.chosen(cfg, ctx, "judge")
    listed = "\n\n".join(f"Plan {number}:\n{plan}" for number, plan in enumerate(plans, 1))
    prompt = say("select", problem, plans=listed)
    verdict = await ctx.sample(prompt, "judge", part="verdict", temperature=0.0, max_tokens=cfg.select_tokens)
    named = _named(reply_of(verdict).strip() if verdict.finish in ("stop", "length") else "", plans)
    if named is None:
        fallbacks["select"] += 1
        named = 0
    if repetition(plans[named]) >= LOOPING_PLAN:
        return next((plan for plan in plans if repetition(plan) < LOOPING_PLAN), plans[named])
    return plans[named]


def _named(reply: str, plans: Sequence[str]) -> int | None:
    """The index of the plan that a reply gives the text or the number of."""
    if len(reply.split()) <= 3:
        number = number_within(reply, 1, len(plans))
        return None if number is None else int(number) - 1
    shared = [overlap(plan, reply) for plan in plans]
    best = max(range(len(plans)), key=shared.__getitem__)
    return best if shared[best] > NAMED else None


async def _loop(
    problem: Problem, ctx: Context, cfg: Config, plans: list[str], fallbacks: Counter[str]
) -> tuple[list[Execution], str]:
    """Execute, and revise or replace the plan until an answer is acceptable; all executions, and why it
    ended."""
    plan = await select(problem, ctx, cfg, plans, fallbacks)
    reserve = [other for other in plans if overlap(other, plan) <= ALIKE]
    made: list[Execution] = []
    while True:
        execution = await execute(problem, ctx, cfg, plan)
        made.append(execution)
        if problem.answer(execution.trace) is not None and acceptable(
            execution.trace.text, cfg.least_before, cfg.most_after
        ):
            return made, "acceptable"
        if len(made) > cfg.refinements:
            return made, "refinements"
        plan = await _next_plan(problem, ctx, cfg, plan, execution.trace.text, reserve, fallbacks)


async def _next_plan(
    problem: Problem,
    ctx: Context,
    cfg: Config,
    plan: str,
    execution: str,
    reserve: list[str],
    fallbacks: Counter[str],
) -> str:
    """A revision of the plan, or another one where the execution rejected it or the revision is the same.
    What is taken from the reserve leaves it."""
    rejected = rejections(execution)
    say = PROMPTS.chosen(cfg, ctx)
    revision = await ctx.sample(
        say(
            "refine",
            problem,
            plan=plan[:PLAN_SHOWN],
            execution=execution[-EXECUTION_SHOWN:],
            rejected="\n".join(rejected) or "(none)",
        ),
        part="plan",
        temperature=0.3,
        max_tokens=cfg.refine_tokens,
    )
    revised = _plan_of(revision)
    if not revised:
        fallbacks["refine"] += 1
    stalled = overlap(revised, plan) > STALLED  # an empty one too
    if not rejected and not stalled:
        return revised
    if other := next((p for p in reserve if avoids(p, rejected)), None):
        reserve.remove(other)
        return other
    if not stalled:
        return revised
    if reserve:
        return reserve.pop(0)
    fresh = await explore(problem, ctx, cfg, 1, rejected or [plan])
    return fresh[0] if fresh else plan


async def _layered(problem: Problem, ctx: Context, cfg: Config, fallbacks: Counter[str]) -> str:
    """A plan that grew step by step, at every layer the best of cfg.plans; "" if no step could be made."""
    say, judge = PROMPTS.chosen(cfg, ctx), PROMPTS.chosen(cfg, ctx, "judge")
    plan = ""
    for _ in range(cfg.depth):
        traces = await ctx.sample_all(
            say("grow", problem, plan=plan or "(nothing yet)"),
            cfg.plans,
            part="plan",
            temperature=cfg.temperature,
            top_p=cfg.top_p,
            max_tokens=cfg.step_tokens,
        )
        grown = [f"{plan}\n{step}".strip() for trace in traces if (step := _plan_of(trace))]
        if not grown:
            break
        listed = "\n\n".join(f"Plan {number}:\n{one}" for number, one in enumerate(grown, 1))
        verdict = await ctx.sample(
            judge("choose", problem, plans=listed),
            "judge",
            part="verdict",
            temperature=0.0,
            max_tokens=cfg.select_tokens,
        )
        reply = reply_of(verdict)
        number = number_within(reply, 1, len(grown))
        if number is None:
            fallbacks["choose"] += 1
        plan = grown[0 if number is None else int(number) - 1]
        if "READY" in reply.upper() and "CONTINUE" not in reply.upper():
            break
    return plan


def _plan_of(trace: Trace) -> str:
    """The plan in a reply; one that ran out of space counts as far as it goes, a failed one is empty."""
    if trace.finish not in ("stop", "length"):
        return ""
    return reply_of(trace).partition(END_OF_PLAN)[0].replace("<EXPLORATION>", "").strip()


def _if_continued(prompt: Prompt, ctx: Context) -> Prompt:
    """With the beginning of the reply only where the engine goes on from one."""
    return prompt if ctx.gives("prefix") else replace(prompt, prefix="")


def _outcome(
    problem: Problem,
    winner: Trace | None,
    stopped_by: str,
    made: Sequence[Execution],
    fallbacks: Counter[str],
) -> Outcome:
    answer = None if winner is None else problem.answer(winner)
    extra = {
        "executions": len(made),
        "rescued": sum(e.answered is not None and e.answered is not e.trace for e in made),
        "fallbacks": dict(fallbacks),
    }
    return Outcome(answer, winner, stopped_by, extra)
