"""3D TTS (arXiv 2511.15738): context x batch x turn, each bounded alone, combined by a judge.

Measured in a world of a model that revises and judges with known chances (`worlds/refinement.py`), whose
accuracy is known in closed form, and on the bundled reasoner, which was taught both. The chances are those
of a middling model: a third of first attempts right, a third of wrong ones repaired, a fifth of right ones
lost, a judge that finds a right candidate in 60%.
"""

from __future__ import annotations

import math

import numpy as np

from ..core import Outcome
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.refinement import Refinement
from .worlds.scripted import questions

P, R, S, J = 0.3, 0.3, 0.2, 0.6
CANDIDATES = 16  # of every split of one budget
SPLITS = [(16, 1), (8, 2), (4, 4), (2, 8), (1, 16)]  # batch, turns
JUDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SIMULATED = [(1, 3, 0.5), (4, 1, 0.6), (4, 3, 0.6), (3, 2, 0.0), (8, 2, 1.0)]  # batch, turns, judge
WEAK = {"p": 0.7, "r": 0.1, "s": 0.4, "j": 0.1}
TRIALS = {"quick": 200, "full": 1_000}
QUESTIONS = {"quick": 16, "full": 80}
SHORT = 24  # tokens of a reply that has to be continued
JUDGED = "three-d(batch={batch}, turns={turns}, aggregator=judge, judgements=1, select=last, carry=solution)"


def world(j: float) -> Refinement:
    return Refinement(p=P, r=R, s=S, j=j)


def _played(lab: Laboratory, of: Refinement, batch: int, turns: int) -> list[Outcome]:
    problems = questions(lab.size(*TRIALS.values()))
    return lab.answer(JUDGED.format(batch=batch, turns=turns), of.engine(), problems)


def _right(outcomes: list[Outcome]) -> list[bool]:
    return [outcome.answer == "right" for outcome in outcomes]


def combined_over_single(lab: Laboratory) -> Figure:
    """Accuracy of the best split over several turns and candidates, minus that of the better axis alone,
    at equal candidates; exact."""

    def best(j: float, *, single: bool) -> float:
        return max(world(j).accuracy(*split) for split in SPLITS if (1 in split) == single)

    alone, both = ([best(j, single=single) for j in JUDGES] for single in (True, False))
    gains = np.array(both) - np.array(alone)
    turned = np.flatnonzero((gains[:-1] <= 0) != (gains[1:] <= 0))
    lab.plot(
        Curve(
            title=f"{CANDIDATES} candidates: the best single axis and the best combination",
            x_name="chance that the judge finds a right candidate",
            y_name="accuracy",
            x=JUDGES,
            lines=[
                Line(name="one axis", y=alone),
                Line(name="combined", y=both),
                Line(name="one candidate", y=[P] * len(JUDGES)),
            ],
            vanishes_at=JUDGES[int(turned[0])] if len(turned) else None,
        )
    )
    return Figure.exact(best(J, single=False) - best(J, single=True), f"{CANDIDATES} candidates")


def simulation_is_the_recursion(lab: Laboratory) -> Figure:
    """Largest distance of the method's accuracy from the recursion, in standard errors."""
    far = 0.0
    for batch, turns, j in SIMULATED:
        right = _right(_played(lab, world(j), batch, turns))
        expected = world(j).accuracy(batch, turns)
        error = math.sqrt(expected * (1 - expected) / len(right))
        far = max(far, abs(float(np.mean(right)) - expected) / error)
    return Figure.exact(far, f"{len(SIMULATED)} settings")


def random_judge_adds_nothing(lab: Laboratory) -> Figure:
    alone = world(0.0).accuracy(1, 3)
    return Figure.exact(max(abs(world(0.0).accuracy(b, 3) - alone) for b in (2, 4, 16)), "3 batches")


def turns_under_a_weak_judge(lab: Laboratory) -> Figure:
    """Accuracy after four turns minus after one, the same questions."""
    weak = Refinement(**WEAK)
    one, four = (_right(_played(lab, weak, 2, turns)) for turns in (1, 4))
    turns = list(range(1, 9))
    lab.plot(
        Curve(
            title="More turns under a weak judge, by the loss of right answers",
            x_name="turns",
            y_name="accuracy",
            x=turns,
            lines=[
                Line(name=f"s = {s}", y=[Refinement(**{**WEAK, "s": s}).accuracy(2, t) for t in turns])
                for s in (0.0, 0.05, 0.2, 0.4)
            ],
        )
    )
    return Figure.mean(np.array(four, float) - np.array(one, float), f"{len(one)} questions")


REDUCTIONS = [
    ("three-d(batch=5, turns=1)", "sc(n=5)"),
    ("three-d(batch=1, turns=3, select=last)", "turns(turns=3, carry=reflection, select=last)"),
    ("three-d(batch=1, turns=1)", "simple"),
]


def reductions(lab: Laboratory) -> Figure:
    """Questions on which a reduced form and the plain method differ in a trace or in the answer."""
    differ = 0
    for reduced, plain in REDUCTIONS:
        first, second = (lab.answer(spec, world(0.0).engine(), questions(40)) for spec in (reduced, plain))
        differ += sum(
            (a.answer, a.traces) != (b.answer, b.traces) for a, b in zip(first, second, strict=True)
        )
    return Figure.exact(differ, f"{len(REDUCTIONS)} reductions, 40 questions")


# -- the bundled reasoner


def _compared(lab: Laboratory, *specs: str) -> Figure:
    seen = lab.bench(specs, "tiny", ["lab:word?level=3"], n=lab.size(*QUESTIONS.values()))
    return Figure.paired(seen.difference(*specs))


def combined_on_the_reasoner(lab: Laboratory) -> Figure:
    return _compared(lab, "three-d(batch=4, turns=2)", "sc(n=8)")


def turns_extend_the_context(lab: Laboratory) -> Figure:
    """Three turns of SHORT tokens, each going on from the last, against three candidates of SHORT."""
    cut = f"context={SHORT}, thinking=true"
    return _compared(lab, f"three-d({cut}, batch=1, turns=3)", f"three-d({cut}, batch=3, turns=1)")


SYSTEM = System(
    name="three-d-tts",
    methods=("three-d", "turns"),
    parameters={
        "chances": [P, R, S, J],
        "splits": SPLITS,
        "judges": JUDGES,
        "simulated": SIMULATED,
        "weak": WEAK,
        "trials": TRIALS,
        "questions": QUESTIONS,
        "short": SHORT,
        "reductions": REDUCTIONS,
    },
    claims=(
        Claim(
            name="combined",
            text="Combining batch and turns beats either alone at the same budget.",
            number="86.7% on Olympiads, Gemini 2.5 Pro (compute not matched)",
            source="abstract; the equal-budget comparison is missing in the paper",
            effect="best combination minus best single axis, 16 candidates, world with a judge of 0.6",
            criterion=Above(0.0),
            measure=combined_over_single,
        ),
        Claim(
            name="combined-reasoner",
            text="Combining batch and turns beats batch alone.",
            source="abstract",
            effect="accuracy of three-d(batch=4, turns=2) minus sc(n=8), bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=combined_on_the_reasoner,
        ),
        Claim(
            name="recursion",
            text="A turn's pick is right by a recursion over batch, judge, repairs and losses.",
            source="derived from the procedure",
            effect="simulated accuracy from the recursion (a turn shares one pick), standard errors",
            criterion=Below(4.0),
            measure=simulation_is_the_recursion,
        ),
        Claim(
            name="bounded-batch",
            text="The aggregator bounds the batch axis: a random judge gains nothing from candidates.",
            source="findings: the batch axis saturates",
            effect="difference of 2, 4 and 16 candidates from one, three turns, judge of 0",
            criterion=Equals(0.0, 1e-12),
            measure=random_judge_adds_nothing,
        ),
        Claim(
            name="turns-hurt",
            text="Turns propagate a judge's mistakes.",
            number="IOI 2025: best-of-N 30.79, three axes with an LLM judge 18.65",
            source="findings, public reviews",
            effect="accuracy after four turns minus one, judge of 0.1, repairs 0.1, losses 0.4",
            criterion=Below(0.0),
            measure=turns_under_a_weak_judge,
        ),
        Claim(
            name="reductions",
            text="One turn is batch scaling, one candidate self-refinement, both plain decoding.",
            source="definition of the axes",
            effect="questions with another trace or answer at equal seeds",
            criterion=Equals(0.0, 0.0),
            measure=reductions,
        ),
        Claim(
            name="effective-context",
            text="Turns extend what fits into one context; candidates cannot.",
            source="motivation",
            effect="accuracy of three turns of 24 tokens minus three candidates of 24, bundled reasoner",
            criterion=Above(0.0),
            measure=turns_extend_the_context,
        ),
        Claim(
            name="olympiads",
            text="Gold level on IMO 2025 and CPHO 2022; a human aggregator beats an LLM judge.",
            number="86.7%; preferred in 17 of 20 comparisons",
            source="abstract, reviews",
            criterion=Needs("Gemini 2.5 Pro, human graders and an RL simulator"),
        ),
    ),
)
