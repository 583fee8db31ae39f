"""A paper's claims as values: what is measured, and the criterion that gives the verdict.

A criterion is written before the claim is measured and hashed into every result, so that a verdict
cannot outlive a changed criterion.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import ArrayLike

from ...metrics import Difference, wilson

if TYPE_CHECKING:
    from .laboratory import Laboratory


class Verdict(StrEnum):
    """What is said of a claim. The first two are said of the effect (identity, sign, order, shape), whose
    size here is given beside the paper's."""

    REPRODUCED = "reproduced"
    REFUTED = "refuted"
    NOT_VISIBLE = "not visible here"
    NEEDS = "needs"


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured.

    Attributes:
        low, high: its 95% interval; the value itself where it is exact.
        of: what it is a figure of, such as "200 questions".
    """

    value: float
    low: float
    high: float
    of: str = ""

    @classmethod
    def exact(cls, value: float, of: str = "") -> Figure:
        """A figure without sampling error: an identity, a closed form, a count."""
        return cls(value, value, value, of)

    @classmethod
    def paired(cls, difference: Difference | None) -> Figure:
        """A paired difference in accuracy.

        Raises:
            ValueError: if the two methods share no graded question.
        """
        if difference is None:
            raise ValueError("the two methods share no graded question")
        return cls(difference.value, difference.low, difference.high, f"{difference.questions} questions")

    @classmethod
    def share(cls, hits: Sequence[bool], of: str = "") -> Figure:
        """A share of independent trials, with Wilson's interval."""
        low, high = wilson(sum(hits), len(hits))
        return cls(sum(hits) / len(hits), low, high, of)

    @classmethod
    def resampled(
        cls, statistic: Callable[..., Any], *columns: ArrayLike, of: str = "", resamples: int = 2_000
    ) -> Figure:
        """A statistic with its percentile bootstrap.

        Args:
            statistic: of the columns, to a number.
            columns: what is known of each unit, (units, ...), such as questions; a unit is drawn whole.
            of: what it is a figure of.
            resamples: of the bootstrap.
        """
        values = [np.asarray(column, dtype=float) for column in columns]
        units = len(values[0])
        rng = np.random.default_rng(0)
        picks = (rng.integers(0, units, units) for _ in range(resamples))
        spread = [float(statistic(*(column[pick] for column in values))) for pick in picks]
        low, high = np.quantile(spread, (0.025, 0.975))
        return cls(float(statistic(*values)), float(low), float(high), of)

    @classmethod
    def mean(cls, values: ArrayLike, of: str = "") -> Figure:
        """The mean of independent values, (units,), with its percentile bootstrap."""
        return cls.resampled(np.mean, values, of=of)


@dataclass(frozen=True, slots=True)
class Above:
    """Reproduced if the whole interval is above the bound, refuted if it is whole at or below."""

    bound: float

    def judge(self, figure: Figure) -> Verdict:
        if figure.low > self.bound:
            return Verdict.REPRODUCED
        return Verdict.REFUTED if figure.high <= self.bound else Verdict.NOT_VISIBLE

    def __str__(self) -> str:
        return f"the interval lies above {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Below:
    """Reproduced if the whole interval is below the bound, refuted if it is whole at or above."""

    bound: float

    def judge(self, figure: Figure) -> Verdict:
        if figure.high < self.bound:
            return Verdict.REPRODUCED
        return Verdict.REFUTED if figure.low >= self.bound else Verdict.NOT_VISIBLE

    def __str__(self) -> str:
        return f"the interval lies below {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Equals:
    """Reproduced if the value is within the tolerance of the target, else refuted: for identities,
    closed forms and figures that can be derived again from published recordings."""

    target: float
    tolerance: float

    def judge(self, figure: Figure) -> Verdict:
        off = abs(figure.value - self.target)
        return Verdict.REPRODUCED if off <= self.tolerance else Verdict.REFUTED

    def __str__(self) -> str:
        return f"the value is {self.target:g}, to {self.tolerance:g}"


@dataclass(frozen=True, slots=True)
class Needs:
    """Not to be had here: says what it takes, such as a GPU, a larger model, data."""

    what: str

    def judge(self, figure: Figure) -> Verdict:
        return Verdict.NEEDS

    def __str__(self) -> str:
        return f"needs {self.what}"


Criterion = Above | Below | Equals | Needs
Measure = Callable[["Laboratory"], Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim of a paper, and how it is looked at here.

    Attributes:
        name: short, unique within the system; what result files call it.
        text: the claim.
        number: the paper's figure, with the model and data it was measured on; may be empty.
        source: where it stands.
        effect: what is measured here, on what; empty if nothing is (`Needs`).
        measure: measures it; None with `Needs`.
    """

    name: str
    text: str
    source: str
    criterion: Criterion
    number: str = ""
    effect: str = ""
    measure: Measure | None = None

    def __post_init__(self) -> None:
        if isinstance(self.criterion, Needs) == (self.measure is not None):
            raise ValueError(f"claim {self.name!r}: a criterion needs a measure, and Needs has none")

    def fixed(self) -> dict[str, Any]:
        """What must not change once it has been measured."""
        criterion = {"kind": type(self.criterion).__name__, **asdict(self.criterion)}
        return {"name": self.name, "effect": self.effect, "criterion": criterion}


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A published system and its claims; the first claim is the one that stands for it.

    Attributes:
        name: as in the list of systems, with hyphens.
        methods, recipes, metrics: what of this library implements it, by name.
        parameters: sizes and seeds of the quick and the full form, part of the criterion's hash.
    """

    name: str
    claims: tuple[Claim, ...]
    methods: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [claim.name for claim in self.claims]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"system {self.name!r} needs claims with names of their own")

    @property
    def criterion_hash(self) -> str:
        """Sixteen hex digits over what is measured, by which criteria, with which parameters."""
        fixed = {"claims": [claim.fixed() for claim in self.claims], "parameters": dict(self.parameters)}
        return hashlib.sha256(orjson.dumps(fixed, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
