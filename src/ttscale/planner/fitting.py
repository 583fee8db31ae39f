"""From trials to a policy: bins, the strategy of each, and how far to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import UsageError
from ..engines import Pool
from ..methods.allocation.pets_curves import WARM_UP
from ..methods.allocation.pets_online import labels
from ..methods.routing.difficulty import Difficulty, Kind, quantile_bins, quantile_cuts
from ..methods.routing.policy import Level, Policy, Spend, Unit
from ..metrics.accuracy.intervals import accuracy_interval, paired_difference
from . import saturation as curves
from .compute_optimal import FITS, Judged, best_strategy, in_sample, two_fold
from .evidence import Evidence

IntArray = NDArray[np.int64]
SPLITS = 10  # random two-fold splits that are averaged (ours)
EPSILON = 0.005  # gain per sample that is worth buying (ours)


def fit_policy(
    evidence: Evidence,
    limits: Sequence[float],
    *,
    kind: Kind = "agreement",
    bins: int = 5,
    unit: Unit = "samples",
    epsilon: float = EPSILON,
    spend: Spend = "bin",
) -> Policy:
    """The compute-optimal policy for each limit.

    Args:
        evidence: trials of all strategies.
        limits: mean costs of a question, in `unit`, the pilot included.
        kind: predicted difficulty, or "oracle": an upper bound that cannot be followed.
        bins: wanted; predictions of few values may give fewer.
        unit: what limits count.
        epsilon: accuracy a further sample must add, for the saturation point.
        spend: "bin" as in the paper: every bin keeps to the limit, what easy ones save is not spent
            on hard ones. "mean": the limit is the mean over all questions (ours).

    Raises:
        UsageError: if there is no pilot to predict from, or too few questions.
    """
    if kind != "oracle" and not evidence.pilot:
        raise UsageError(
            "difficulty cannot be predicted from a store without traces",
            fix="run the bench with --keep-traces all, or fit with --difficulty oracle",
        )
    place, cuts = placed(evidence, kind, bins)
    count, cost = len(cuts) + 1, evidence.cost(unit)
    levels = []
    for limit in sorted(set(limits)):
        chosen = FITS[spend](evidence.right, cost, place, limit, count)
        one = best_strategy(evidence.right, cost, limit)
        everywhere = np.ones_like(place)
        policy = two_fold(
            evidence.right, cost, place, evidence.questions, limit, count, splits=SPLITS, spend=spend
        )
        fixed = two_fold(evidence.right, cost, everywhere, evidence.questions, limit, 1, splits=SPLITS)
        figures = {
            "in_sample": _figures(in_sample(evidence.right, cost, place, chosen), evidence),
            "two_fold": _figures(policy, evidence),
            "best_single": {"strategy": evidence.strategies[one], **_figures(fixed, evidence)},
            "difference": _difference(policy, fixed, evidence),
            "by_bin": _by_bin(evidence, cost, place, chosen),
        }
        strategies = tuple(evidence.strategies[s] for s in chosen)
        levels.append(Level(limit=float(limit), strategies=strategies, figures=figures))
    return Policy(
        model=evidence.model,
        task=evidence.task,
        questions=len(evidence.names),
        unit=unit,
        difficulty=Difficulty(kind=kind, pilot=0 if kind == "oracle" else evidence.pilot, cuts=cuts),
        levels=tuple(levels),
        saturation=saturation(evidence, epsilon),
        spend=spend,
    )


def saturation(evidence: Evidence, epsilon: float = EPSILON) -> dict[str, Any]:
    """How Hit@N saturates on a recording: both curves with their quality, where they and the
    measurements saturate, and what budgets of its own for every question would save. Empty if there
    are too few samples."""
    counts = evidence.counts
    if not counts or min(n for n, _ in counts) < 4:
        return {}
    measured = curves.hit_curve(counts)
    fits = {"one_p": curves.fit(measured), "spread_p": curves.fit(measured, spread=True)}
    most = len(measured)
    own = curves.budgets([c / n for n, c in counts], epsilon, most)
    return {
        "curve": "pass@n (hit@n): it takes knowing which sample is right",
        "epsilon": epsilon,
        "measured": [round(float(v), 6) for v in measured],
        "observed": curves.observed_saturation(measured, epsilon),
        "per_question_mean": float(own.mean()),
        **{
            name: {
                **{k: v for k, v in asdict(curve).items() if v is not None},
                "good_fit": curve.good,
                "saturates_at": (n := curve.saturation(epsilon)),
                "extrapolated": n > curve.fitted_to,
            }
            for name, curve in fits.items()
        },
    }


def pool_labels(pool: Pool) -> list[list[int | None]]:
    """Answers of every question as labels, equivalent ones alike, for PETS' table; questions with
    fewer than the four answers it looks at are left out."""
    found = [labels(p, pool.find(p, "main", p.prompt)) for p in pool.problems]
    return [answers for answers in found if sum(a is not None for a in answers) >= WARM_UP]


def placed(evidence: Evidence, kind: Kind, bins: int) -> tuple[IntArray, tuple[float, ...]]:
    """Bin of each trial, and the cuts between bins."""
    if kind == "oracle":
        first = np.unique(evidence.questions, return_index=True)[1]
        rates = evidence.pass_rate[first]
        by_question = quantile_bins(rates, bins)
        lowest = [float(rates[by_question == b].min()) for b in range(1, bins)]
        return by_question[evidence.questions], tuple(lowest)
    cuts = quantile_cuts(evidence.score, bins)
    rule = Difficulty(kind=kind, pilot=evidence.pilot, cuts=cuts)
    return np.array([rule.bin_of(float(s)) for s in evidence.score]), cuts


def _grades(judged: Judged, evidence: Evidence) -> dict[str, tuple[int, int]]:
    """Right and graded per question, in thousandths of a trial: two-fold figures are shares. The
    intervals are clustered by question, so the unit does not matter."""
    grades = {}
    for q, name in enumerate(evidence.names):
        here = judged.right[evidence.questions == q]
        grades[name] = (round(1000 * float(here.sum())), 1000 * len(here))
    return grades


def _figures(judged: Judged, evidence: Evidence) -> dict[str, Any]:
    interval = accuracy_interval(_grades(judged, evidence))
    ends = None if interval is None else list(interval)
    return {"accuracy": judged.accuracy, "accuracy_ci": ends, "cost": judged.cost}


def _difference(first: Judged, second: Judged, evidence: Evidence) -> dict[str, Any] | None:
    gap = paired_difference(_grades(first, evidence), _grades(second, evidence))
    return None if gap is None else asdict(gap)


def _by_bin(
    evidence: Evidence, cost: NDArray[np.float64], place: IntArray, chosen: Sequence[int]
) -> list[dict[str, Any]]:
    """Trials, pass rate, and the chosen strategy's accuracy and cost in each bin."""
    rows = []
    for b, s in enumerate(chosen, 1):
        here = place == b
        some = bool(here.any())
        rows.append(
            {
                "trials": int(here.sum()),
                "oracle_pass_rate": float(evidence.pass_rate[here].mean()) if some else None,
                "accuracy": float(evidence.right[s, here].mean()) if some else None,
                "cost": float(cost[s, here].mean()) if some else None,
            }
        )
    return rows
