"""Compute-optimal test-time scaling (arXiv 2408.03314): which way of spending N generations, by difficulty.

Measured on recorded samples of small models, where policy, limit and strategies are chosen on one half of
the questions and scored on the other; in worlds of steps whose exact values are known, with a verifier that
is exact or likes short beginnings; and in a chain of revisions that loses the paper's 38% of right answers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import Outcome
from ..engines.synthetic import StepWorld
from ..planner import inference_factor, match, replayed
from ..planner.fitting import placed
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.refinement import Refinement
from .worlds.scripted import questions

RECORDED, JUDGED = "gsm8k_qwen2.5-0.5b.csv", "math_qwen2.5-math_rm.csv"
BUDGET = 16
SIZES = (4, 8, BUDGET)
PILOTS = [f"pilot(n={n})" for n in SIZES] + [
    f"pilot(n={n}, sure={sure})" for sure in (0.9, 0.95) for n in (8, BUDGET)
]
LIMITS = (4, 4.5, 5, 5.5, 6, 7, 8, 9, 10, 12, 14, 16)
REPEATS = {"quick": 2, "full": 8}
BINS = 5

Q, STEPS = 0.7, 6  # chance of a right step, steps of a solution
WIDTHS = (1, 2, 4, 8)
SKIPPING: dict[str, Any] = {"q": 0.9, "steps": 4, "skip_probability": 0.1, "short_bias": 0.5, "noise": 0.05}
TRIALS = {"quick": 150, "full": 1_500}

LOST = 0.38  # of right answers at the next revision (paper)
FIRST, REPAIRED = 0.5, 0.5
REVISIONS = 9
REPAIRS = (0.1, 0.2, 0.3, 0.38, 0.5, 0.6, 0.8)
EXCHANGE = {0.16: 257.75, 0.79: 63.37, 22.0: 15.77}  # R -> T of a model 14 times as large


# -- recordings


def fewer_generations(lab: Laboratory) -> Figure:
    """How many times fewer generations the policy needs to be as accurate as the vote of BUDGET; the
    four samples that tell the difficulty are counted."""
    source = lab.model(f"replay:{lab.recording(RECORDED)}")
    evidence = replayed(source, PILOTS, repeats=lab.size(*REPEATS.values()), seed=lab.seed)
    lab.replayed += int(evidence.tokens.sum())
    place, cuts = placed(evidence, "agreement", BINS)
    goal = [PILOTS.index(f"pilot(n={BUDGET})")]
    (found,) = match(
        evidence.right,
        evidence.samples,
        place,
        evidence.questions,
        LIMITS,
        len(cuts) + 1,
        evidence.right[goal],
        evidence.samples[goal],
        seed=lab.seed,
        spend="mean",
    )
    votes = [PILOTS.index(f"pilot(n={n})") for n in SIZES]
    lab.plot(
        Curve(
            title=f"Qwen2.5-0.5B on GSM8K, recorded: the policy takes {found.policy.cost:.1f} generations",
            x_name="generations a question",
            y_name="accuracy",
            x=SIZES,
            lines=[
                Line(name="vote", y=evidence.right.mean(axis=1)[votes].tolist()),
                Line(name="policy", y=[found.policy.accuracy] * len(SIZES)),
            ],
        )
    )
    ours, base, gap = (
        values.reshape(len(evidence.names), -1).mean(axis=1)
        for values in (found.policy_cost, found.baseline_cost, found.policy.right - found.baseline.right)
    )
    off = f"accuracy {gap.mean():+.3f}"
    return Figure.resampled(
        lambda mine, theirs: theirs.mean() / mine.mean(), ours, base, of=f"{len(ours)} questions, {off}"
    )


def verifier_against_vote(lab: Laboratory) -> Figure:
    weighted, vote = "bon(n=8, weighted=true)", "sc(n=8)"
    found = lab.bench([weighted, vote], f"replay:{lab.recording(JUDGED)}")
    return Figure.paired(found.difference(weighted, vote))


# -- search over steps


def _right(outcomes: list[Outcome]) -> NDArray[np.float64]:
    return np.array([outcome.answer == "right" for outcome in outcomes], dtype=float)


def _searched(lab: Laboratory, spec: str, world: StepWorld) -> list[Outcome]:
    return lab.answer(spec, {"main": world, "prm": world}, questions(lab.size(*TRIALS.values())))


def _exact(lab: Laboratory) -> dict[str, dict[int, NDArray[np.float64]]]:
    """Search -> generations -> right or not, with the exact value as verifier."""
    world = StepWorld(Q, STEPS)
    return {
        name: {n: _right(_searched(lab, spec.format(n=n), world)) for n in WIDTHS}
        for name, spec in (("beam", "beam-search(n={n}, width={n})"), ("best", "bon(n={n})"))
    }


def beams_beat_samples(lab: Laboratory) -> Figure:
    found = lab.once(_exact)
    lab.plot(
        Curve(
            title=f"Solutions of {STEPS} steps, each right with {Q}; the verifier knows the exact value",
            x_name="generations",
            y_name="accuracy",
            x=WIDTHS,
            lines=[
                Line(name="beam search", y=[float(found["beam"][n].mean()) for n in WIDTHS]),
                Line(name="best of N", y=[float(found["best"][n].mean()) for n in WIDTHS]),
            ],
            vanishes_at=1.0,
        )
    )
    gaps = found["beam"][4] - found["best"][4]
    return Figure.mean(gaps, f"{len(gaps)} questions, 4 generations")


def searches_are_closed_forms(lab: Laboratory) -> Figure:
    """Largest distance from (1 - (1 - q)^N)^L and 1 - (1 - q^L)^N, in standard errors."""
    far = 0.0
    for name, by_size in lab.once(_exact).items():
        for n, right in by_size.items():
            expected = (1 - (1 - Q) ** n) ** STEPS if name == "beam" else 1 - (1 - Q**STEPS) ** n
            far = max(far, abs(right.mean() - expected) / math.sqrt(expected * (1 - expected) / len(right)))
    return Figure.exact(float(far), f"2 searches, {len(WIDTHS)} sizes")


def over_optimisation(lab: Laboratory) -> Figure:
    """Beam search by eight under a verifier that likes short beginnings, minus one sample."""
    world = StepWorld(**SKIPPING)
    honest = StepWorld(**{**SKIPPING, "short_bias": 0.0, "noise": 0.0})
    spec = "beam-search(n={n}, width={n}, select=best)"
    biased = {n: _right(_searched(lab, spec.format(n=n), world)) for n in WIDTHS}
    exact = [float(_right(_searched(lab, spec.format(n=n), honest)).mean()) for n in WIDTHS]
    lab.plot(
        Curve(
            title="Searching harder on easy questions",
            x_name="generations",
            y_name="accuracy",
            x=WIDTHS,
            lines=[
                Line(
                    name="a verifier that likes short beginnings",
                    y=[float(r.mean()) for r in biased.values()],
                ),
                Line(name="the exact value", y=exact),
            ],
            vanishes_at=1.0,
        )
    )
    gaps = biased[8] - biased[1]
    return Figure.mean(gaps, f"{len(gaps)} questions")


def lookahead(lab: Laboratory) -> Figure:
    """Four beams that look one step ahead minus eight that do not: both cost eight generations."""
    world = StepWorld(Q, STEPS, noise=0.1)
    ahead, plain = (
        _searched(lab, spec, world)
        for spec in ("beam-search(n=4, width=4, lookahead=1)", "beam-search(n=8, width=4)")
    )
    spent = [sum(o.usage.completion_tokens for o in side) / len(side) for side in (ahead, plain)]
    gaps = _right(ahead) - _right(plain)
    return Figure.mean(gaps, f"{len(gaps)} questions, {spent[0]:.0f} and {spent[1]:.0f} steps")


# -- revisions and the exchange


def vote_over_the_chain(lab: Laboratory) -> Figure:
    """The vote over a chain of revisions minus its last answer."""
    problems, gains = questions(lab.size(*TRIALS.values())), {}
    for repaired in REPAIRS:
        model = Refinement(p=FIRST, r=repaired, s=LOST).engine()
        vote, last = (
            _right(lab.answer(f"turns(turns={REVISIONS}, carry=solution, select={how})", model, problems))
            for how in ("vote", "last")
        )
        gains[repaired] = vote - last
    means = [float(gap.mean()) for gap in gains.values()]
    turned = [i for i in range(1, len(means)) if means[i - 1] <= 0 < means[i]]
    lab.plot(
        Curve(
            title=f"Vote over {REVISIONS} revisions minus the last, {LOST:.0%} of right answers lost a turn",
            x_name="chance of a repair",
            y_name="accuracy gained",
            x=REPAIRS,
            lines=[Line(name="gain", y=means)],
            vanishes_at=REPAIRS[turned[0]] if turned else None,
        )
    )
    return Figure.mean(gains[REPAIRED], f"{len(problems)} chains, repairs {REPAIRED}")


def exchange(lab: Laboratory) -> Figure:
    off = max(abs(inference_factor(14, ratio) - factor) for ratio, factor in EXCHANGE.items())
    return Figure.exact(off, f"{len(EXCHANGE)} ratios")


SYSTEM = System(
    name="compute-optimal",
    methods=("best-of-n", "beam-search", "turns", "auto"),
    metrics=("inference_factor",),
    parameters={
        "recorded": [RECORDED, JUDGED],
        "pilots": PILOTS,
        "limits": LIMITS,
        "bins": BINS,
        "repeats": REPEATS,
        "steps": [Q, STEPS, *WIDTHS],
        "skipping": SKIPPING,
        "trials": TRIALS,
        "chain": [FIRST, REPAIRED, LOST, REVISIONS, *REPAIRS],
        "exchange": [[ratio, factor] for ratio, factor in EXCHANGE.items()],
    },
    claims=(
        Claim(
            name="fewer-generations",
            text="A strategy by difficulty and budget needs fewer generations than one for all.",
            number="up to 4 times fewer than best-of-N, PaLM 2-S on MATH (difficulty not counted)",
            source="abstract",
            effect="times fewer generations, pilot counted, vote of 16, Qwen2.5-0.5B on GSM8K, recorded",
            criterion=Above(1.0),
            measure=fewer_generations,
        ),
        Claim(
            name="weighted-best-of-n",
            text="Best-of-N weighted by a verifier beats the vote.",
            source="Sec. 5, baselines",
            effect="accuracy of weighted best of 8 minus sc(n=8), Qwen2.5-Math on MATH, recorded",
            criterion=Above(0.0),
            measure=verifier_against_vote,
        ),
        Claim(
            name="beam-search",
            text="At small budgets beam search beats best-of-N.",
            source="Sec. 5.3",
            effect="accuracy of beam search minus best of 4, world of steps, exact values",
            criterion=Above(0.0),
            measure=beams_beat_samples,
        ),
        Claim(
            name="closed-forms",
            text="With exact values either search has a closed form.",
            number="(1 - (1 - q)^N)^L and 1 - (1 - q^L)^N",
            source="derived",
            effect="accuracy from the forms in standard errors, at most",
            criterion=Below(4.0),
            measure=searches_are_closed_forms,
        ),
        Claim(
            name="over-optimisation",
            text="On easy questions, more search finds the verifier's mistakes.",
            source="Sec. 5.3, bins 1 and 2",
            effect="accuracy of a search by 8 minus one sample, verifier that likes short beginnings",
            criterion=Below(0.0),
            measure=over_optimisation,
        ),
        Claim(
            name="lookahead",
            text="Lookahead is worse than beam search at equal budget.",
            source="Sec. 5.3",
            effect="accuracy of 4 beams with k = 1 minus 8 beams without, world of steps, noisy values",
            criterion=Below(0.0),
            measure=lookahead,
        ),
        Claim(
            name="whole-chain",
            text="Revisions lose right answers: choose over the whole chain, not the last.",
            number="38% of right answers are lost at the next revision",
            source="Sec. 6.1",
            effect="accuracy of the vote over 9 revisions minus the last, 38% lost, half repaired",
            criterion=Above(0.0),
            measure=vote_over_the_chain,
        ),
        Claim(
            name="exchange",
            text="A small model may spend T = M + 3 (M - 1) / R times the inference of a large one.",
            number="257.75, 63.37, 15.77 for M = 14 and R = .16, .79, 22",
            source="Sec. 7",
            effect="largest distance from the three numbers",
            criterion=Equals(0.0, 0.005),
            measure=exchange,
        ),
        Claim(
            name="larger-model",
            text="At equal FLOPs a small model with test-time compute beats one 14 times as large.",
            number="+27.8% on easy, -52.9% on hard questions",
            source="Sec. 7, from a summary",
            criterion=Needs(
                "two sizes of one family 14 times apart, with trained revision and reward models"
            ),
        ),
    ),
)
