"""Plan-and-Budget (arXiv 2505.16122): sub-questions, each with its share of a budget.

The theory is measured against an exact solver, the allocation in a world of sub-questions whose
uncertainty falls as the theory says (`worlds/shares.py`), and E3 = A^2/T with every token of the planner in
it, there and on the bundled reasoner. The paper leaves the planner's tokens out.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..core import Outcome
from ..methods.decomposition.budget_split import bam_shares, least_uncertain, split, uncertainty
from ..metrics.cost.efficiency import e3
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.scripted import questions
from .worlds.shares import Shares

TOTAL = 350  # words of a question of the middle level
C, ALPHA = (36.0, 12.0, 4.0), 1.0  # early steps are the hard ones
CREDITS = (20, 30, 50)  # the pattern most frequent in the published plans
OWN = 700  # words of a solver that is told nothing
PLANNER = 60  # tokens of a planner's call
OVERRUN = 0.2
PLANNERS = (0, 20, 40, 60, 80, 100, 150, 200, 300)
TRIALS = {"quick": 400, "full": 4_000}
QUESTIONS = {"quick": 16, "full": 200}
TASK = "lab:arith?level=3"
DIFFERENT = ((3.0, 1.0, 0.3), (0.5, 1.0, 2.0))
LEVELS = (2.35, 2.58, 3.13, 4.09, 5.0)  # published mean number of steps


def _shares() -> dict[str, Sequence[int]]:
    """Words of each step, by who shares them out, best first as the paper has it."""
    weighted = split(TOTAL, CREDITS, "polynomial")
    bam = [round(1000 * share) for share in bam_shares(C, [ALPHA] * len(C))]
    return {
        "closed form": split(TOTAL, bam),
        "weighted": weighted,
        "uniform": [TOTAL // len(C)] * len(C),
        "wrong order": weighted[::-1],
    }


def _world(planner_tokens: int = PLANNER, overrun: float = 0.0) -> Shares:
    return Shares(c=C, alpha=ALPHA, credits=CREDITS, own=OWN, planner_tokens=planner_tokens, overrun=overrun)


def _expected_e3(budgets: Sequence[int], planner_tokens: int = PLANNER) -> float:
    return e3(_world().accuracy(budgets), sum(budgets) + 2 * planner_tokens)


def order_of_shares(lab: Laboratory) -> Figure:
    """The smallest step down in E3 from the closed form over weighted and equal shares to the wrong order."""
    merits = [_expected_e3(budgets) for budgets in _shares().values()]
    return Figure.exact(min(a - b for a, b in pairwise(merits)), "four allocations, equal totals")


def _played(lab: Laboratory, form: str) -> tuple[np.ndarray, np.ndarray]:
    """(right, tokens) of every question, the planner's in them."""
    outcomes = lab.answer(
        f"plan-and-budget(form={form})",
        _world(overrun=OVERRUN).engine(),
        questions(lab.size(*TRIALS.values())),
    )
    return _right(outcomes), np.array([o.usage.completion_tokens for o in outcomes], float)


def _right(outcomes: Sequence[Outcome]) -> np.ndarray:
    return np.array([o.answer == "right" for o in outcomes], float)


def _gain(a: np.ndarray, t: np.ndarray, b: np.ndarray, u: np.ndarray) -> float:
    return e3(float(np.mean(a)), float(np.mean(t))) - e3(float(np.mean(b)), float(np.mean(u)))


def weighted_over_uniform(lab: Laboratory) -> Figure:
    one, other = _played(lab, "weighted"), _played(lab, "uniform")
    return Figure.resampled(_gain, *one, *other, of=f"{len(one[0])} questions")


def weighted_over_vanilla(lab: Laboratory) -> Figure:
    """E3 with all costs, and where a planner's length takes the gain away."""
    vanilla = e3(_world().accuracy([OWN / len(C)] * len(C)), OWN)
    with_planner = [_expected_e3(_shares()["weighted"], tokens) for tokens in PLANNERS]
    gone = next((t for t, merit in zip(PLANNERS, with_planner) if merit <= vanilla), None)
    lab.plot(
        Curve(
            title="E3 of weighted shares, the planner's tokens counted",
            x_name="tokens of each of the planner's two calls",
            y_name="E3",
            x=PLANNERS,
            lines=[
                Line(name="weighted", y=with_planner),
                Line(name="weighted, planner left out", y=[with_planner[0]] * len(PLANNERS)),
                Line(name="vanilla", y=[vanilla] * len(PLANNERS)),
            ],
            vanishes_at=gone,
        )
    )
    one, other = _played(lab, "weighted"), _played(lab, "vanilla")
    return Figure.resampled(_gain, *one, *other, of=f"{len(one[0])} questions")


def simulation_is_the_product(lab: Laboratory) -> Figure:
    """Distance of the method's accuracy from the product of the steps' chances, in standard errors."""
    outcomes = lab.answer("plan-and-budget", _world().engine(), questions(lab.size(*TRIALS.values())))
    expected = _world().accuracy(_shares()["weighted"])
    error = math.sqrt(expected * (1 - expected) / len(outcomes))
    return Figure.exact(
        abs(float(np.mean(_right(outcomes))) - expected) / error, f"{len(outcomes)} questions"
    )


def closed_form_at_equal_exponents(lab: Laboratory) -> Figure:
    """Largest relative distance of the closed form's budgets from the exact solver's."""
    far = 0.0
    for alpha in (0.3, 1.0, 2.5):
        exact = least_uncertain(TOTAL, C, [alpha] * len(C))
        closed = [TOTAL * share for share in bam_shares(C, [alpha] * len(C))]
        far = max(far, *(abs(a - b) / b for a, b in zip(closed, exact, strict=True)))
    return Figure.exact(far, "3 exponents")


def closed_form_at_different_exponents(lab: Laboratory) -> Figure:
    """Uncertainty that the closed form leaves above the least possible, as a share of it."""
    totals = [5, 10, 20, 40, 80, 160]
    excess = []
    for total in totals:
        closed = [total * share for share in bam_shares(*DIFFERENT)]
        least = uncertainty(least_uncertain(total, *DIFFERENT), *DIFFERENT)
        excess.append(uncertainty(closed, *DIFFERENT) / least - 1)
    lab.plot(
        Curve(
            title="What the published closed form leaves above the optimum, exponents 0.5, 1 and 2",
            x_name="budget",
            y_name="excess uncertainty, share",
            x=totals,
            lines=[Line(name="closed form", y=excess)],
        )
    )
    return Figure.exact(min(excess), "6 budgets")


def published_plans(lab: Laboratory) -> Figure:
    """Largest distance of the mean number of steps by level from the published one, in steps; a plan whose
    credits do not add up to 100 counts as one step off."""
    with lab.recording("plan_and_budget_math500.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    off = 0.0
    for level, mean in enumerate(LEVELS, 1):
        steps = [int(row["steps"]) for row in rows if row["level"] == str(level)]
        off = max(off, abs(float(np.mean(steps)) - mean))
    broken = any(sum(json.loads(row["credits"])) != 100 for row in rows)
    return Figure.exact(off + broken, f"{len(rows)} plans")


# -- the bundled reasoner

WEIGHTED, VANILLA = "plan-and-budget", "plan-and-budget(form=vanilla)"


def _bench(lab: Laboratory, specs: Sequence[str], task: str, n: int) -> dict[str, list[np.ndarray]]:
    """Method -> [right, tokens, the planner's among them], by question. A reply has 400 tokens at most."""
    from ..bench import Settings
    from ..core import Sampling

    seen = lab.bench(specs, "tiny", [task], n=n, settings=Settings(request=Sampling(max_tokens=400)))
    found = {}
    for spec in specs:
        results = sorted(seen.results[spec], key=lambda result: result.problem)
        found[spec] = [
            np.array([bool(r.correct) for r in results], float),
            np.array([r.usage.completion_tokens for r in results], float),
            np.array([r.usage.planning_tokens for r in results], float),
        ]
    return found


def _on_the_reasoner(lab: Laboratory) -> dict[str, list[np.ndarray]]:
    return _bench(lab, [WEIGHTED, VANILLA], TASK, lab.size(*QUESTIONS.values()))


def e3_with_all_costs(lab: Laboratory) -> Figure:
    found = lab.once(_on_the_reasoner)
    (a, t, _), (b, u, _) = found[WEIGHTED], found[VANILLA]
    return Figure.resampled(_gain, a, t, b, u, of=f"{len(a)} questions")


def e3_without_the_planner(lab: Laboratory) -> Figure:
    found = lab.once(_on_the_reasoner)
    (a, t, planner), (b, u, _) = found[WEIGHTED], found[VANILLA]
    return Figure.resampled(_gain, a, t - planner, b, u, of=f"{len(a)} questions")


def obedience(lab: Laboratory) -> Figure:
    """Tokens of the solving call told a tenth of the words, minus those told all, same questions."""
    specs = [f"plan-and-budget(prompts=paper, form=uniform, scale={scale})" for scale in (0.1, 1.0)]
    found = _bench(lab, specs, "lab:arith?level=1", lab.size(8, 60))
    small, large = (tokens - planning for _, tokens, planning in (found[spec] for spec in specs))
    return Figure.mean(small - large, f"{len(small)} questions")


SYSTEM = System(
    name="plan-and-budget",
    methods=("plan-and-budget",),
    parameters={
        "total": TOTAL,
        "c": C,
        "alpha": ALPHA,
        "credits": CREDITS,
        "own": OWN,
        "planner": PLANNER,
        "overrun": OVERRUN,
        "trials": TRIALS,
        "questions": QUESTIONS,
        "task": TASK,
        "different": DIFFERENT,
        "levels": LEVELS,
    },
    claims=(
        Claim(
            name="e3-all-costs",
            text="Planning and budgeting raise E3 = A^2/T.",
            number="+193.8% on TravelPlanner, DS-Qwen-32B 0.16 to 0.47, without the planner's tokens",
            source="abstract",
            effect="E3 of weighted shares minus step by step, the planner's tokens in T, bundled reasoner",
            criterion=Above(0.0),
            measure=e3_with_all_costs,
        ),
        Claim(
            name="e3-planner-left-out",
            text="The same as the paper counts.",
            source="released code: plans are made beforehand",
            effect="the same without the planner's tokens",
            criterion=Above(0.0),
            measure=e3_without_the_planner,
        ),
        Claim(
            name="adaptive-shares",
            text="Adaptive shares beat equal ones.",
            source="ablation: uniform is between, adaptive best",
            effect="E3 of weighted minus equal shares at 350 words, world of hard early steps, all costs",
            criterion=Above(0.0),
            measure=weighted_over_uniform,
        ),
        Claim(
            name="over-vanilla",
            text="A planned and budgeted solver beats one that is told nothing.",
            source="abstract",
            effect="E3 of weighted shares minus a solver of 700 words, a planner of 2 x 60 tokens counted",
            criterion=Above(0.0),
            measure=weighted_over_vanilla,
        ),
        Claim(
            name="order",
            text="Best are the theory's shares, then weighted, equal, and falling where it is hard.",
            source="theory and ablations",
            effect="smallest step down in expected E3 along that order, equal totals",
            criterion=Above(0.0),
            measure=order_of_shares,
        ),
        Claim(
            name="product",
            text="An answer is right if every sub-question is.",
            source="derived from the procedure",
            effect="the method's accuracy in the world from the product, standard errors",
            criterion=Below(4.0),
            measure=simulation_is_the_product,
        ),
        Claim(
            name="closed-form",
            text="The closed form of the budgets is optimal.",
            source="theory; true at equal exponents",
            effect="relative distance from an exact solver at equal exponents",
            criterion=Equals(0.0, 1e-6),
            measure=closed_form_at_equal_exponents,
        ),
        Claim(
            name="closed-form-in-general",
            text="The closed form of the budgets is optimal.",
            source="theory; as published, for any exponents",
            effect="least excess uncertainty over the exact solver, exponents 0.5, 1 and 2, share",
            criterion=Equals(0.0, 1e-6),
            measure=closed_form_at_different_exponents,
        ),
        Claim(
            name="published-plans",
            text="Harder questions are split into more steps.",
            number="2.35, 2.58, 3.13, 4.09, 5.0 steps for levels 1 to 5",
            source="released plans of MATH-500",
            effect="largest distance of the recorded means from these; credits add up to 100",
            criterion=Equals(0.0, 0.005),
            measure=published_plans,
        ),
        Claim(
            name="obedience",
            text="A model that is told its words keeps to them.",
            source="assumed by the method",
            effect="tokens of the solving call at a tenth of the words minus at all, bundled reasoner",
            criterion=Below(0.0),
            measure=obedience,
        ),
        Claim(
            name="reasoners",
            text="Up to +70% accuracy and -39% tokens on MATH-500, NaturalInstructions and TravelPlanner.",
            source="abstract",
            criterion=Needs("a reasoner of 32B parameters and a GPU"),
        ),
    ),
)
