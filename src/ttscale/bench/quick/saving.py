"""What a method would have saved against the vote of all samples, and how sure that is.

A method counts as saving if it takes fewer tokens with its whole interval and was no less often right
on the same questions. The one that saves most is chosen among several on these very questions, which
flatters it: so it is also chosen on each half of the questions and measured on the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ...metrics.accuracy.intervals import Difference, paired_difference
from .replay import Replayed, Spent

Unit = Literal["tokens", "sequential"]
Questions = Mapping[str, Spent]

_RESAMPLES = 2000
_NAMES: Mapping[Unit, str] = {"tokens": "tokens", "sequential": "sequential tokens (the latency)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """One method against the reference.

    Attributes:
        share, low, high: of the reference's tokens that are not spent, with its 95% interval;
            negative if more are.
        each, reference_each: tokens of a question under the method and under the reference.
        difference: accuracy minus that of the reference, paired.
        elsewhere: (share, difference in accuracy) of the methods chosen on half of the questions,
            on the other half; None if either half chooses none.
    """

    method: str
    reference: str
    unit: Unit
    share: float
    low: float
    high: float
    each: float
    reference_each: float
    difference: Difference
    elsewhere: tuple[float, float] | None = None

    @property
    def worth_it(self) -> bool:
        """Whether it surely spends less, and was right as often."""
        return self.low > 0 and self.difference.value >= 0


def best_saving(found: Replayed, unit: Unit) -> Saving | None:
    """The saving of the method that saves most; None if none saves, or none was ever right."""
    questions = sorted(found.spent[found.reference])
    best = _best(found, unit, questions)
    if best is None:
        return None
    return replace(best, elsewhere=_elsewhere(found, unit, questions))


def in_words(found: Replayed, unit: Unit) -> str:
    """One sentence or two about what would have been saved; "nothing" is one of the answers."""
    reference = found.spent[found.reference].values()
    right, graded = sum(s.right for s in reference), sum(s.graded for s in reference)
    name = _NAMES[unit]
    if not graded:
        return f"What would have saved {name} is not known: no question has a gold answer."
    if not right:
        return (
            f"What would have saved {name} cannot be told: {found.reference} was right on none of "
            f"{graded} questions. Easier questions, or longer samples, would tell."
        )
    saving = best_saving(found, unit)
    if saving is None:
        return (
            f"Nothing would have saved you {name}: no method that spends less was right as often as "
            f"{found.reference} ({right / graded:.3f}) on these {graded} questions."
        )
    gap = saving.difference
    sentence = (
        f"{saving.method} would have saved you {saving.share:.0%} of the {name} of {saving.reference} "
        f"[{saving.low:.0%}, {saving.high:.0%}]: {saving.each:,.0f} a question in place of "
        f"{saving.reference_each:,.0f}, with {gap.value:+.3f} in accuracy [{gap.low:+.3f}, {gap.high:+.3f}]"
    )
    sentence += f" on {gap.questions} questions."
    if saving.elsewhere is not None:
        share, change = saving.elsewhere
        sentence += (
            f" Chosen on one half of them and measured on the other, it is {share:.0%} "
            f"with {change:+.3f} in accuracy."
        )
    if gap.low < -0.02:
        sentence += f" A loss of up to {-gap.low:.2f} cannot be excluded with so few questions."
    return sentence


def _best(found: Replayed, unit: Unit, questions: Sequence[str]) -> Saving | None:
    reference = _of(found.spent[found.reference], questions)
    if not any(s.right for s in reference.values()):
        return None
    savings = [
        saving
        for method, spent in found.spent.items()
        if method != found.reference
        and (saving := _saving(method, found.reference, _of(spent, questions), reference, unit)) is not None
        and saving.worth_it
    ]
    return max(savings, key=lambda saving: saving.share, default=None)


def _elsewhere(found: Replayed, unit: Unit, questions: Sequence[str]) -> tuple[float, float] | None:
    """What is chosen on every second question, on the others, and the other way round."""
    halves = questions[::2], questions[1::2]
    shares, changes = [], []
    for chosen_on, measured_on in (halves, halves[::-1]):
        best = _best(found, unit, chosen_on) if len(chosen_on) > 1 else None
        if best is None:
            return None
        reference = _of(found.spent[found.reference], measured_on)
        there = _saving(
            best.method, found.reference, _of(found.spent[best.method], measured_on), reference, unit
        )
        if there is None:
            return None
        shares.append(there.share)
        changes.append(there.difference.value)
    return float(np.mean(shares)), float(np.mean(changes))


def _of(spent: Questions, questions: Sequence[str]) -> dict[str, Spent]:
    return {q: spent[q] for q in questions if q in spent}


def _saving(method: str, reference: str, own: Questions, other: Questions, unit: Unit) -> Saving | None:
    """None if no question is graded under both."""
    gap = paired_difference(
        {q: (s.right, s.graded) for q, s in own.items()}, {q: (s.right, s.graded) for q, s in other.items()}
    )
    common = [q for q in own if q in other and own[q].repeats and other[q].repeats]
    if gap is None or not common:
        return None
    mine = np.array([getattr(own[q], unit) / own[q].repeats for q in common])
    theirs = np.array([getattr(other[q], unit) / other[q].repeats for q in common])
    if not theirs.sum():
        return None
    picks = np.random.default_rng(0).integers(0, len(common), (_RESAMPLES, len(common)))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = 1 - mine[picks].sum(axis=1) / theirs[picks].sum(axis=1)
    low, high = np.nanquantile(shares, (0.025, 0.975))
    return Saving(
        method=method,
        reference=reference,
        unit=unit,
        share=float(1 - mine.sum() / theirs.sum()),
        low=float(low),
        high=float(high),
        each=float(mine.mean()),
        reference_each=float(theirs.mean()),
        difference=gap,
    )
