"""Explore-Execute Chain (arXiv 2509.23946): many plans, few executions.

Measured in a world of good and bad plans (`worlds/plans.py`) whose strategies are right by closed forms, and
on the bundled reasoner, which plans and follows plans. Its plans are as long as its solutions, the paper's a
tenth of them, so the cost ratio is what the curve runs over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..core import Outcome
from ..methods.decomposition.explore_execute import Config, explore_execute
from ..signals.loops import loops
from ..worlds.arithmetic import FAMILIES, problems
from ..worlds.arithmetic.training_documents import solution
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.plans import VERDICT, Plans
from .worlds.scripted import questions

P, R1, R0, J = 0.3, 0.8, 0.1, 0.6
K = 8
REVISED, BOXED = 0.5, (0.9, 0.4)  # a revised plan is good; an execution of a good and a bad plan answers
REVISIONS = 3
RATIO = 0.1  # plan to execution, tokens: up to 1k against 10k in the paper
RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
JUDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
EXECUTION = 200  # tokens
TRIALS = {"quick": 200, "full": 1_500}
QUESTIONS = {"quick": 16, "full": 150}
TRACES = {"quick": 200, "full": 2_000}
SEED = 5
TASK = "lab:arith?level=3"


def _world(ratio: float = RATIO, j: float = J) -> Plans:
    return Plans(p=P, r1=R1, r0=R0, j=j, plan_tokens=round(ratio * EXECUTION), execution_tokens=EXECUTION)


def _looping_world() -> Plans:
    return Plans(p=P, r1=R1, r0=R0, j=J, s=REVISED, b1=BOXED[0], b0=BOXED[1])


def _per_token(world: Plans, strategy: str) -> float:
    """Right answers per 1,000 tokens, expected."""
    if strategy == "select":
        return 1000 * world.select(K) / (K * world.plan_tokens + VERDICT + EXECUTION)
    if strategy == "vote":
        return 1000 * world.vote(K) / (K * (world.plan_tokens + EXECUTION))
    return 1000 * world.executed(P) / (world.plan_tokens + EXECUTION)


def select_over_vote(lab: Laboratory) -> Figure:
    """Right answers per 1,000 tokens, the same questions, resampled."""
    lines = {
        name: [_per_token(_world(ratio), name) for ratio in RATIOS] for name in ("select", "vote", "random")
    }
    gone = next((r for r, a, b in zip(RATIOS, lines["select"], lines["vote"]) if a <= b), None)
    lab.plot(
        Curve(
            title=f"Right answers per 1,000 tokens of {K} plans, over the cost ratio of plan and execution",
            x_name="tokens of a plan over those of an execution",
            y_name="right answers per 1,000 tokens",
            x=RATIOS,
            lines=[Line(name=name, y=y) for name, y in lines.items()],
            vanishes_at=gone,
        )
    )
    (a, t), (b, u) = (_played(lab, _world(), strategy) for strategy in ("select", "vote"))
    return Figure.resampled(_rate_difference, a, t, b, u, of=f"{len(a)} questions")


def _rate_difference(a: np.ndarray, t: np.ndarray, b: np.ndarray, u: np.ndarray) -> float:
    return 1000 * float(np.mean(a) / np.mean(t) - np.mean(b) / np.mean(u))


def _played(lab: Laboratory, world: Plans, strategy: str, plans: int = K) -> tuple[np.ndarray, np.ndarray]:
    """(right, tokens) of every question."""
    cfg = Config(strategy=strategy, plans=plans, refinements=REVISIONS, least_before=0)  # type: ignore[arg-type]
    outcomes = lab.answer(explore_execute.bind(cfg), world.engine(), questions(lab.size(*TRIALS.values())))
    tokens = np.array([outcome.usage.completion_tokens for outcome in outcomes], float)
    return _right(outcomes), tokens


def _right(outcomes: Sequence[Outcome]) -> np.ndarray:
    return np.array([outcome.answer == "right" for outcome in outcomes], float)


def select_against_vote_in_accuracy(lab: Laboratory) -> Figure:
    """Expected accuracy of select minus vote, K plans each; exact."""
    vote = [_world().vote(K)] * len(JUDGES)
    select = [_world(j=j).select(K) for j in JUDGES]
    gone = next((j for j, a, b in reversed(list(zip(JUDGES, select, vote, strict=True))) if a <= b), None)
    lab.plot(
        Curve(
            title=f"Accuracy of {K} plans, one executed or all, over the judge",
            x_name="chance that the judge finds a good plan",
            y_name="accuracy",
            x=JUDGES,
            lines=[
                Line(name="select", y=select),
                Line(name="vote", y=vote),
                Line(name="random", y=[_world().executed(P)] * len(JUDGES)),
            ],
            vanishes_at=gone,
        )
    )
    return Figure.exact(_world().select(K) - _world().vote(K), f"{K} plans")


def simulation_is_the_closed_form(lab: Laboratory) -> Figure:
    """Largest distance of a strategy's accuracy from its closed form, in standard errors."""
    plain, looping = _world(), _looping_world()
    cases = [
        (plain, "random", plain.executed(P)),
        (plain, "select", plain.select(K)),
        (looping, "vote", looping.vote(K)),
        (looping, "loop", looping.loop(K, REVISIONS)),
    ]
    far = 0.0
    for world, strategy, expected in cases:
        right, _ = _played(lab, world, strategy)
        error = math.sqrt(expected * (1 - expected) / len(right))
        far = max(far, abs(float(np.mean(right)) - expected) / error)
    return Figure.exact(far, f"{len(cases)} strategies")


def reductions(lab: Laboratory) -> Figure:
    """Questions on which select of one plan and one random plan differ, and the distance in accuracy of
    select with a judge of chance from one random plan."""
    one, other = (_played(lab, _world(), strategy, 1)[0] for strategy in ("select", "random"))
    blind = _world(j=0.0)
    return Figure.exact(
        float(np.abs(one - other).sum()) + abs(blind.select(K) - blind.executed(P)), f"{len(one)} questions"
    )


def loop_over_select(lab: Laboratory) -> Figure:
    """Expected accuracy with revisions minus without, where an execution of a bad plan often ends without
    an answer; exact."""
    world = _looping_world()
    return Figure.exact(world.loop(K, REVISIONS) - world.select(K), f"{REVISIONS} revisions")


def false_stops(lab: Laboratory) -> Figure:
    """Share of ordinary solutions that the loop guard would end at any of their lines."""
    import random

    rng = random.Random(SEED)
    count = lab.size(*TRACES.values())
    stopped = 0
    for place in range(count):
        family = FAMILIES[place % len(FAMILIES)]
        (made,) = problems(family, 1 + place % 5, 1, seed=place)
        text = solution(made.world, rng, right=True)
        stopped += any(loops(text[:end]) for end in (*range(100, len(text), 100), len(text)))
    return Figure.exact(stopped / count, f"{count} solutions of the arithmetic world")


# -- the bundled reasoner


def vote_on_the_reasoner(lab: Laboratory) -> Figure:
    specs = ("explore-execute(strategy=vote, plans=8)", "sc(n=8)")
    seen = lab.bench(specs, "tiny", [TASK], n=lab.size(*QUESTIONS.values()))
    return Figure.paired(seen.difference(*specs))


SYSTEM = System(
    name="explore-execute-chain",
    methods=("explore-execute",),
    parameters={
        "chances": [P, R1, R0, J],
        "plans": K,
        "revised": REVISED,
        "boxed": BOXED,
        "revisions": REVISIONS,
        "ratio": RATIO,
        "ratios": RATIOS,
        "judges": JUDGES,
        "execution": EXECUTION,
        "trials": TRIALS,
        "questions": QUESTIONS,
        "traces": TRACES,
        "seed": SEED,
        "task": TASK,
    },
    claims=(
        Claim(
            name="select-per-token",
            text="Choosing among plans and executing one beats executing all, per token.",
            number="AIME24, 32 plans: 53.3% with 12.4k tokens against 50.0% with 86.2k",
            source="main table",
            effect="right answers per 1,000 tokens, select minus vote, 8 plans of a tenth of an execution",
            criterion=Above(0.0),
            measure=select_over_vote,
        ),
        Claim(
            name="select-in-accuracy",
            text="Choosing among plans is no less accurate than executing all.",
            number="53.3% against 50.0% on 30 questions, which is one question",
            source="main table",
            effect="expected accuracy of select minus vote, 8 plans, a judge of 0.6",
            criterion=Above(0.0),
            measure=select_against_vote_in_accuracy,
        ),
        Claim(
            name="closed-forms",
            text="Each strategy is right by a closed form of plan, execution and judge.",
            source="derived from the procedure",
            effect="largest distance of four strategies' accuracy from it, standard errors",
            criterion=Below(4.0),
            measure=simulation_is_the_closed_form,
        ),
        Claim(
            name="reductions",
            text="Select with one plan, or with a judge of chance, is one random plan.",
            source="derived from the procedure",
            effect="questions that differ at equal seeds, and distance of the closed forms",
            criterion=Equals(0.0, 1e-12),
            measure=reductions,
        ),
        Claim(
            name="loop",
            text="Revising a plan whose execution has no acceptable answer helps.",
            source="v3's main strategy",
            effect="expected accuracy of loop minus select, bad plans answer in 40%, good ones in 90%",
            criterion=Above(0.0),
            measure=loop_over_select,
        ),
        Claim(
            name="loop-guard",
            text="The loop guard leaves ordinary traces alone.",
            source="released code",
            effect="share of solutions of the arithmetic world that it would end",
            criterion=Below(0.005),
            measure=false_stops,
        ),
        Claim(
            name="vote-reasoner",
            text="Executing several plans beats as many plain samples.",
            source="main table, on average over sets",
            effect="accuracy of vote with 8 plans minus sc(n=8), bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=vote_on_the_reasoner,
        ),
        Claim(
            name="trained",
            text="A model trained to explore and execute beats GRPO, and tuning its plans alone adapts it.",
            number="59.6 against 61.5 on average, Qwen3-8B; medical sets with 3.5% of the tokens",
            source="v3 tables",
            criterion=Needs("the 8B model, its training and a GPU"),
        ),
    ),
)
