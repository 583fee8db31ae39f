"""Deep Think with Confidence (DeepConf): drop traces the model was not sure of, or stop them.

Fu et al., arXiv:2508.15260; the test-time part of Falcon-H1R, arXiv:2601.02346. *Offline*
(Sec. 3.1): draw n traces, keep the most confident, vote with the confidence as weight. *Online*
(Sec. 3.2, Algorithm 2): complete warm-up traces set a threshold for this question; later traces are
stopped as soon as a group of tokens falls below it, and drawing ends when the vote is settled.

Symbols: K = max_samples, N_init = warm_up, eta = keep, s = threshold, w = window, tau = consensus.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Annotated, Literal

import numpy as np

from ...core import (
    AtLeast,
    CapabilityError,
    Card,
    Chunk,
    Context,
    Outcome,
    Problem,
    Tie,
    Trace,
    Votes,
    Within,
    declared,
)
from ...core.cards import roles
from ...signals import confidence as signals
from ...signals.confidence import Measure
from ..registry import method

NEEDS = {"main": roles.answers("text", "logprobs")}
Percent = Annotated[float, Within(0, 100)]
KEEP = {"low": 10.0, "high": 90.0}  # percent of traces that survive (Sec. 4.1)

OFFLINE = Card(
    name="deepconf",
    title="DeepConf offline: vote among the most confident traces",
    paper="arXiv:2508.15260",
    what="parallel",
    stimulation="self-repetition",
    verification="confidence",
    verification_use=("select", "weight"),
    aggregation="weighted-vote",
    knob="n",
    draws="n",
    stops="n samples",
    needs=NEEDS,
    deviations=(
        "The sampled token counts only if it is among the top 20: the released code adds it.",
        "Confidences are not rounded to 3 decimals.",
    ),
)
ONLINE = Card(
    name="deepconf-online",
    title="DeepConf online: stop unsure traces while they are written",
    paper="arXiv:2508.15260",
    what="parallel",
    stimulation="self-repetition",
    verification="confidence",
    verification_use=("stop", "weight"),
    aggregation="weighted-vote",
    knob="max_samples",
    draws="max_samples",
    stops="the weighted vote reaches the consensus, or max_samples",
    needs=NEEDS,
    deviations=(
        "The consensus stop of Algorithm 2 is here; the released code starts all samples at once.",
        "The answer is the weighted vote; the released code overwrites it with a plain majority.",
        "keep is the percentage that survives: the released wrapper's default of 90 is "
        "DeepConf-high, an older script called 90 low.",
        "A finished trace shorter than the window, which no rule can stop, is held to the "
        "threshold by its mean, as the warm-up is (inferred).",
        "A warm-up trace that its token limit cut helps to set the threshold as it stands.",
        "If no trace above the threshold answered, all complete warm-up traces vote (inferred).",
        "The low variant needs its warm-up: of 16 traces two are above the threshold, of 8 or fewer "
        "one, which alone is a consensus.",
        "A low trace is closed from outside, not by forcing its end token: same tokens, no text.",
    ),
)


@declared
class Config:
    """Which traces vote, with what weight.

    Attributes:
        n: samples; 32 is ours, the paper draws 512.
        measure: mean, lowest (group), bottom (10% of groups) or tail (Sec. 3.1; tail and bottom
            are its best).
        keep: eta, percent of the answered traces that vote: 10 is aggressive, 90 conservative, 100
            filters nothing.
        weighted: votes weigh as much as their trace's confidence; else 1.
        window: w, tokens in a group (2048, released code). Longer than a trace, it means the mean.
        tail: tokens in the tail (2048, as the paper).
        tie: between equally voted answers (released code: the first).
    """

    n: Annotated[int, AtLeast(1)] = 32
    measure: Measure = "tail"
    keep: Percent = 10.0
    weighted: bool = True
    window: Annotated[int, AtLeast(1)] = signals.WINDOW
    tail: Annotated[int, AtLeast(1)] = signals.TAIL
    tie: Tie = "first"


@method(card=OFFLINE)
async def deepconf(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Vote among the most confident of cfg.n samples; None if nothing parses."""

    def choose(traces: list[Trace]) -> Outcome:
        answered = [t for t in traces if problem.answer(t) is not None]
        values = np.array([_measure(t, cfg.measure, cfg.window, cfg.tail) for t in answered])
        kept = signals.most_confident(values, cfg.keep)
        weights = values[kept].tolist() if cfg.weighted else None
        votes = Votes.of(problem, compress(answered, kept), weights, cfg.tie)
        extra = {"kept": int(kept.sum()), "answered": len(answered), "votes": votes.counts}
        return Outcome(votes.top(), votes.winner(), "n_samples", extra)

    ctx.offer_among(choose)
    return choose(await ctx.sample_all(problem.prompt, cfg.n, logprobs=signals.TOP))


@declared
class OnlineConfig:
    """When a trace is stopped, and when drawing ends.

    Attributes:
        variant: "low" keeps about 10 percent of the traces and saves most, "high" keeps 90.
        keep: eta, percent of traces to survive, in place of the variant's.
        max_samples: K, warm-up included; 64 is ours, the paper uses 256 and 512.
        warm_up: N_init, complete traces that set the threshold (16, Sec. 4.1).
        consensus: tau, share of the weight at which the vote is settled (0.95, Sec. 3.2); above 1
            it never is.
        batch: traces drawn together between two checks (1, Algorithm 2; more shortens the chain).
        window: w, tokens in a group (2048, released code). Traces shorter than this are never
            stopped: give 16 to 64 for short ones.
        weighted: votes weigh as much as their trace's lowest group (released code); else 1.
        tie: between equally voted answers (released code: the first).
    """

    variant: Literal["low", "high"] = "low"
    keep: Percent | None = None
    max_samples: Annotated[int, AtLeast(1)] = 64
    warm_up: Annotated[int, AtLeast(1)] = 16
    consensus: Annotated[float, AtLeast(0)] = 0.95
    batch: Annotated[int, AtLeast(1)] = 1
    window: Annotated[int, AtLeast(1)] = signals.WINDOW
    weighted: bool = True
    tie: Tie = "first"

    def __post_init__(self) -> None:
        Within(1, self.max_samples).check(warm_up=self.warm_up)

    @property
    def survivors(self) -> float:
        """eta, in percent."""
        return KEEP[self.variant] if self.keep is None else self.keep


@method(card=ONLINE)
async def deepconf_online(problem: Problem, ctx: Context, cfg: OnlineConfig) -> Outcome:
    """Answer in at most cfg.max_samples samples, many of them stopped early."""
    warm = await ctx.sample_all(problem.prompt, cfg.warm_up, logprobs=signals.TOP)
    complete = [t for t in warm if t.finish in ("stop", "length") and t.tokens]
    lowest = [_measure(t, "lowest", cfg.window) for t in complete]
    if not complete:
        return Outcome(None, stopped_by="no_complete_warm_up")
    level = signals.threshold(lowest, cfg.survivors)
    votes, stopped, sampled = Votes(problem, cfg.tie), 0, cfg.warm_up

    def let_vote(traces: Sequence[Trace]) -> None:
        for trace in traces:
            if problem.answer(trace) is not None:
                value = _measure(trace, "lowest", cfg.window)
                if value >= level:
                    votes.add(trace, value if cfg.weighted else 1.0)

    let_vote(complete)
    stopped_by = "max_samples"
    while True:
        ctx.offer(*_best(problem, votes, complete, cfg.tie))
        if agreement(votes) >= cfg.consensus:
            stopped_by = "consensus"
            break
        size = min(cfg.batch, cfg.max_samples - sampled)
        if not size:
            break
        traces = await ctx.sample_all(
            problem.prompt, size, until=lambda: Unsure(level, cfg.window), logprobs=signals.TOP
        )
        sampled += size
        stopped += sum(t.finish == "cut" for t in traces)
        let_vote(traces)
    answer, winner = _best(problem, votes, complete, cfg.tie)
    extra = {
        "threshold": level,
        "stopped": stopped,
        "drawn": sampled,
        "votes": votes.counts,
        "agreement": agreement(votes),
    }
    return Outcome(answer, winner, stopped_by, extra)


class Unsure:
    """Stop rule: ends a trace at the first full window whose mean confidence is below `level`.

    A trace survives exactly if its lowest group reaches the level: the sums agree to the bit.
    """

    def __init__(self, level: float, window: int) -> None:
        self._level, self._groups = level, signals.RunningGroups(window)

    def feed(self, chunk: Chunk) -> int | None:
        if chunk.conf is None or not len(chunk.conf):
            return None  # the end token has no log-probabilities
        first, groups = self._groups.feed(chunk.conf)
        below = groups < self._level
        if not below.any():
            return None
        return first + int(below.argmax()) + 1


def agreement(votes: Votes) -> float:
    """beta, the leading answer's share of all weight, in [0, 1]; 0 without votes."""
    total = sum(b.weight for b in votes.ballots)
    leader = votes.leader()
    return leader.weight / total if leader and total > 0 else 0.0


def _best(problem: Problem, votes: Votes, warm: Sequence[Trace], tie: Tie) -> tuple[str | None, Trace | None]:
    if not votes.ballots:
        votes = Votes.of(problem, warm, tie=tie)
    return votes.top(), votes.winner()


def _measure(trace: Trace, name: Measure, window: int, tail: int = signals.TAIL) -> float:
    """A trace's confidence.

    Raises:
        CapabilityError: if the engine gave none, although it said it could.
    """
    if trace.conf is None or not len(trace.conf):
        raise CapabilityError(
            f"DeepConf needs token confidences, which {trace.model or 'the engine'} did not return",
            fix="use an engine that reports top log-probabilities, or records that hold them",
        )
    return signals.measure(name, trace.conf, window, tail)
