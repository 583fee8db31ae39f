"""What a bench run found: one row per method, model and task.

Means are per answered item; items that failed for reasons of infrastructure are counted apart
(`errors`, `error_tokens_total`) and are in no mean. What is not known is None, never zero.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ...core import PoolExhausted
from ...metrics.accuracy.intervals import Difference, accuracy_interval, paired_difference
from ...metrics.cost.cost_of_pass import cost_of_pass
from ...metrics.cost.efficiency import e3
from ..store.results import Cell, Result
from ..store.store import Store


@dataclass(slots=True, kw_only=True)
class Row:
    """A method on a model's task.

    Attributes:
        items: answered items: questions times repeats, failed ones left out.
        ended: why the row ends before its last question, as where a recording runs dry.
        accuracy_ci: 95% interval, clustered by question; see `metrics.accuracy.intervals`.
        abstentions: answered items without an answer; they count as not right.
        unread: samples whose answer was out of reach, and is compared as it is written.
        completion_tokens_total: generated, of all answered items.
        tokens_mean: generated, and read by verifiers.
        sequential_tokens_mean: the longest chain of dependent tokens of an item.
        useful_tokens_mean: generated tokens that were neither cancelled nor cut, nor spent judging
            or planning.
        set_sequential_tokens, set_seconds: of the whole set, for a method that takes sets.
        difference: accuracy minus that of the first method, on the same questions; None for the
            first.
        stopped_by: rule that ended the method -> items.
        estimated_...: of the mean of that name, what was estimated rather than counted.
        e3: accuracy squared over tokens; see `metrics.cost.efficiency`.
        cost_of_pass: money per right answer; infinite if none is right. tokens_per_right: tokens,
            those read by verifiers included, prompts not.
    """

    method: str
    model: str
    task: str
    items: int
    questions: int
    repeats: int
    accuracy: float | None
    accuracy_ci: tuple[float, float] | None
    errors: int
    abstentions: int
    unread: int
    completion_tokens_total: int
    tokens_mean: float | None
    completion_tokens_mean: float | None
    sequential_tokens_mean: float | None
    cancelled_tokens_mean: float | None
    cut_tokens_mean: float | None
    useful_tokens_mean: float | None
    verifier_tokens_mean: float | None
    planning_tokens_mean: float | None
    estimated_tokens_mean: float | None
    estimated_prompt_tokens_mean: float | None
    estimated_cost_mean: float | None
    prompt_tokens_mean: float | None
    seconds_mean: float | None
    samples_mean: float | None
    cost_mean: float | None
    error_tokens_total: int
    set_sequential_tokens: float | None
    set_seconds: float | None
    stopped_by: dict[str, int]
    knobs: dict[str, Any]
    difference: Difference | None = None
    ended: str | None = None
    e3: float | None = field(init=False, default=None)
    cost_of_pass: float | None = field(init=False, default=None)
    tokens_per_right: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.accuracy is None:
            return
        if self.tokens_mean:
            self.e3 = e3(self.accuracy, self.tokens_mean)
            self.tokens_per_right = cost_of_pass(self.tokens_mean, self.accuracy)
        if self.cost_mean is not None:
            self.cost_of_pass = cost_of_pass(self.cost_mean, self.accuracy)

    @property
    def starved(self) -> bool:
        """Whether a budget ended every item before it had an answer."""
        stopped = all(rule.startswith("budget:") for rule in self.stopped_by)
        return 0 < self.items == self.abstentions and stopped

    @property
    def is_oracle(self) -> bool:
        """Whether it looks at gold answers, which what does always says in its name."""
        return "oracle" in re.findall(r"[a-z]+", self.method)

    def as_dict(self) -> dict[str, Any]:
        """The row, ready for JSON."""
        return asdict(self)


_MEANS = (
    "tokens",
    "completion_tokens",
    "sequential_tokens",
    "cancelled_tokens",
    "cut_tokens",
    "useful_tokens",
    "verifier_tokens",
    "planning_tokens",
    "estimated_tokens",
    "estimated_prompt_tokens",
    "estimated_cost",
    "prompt_tokens",
    "samples",
    "cost",
)


@dataclass(slots=True)
class Sums:
    """Running sums of one row, so that a store of any size is read once and never held."""

    cells: list[Cell] = field(default_factory=list)
    items: int = 0
    errors: int = 0
    abstentions: int = 0
    unread: int = 0
    error_tokens: int = 0
    seconds: float = 0.0
    timed: int = 0
    totals: dict[str, float | None] = field(default_factory=lambda: dict.fromkeys(_MEANS, 0))
    grades: dict[str, tuple[int, int]] = field(default_factory=dict)  # question -> right, graded
    stopped_by: dict[str, int] = field(default_factory=dict)
    ended: str | None = None

    def add(self, result: Result) -> None:
        usage = result.usage
        if result.error is not None:
            self.errors += 1
            self.error_tokens += usage.tokens
            if result.error.startswith(PoolExhausted.__name__):
                self.ended = result.error.partition(": ")[2]
            return
        self.items += 1
        self.abstentions += result.answer is None
        self.unread += result.extra.get("unread", 0)
        right, graded = self.grades.get(result.problem, (0, 0))
        known = result.correct is not None
        self.grades[result.problem] = (right + bool(result.correct), graded + known)
        self.stopped_by[result.stopped_by] = self.stopped_by.get(result.stopped_by, 0) + 1
        if result.seconds is not None:
            self.seconds += result.seconds
            self.timed += 1
        totals = self.totals
        for name in _MEANS:
            total, value = totals[name], getattr(usage, name)
            totals[name] = None if total is None or value is None else total + value

    def row(self) -> Row:
        cell = self.cells[0]
        right = sum(r for r, _ in self.grades.values())
        graded = sum(n for _, n in self.grades.values())
        means: dict[str, Any] = {f"{name}_mean": self._mean(self.totals[name]) for name in _MEANS}
        return Row(
            method=cell.method,
            model=cell.model,
            task=cell.task,
            items=self.items,
            questions=len(self.grades),
            repeats=len(self.cells),
            accuracy=right / graded if graded else None,
            accuracy_ci=accuracy_interval(self.grades),
            errors=self.errors,
            abstentions=self.abstentions,
            unread=self.unread,
            completion_tokens_total=int(self.totals["completion_tokens"] or 0),
            seconds_mean=self.seconds / self.timed if self.timed else None,
            error_tokens_total=self.error_tokens,
            set_sequential_tokens=_mean_of(c.sequential_tokens for c in self.cells),
            set_seconds=_mean_of(c.seconds for c in self.cells),
            stopped_by=dict(sorted(self.stopped_by.items(), key=lambda kv: -kv[1])),
            knobs=dict(cell.knobs),
            ended=self.ended,
            **means,
        )

    def _mean(self, total: float | None) -> float | None:
        return total / self.items if total is not None and self.items else None


def _mean_of(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def rows(*stores: Store) -> list[Row]:
    """All rows of the stores, in the order they were planned. A method that several stores have for a
    model and task has the store's name before its own.

    Raises:
        StoreError: if a store cannot be read.
    """
    groups: dict[tuple[str, str, str], Sums] = {}
    for store, cells in _renamed(stores):
        for cell in cells:
            sums = groups.setdefault((cell.method, cell.model, cell.task), Sums())
            sums.cells.append(cell)
            for result in store.items(cell):
                sums.add(result)
    found: list[Row] = []
    first: dict[tuple[str, str], Sums] = {}
    for (_, model, task), sums in groups.items():
        row = sums.row()
        reference = first.setdefault((model, task), sums)
        if reference is not sums:
            row.difference = paired_difference(sums.grades, reference.grades)
        found.append(row)
    return found


def _renamed(stores: Sequence[Store]) -> list[tuple[Store, list[Cell]]]:
    """The cells of every store under names that no other store has."""
    names = [store.path.stem for store in stores]
    if len(set(names)) < len(names):
        names = [str(store.path) for store in stores]
    cells = [store.cells() for store in stores]
    holders = Counter(key for several in cells for key in {(c.method, c.model, c.task) for c in several})
    return [
        (
            store,
            [
                replace(c, method=f"{name}: {c.method}") if holders[c.method, c.model, c.task] > 1 else c
                for c in several
            ],
        )
        for store, name, several in zip(stores, names, cells, strict=True)
    ]


def sections(found: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """(model, task) -> its rows: what can be compared with each other."""
    parts: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        parts.setdefault((row.model, row.task), []).append(row)
    return parts
