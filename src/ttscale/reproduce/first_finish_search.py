"""First Finish Search (arXiv 2505.18149): the first of n samples that ends is the answer.

Measured on samples of three large reasoning models (recorded, AIME 2024 and GPQA Diamond, eight a
question) and, for the closed forms, on a world in which lengths are normal and an answer's length tells
whether it is right.
"""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist, fmean, stdev

import numpy as np

from ..answers import TextRule
from ..core import Problem, Prompt
from ..engines.synthetic import Synthetic, binary
from .protocol import Above, Below, Claim, Comparison, Curve, Equals, Figure, Laboratory, Line, Needs, System

N = 8
RIGHT, SPREAD = 200.0, 40.0  # mean length of right samples, and the standard deviation of all
SHARE = 0.6  # of samples that are right
WRONG = (120.0, 160.0, 200.0, 240.0, 280.0)  # mean lengths of wrong samples: from half to twice the gap
QUESTIONS = {"quick": 1_000, "full": 10_000}
METHODS = (f"ffs(n={N})", f"ffs(n={N}, k=4)", f"sc(n={N}, tie=shortest)", "simple")
FIRST, FOURTH, VOTE, SINGLE = METHODS


def _recorded(lab: Laboratory, model: str, task: str) -> Comparison:
    """The four methods on a recorded model and task."""
    file = lab.recording("recorded_reasoning.csv")
    return lab.bench(METHODS, f"replay:{file}?where.model={model}&where.dataset={task}")


def _r1(lab: Laboratory) -> Comparison:
    return _recorded(lab, "DeepSeek-R1", "aime2024")


def _qwen(lab: Laboratory) -> Comparison:
    return _recorded(lab, "Qwen3-32B", "aime2024")


def gain(lab: Laboratory) -> Figure:
    return Figure.paired(lab.once(_r1).difference(FIRST, SINGLE))


def gain_elsewhere(lab: Laboratory) -> Figure:
    return Figure.paired(lab.once(_qwen).difference(FIRST, SINGLE))


def four_against_the_vote(lab: Laboratory) -> Figure:
    return Figure.paired(lab.once(_qwen).difference(FOURTH, VOTE))


def tokens(lab: Laboratory) -> Figure:
    """Share of the vote's tokens that first-finish saves, per question, with a bootstrap interval."""
    found = lab.once(_r1)
    ours, vote = (
        np.array([r.usage.completion_tokens for r in found.results[label]]) for label in (FIRST, VOTE)
    )
    rng = np.random.default_rng(lab.seed)
    picked = rng.integers(0, len(ours), (2_000, len(ours)))
    low, high = np.quantile(1 - ours[picked].sum(1) / vote[picked].sum(1), (0.025, 0.975))
    return Figure(1 - ours.sum() / vote.sum(), float(low), float(high), f"{len(ours)} questions")


# -- closed forms


def _expected(wrong: float) -> tuple[float, float]:
    """Accuracy of first-finish and expected length of the shortest of N samples: integrals over lengths."""
    right_lengths, wrong_lengths = NormalDist(RIGHT, SPREAD), NormalDist(wrong, SPREAD)
    steps = [1 + i / 4 for i in range(4 * 600)]
    accuracy = shortest = 0.0
    for at, after in pairwise(steps):
        middle, width = (at + after) / 2, after - at
        longer = 1 - SHARE * right_lengths.cdf(middle) - (1 - SHARE) * wrong_lengths.cdf(middle)
        accuracy += N * longer ** (N - 1) * SHARE * right_lengths.pdf(middle) * width
        shortest += longer**N * width
    return accuracy, shortest + steps[0]


def _world(lab: Laboratory) -> dict[float, tuple[list[bool], list[int], list[int]]]:
    """Mean length of wrong samples -> per question: right or not, sequential tokens, all tokens."""
    found = {}
    for wrong in WRONG:
        world = binary(SHARE, length=RIGHT, wrong_length=wrong, spread=SPREAD, wrong_spread=SPREAD)
        questions = range(lab.size(*QUESTIONS.values()))
        problems = [Problem(f"q{i}", Prompt.user("?"), TextRule(), "right") for i in questions]
        outcomes = lab.answer(FIRST, Synthetic(world), problems)
        found[wrong] = (
            [outcome.answer == "right" for outcome in outcomes],
            [outcome.usage.sequential_tokens for outcome in outcomes],
            [outcome.usage.completion_tokens for outcome in outcomes],
        )
    return found


def accuracy_is_the_integral(lab: Laboratory) -> Figure:
    """Largest distance, in standard errors, between simulated accuracy and integral over the curve."""
    found = lab.once(_world)
    simulated = {wrong: fmean(right) for wrong, (right, _, _) in found.items()}
    expected = {wrong: _expected(wrong)[0] for wrong in WRONG}
    errors = {wrong: math.sqrt(p * (1 - p) / len(found[wrong][0])) for wrong, p in expected.items()}
    gaps = [wrong - RIGHT for wrong in WRONG]
    half = [1.96 * errors[wrong] for wrong in WRONG]
    lab.plot(
        Curve(
            title=f"First of {N}: accuracy over how much longer wrong samples are (one sample: {SHARE})",
            x_name="wrong samples longer by, tokens",
            y_name="accuracy",
            x=gaps,
            lines=[
                Line(
                    name="first-finish, simulated",
                    y=list(simulated.values()),
                    low=[simulated[w] - h for w, h in zip(WRONG, half, strict=True)],
                    high=[simulated[w] + h for w, h in zip(WRONG, half, strict=True)],
                ),
                Line(name="integral", y=list(expected.values())),
                Line(name="one sample", y=[SHARE] * len(WRONG)),
            ],
            vanishes_at=0.0,
        )
    )
    return Figure.exact(
        max(abs(simulated[w] - expected[w]) / errors[w] for w in WRONG), f"{len(WRONG)} worlds"
    )


def latency_is_the_integral(lab: Laboratory) -> Figure:
    """Largest distance, in standard errors, between mean and expected length of the shortest sample."""
    distances = []
    for wrong, (_, sequential, _) in lab.once(_world).items():
        error = stdev(sequential) / math.sqrt(len(sequential))
        distances.append(abs(fmean(sequential) - _expected(wrong)[1]) / error)
    return Figure.exact(max(distances), f"{len(WRONG)} worlds")


def nothing_after_the_first_end(lab: Laboratory) -> Figure:
    """Tokens generated over N times the shortest sample; workers are equally fast."""
    found = lab.once(_world).values()
    spent = sum(sum(total) for _, _, total in found)
    return Figure.exact(spent / sum(N * sum(sequential) for _, sequential, _ in found), "all worlds")


SYSTEM = System(
    name="first-finish-search",
    methods=("ffs", "lfs"),
    parameters={"n": N, "share": SHARE, "lengths": [RIGHT, *WRONG], "spread": SPREAD, "questions": QUESTIONS},
    claims=(
        Claim(
            name="accuracy",
            text="The first finished sample is right more often than one sample.",
            number="82.2% on AIME, about 15 points above DeepSeek-R1 alone",
            source="abstract",
            effect="accuracy of ffs(n=8) minus one sample, DeepSeek-R1 on AIME 2024, recorded",
            criterion=Above(0.0),
            measure=gain,
        ),
        Claim(
            name="accuracy-qwen3",
            text="The first finished sample is right more often, for reasoning models in general.",
            number="gains for all four models tried",
            source="abstract; contradicted for Qwen3-32B by the authors' follow-up, arXiv 2512.02008",
            effect="accuracy of ffs(n=8) minus one sample, Qwen3-32B on AIME 2024, recorded",
            criterion=Above(0.0),
            measure=gain_elsewhere,
        ),
        Claim(
            name="four-of-eight",
            text="Voting over the first four of eight is not worse than voting over all eight.",
            number=".867 and .833, DeepSeek-R1 on AIME",
            source="recomputed from the follow-up's samples",
            effect="accuracy of ffs(n=8, k=4) minus sc(n=8), Qwen3-32B on AIME 2024, recorded",
            criterion=Above(-0.03),
            measure=four_against_the_vote,
        ),
        Claim(
            name="tokens",
            text="It needs fewer tokens than majority voting.",
            number="up to 45% fewer",
            source="abstract",
            effect="share of the tokens of sc(n=8) that ffs(n=8) saves, DeepSeek-R1 on AIME 2024",
            criterion=Above(0.0),
            measure=tokens,
        ),
        Claim(
            name="closed-form-accuracy",
            text="Its accuracy follows from the lengths of right and wrong samples.",
            source="theory, normal lengths",
            effect="distance of simulated accuracy from the integral, in standard errors, at most",
            criterion=Below(4.0),
            measure=accuracy_is_the_integral,
        ),
        Claim(
            name="closed-form-latency",
            text="Its sequential cost is the expected shortest length.",
            source="theory, normal lengths",
            effect="distance of the mean from the integral, in standard errors, at most",
            criterion=Below(4.0),
            measure=latency_is_the_integral,
        ),
        Claim(
            name="total-cost",
            text="In one batch, nothing is generated after the first end.",
            number="n times the shortest length",
            source="synchronous variant",
            effect="generated tokens over n times the shortest length",
            criterion=Equals(1.0, 1e-12),
            measure=nothing_after_the_first_end,
        ),
        Claim(
            name="four-models",
            text="Gains on four models and four data sets against beam search, voting and budget forcing.",
            number="82.2% on AIME with DeepSeek-R1",
            source="tables of the paper",
            criterion=Needs("DeepSeek-R1, QwQ-32B and Phi-4-Reasoning-Plus behind a server"),
        ),
    ),
)
