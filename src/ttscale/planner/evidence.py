"""What strategies do on recorded samples: the trials a policy is fitted on.

From a recording every strategy is replayed behind the same pilot, each repeat on the samples in
another order, so that its whole cost is counted as `auto` would pay it. A bench store without
traces gives the items it has instead; its difficulty can then be an oracle's only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..assembly import Assembly
from ..core import Context, Method, Outcome, Problem, Role, UsageError, execute
from ..core.cards.roles import VOTING
from ..core.verdict import is_right, outcome_is_right
from ..engines import ModelSource, Pool
from ..methods.routing.auto import CARD, Config, checked, follow, needs_of
from ..methods.routing.difficulty import Difficulty, Kind
from ..methods.routing.policy import Level, Policy, Unit

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Trials of several strategies on the same questions.

    Attributes:
        strategies: as written, (strategies,).
        names: ids of the questions, in order.
        questions: number of each trial's question, (trials,).
        right: 1 or 0, or a share where items were averaged, (strategies, trials).
        tokens, samples: what each trial cost, (strategies, trials); tokens are those generated and those
            read by verifiers.
        score: of each trial's pilot, (trials,); the pass rate where there was none.
        pass_rate: oracle: share of each trial's question's samples that are right, (trials,).
        pilot: samples of the pilot; 0 if there was none.
        counts: (samples, right) of each question of a recording.
    """

    model: str
    task: str
    strategies: tuple[str, ...]
    names: tuple[str, ...]
    questions: NDArray[np.int64]
    right: FloatArray
    tokens: FloatArray
    samples: FloatArray
    score: FloatArray
    pass_rate: FloatArray
    pilot: int
    counts: tuple[tuple[int, int], ...] = ()

    def cost(self, unit: Unit) -> FloatArray:
        """Cost of each trial, (strategies, trials)."""
        return self.samples if unit == "samples" else self.tokens


def replayed(
    source: ModelSource,
    strategies: Sequence[str],
    *,
    pilot: int = 4,
    kind: Kind = "agreement",
    repeats: int = 8,
    seed: int = 0,
) -> Evidence:
    """Trials on a recording.

    Args:
        source: a recording.
        strategies: methods as written, or pilot(n=N, ...).
        pilot: samples every strategy follows.
        kind: where the pilot's score comes from; "oracle" keeps the pass rate beside agreement.
        repeats: runs of every strategy, each on the samples in another order.
        seed: of the orders.

    Raises:
        UsageError: if no question has a gold answer, or a strategy cannot be run here.
        PoolExhausted: if pilot and strategy together want more samples than were recorded.
    """
    (pool,) = source.pools
    counts = graded(pool)
    problems = [p for p in pool.problems if p.id in counts]
    if not problems:
        raise UsageError(
            f"no question of {pool.task!r} has a gold answer",
            fix="record references, or judge by what the samples agree on (--consensus)",
        )
    requested: Kind = "agreement" if kind == "oracle" else kind
    policies = [checked(single(strategy, pilot, requested)) for strategy in strategies]
    judged = any("reward" in role.capabilities for p in policies for role in needs_of(p).values())
    if judged and "reward" not in pool.capabilities:
        raise UsageError(
            f"the recording {source.spec!r} holds no rewards",
            fix="have a reward model judge it: ttscale bench run --model replay:FILE "
            f"--role prm=MODEL -m 'best-of-n(n={pool.size()})' --keep-traces all",
        )
    trials = [(p, r) for p in problems for r in range(repeats)]
    shape = (len(strategies), len(trials))
    right, tokens, samples = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    score = np.zeros(len(trials))
    for s, policy in enumerate(policies):
        for r in range(repeats):
            outcomes = follow_all(source, problems, policy, seed=seed + r)
            for q, (problem, outcome) in enumerate(zip(problems, outcomes, strict=True)):
                t = q * repeats + r
                right[s, t] = bool(outcome_is_right(problem, outcome))
                tokens[s, t] = outcome.usage.tokens
                samples[s, t] = outcome.usage.samples
                score[t] = outcome.extra["score"]
    rates = np.array([counts[p.id][1] / counts[p.id][0] for p in problems])
    return Evidence(
        model=pool.model or source.name,
        task=pool.task,
        strategies=tuple(strategies),
        right=right,
        names=tuple(p.id for p in problems),
        tokens=tokens,
        samples=samples,
        score=score,
        questions=np.repeat(np.arange(len(problems)), repeats),
        pass_rate=np.repeat(rates, repeats),
        pilot=pilot,
        counts=tuple(counts[p.id] for p in problems),
    )


def from_results(path: str | Path, *, model: str | None = None, task: str | None = None) -> Evidence:
    """Trials from the items of a bench store, one per question: the means over its repeats. The
    pass rate is that of the first method.

    Raises:
        StoreError: if the store cannot be read.
        UsageError: if it holds several models or tasks and none is chosen, or too little.
    """
    from ..bench.store.store import Store

    found: dict[tuple[str, str], dict[str, dict[str, list[tuple[bool, int, int]]]]] = {}
    with Store.open(path) as store:
        for cell in store.cells():
            if model in (None, cell.model) and task in (None, cell.task):
                group = found.setdefault((cell.model, cell.task), {})
                for result in store.items(cell):
                    if result.correct is not None:
                        usage = result.usage
                        entry = (result.correct, usage.tokens, usage.samples)
                        group.setdefault(cell.method, {}).setdefault(result.problem, []).append(entry)
    if len(found) != 1:
        there = "; ".join(f"{m} on {t}" for m, t in found) or "nothing that is graded"
        raise UsageError(f"{path} holds {there}", fix="choose one with --model and --dataset")
    ((chosen, items),) = found.items()
    names = sorted(set.intersection(*(set(by_problem) for by_problem in items.values())))
    if not names:
        raise UsageError(f"no question of {path} was answered by every method", fix="resume it")
    means = np.array([[np.mean(by[n], axis=0) for n in names] for by in items.values()])
    right, tokens, samples = np.moveaxis(means, 2, 0)
    return Evidence(
        model=chosen[0],
        task=chosen[1],
        strategies=tuple(items),
        names=tuple(names),
        questions=np.arange(len(names)),
        right=right,
        tokens=tokens,
        samples=samples,
        score=right[0],
        pass_rate=right[0],
        pilot=0,
    )


def graded(pool: Pool) -> dict[str, tuple[int, int]]:
    """Question -> (samples, right), where there is a gold answer."""
    counts: dict[str, tuple[int, int]] = {}
    for problem in pool.problems:
        traces = pool.find(problem, "main", problem.prompt)
        verdicts = [is_right(problem, t) for t in traces if t.finish != "error" and t.part in VOTING]
        if verdicts and None not in verdicts:
            counts[problem.id] = (len(verdicts), sum(map(bool, verdicts)))
    return counts


def single(strategy: str, pilot: int, kind: Kind) -> Policy:
    """The policy that runs one strategy on everything."""
    return Policy(
        model="",
        task="",
        questions=0,
        unit="samples",
        difficulty=Difficulty(kind=kind, pilot=pilot, cuts=()),
        levels=(Level(limit=1, strategies=(strategy,)),),
    )


def follow_all(
    source: ModelSource,
    problems: Sequence[Problem],
    policy: Policy,
    *,
    budget: float | None = None,
    seed: int = 0,
    engine: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Outcomes of a policy on recorded questions, each on its samples in the order of a seed."""
    made = {"order": "shuffled"} if engine is None else engine
    run = Assembly.of({"main": source}, **made).run(seed=seed)

    async def fn(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
        return await follow(problem, ctx, policy, budget)

    method = Method(CARD, fn, Config).bind(_Needs(needs_of(policy)))
    run.check(method)

    async def main() -> list[Outcome]:
        return [await run.answer(method, p) for p in problems]

    return execute(run, main)


@dataclass(frozen=True, slots=True)
class _Needs:
    """Stands in for a config: all that is asked of it is what it needs."""

    wanted: Mapping[str, Role]

    def needs(self) -> Mapping[str, Role]:
        return self.wanted
