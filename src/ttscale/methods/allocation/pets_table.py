"""The table PETS online works from: how many samples a question gets, by its first four answers.

arXiv:2602.16745, the streaming setting. From pools of answers to some questions:
1. A_q(k), the probability that the majority of k samples is the pool's majority (ties at random);
2. A_q(k) = Phi(a_q sqrt(k) + b_q), fitted by least squares on the probit scale;
3. the bucket of a question, from the pattern of four answers, and how often q falls into each;
4. per bucket t the average a_t, b_t and share pi_t; then budgets B_t by greedy ascent.

Everything is a function of answers as labels; no gold answer is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core import AtLeast, SavedFile, UsageError, Within
from ...core.settings.declared import check
from ...metrics.special_functions import log_normal_cdf
from .pets_curves import K_MAX, PATTERNS, WARM_UP, Kind, agreement_curve, bucket, fit_curve, pattern_shares

FloatArray = NDArray[np.float64]
WhenFull = Literal["skip", "stop"]

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Budgets by bucket.

    Attributes:
        kind: multiple choice (five buckets), open answers (two), or these with five (patterns).
        budgets: B_t, samples of a question in bucket t, the first four included.
        share: pi_t, of the training questions' patterns; sums to 1.
        slope, offset: a_t, b_t of the fitted curves; 0 where no training question fell.
        average: samples per question it was planned for.
        questions: how many it was fitted on.
    """

    kind: Kind
    budgets: tuple[int, ...]
    share: tuple[float, ...]
    slope: tuple[float, ...]
    offset: tuple[float, ...]
    average: float
    max_samples: int
    questions: int
    version: int = VERSION

    def bucket(self, answers: Sequence[Hashable]) -> int:
        """The bucket, from 0, of four answers as labels."""
        return bucket(self.kind, answers)

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        TABLE_FILE.save(path, asdict(self))

    @classmethod
    def load(cls, path: str | Path) -> Table:
        """Read what `save` wrote.

        Raises:
            RecordError: if it cannot be read or is not a table of this version.
        """
        return TABLE_FILE.load(path)


def _table(content: Mapping[str, Any]) -> Table:
    lists = {name: tuple(content[name]) for name in ("budgets", "share", "slope", "offset")}
    table = Table(**{**content, **lists})
    check(Kind, kind=table.kind)
    check(tuple[Annotated[int, AtLeast(WARM_UP)], ...], budgets=table.budgets)
    sizes = {len(values) for values in lists.values()}
    if sizes != {len(PATTERNS[table.kind])}:
        raise UsageError(f"it has {sizes} buckets")
    return table


TABLE_FILE = SavedFile("PETS table", VERSION, _table, fix="make one from a pool of answers")


def fit_table(
    pool_answers: Sequence[Sequence[Hashable | None]],
    average_budget: float,
    *,
    kind: Kind = "open",
    max_samples: int = 64,
    when_full: WhenFull | None = None,
) -> Table:
    """A table from pools of answers: one sequence per question, equivalent answers with one label.

    Args:
        pool_answers: about 30 questions (choice) or 10 (open), 64 answers each, in the paper. None
            is a sample without an answer: it is left out.
        kind: "choice" has five buckets, "open" has two, "patterns" gives open answers five (ours).
        average_budget: samples per question the plan may spend on average, at least 4.
        max_samples: B_max (64, released code).
        when_full: what happens to a bucket whose next sample does not fit; see `plan`. None is the
            released choice: skip for multiple choice, stop for open answers; patterns skip.

    Raises:
        UsageError: if there are no questions, or a pool has fewer than four answers.
    """
    check(Kind, kind=kind)
    if not pool_answers:
        raise UsageError("no pool of answers to fit a table on", fix="give recorded samples")
    slopes, offsets, shares = [], [], []
    for number, answers in enumerate(pool_answers):
        counts = [c for label, c in Counter(answers).items() if label is not None]
        if sum(counts) < WARM_UP:
            raise UsageError(
                f"question {number + 1} of the pool has {sum(counts)} answers",
                fix=f"record at least {WARM_UP}, better 64, samples per question",
            )
        slope, offset = fit_curve(agreement_curve(counts, K_MAX))
        slopes.append(slope)
        offsets.append(offset)
        shares.append(pattern_shares(kind, counts))
    pi = np.array(shares)  # (questions, buckets)
    weight = pi.sum(axis=0)
    some = np.where(weight > 0, weight, 1.0)
    a, b = np.array(slopes) @ pi / some, np.array(offsets) @ pi / some
    share = weight / len(pool_answers)
    when = when_full or ("stop" if kind == "open" else "skip")
    budgets = plan(share, a, b, average_budget, max_samples=max_samples, when_full=when)
    return Table(
        kind=kind,
        budgets=tuple(budgets),
        share=tuple(share.tolist()),
        slope=tuple(a.tolist()),
        offset=tuple(b.tolist()),
        average=float(average_budget),
        max_samples=max_samples,
        questions=len(pool_answers),
    )


def plan(
    share: FloatArray,
    slope: FloatArray,
    offset: FloatArray,
    average: float,
    *,
    max_samples: int = 64,
    when_full: WhenFull = "skip",
) -> list[int]:
    """B_t for every bucket: from 4 each, one more where A_t gains most, while the average allows.

    Best possible where the curves are concave (a_t >= 0 and a_t sqrt(k) + b_t >= 0 from k = 4); an
    S-shaped curve of a very hard bucket can mislead the ascent. A bucket in which no training
    question fell costs nothing in the plan and gets the average.

    Args:
        share: pi_t, (buckets,).
        slope: a_t, (buckets,).
        offset: b_t, (buckets,).
        average: samples per question, the first four included.
        max_samples: of one question (64, released code).
        when_full: a bucket whose next sample does not fit is passed over ("skip") or ends the
            ascent ("stop").
    """
    Within(WARM_UP, max_samples).check(average=average)
    check(WhenFull, when_full=when_full)
    budgets = np.full(len(share), WARM_UP)
    spent, seen = WARM_UP * float(share.sum()), np.asarray(share) > 0
    open_ = seen.copy()
    while open_.any():
        gains = np.where(open_, log_gain(slope, offset, budgets), -np.inf)
        t = int(gains.argmax())
        if not gains[t] > -np.inf:
            break  # nothing gains any more
        if spent + share[t] > average + 1e-9:
            if when_full == "stop":
                break
            open_[t] = False
            continue
        budgets[t] += 1
        spent += float(share[t])
        open_[t] = budgets[t] < max_samples
    budgets[~seen] = int(average)
    return [int(b) for b in budgets]


def log_gain(slope: FloatArray, offset: FloatArray, k: NDArray[np.int64]) -> FloatArray:
    """log(A(k + 1) - A(k)), (buckets,); minus infinity where nothing is gained.

    From log survival functions: A itself saturates at 1 long before its gains vanish.
    """
    before = log_normal_cdf(-(slope * np.sqrt(k) + offset))
    after = log_normal_cdf(-(slope * np.sqrt(k + 1) + offset))
    ratio = after - before  # of the failures that are left
    with np.errstate(divide="ignore"):
        return np.where(ratio < 0, before + np.log(-np.expm1(np.minimum(ratio, 0.0))), -np.inf)
