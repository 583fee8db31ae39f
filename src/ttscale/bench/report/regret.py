"""How far each method is from the best choice among the samples of one pool.

The pool is what the store kept of a model on a task. Three lines need no method: a sample at random, the
one place in the order of sampling that is right most often (with hindsight), and an oracle that knows which
sample is right. Regret is what the oracle has more in accuracy, on the questions that all have in common;
tokens are all that a method spent, those read by verifiers included.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...core.cards.roles import VOTING
from ...core.verdict import is_right
from ...engines import Pool
from ..store.replay_pool import pools_from_store
from ..store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One selector.

    Attributes:
        kind: "bound" for what knows the pool's verdicts, "method" for what a store has run.
        regret: the oracle's accuracy minus this one's.
        closed: how much of the way from random to the oracle it goes; None if there is no way.
        tokens, verifier_tokens: of a question; None for the bounds, which cannot be run.
    """

    model: str
    task: str
    name: str
    kind: str
    questions: int
    accuracy: float
    regret: float
    closed: float | None
    tokens: float | None = None
    verifier_tokens: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The line, ready for JSON."""
        return asdict(self)


def regrets(path: Path) -> list[Line]:
    """The lines of every model and task of a store whose samples were kept and have verdicts.

    Raises:
        StoreError: if the store cannot be read.
    """
    found: list[Line] = []
    with Store.open(path) as store:
        for pool in pools_from_store(path):
            found += _lines(store, pool)
    return found


def _lines(store: Store, pool: Pool) -> list[Line]:
    verdicts = _verdicts(pool)
    results: dict[str, dict[str, list[Any]]] = {}
    for cell in store.cells():
        if (cell.model, cell.task) == (pool.model, pool.task):
            of_method = results.setdefault(cell.method, {})
            for result in store.items(cell):
                if result.correct is not None:
                    of_method.setdefault(result.problem, []).append(result)
    common = [q for q in verdicts if all(q in of_method for of_method in results.values())]
    if not common:
        return []
    least = min(len(verdicts[q]) for q in common)
    random = _mean([sum(verdicts[q]) / len(verdicts[q]) for q in common])
    single = max(_mean([verdicts[q][place] for q in common]) for place in range(least))
    oracle = _mean([any(verdicts[q]) for q in common])

    def line(name: str, kind: str, accuracy: float, **more: float) -> Line:
        way = oracle - random
        return Line(
            model=pool.model,
            task=pool.task,
            name=name,
            kind=kind,
            questions=len(common),
            accuracy=accuracy,
            regret=oracle - accuracy,
            closed=(accuracy - random) / way if way else None,
            **more,
        )

    lines = [line("random", "bound", random), line("best single", "bound", single)]
    for method, of_method in results.items():
        each = [of_method[q] for q in common]
        lines.append(
            line(
                method,
                "method",
                _mean([_mean([r.correct for r in repeats]) for repeats in each]),
                tokens=_mean([_mean([r.usage.tokens for r in repeats]) for repeats in each]),
                verifier_tokens=_mean(
                    [_mean([r.usage.verifier_tokens for r in repeats]) for repeats in each]
                ),
            )
        )
    return [*lines, line("oracle", "bound", oracle)]


def _verdicts(pool: Pool) -> dict[str, list[bool]]:
    """Question -> whether each of its samples is right, where that is known of all."""
    found = {}
    for problem in pool.problems:
        sampled = [t for t in pool.find(problem, "main", problem.prompt) if t.part in VOTING]
        verdicts = [is_right(problem, trace) for trace in sampled]
        if verdicts and None not in verdicts:
            found[problem.id] = [bool(verdict) for verdict in verdicts]
    return found


def _mean(values: list[Any]) -> float:
    return float(sum(values) / len(values))
