"""Adaptive-Consistency: draw one sample at a time until the leader is unlikely to change.

Aggarwal et al., EMNLP 2023, arXiv:2305.11860. The default rule looks at the two largest counts
v1 >= v2 and stops when P(p1 > p2 | v1, v2) = 1 - I_{1/2}(v1 + 1, v2 + 1) >= 0.95 under a uniform
prior: at the earliest after 4 equal answers, then at 6-1, 8-2, 9-3.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np

from ...core import AtLeast, Card, Context, Outcome, Problem, Tie, Votes, Within, declared
from ..registry import method
from .dirichlet import probability_largest

Rule = Literal["beta", "dirichlet", "entropy", "majority", "random", "crp"]

CARD = Card(
    name="adaptive-consistency",
    title="Adaptive-Consistency",
    paper="arXiv:2305.11860",
    what="parallel",
    stimulation="self-repetition",
    verification="agreement",
    verification_use=("stop",),
    aggregation="vote",
    knob="max_samples",
    draws="max_samples",
    stops="the leading answer is unlikely to change",
    deviations=(
        "The Dirichlet rule integrates exactly where the released code draws 50,000 samples.",
        "The Chinese-restaurant rule is ours: the chance, by simulation, that the leader still "
        "leads after max_samples (inferred).",
        "The released evaluation loop calls a method that does not exist and returns nothing at "
        "the maximum; here the plurality is returned.",
        "Samples without an answer do not vote but count towards the maximum.",
        "Samples are drawn at the model's own temperature; the paper sets 0.7.",
    ),
    aliases=("adaptive", "ac"),
)

DEFAULT_THRESHOLD = {
    "beta": 0.95,
    "dirichlet": 0.95,
    "entropy": 0.75,
    "majority": 0.8,
    "random": 0.1,
    "crp": 0.95,
}
"""Released defaults."""


@declared
class Config:
    """When to stop.

    Attributes:
        rule: which stop rule.
        threshold: at which value it stops; None is the released default of the rule.
        max_samples: 40, as released.
        batch: samples drawn between two checks; 1 is the paper's.
        concentration: of the Chinese-restaurant process (ours).
        tie: between equally voted answers.
    """

    rule: Rule = "beta"
    threshold: Annotated[float, Within(0, 1)] | None = None
    max_samples: Annotated[int, AtLeast(1)] = 40
    batch: Annotated[int, AtLeast(1)] = 1
    concentration: Annotated[float, AtLeast(0)] = 1.0
    tie: Tie = "first"

    def __post_init__(self) -> None:
        Within(1, self.max_samples).check(batch=self.batch)


@method(card=CARD)
async def adaptive_consistency(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Answer in at most cfg.max_samples samples; None if nothing parses."""
    votes, sampled = Votes(problem, cfg.tie), 0
    stops = stop_rule(cfg, ctx.rng("stop"))
    while size := min(cfg.batch, cfg.max_samples - sampled):
        votes.extend(await ctx.sample_all(problem.prompt, size))
        sampled += size
        ctx.offer(votes.top(), votes.winner())
        if stops(votes.counts):
            return Outcome(votes.top(), votes.winner(), cfg.rule, {"votes": votes.counts})
    return Outcome(votes.top(), votes.winner(), "max_samples", {"votes": votes.counts})


def stop_rule(cfg: Config, rng: random.Random) -> Callable[[Sequence[int]], bool]:
    """The configured rule, as a function of the counts (largest first)."""
    level = DEFAULT_THRESHOLD[cfg.rule] if cfg.threshold is None else cfg.threshold
    if cfg.rule == "beta":
        return lambda v: leader_confidence(v) >= level
    if cfg.rule == "dirichlet":
        return lambda v: dirichlet_confidence(v) >= level
    if cfg.rule == "crp":
        return lambda v: crp_confidence(v, cfg.max_samples, cfg.concentration, rng) >= level
    # the simple rules need two samples before they say anything
    if cfg.rule == "entropy":
        return lambda v: sum(v) >= 2 and relative_entropy(v) <= level
    if cfg.rule == "majority":
        return lambda v: sum(v) >= 2 and v[0] / sum(v) >= level
    return lambda v: rng.random() < level


def leader_confidence(counts: Sequence[int]) -> float:
    """P(p1 > p2 | v1, v2) = 1 - I_{1/2}(v1 + 1, v2 + 1), in [0, 1]; 0 without votes."""
    if not counts:
        return 0.0
    v1, v2 = counts[0], counts[1] if len(counts) > 1 else 0
    # for whole numbers I_{1/2}(a, b) = P(Bin(a + b - 1, 1/2) >= a), here with a = v1 + 1
    n = v1 + v2 + 1
    return 1 - sum(math.comb(n, i) for i in range(v1 + 1, n + 1)) / float(2**n)


def dirichlet_confidence(counts: Sequence[int]) -> float:
    """P(the leader is the likeliest of the top five), by the Beta rule below three answers."""
    if len(counts) < 3:
        return leader_confidence(counts)
    return float(probability_largest([c + 1 for c in counts[:5]])[0])


def relative_entropy(counts: Sequence[int]) -> float:
    """Entropy of the counts over its maximum, in [0, 1]; 0 for a single answer."""
    if len(counts) < 2:
        return 0.0
    total = sum(counts)
    bits = -sum(c / total * math.log2(c / total) for c in counts)
    return bits / math.log2(len(counts))


def crp_confidence(
    counts: Sequence[int], max_samples: int, concentration: float, rng: random.Random, draws: int = 1000
) -> float:
    """P(the leader still leads after max_samples) if answers keep coming as guests choose tables:
    a known answer in proportion to its count, a new one in proportion to `concentration`."""
    if not counts:
        return 0.0
    seated, tables = sum(counts), len(counts) + max_samples
    chance = np.random.default_rng(rng.getrandbits(64))
    future = np.arange(draws)
    table = np.empty((draws, max(seated, max_samples)), dtype=np.int64)  # of every guest
    table[:, :seated] = np.repeat(np.arange(len(counts)), counts)
    for guest in range(seated, max_samples):
        # who follows a guest chosen at random chooses a table in proportion to its size
        followed = (chance.random(draws) * (guest + concentration)).astype(np.int64)
        known = table[future, np.minimum(followed, guest - 1)]
        table[:, guest] = np.where(followed < guest, known, len(counts) + guest)
    sizes = np.bincount((table + tables * future[:, None]).ravel(), minlength=draws * tables)
    sizes = sizes.reshape(draws, tables)
    return float(np.mean(sizes[:, 0] == sizes.max(axis=1)))
