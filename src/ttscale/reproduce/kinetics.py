"""Kinetics (arXiv 2506.05333): what generation costs once reads of the KV cache are counted.

The closed forms are compared with sums over steps and with the paper's figures for Qwen3, and applied to
the recorded lengths of a large reasoning model. Which size to choose is asked in a world of accuracy
curves, A(L) = top L / (L + HALF) after L tokens, at most LONGEST of them, where top is what the authors'
engine measured for each size of Qwen3. One half-length for all sizes favours none of them; that larger
models also need fewer tokens would only strengthen the effect.
"""

from __future__ import annotations

import math

import numpy as np

from ..metrics import Shape
from ..metrics.cost.eflops import B200, dense, sparse
from .protocol import Above, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System

# name -> billions of parameters, layers, heads, accuracy on AIME24 at 32k tokens; 8 KV heads of 128
QWEN3 = {
    "0.6B": (0.752, 28, 16, 0.115),
    "1.7B": (2.03, 28, 16, 0.459),
    "4B": (4.02, 36, 32, 0.717),
    "8B": (8.19, 36, 32, 0.752),
    "14B": (14.77, 40, 40, 0.796),
    "32B": (32.76, 64, 64, 0.821),
}
TABLE = {  # TFLOP of 16,384 tokens after an empty prompt: weights, attention, KV reads
    "0.6B": (24.6, 30.8, 8658.7),
    "8B": (268.4, 79.2, 11132.6),
    "14B": (484.0, 110.0, 12369.5),
    "32B": (1073.5, 281.5, 19791.2),
}
LENGTH, LONGEST, HALF = 16_384, 32_768, 4_000
GOALS = [0.05 * i for i in range(1, 15)]  # accuracies to be bought
# prompt, generated, trials, KV budget
CASES = [(0, 1, 1, 4), (7, 40, 3, 5), (30, 12, 2, 90), (200, 900, 4, 512), (64, 64, 1, 64)]


def shape(name: str) -> Shape:
    parameters, layers, heads, _ = QWEN3[name]
    return Shape(
        hidden=heads * 128,
        layers=layers,
        heads=heads,
        kv_heads=8,
        head_dim=128,
        intermediate=1,
        vocab=1,
        parameters=parameters * 1e9,
    )


def memory_share(lab: Laboratory) -> Figure:
    """Share of KV reads in the cost of recorded traces, an empty prompt each (which favours neither)."""
    file = lab.recording("recorded_reasoning.csv")
    found = lab.bench(["sc(n=8)"], f"replay:{file}?where.model=Qwen3-32B&where.dataset=aime2024")
    tokens = np.array([r.usage.completion_tokens / 8 for r in found.results["sc(n=8)"]])
    cost = dense(shape("32B"), 0, tokens)
    return Figure.resampled(
        lambda kv, total: kv.sum() / total.sum(), cost.kv, cost.total, of=f"{len(tokens)} questions"
    )


# -- identities


def _over_steps(
    of: Shape, prompt: int, generated: int, trials: int, budget: float | None
) -> tuple[float, float, float]:
    """Weights, attention and KV reads, one step after the other; step t sees prompt + t + 1/2 positions."""
    linear = attention = reads = 0.0
    for t in range(generated):
        seen = prompt + t + 0.5
        read = prompt + trials * (t + 0.5)  # the prompt is read once for all trials
        if budget is not None:
            seen = min(budget, seen)
            read = trials * seen  # each trial chooses its own positions
        linear += 2 * trials * of.parameters
        attention += 4 * trials * seen * of.layers * of.heads * of.head_dim
        reads += B200 * 2 * of.kv_elements * read
    return linear, attention, reads


def _furthest(budgeted: bool) -> Figure:
    model, off = shape("4B"), 0.0
    for prompt, generated, trials, budget in CASES:
        if budgeted:
            cost = sparse(model, prompt, generated, budget, trials)
        else:
            cost = dense(model, prompt, generated, trials)
        summed = _over_steps(model, prompt, generated, trials, budget if budgeted else None)
        closed = (cost.linear, cost.attention, cost.kv)
        off = max(off, *(abs(a / b - 1) for a, b in zip(closed, summed, strict=True)))
    return Figure.exact(off, f"{len(CASES)} generations")


def dense_is_the_sum(lab: Laboratory) -> Figure:
    return _furthest(budgeted=False)


def sparse_is_the_sum(lab: Laboratory) -> Figure:
    return _furthest(budgeted=True)


def published_table(lab: Laboratory) -> Figure:
    off = 0.0
    for name, published in TABLE.items():
        cost = dense(shape(name), 0, LENGTH)
        here = (cost.linear, cost.attention, cost.kv)
        off = max(off, *(abs(a / 1e12 - b) for a, b in zip(here, published, strict=True)))
    return Figure.exact(off, f"{3 * len(TABLE)} numbers")


def larger_costs_little_more(lab: Laboratory) -> Figure:
    lengths = np.geomspace(64, LONGEST, 19)
    ratios = [
        dense(shape("32B"), 0, lengths, 1, i).total / dense(shape("0.6B"), 0, lengths, 1, i).total
        for i in (B200, 0.0)
    ]
    lab.plot(
        Curve(
            title="Cost of Qwen3-32B over that of 0.6B, at equal length",
            x_name="log2 of tokens",
            y_name="ratio",
            x=np.log2(lengths).tolist(),
            lines=[
                Line(name="with KV reads", y=ratios[0].tolist()),
                Line(name="FLOPs only", y=ratios[1].tolist()),
            ],
            paper=2.4,
        )
    )
    ratio = dense(shape("32B"), 0, LENGTH).total / dense(shape("0.6B"), 0, LENGTH).total
    return Figure.exact(float(ratio), f"{LENGTH} tokens")


# -- which size to take


def _cheapest(goal: float, intensity: float) -> tuple[str, float]:
    """The size that reaches an accuracy at the least cost, and the tokens it takes."""
    lengths = {name: HALF * goal / (top - goal) for name, (*_, top) in QWEN3.items() if top > goal}
    costs = {
        name: float(dense(shape(name), 0, tokens, 1, intensity).total)
        for name, tokens in lengths.items()
        if tokens <= LONGEST
    }
    best = min(costs, key=lambda name: costs[name])
    return best, lengths[best]


def _chosen(lab: Laboratory) -> list[tuple[float, str, str, float]]:
    """(accuracy, size by eFLOPs, size by FLOPs, how much dearer the latter is in eFLOPs)."""
    found = []
    for goal in GOALS:
        ours, ours_length = _cheapest(goal, B200)
        old, old_length = _cheapest(goal, 0.0)
        dear = dense(shape(old), 0, old_length).total / dense(shape(ours), 0, ours_length).total
        found.append((goal, ours, old, float(dear)))
    return found


def larger_models_first(lab: Laboratory) -> Figure:
    chosen = lab.once(_chosen)
    sizes = [[QWEN3[ours][0] for _, ours, _, _ in chosen], [QWEN3[old][0] for _, _, old, _ in chosen]]
    lab.plot(
        Curve(
            title="The size that reaches an accuracy at the least cost",
            x_name="accuracy to be reached",
            y_name="parameters, billions",
            x=GOALS,
            lines=[Line(name="by eFLOPs", y=sizes[0]), Line(name="by FLOPs", y=sizes[1])],
            paper=14.0,
        )
    )
    doublings = [math.log2(a / b) for a, b in zip(*sizes, strict=True)]
    return Figure.exact(sum(doublings) / len(doublings), f"{len(GOALS)} accuracies")


def dearer(lab: Laboratory) -> Figure:
    return Figure.exact(max(entry[3] for entry in lab.once(_chosen)), f"{len(GOALS)} accuracies")


SYSTEM = System(
    name="kinetics",
    metrics=("eflops", "frontier"),
    parameters={"sizes": QWEN3, "half": HALF, "goals": GOALS, "cases": CASES},
    claims=(
        Claim(
            name="memory-dominates",
            text="Reads of the KV cache dominate the cost of long generations.",
            number="94% for Qwen3-32B to 99% for 0.6B, 16k tokens",
            source="cost model, Sec. 3",
            effect="share of KV reads in the eFLOPs of Qwen3-32B's traces on AIME 2024, recorded",
            criterion=Above(0.5),
            measure=memory_share,
        ),
        Claim(
            name="larger-first",
            text="Counting memory, one should take a larger model before more tokens.",
            number="up to about 14B for Qwen3",
            source="abstract",
            effect="mean doublings of size, by eFLOPs over by FLOPs, at equal accuracy, world of curves",
            criterion=Above(0.0),
            measure=larger_models_first,
        ),
        Claim(
            name="dearer-choice",
            text="What is optimal by FLOPs costs more by eFLOPs.",
            number="up to 3 times, AIME24",
            source="abstract and project page",
            effect="eFLOPs of the choice by FLOPs over those of the best, at most, world of curves",
            criterion=Above(1.0),
            measure=dearer,
        ),
        Claim(
            name="equal-length",
            text="At equal length a model 44 times as large costs only 2.4 times as much.",
            number="2.4, Qwen3-32B over 0.6B",
            source="cost model, recomputed",
            effect="ratio of eFLOPs at 16,384 tokens",
            criterion=Equals(2.4, 0.05),
            measure=larger_costs_little_more,
        ),
        Claim(
            name="dense-form",
            text="The dense closed form is the sum over steps.",
            source="cost model",
            effect="largest relative distance from a loop over steps",
            criterion=Equals(0.0, 1e-12),
            measure=dense_is_the_sum,
        ),
        Claim(
            name="sparse-form",
            text="The sparse closed form is the sum over steps, also where the budget never binds.",
            source="cost model; one released formula has the wrong sign, both fail where B > L",
            effect="largest relative distance from a loop over steps",
            criterion=Equals(0.0, 1e-12),
            measure=sparse_is_the_sum,
        ),
        Claim(
            name="table",
            text="Weights, attention and KV reads of four sizes.",
            number="12 numbers, such as 8658.7 TFLOP of KV reads for 0.6B",
            source="cost model, recomputed",
            effect="largest distance from the numbers, TFLOP",
            criterion=Equals(0.0, 0.0501),
            measure=published_table,
        ),
        Claim(
            name="sparse-frontier",
            text="Sparse attention moves the frontier.",
            number="+60 points at low, +5 at high cost, AIME",
            source="abstract",
            criterion=Needs("a GPU, block-sparse attention kernels and Qwen3's own traces"),
        ),
    ),
)
