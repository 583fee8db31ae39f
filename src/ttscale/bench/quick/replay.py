"""Every method that a pool of plain samples allows, replayed on it: what it would have found and spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ...core import Configured, Price
from ...engines import ModelSource, Pool, Replay
from ...methods import parse
from ..plan import arrange
from ..report.summary import Row, rows
from ..runner import run_bench
from ..store.store import Store
from ..tasks.task import Task


@dataclass(slots=True)
class Spent:
    """One question under one method, summed over its repeats."""

    right: int = 0
    graded: int = 0
    repeats: int = 0
    tokens: int = 0
    sequential: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came out.

    Attributes:
        reference: the method that the others are compared with: the vote of all samples.
        spent: method -> question -> what it took.
    """

    reference: str
    rows: Sequence[Row]
    spent: Mapping[str, Mapping[str, Spent]]


def candidates(samples: int, capabilities: frozenset[str]) -> list[Configured]:
    """The methods that ask for nothing but samples of the question, the vote of all first.

    Methods that continue, revise, plan or judge ask for texts that are in no such pool.

    Args:
        samples: of each question.
        capabilities: of the pool; log-probabilities let DeepConf in, rewards best-of-N.
    """
    half = samples // 2
    written = [f"sc(n={samples})", "simple"]
    written += [f"sc(n={n})" for n in (3, 4, 5, 8, 16, 32) if n <= half]
    written += [f"ffs(n={samples})"]
    written += [f"ffs(n={samples}, k={half})"] if half > 1 else []
    written += [f"adaptive-consistency(max_samples={samples})"] if samples > 2 else []
    written += [f"esc(window={w}, max_samples={samples})" for w in (3, 4) if w <= half]
    if "logprobs" in capabilities and samples >= 4:
        written += [f"deepconf(n={samples})"]
        written += [f"deepconf-online(variant=high, warm_up={half}, max_samples={samples})"]
    if "reward" in capabilities:
        written += [f"best-of-n(n={samples})"]
    return [parse(one) for one in written]


def replayed(
    pool: Pool, methods: Sequence[Configured], *, price: Price | None = None, seed: int = 0
) -> Replayed:
    """Replay methods on a pool, in token time; the first is the reference."""
    source = ModelSource(
        name=pool.model,
        spec=pool.source,
        make=lambda **settings: Replay(pool, **settings),
        pools=[pool],
        price=price,
    )
    planned = arrange(methods, [(source, [Task(pool.task, pool.problems)])], seed=seed)
    spent: dict[str, dict[str, Spent]] = {}
    with TemporaryDirectory() as folder, Store.create(Path(folder) / "replayed.db", {}) as store:
        run_bench(store, planned)
        for cell in store.cells():
            questions = spent.setdefault(cell.method, {})
            for result in store.items(cell):
                one = questions.setdefault(result.problem, Spent())
                one.repeats += 1
                one.graded += result.correct is not None
                one.right += bool(result.correct)
                one.tokens += result.usage.tokens
                one.sequential += result.usage.sequential_tokens
        return Replayed(reference=methods[0].label, rows=rows(store), spent=spent)
