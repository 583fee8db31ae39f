"""Scaling over Scaling (TTSPM, arXiv 2505.20522): F(N) = F_max (1 - (1 - p)^N), and where it saturates.

The model's identities are looked at in the worlds it describes (independent candidates; an absorbing chain
of revisions), its predictions on the recorded samples of real models, and its assumption that a right
answer stays right on the bundled reasoner.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from ..bench import load_task
from ..engines.synthetic import Synthetic, binary
from ..metrics.accuracy.transitions import transition_rates
from ..planner.evidence import graded
from ..planner.saturation import (
    budgets,
    fit,
    hit_curve,
    observed_saturation,
    saturation_point,
    spread_success,
    success,
)
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.refinement import Refinement
from .worlds.scripted import questions

P = 0.3
NS = (1, 2, 4, 8)
TRIALS = {"quick": 400, "full": 4_000}
KNOWN, PREDICTED = 4, 8  # samples a curve is fitted on, and the sample it is to predict
EPSILON = 0.01  # accuracy the next sample must add
GRID = [i / 100 for i in range(1, 100)]
EPSILONS = (1e-1, 1e-2, 1e-3, 1e-4)
A = B = 0.5  # of the chances of heterogeneous questions: many hopeless, many easy
FAR = 32
ROUNDS = {"quick": 40, "full": 200}
RECORDED = [
    *(
        f"recorded_reasoning.csv?where.model={model}&where.dataset={task}"
        for model in ("DeepSeek-R1", "GPT-OSS-120B", "Qwen3-32B")
        for task in ("aime2024", "gpqa-diamond")
    ),
    "gsm8k_qwen2.5-0.5b.csv",
    "math500_qwen2.5-1.5b_prm.csv",
    "math_qwen2.5-math_rm.csv",
]
Counts = list[tuple[int, int]]


# -- recordings


def _counts(lab: Laboratory) -> dict[str, Counts]:
    """Recording -> (samples, right) of every question, of its first eight samples or all."""
    found = {}
    for name in RECORDED:
        file = lab.recording(name.partition("?")[0])
        (pool,) = lab.model(f"replay:{file}{name[len(file.name) :]}").pools
        found[name] = list(graded(pool).values())
    return found


def _curves(lab: Laboratory) -> dict[str, np.ndarray]:
    """Recording -> measured Hit@1..Hit@PREDICTED."""
    return {name: hit_curve(counts, PREDICTED) for name, counts in lab.once(_counts).items()}


def saturation_is_predicted(lab: Laboratory) -> Figure:
    """Pearson's r of predicted and observed saturation over recordings, with Fisher's interval; one that
    does not saturate within PREDICTED samples counts as PREDICTED."""
    curves = lab.once(_curves).values()
    predicted = [min(fit(curve[:KNOWN]).saturation(EPSILON), PREDICTED) for curve in curves]
    observed = [observed_saturation(curve, EPSILON) or PREDICTED for curve in curves]
    r = float(np.corrcoef(predicted, observed)[0, 1])
    half = 1.96 / math.sqrt(len(predicted) - 3)
    return Figure(
        r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half), f"{len(predicted)} recordings"
    )


def tail_is_predicted(lab: Laboratory) -> Figure:
    """Mean distance of predicted from measured Hit@PREDICTED."""
    curves = lab.once(_curves)
    n = list(range(1, PREDICTED + 1))
    measured = np.mean(list(curves.values()), axis=0)
    lab.plot(
        Curve(
            title=f"Hit@n, mean of {len(curves)} recordings; curves fitted on the first {KNOWN}",
            x_name="samples",
            y_name="any right",
            x=n,
            lines=[
                Line(name="measured", y=measured.tolist()),
                *(
                    Line(
                        name=name,
                        y=np.mean(
                            [fit(curve[:KNOWN], spread=spread).at(n) for curve in curves.values()], axis=0
                        ).tolist(),
                    )
                    for name, spread in (("one p", False), ("p spread (ours)", True))
                ),
            ],
        )
    )
    off = [abs(float(fit(curve[:KNOWN]).at(PREDICTED)) - float(curve[-1])) for curve in curves.values()]
    return Figure.mean(off, f"{len(off)} recordings")


# -- the worlds it describes


def _hits(lab: Laboratory) -> dict[str, list[float]]:
    """Mode -> measured accuracy of N units, for N in NS."""
    problems = questions(lab.size(*TRIALS.values()))
    candidates = Synthetic(binary(P, length=8, wrong_length=8, spread=1, wrong_spread=1))
    chain = Refinement(p=P, r=P, s=0.0).engine()
    found: dict[str, list[float]] = {"parallel": [], "sequential": []}
    for n in NS:
        runs = {
            "parallel": lab.answer(f"bon(n={n}, verifier=oracle)", candidates, problems),
            "sequential": lab.answer(f"turns(turns={n}, carry=solution, select=last)", chain, problems),
        }
        for mode, outcomes in runs.items():
            found[mode].append(float(np.mean([o.answer == "right" for o in outcomes])))
    return found


def one_curve_for_both(lab: Laboratory) -> Figure:
    """Largest distance of either mode from 1 - (1 - p)^N, in standard errors."""
    found, expected = lab.once(_hits), success(NS, P)
    error = np.sqrt(expected * (1 - expected) / lab.size(*TRIALS.values()))
    far = max(float(np.max(np.abs(values - expected) / error)) for values in found.values())
    lab.plot(
        Curve(
            title="Parallel samples and rounds of an absorbing chain, p = 0.3",
            x_name="N",
            y_name="right",
            x=NS,
            lines=[
                *(Line(name=mode, y=values) for mode, values in found.items()),
                Line(name="1 - (1 - p)^N", y=expected.tolist()),
            ],
        )
    )
    return Figure.exact(far, f"2 modes, {len(NS)} budgets")


def saturation_is_the_first(lab: Laboratory) -> Figure:
    """Disagreements of the closed form with going through all N."""
    wrong = 0
    for p in GRID:
        for epsilon in EPSILONS:
            n = 0
            while p * (1 - p) ** n > epsilon:
                n += 1
            wrong += saturation_point(p, epsilon) != n
    return Figure.exact(wrong, f"{len(GRID) * len(EPSILONS)} pairs of p and epsilon")


def tail_of_many(lab: Laboratory) -> Figure:
    """Predicted minus true Hit@FAR of questions with p ~ Beta(A, B), one p fitted on N to PREDICTED."""
    n = np.arange(1, FAR + 1)
    true = spread_success(n, A, B)
    fitted = fit(true[:PREDICTED])
    lab.plot(
        Curve(
            title=f"Questions that differ, p ~ Beta({A}, {B}); one p fitted on N up to {PREDICTED}",
            x_name="samples",
            y_name="any right",
            x=n.tolist(),
            lines=[Line(name="true", y=true.tolist()), Line(name="one p", y=fitted.at(n).tolist())],
        )
    )
    return Figure.exact(float(fitted.at(FAR) - true[-1]), f"p ~ Beta({A}, {B})")


def own_budgets_save(lab: Laboratory) -> Figure:
    """Share of samples saved by each question's own N* against one N for all of the same coverage."""
    from scipy.special import betaincinv

    rates = betaincinv(A, B, (np.arange(2_000) + 0.5) / 2_000)
    own = budgets(rates, EPSILON)
    coverage = float(np.mean(1 - (1 - rates) ** own))
    common = 1
    while float(np.mean(1 - (1 - rates) ** common)) < coverage:
        common += 1
    return Figure.exact(1 - float(own.mean()) / common, f"coverage {coverage:.3f}")


# -- a model


def right_stays_right(lab: Laboratory) -> Figure:
    """Share of right answers of the bundled reasoner that are wrong after the next round."""
    spec = "turns(turns=4)"
    task = load_task("lab:word?level=3", n=lab.size(*ROUNDS.values()), seed=lab.seed)
    problems = {problem.id: problem for problem in task.problems}
    seen = lab.bench([spec], "tiny", [task])
    chains = [
        [bool(problems[result.problem].correct(answer)) for answer in chain]
        for result in seen.results[spec]
        for chain in result.extra["answers"]
    ]
    repaired, _ = transition_rates(chains)
    moves = np.array([_losses(chain) for chain in chains], dtype=float)
    return Figure.resampled(
        lambda rows: rows[:, 0].sum() / rows[:, 1].sum(),
        moves,
        of=f"{len(chains)} chains; wrong became right in {repaired:.2f}",
    )


def _losses(chain: list[bool]) -> tuple[int, int]:
    """(right answers that were lost, right answers that had a next round)."""
    pairs = list(pairwise(chain))
    return sum(a and not b for a, b in pairs), sum(a for a, _ in pairs)


SYSTEM = System(
    name="ttspm",
    methods=("turns", "sc", "bon"),
    metrics=("saturation",),
    parameters={
        "p": P,
        "ns": NS,
        "trials": TRIALS,
        "known": KNOWN,
        "predicted": PREDICTED,
        "epsilon": EPSILON,
        "epsilons": EPSILONS,
        "beta": [A, B],
        "far": FAR,
        "rounds": ROUNDS,
        "recorded": RECORDED,
    },
    claims=(
        Claim(
            name="saturation-predicted",
            text="The model predicts where scaling saturates.",
            number="Pearson r = 0.803, R1-Distill-Qwen-7B, parallel, MATH-500",
            source="results",
            effect="r over nine recordings, predicted from Hit@1 to Hit@4, epsilon 0.01, 8 samples",
            criterion=Above(0.0),
            measure=saturation_is_predicted,
        ),
        Claim(
            name="tail-predicted",
            text="The fitted curve describes scaling.",
            source="model; the fitting procedure is inferred",
            effect="mean distance of Hit@8 predicted from Hit@1 to Hit@4, nine recordings",
            criterion=Below(0.01),
            measure=tail_is_predicted,
        ),
        Claim(
            name="unification",
            text="Parallel and sequential scaling follow the same curve.",
            number="1 - (1 - p)^N",
            source="Sec. 3, unified form",
            effect="distance of either from the curve in standard errors, at most",
            criterion=Below(4.0),
            measure=one_curve_for_both,
        ),
        Claim(
            name="saturation-point",
            text="N* = ceil(ln(epsilon / (F_max p)) / ln(1 - p)).",
            source="saturation point, indexing inferred",
            effect="disagreements with a search over N, p from .01 to .99, epsilon from .1 to .0001",
            criterion=Equals(0.0, 0.0),
            measure=saturation_is_the_first,
        ),
        Claim(
            name="tail-of-many",
            text="One p describes questions that differ.",
            source="assumed by fitting one curve to a data set",
            effect="predicted minus true Hit@32 where p ~ Beta(.5, .5), fitted on N up to 8",
            criterion=Equals(0.0, 0.01),
            measure=tail_of_many,
        ),
        Claim(
            name="own-budgets",
            text="Saturation points of single questions allocate a budget better than one N for all.",
            source="resource allocation",
            effect="share of samples saved at equal coverage, p ~ Beta(.5, .5)",
            criterion=Above(0.0),
            measure=own_budgets_save,
        ),
        Claim(
            name="absorbing",
            text="An answer that is right stays right when it is rethought.",
            source="Markov model of the sequential mode",
            effect="share of right answers lost in the next round, bundled reasoner, stories of level 3",
            criterion=Below(0.05),
            measure=right_stays_right,
        ),
        Claim(
            name="r1-distill",
            text="Parallel scaling lifts R1-Distill-1.5B above the unscaled 7B.",
            number="AIME24 30.0 to 53.3 at N = 32; MATH-500 83.6 against 82.0",
            source="results",
            criterion=Needs("DeepSeek-R1-Distill-Qwen-1.5B and 7B, and a GPU"),
        ),
    ),
)
