"""Runs set against each other: what two stores found on the same questions, paired.

A method of a later store is compared with the method of that name in the first one, or with a chosen
one. The models may differ, where each store has one: that is how two models, two prompts or two versions
of a server are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...core import StoreError, UnknownName, UsageError
from ...metrics.accuracy.intervals import Difference, paired_change, paired_difference
from ..store.results import Result
from ..store.store import Store


@dataclass(slots=True)
class Side:
    """One method on one model's task in one store, question by question.

    Attributes:
        grades: question -> (right, graded) over its repeats.
        golds: question -> its gold answers.
    """

    store: Path
    method: str
    model: str
    task: str
    grades: dict[str, tuple[int, int]] = field(default_factory=dict)
    golds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _items: Counter[str] = field(default_factory=Counter)
    _tokens: Counter[str] = field(default_factory=Counter)
    _cost: dict[str, float | None] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Count an item, if it was answered."""
        if result.error is not None:
            return
        question, usage = result.problem, result.usage
        right, graded = self.grades.get(question, (0, 0))
        self.grades[question] = (right + bool(result.correct), graded + (result.correct is not None))
        self._items[question] += 1
        self._tokens[question] += usage.tokens
        before = self._cost.get(question, 0.0)
        self._cost[question] = None if before is None or usage.cost is None else before + usage.cost

    @property
    def accuracy(self) -> dict[str, float]:
        """Question -> share of its repeats that is right, where that is known."""
        return {q: right / graded for q, (right, graded) in self.grades.items() if graded}

    @property
    def tokens(self) -> dict[str, float]:
        """Question -> tokens of one repeat."""
        return {q: self._tokens[q] / count for q, count in self._items.items()}

    @property
    def cost(self) -> dict[str, float]:
        """Question -> money of one repeat, where it is known."""
        return {q: spent / self._items[q] for q, spent in self._cost.items() if spent is not None}

    @property
    def place(self) -> str:
        return f"{self.method} on {self.model} · {self.task} in {self.store}"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of two sides on the questions both know it for.

    Attributes:
        value, reference: means over these questions, of the later store and of the first.
        difference: value minus reference.
    """

    value: float
    reference: float
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two sides compared; a figure that no question has on both is None.

    Attributes:
        cost: money; None also where it is unknown for a question that has tokens on both sides.
    """

    reference: Side
    other: Side
    accuracy: Figure | None
    tokens: Figure | None
    cost: Figure | None

    def as_dict(self) -> dict[str, Any]:
        """The pair, ready for JSON."""
        sides = {
            name: {key: getattr(side, key) for key in ("store", "method", "model", "task")}
            for name, side in (("reference", self.reference), ("other", self.other))
        }
        figures = {name: getattr(self, name) for name in ("accuracy", "tokens", "cost")}
        return sides | {name: None if f is None else asdict(f) for name, f in figures.items()}

    def worse_by(self, margin: float) -> bool:
        """Whether the other is surely worse than the reference by more than `margin`: the whole
        interval of the difference in accuracy says so."""
        return self.accuracy is not None and self.accuracy.difference.high < -margin


def compare(
    stores: Sequence[Store], methods: Sequence[str] = (), against: str | None = None
) -> tuple[list[Pair], list[str]]:
    """(pairs of every later store with the first, what was left out for want of a match).

    Args:
        stores: the first is what the others are compared with; at least two.
        methods: of the later stores; all if there are none.
        against: the method of the first store; by default the one of the same name.

    Raises:
        UnknownName: for a method that no store has.
        StoreError: if two stores mean different questions by one id.
        UsageError: if nothing can be paired.
    """
    first, *later = [_sides(store) for store in stores]
    there = {side.method for sides in later for side in sides}
    chosen = {_known(name, there, "the later stores") for name in methods} or there
    reference = None if against is None else _known(against, {s.method for s in first}, str(stores[0].path))
    pairs: list[Pair] = []
    left: list[str] = []
    for sides in later:
        for side in (s for s in sides if s.method in chosen):
            match = _match(side, sides, first, reference or side.method)
            if match is None:
                left.append(side.place)
            else:
                pairs.append(_pair(match, side))
    if not pairs:
        raise UsageError(
            f"{stores[0].path} has nothing that the other stores can be compared with",
            fix="name the methods: -m METHOD --against METHOD; the tasks must be the same",
        )
    return pairs, left


def _known(name: str, known: set[str], where: str) -> str:
    """The method written so, however it is spaced."""
    for label in known:
        if "".join(label.split()) == "".join(name.split()):
            return label
    raise UnknownName("method", name, known, where)


def _sides(store: Store) -> list[Side]:
    found: dict[tuple[str, str, str], Side] = {}
    for cell in store.cells():
        key = (cell.method, cell.model, cell.task)
        side = found.get(key)
        if side is None:
            side = found[key] = Side(store.path, *key)
            side.golds = {p.id: p.golds for p in store.problems(cell)}
        for result in store.items(cell):
            side.add(result)
    return list(found.values())


def _match(side: Side, own: Sequence[Side], first: Sequence[Side], method: str) -> Side | None:
    """What the first store has of that method on the task: on the same model, or on its only one if
    the other store has but one too."""
    candidates = [s for s in first if s.method == method and s.task == side.task]
    for candidate in candidates:
        if candidate.model == side.model:
            return candidate
    alone = len({s.model for s in own if s.task == side.task}) == 1
    return candidates[0] if len(candidates) == 1 and alone else None


def _pair(reference: Side, other: Side) -> Pair:
    for question, golds in other.golds.items():
        before = reference.golds.get(question, golds)
        if before != golds:
            raise StoreError(
                f"question {question!r} of {other.task} has the gold answer {_listed(before)} in "
                f"{reference.store} and {_listed(golds)} in {other.store}",
                fix="compare runs on the same questions",
            )
    tokens = _figure(other.tokens, reference.tokens)
    cost = _figure(other.cost, reference.cost)
    if cost is not None and tokens is not None and cost.difference.questions < tokens.difference.questions:
        cost = None
    return Pair(
        reference=reference,
        other=other,
        accuracy=_figure(
            other.accuracy, reference.accuracy, paired_difference(other.grades, reference.grades)
        ),
        tokens=tokens,
        cost=cost,
    )


def _figure(
    other: Mapping[str, float], reference: Mapping[str, float], difference: Difference | None = None
) -> Figure | None:
    difference = difference or paired_change(other, reference)
    if difference is None:
        return None
    common = [q for q in other if q in reference]
    mean = [sum(side[q] for q in common) / len(common) for side in (other, reference)]
    return Figure(mean[0], mean[1], difference)


def _listed(golds: Sequence[str]) -> str:
    return " or ".join(map(repr, golds)) or "unknown"
