"""Early-stopping self-consistency (ESC).

Li et al., ICLR 2024, arXiv:2401.10480. Draw windows of w samples, at most L in all. The first
window whose samples all agree gives the answer; if none does, the plurality of all samples.
The control scheme picks (w, L) from the first window: the cheapest pair of acceptable risk.

Symbols: w = window, L = max_samples, p_t = probability of answer t, q = sum_t p_t^w.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Annotated

from ...core import AtLeast, Card, Context, Outcome, Problem, Tie, UsageError, Votes, Within, declared
from ..registry import method

CARD = Card(
    name="esc",
    title="Early-stopping self-consistency",
    paper="arXiv:2401.10480",
    what="parallel",
    stimulation="self-repetition",
    verification="agreement",
    verification_use=("stop",),
    aggregation="vote",
    knob="max_samples",
    draws="max_samples",
    stops="a window agrees unanimously",
    deviations=(
        "Samples without an answer never vote and spoil their window's unanimity; in the released "
        "code they vote as answers of their own.",
        "A last window of fewer than w samples cannot stop.",
        "Samples are drawn at the model's own temperature; the paper sets 0.7.",
    ),
)


@declared
class Config:
    """When to stop.

    Attributes:
        window: w, samples drawn together (5: the released GSM8K script; 8 or so for hard sets).
        max_samples: L (40: the same script; 64 on MATH).
        control: choose w and L anew after the first window, from the grids below.
        max_risk: largest acceptable chance that a wrong answer fills a window (ours).
        windows, limits: the grid of the control scheme (ours); limits above max_samples are left
            out and max_samples itself is always in.
        tie: between equally voted answers.
    """

    window: Annotated[int, AtLeast(1)] = 5
    max_samples: Annotated[int, AtLeast(1)] = 40
    control: bool = False
    max_risk: Annotated[float, Within(0, 1)] = 0.01
    windows: tuple[Annotated[int, AtLeast(1)], ...] = (3, 4, 5, 6, 8, 10)
    limits: tuple[Annotated[int, AtLeast(1)], ...] = (10, 20, 40)
    tie: Tie = "first"

    def __post_init__(self) -> None:
        AtLeast(self.window).check(max_samples=self.max_samples)
        if self.control and not any(w <= self.max_samples for w in self.windows):
            raise UsageError(
                f"windows={self.windows} holds none within max_samples={self.max_samples}",
                fix="add a smaller window, or raise max_samples",
            )


@method(card=CARD)
async def esc(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Answer in at most cfg.max_samples samples; None if nothing parses."""
    votes, sampled = Votes(problem, cfg.tie), 0
    window, limit = cfg.window, cfg.max_samples
    while size := min(window, limit - sampled):
        traces = await ctx.sample_all(problem.prompt, size)
        sampled += size
        votes.extend(traces)
        ctx.offer(votes.top(), votes.winner())
        if size == window and (last := Votes.of(problem, traces)).unanimous:
            return Outcome(last.top(), last.winner(), "unanimous_window", {"window": window})
        if cfg.control and sampled == size and votes.total:
            p = [count / votes.total for count in votes.counts]
            limits = {*(n for n in cfg.limits if n < cfg.max_samples), cfg.max_samples}
            window, limit = control(p, cfg.windows, sorted(limits), cfg.max_risk)
            limit = max(limit, sampled)
    return Outcome(votes.top(), votes.winner(), "max_samples", {"window": window})


def expected_samples(p: Sequence[float], window: int, max_samples: int) -> float:
    """Expected samples if every sample gives answer t with probability p_t (windows that fit)."""
    q = sum(pt**window for pt in p)
    m = max_samples // window
    cost = sum(q * (1 - q) ** i * (i + 1) for i in range(m - 1)) + (1 - q) ** (m - 1) * m
    return window * cost


def risk(p: Sequence[float], window: int) -> float:
    """Chance that an answer other than the likeliest fills a window, by normal approximation."""
    total = 0.0
    for pt in sorted(p, reverse=True)[1:]:
        spread = math.sqrt(window * pt * (1 - pt))
        if spread > 0:
            total += 1 - NormalDist().cdf((window - window * pt) / spread)
    return total


def control(
    p: Sequence[float], windows: Sequence[int], limits: Sequence[int], max_risk: float
) -> tuple[int, int]:
    """The cheapest (w, L) whose risk is acceptable; the least risky pair if none is.

    Equal costs go to the larger limit, which decides better when no window agrees.
    """
    pairs = [(w, limit) for w in windows for limit in limits if w <= limit]
    safe = [pair for pair in pairs if risk(p, pair[0]) <= max_risk]
    if not safe:
        return min(pairs, key=lambda pair: (risk(p, pair[0]), -pair[1]))
    return min(safe, key=lambda pair: (expected_samples(p, *pair), -pair[1]))
