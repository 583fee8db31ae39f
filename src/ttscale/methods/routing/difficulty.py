"""How hard a question is for this model, in bins: 1 is easiest.

Compute-optimal test-time scaling, arXiv:2408.03314, Sec. 3.2. *Oracle* difficulty is the pass rate,
which takes gold answers. *Predicted* difficulty needs none: the mean score of a verifier (reward),
or the agreement of a few pilot answers (ours, for models without a verifier). What a prediction costs
is drawn by the method that uses it, and so is in its bill.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import Problem, Trace, UsageError, Votes

Kind = Literal["oracle", "agreement", "reward"]
PREDICTED: tuple[Kind, ...] = ("agreement", "reward")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """How questions are put into bins.

    Attributes:
        kind: where the score comes from; "oracle" looks at gold answers.
        pilot: samples a prediction is made from; 0 for an oracle.
        cuts: falling scores between bins, (bins - 1,): bin 1 holds scores of at least cuts[0].
    """

    kind: Kind
    pilot: int
    cuts: tuple[float, ...]

    @property
    def bins(self) -> int:
        return len(self.cuts) + 1

    def bin_of(self, score: float) -> int:
        """The bin, from 1."""
        return self.bins - bisect_right(self.cuts[::-1], score + 1e-12)


def quantile_bins(scores: ArrayLike, bins: int = 5) -> NDArray[np.int64]:
    """Bin of each question, from 1, (questions,): sizes equal within one, the highest scores in bin
    1, equal scores in the order they come.

    Raises:
        UsageError: if there are fewer questions than bins.
    """
    s = np.asarray(scores, dtype=float)
    if not 1 <= bins <= len(s):
        raise UsageError(
            f"{len(s)} questions cannot fill {bins} bins", fix="record more, or ask for fewer bins"
        )
    rank = np.empty(len(s), dtype=np.int64)
    rank[np.argsort(-s, kind="stable")] = np.arange(len(s))
    return rank * bins // len(s) + 1


def quantile_cuts(scores: ArrayLike, bins: int = 5) -> tuple[float, ...]:
    """Scores that part questions into bins of about equal size. Where many scores are equal, as
    with few pilot answers, there are fewer bins than asked for: equal scores cannot be told apart."""
    s = np.sort(np.asarray(scores, dtype=float))[::-1]
    # the score of the last question that would still be in each bin
    lowest = [float(s[-(-len(s) * i // bins) - 1]) for i in range(1, bins)]
    return tuple(c for c in dict.fromkeys(lowest) if c > s[-1])


def agreement(problem: Problem, traces: Sequence[Trace]) -> float:
    """Share of the pilot's samples that gave its most frequent answer, in [0, 1]."""
    return max(Votes.of(problem, traces).counts, default=0) / len(traces)


def mean_reward(values: Sequence[float]) -> float:
    """Mean verifier score of the pilot's samples; 0 if none could be scored."""
    return float(np.mean(values)) if values else 0.0
