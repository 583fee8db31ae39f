"""V1 (arXiv 2603.04304): the best of N samples, found by comparing them in pairs.

The tournament is measured in a world of a judge whose ratings are known: quality, plus an offset that all
ratings of one call share, plus noise of each. On the bundled reasoner, which rates two solutions, V1 is
compared with the vote and with single ratings: of one solution it says yes or no, for 10 or 1.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from functools import partial

import numpy as np

from ..core import GenerationRequest, Trace
from ..verifiers.ratings.tournament import Table, swiss
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.scripted import Scripted, questions

N, BUDGET = 16, 3
P = 0.3  # share of right samples
RIGHT, WRONG, NOISE = 6.0, 5.0, 1.0  # quality of either, noise of every rating
OFFSETS = (0.0, 0.5, 1.0, 1.5, 2.0)  # standard deviation of what a call's ratings share
LARGE = 1.5
BUDGETS = (1, 2, 3)
PLACE = 3.0  # points that a biased judge adds to what it sees first
TRIALS = {"quick": 60, "full": 250}
PAIRS = {"quick": 4_000, "full": 40_000}
TASK = "lab:word?level=3"
QUESTIONS = {"quick": 8, "full": 40}

Rater = Callable[[random.Random, list[bool]], list[float]]


def rater(offset: float, place: float = 0.0) -> Rater:
    """Ratings of a call: one or two solutions, each right or wrong; `place` is added to the first."""

    def rate(rng: random.Random, right: list[bool]) -> list[float]:
        shared = rng.gauss(0, offset)
        ratings = [(RIGHT if r else WRONG) + shared + rng.gauss(0, NOISE) for r in right]
        return [ratings[0] + place, *ratings[1:]]

    return rate


def world(rate: Rater) -> Scripted:
    """A model that solves, and judges what it is shown."""

    def reply(request: GenerationRequest) -> Trace:
        rng = random.Random(request.seed)
        if request.role != "judge":
            return Trace(f"\\boxed{{{'right' if rng.random() < P else 'wrong'}}}", 10)
        shown = re.findall(r"\\boxed\{(right|wrong)\}", request.prompt.text)
        ratings = rate(rng, [answer == "right" for answer in shown])
        names = ["_A", "_B"] if len(ratings) == 2 else [""]
        tags = (f"<rating{n}>{r:.6f}</rating{n}>" for n, r in zip(names, ratings, strict=True))
        return Trace("\n".join(tags), 3)

    return Scripted(reply)


def _right(lab: Laboratory, spec: str, rate: Rater) -> np.ndarray:
    """Whether each question's answer is right, (questions,)."""
    outcomes = lab.answer(spec, world(rate), questions(lab.size(*TRIALS.values())))
    return np.array([outcome.answer == "right" for outcome in outcomes], float)


def _spec(schedule: str = "swiss", budget: int = BUDGET, order: str = "random") -> str:
    return f"v1(n={N}, budget={budget}, schedule={schedule}, order={order})"


def _by_offset(lab: Laboratory) -> dict[str, list[np.ndarray]]:
    return {
        name: [_right(lab, _spec(name), rater(offset)) for offset in OFFSETS]
        for name in ("swiss", "pointwise")
    }


def above_pointwise(lab: Laboratory) -> Figure:
    """At LARGE, paired by question; equal calls of the judge."""
    found = lab.once(_by_offset)
    gains = [float((a - b).mean()) for a, b in zip(found["swiss"], found["pointwise"], strict=True)]
    lab.plot(
        Curve(
            title=f"{N} samples, {BUDGET * N} calls of the judge: pairs and single ratings",
            x_name="standard deviation of what all ratings of a call share",
            y_name="accuracy",
            x=OFFSETS,
            lines=[
                Line(name={"swiss": "pairs (Swiss)"}.get(name, name), y=[float(v.mean()) for v in values])
                for name, values in found.items()
            ],
            vanishes_at=next((x for x, gain in zip(OFFSETS, gains, strict=True) if gain > 0), None),
        )
    )
    at = OFFSETS.index(LARGE)
    return Figure.mean(found["swiss"][at] - found["pointwise"][at], f"{len(found['swiss'][at])} questions")


def offsets_cancel(lab: Laboratory) -> Figure:
    found = lab.once(_by_offset)["swiss"]
    return Figure.mean(found[OFFSETS.index(LARGE)] - found[0], f"{len(found[0])} questions")


def offsets_hurt_pointwise(lab: Laboratory) -> Figure:
    found = lab.once(_by_offset)["pointwise"]
    return Figure.mean(found[OFFSETS.index(LARGE)] - found[0], f"{len(found[0])} questions")


def swiss_above_random(lab: Laboratory) -> Figure:
    """At BUDGET N calls; the curve has other budgets and all against all."""
    names = ("swiss", "random", "round_robin")
    found = {name: [_right(lab, _spec(name, b), rater(LARGE)) for b in BUDGETS] for name in names}
    lab.plot(
        Curve(
            title=f"{N} samples: who is compared, by calls of the judge",
            x_name="calls per sample",
            y_name="accuracy",
            x=BUDGETS,
            lines=[Line(name=name, y=[float(v.mean()) for v in found[name]]) for name in names],
        )
    )
    at = BUDGETS.index(BUDGET)
    return Figure.mean(found["swiss"][at] - found["random"][at], f"{len(found['swiss'][at])} questions")


def bias_of_place(lab: Laboratory) -> Figure:
    """Accuracy with both orders minus that with the published one, under a judge that prefers the first."""
    rate = rater(LARGE, PLACE)
    both, fixed = (_right(lab, _spec(order=order), rate) for order in ("both", "fixed"))
    return Figure.mean(both - fixed, f"{len(both)} questions, {PLACE:g} points for the first place")


def two_candidates(lab: Laboratory) -> Figure:
    """Distance from Phi of the share of pairs whose right one wins, in standard errors; the ratings are those
    of the world, added to a table as they are."""
    rng, rate, pairs = random.Random(lab.seed), rater(LARGE), lab.size(*PAIRS.values())
    won = 0.0
    for _ in range(pairs):
        a, b = rate(rng, [True, False])
        won += (a > b) + (a == b) / 2
    expected = 0.5 * (1 + math.erf((RIGHT - WRONG) / (2 * NOISE)))
    error = math.sqrt(expected * (1 - expected) / pairs)
    return Figure.exact(abs(won / pairs - expected) / error, f"{pairs} pairs")


def arithmetic(lab: Laboratory) -> Figure:
    """Largest distance from the published values of three comparisons, four digits."""
    table = Table(3)
    for pair, ratings in {(0, 1): (4, 8), (1, 2): (7, 3), (0, 2): (5, 5)}.items():
        table.add(*pair, *ratings)
    expected = [0.05, 0.8889, 0.05, 0.5444, 0.8889, 0.5444, 0.0918, 1, 0.0918]
    found = [*table.won, *table.weight, *(table.value(i) for i in range(3))]
    return Figure.exact(float(np.abs(np.subtract(found, expected)).max()), "9 values")


def saturated(lab: Laboratory) -> Figure:
    """Questions with a right sample that V1 misses, while every single rating would be the highest."""

    def rate(rng: random.Random, right: list[bool]) -> list[float]:
        if len(right) == 1 or right[0] == right[1]:
            return [10.0] * len(right)
        return [10.0 if r else 3.0 for r in right]

    outcomes = lab.answer(_spec(), world(rate), questions(100))
    missed = sum(
        outcome.answer != "right" and any("{right}" in trace.text for trace in outcome.traces)
        for outcome in outcomes
    )
    return Figure.exact(missed, f"{len(outcomes)} questions")


def coverage(lab: Laboratory) -> Figure:
    """Tournaments that judge more than B pairs, or leave a candidate with fewer than two opponents."""
    broken, rng = 0, random.Random(lab.seed)
    for n in range(4, 25):
        for budget in (math.ceil(1.5 * n + 1), 2 * n, 3 * n):
            quality, table, met = [rng.uniform(1, 10) for _ in range(n)], Table(n), 0
            for pairs in swiss(table, rng):
                for a, b in pairs[: budget - met]:
                    table.add(a, b, quality[a], quality[b])
                met += len(pairs[: budget - met])
                if met == budget:
                    break
            broken += met > budget or min(map(table.opponents, range(n))) < 2
    return Figure.exact(broken, "63 tournaments of 4 to 24")


# -- the bundled reasoner

LIVE, VOTE, SINGLE = "v1(n=6, budget=2)", "sc(n=6)", "v1(n=6, budget=2, schedule=pointwise)"


def _live(lab: Laboratory, first: str, second: str) -> Figure:
    compared = lab.once(_comparison)
    return Figure.paired(compared.difference(first, second))


def _comparison(lab: Laboratory):  # type: ignore[no-untyped-def]
    return lab.bench([LIVE, VOTE, SINGLE], "tiny", [TASK], n=lab.size(*QUESTIONS.values()))


SYSTEM = System(
    name="v1-pairwise",
    methods=("v1",),
    parameters={
        "n": N,
        "budget": BUDGET,
        "world": [P, RIGHT, WRONG, NOISE, PLACE],
        "offsets": OFFSETS,
        "large": LARGE,
        "budgets": BUDGETS,
        "trials": TRIALS,
        "pairs": PAIRS,
        "task": TASK,
        "questions": QUESTIONS,
        "methods": [LIVE, VOTE, SINGLE],
    },
    claims=(
        Claim(
            name="above-pointwise",
            text="Pairs find right solutions that single ratings miss, at equal calls of the judge.",
            number="76.3 against 71.8, GPT-OSS-20B, LiveCodeBench-v6, N = 16, 3N calls",
            source="tables",
            effect="accuracy of V1 minus single ratings, calls that share an offset of 1.5",
            criterion=Above(0.0),
            measure=above_pointwise,
        ),
        Claim(
            name="offsets-cancel",
            text="What all ratings of a call have in common cancels within a pair.",
            source="motivation: single ratings are not calibrated",
            effect="accuracy of V1 with an offset of 1.5 minus without",
            criterion=Above(-0.1),
            measure=offsets_cancel,
        ),
        Claim(
            name="offsets-hurt-pointwise",
            text="It does not cancel between single ratings.",
            source="motivation: calibration collapse",
            effect="accuracy of single ratings with an offset of 1.5 minus without",
            criterion=Below(0.0),
            measure=offsets_hurt_pointwise,
        ),
        Claim(
            name="swiss",
            text="Choosing pairs by what was found beats random pairs.",
            number="76.3 against 72.5, GPT-OSS-20B, LiveCodeBench-v6",
            source="ablation",
            effect="accuracy of Swiss minus random pairs, 48 calls, offset 1.5",
            criterion=Above(0.0),
            measure=swiss_above_random,
        ),
        Claim(
            name="place",
            text="A judge that prefers a place decides as long as the order of a pair is fixed.",
            source="readers' criticism of the procedure",
            effect="accuracy with both orders minus the published one, 3 points for the first place",
            criterion=Above(0.0),
            measure=bias_of_place,
        ),
        Claim(
            name="two",
            text="Of two candidates the better wins with Phi(d / (sqrt(2) s)), whatever the offset.",
            source="derived from the procedure",
            effect="share of right ones that win from the formula, in standard errors",
            criterion=Below(4.0),
            measure=two_candidates,
        ),
        Claim(
            name="arithmetic",
            text="A comparison weighs as much as its ratings differ, a tenth at least.",
            number="wins .05, .8889, .05; values .0918, 1, .0918",
            source="appendix, worked out",
            effect="largest distance of nine values",
            criterion=Below(5e-5),
            measure=arithmetic,
        ),
        Claim(
            name="saturated",
            text="A judge that gives single solutions the highest mark still tells a right from a wrong one.",
            source="motivation: calibration collapse",
            effect="questions with a right sample that V1 misses",
            criterion=Equals(0.0, 0.0),
            measure=saturated,
        ),
        Claim(
            name="coverage",
            text="At most B calls; from 1.5 N + 1 on each candidate has met two others.",
            source="algorithm",
            effect="tournaments that break either",
            criterion=Equals(0.0, 0.0),
            measure=coverage,
        ),
        Claim(
            name="above-vote",
            text="Comparing samples beats the vote.",
            source="abstract: merging loses rare right solutions",
            effect="accuracy of v1(n=6, budget=2) minus sc(n=6), bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=partial(_live, first=LIVE, second=VOTE),
        ),
        Claim(
            name="above-pointwise-reasoner",
            text="Pairs find right solutions that single ratings miss, at equal calls of the judge.",
            source="tables",
            effect="accuracy of v1(n=6, budget=2) minus single ratings, bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=partial(_live, first=LIVE, second=SINGLE),
        ),
        Claim(
            name="published",
            text="Pairwise self-verification adds up to 10 points over single ratings.",
            number="63.3 against 53.3, Qwen3-4B-Instruct, AIME 2025; 33.3 against 28.3, SWE-bench Lite",
            source="tables",
            criterion=Needs("models of 4 to 120 billion parameters"),
        ),
        Claim(
            name="pair-rl",
            text="Training solver and judge together makes both better.",
            number="+6.5 to +7.3 over pointwise training, three code sets, Qwen3-4B",
            source="tables",
            criterion=Needs("reinforcement learning on a 4B model"),
        ),
    ),
)
