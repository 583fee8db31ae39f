"""A store as logs of inspect-ai: one `.eval` file per method, model and task, for `inspect view`.

A repeat is an epoch, an item a sample with one score, C or I; an item that failed has its error, and one
without a gold answer has no score. inspect-ai writes the files itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from ... import __version__
from ...core import Problem, Usage, UsageError, install_command
from ..store.results import Cell, Result
from ..store.store import Store
from .rows import rule_of, winner_of

SCORER = "ttscale"


def write_inspect(store: Store, folder: Path) -> list[Path]:
    """Write the logs into a folder, which is made; returns their paths.

    Raises:
        UsageError: without inspect-ai, or for a file that exists.
    """
    try:
        from inspect_ai.log import write_eval_log
    except ModuleNotFoundError:
        raise UsageError("logs of inspect-ai need its package", fix=install_command("inspect")) from None
    cells = sorted(store.cells(), key=_identity)
    groups = {key: list(group) for key, group in groupby(cells, _identity)}
    paths = {key: folder / f"{_file_name(key, i)}.eval" for i, key in enumerate(groups)}
    for path in paths.values():
        if path.exists():
            raise UsageError(f"{path} exists already", fix="choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for key, group in groups.items():
        write_eval_log(_log(store, group), str(paths[key]))
    return list(paths.values())


def _identity(cell: Cell) -> tuple[str, str, str]:
    return cell.task, cell.model, cell.method


def _file_name(key: tuple[str, str, str], number: int) -> str:
    """Readable, and no two alike."""
    return f"{number:03}_" + "_".join(re.sub(r"[^\w.=-]+", "-", part).strip("-")[:40] for part in key)


def _log(store: Store, cells: list[Cell]) -> Any:
    from inspect_ai.log import (
        EvalConfig,
        EvalDataset,
        EvalLog,
        EvalMetric,
        EvalPlan,
        EvalPlanStep,
        EvalResults,
        EvalScore,
        EvalSpec,
        EvalStats,
    )

    task, model, method = _identity(cells[0])
    problems = {p.id: p for p in store.problems(cells[0], rule_of)}
    samples = list(_samples(store, cells, problems))
    values = [s.scores[SCORER].value for s in samples if s.scores]
    total = Usage()
    for cell in cells:
        for result in store.items(cell):
            total.add(result.usage)
    now = datetime.now(UTC).isoformat()
    metrics = {}
    if values:
        metrics["accuracy"] = EvalMetric(name="accuracy", value=values.count("C") / len(values))
    return EvalLog(
        status="success",
        eval=EvalSpec(
            created=now,
            task=task,
            dataset=EvalDataset(name=task, samples=len(problems), sample_ids=list(problems)),
            model=model,
            solver=method,
            config=EvalConfig(epochs=len(cells)),
            packages={"ttscale": __version__},
            metadata={"method": method, "plan": store.plan},
        ),
        plan=EvalPlan(steps=[EvalPlanStep(solver=method)]),
        results=EvalResults(
            total_samples=len(problems) * len(cells),
            completed_samples=sum(s.error is None for s in samples),
            scores=[EvalScore(name=SCORER, scorer=SCORER, scored_samples=len(values), metrics=metrics)],
        ),
        stats=EvalStats(started_at=now, completed_at=now, model_usage={model: _usage(total)}),
        samples=samples,
    )


def _samples(store: Store, cells: list[Cell], problems: dict[str, Problem]) -> Iterator[Any]:
    for epoch, cell in enumerate(cells, start=1):
        for result in store.items(cell):
            yield _sample(store, cell, result, problems[result.problem], epoch)


def _sample(store: Store, cell: Cell, result: Result, problem: Problem, epoch: int) -> Any:
    from inspect_ai.log import EvalError, EvalSample
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import Score

    winner = winner_of(store, cell, result)
    text = winner.text if winner is not None else result.answer or ""
    output = ModelOutput.from_content(cell.model, text)
    output.usage = usage = _usage(result.usage)
    scores = None
    if result.correct is not None:
        scores = {SCORER: Score(value="C" if result.correct else "I", answer=result.answer)}
    error = None
    if result.error is not None:
        error = EvalError(message=result.error, traceback="", traceback_ansi="")
    return EvalSample(
        id=problem.id,
        epoch=epoch,
        input=problem.prompt.text,
        choices=list(problem.choices) or None,
        target=list(problem.golds) or "",
        output=output,
        scores=scores,
        error=error,
        total_time=result.seconds,
        model_usage={cell.model: usage},
        metadata={"stopped_by": result.stopped_by, "usage": result.usage.as_dict(), **result.extra},
    )


def _usage(usage: Usage) -> Any:
    from inspect_ai.model import ModelUsage

    prompt = usage.prompt_tokens or 0
    return ModelUsage(
        input_tokens=prompt,
        output_tokens=usage.completion_tokens,
        total_tokens=prompt + usage.completion_tokens,
        total_cost=usage.cost,
    )
