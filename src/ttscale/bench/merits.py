"""Figures of merit of a bench store: of its samples, its methods, and its scaling curves.

Samples are those a store kept, as a recording; methods are its rows; a curve is a method at several
values of its knob, its points in order of what they cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..core import Problem, Trace, Votes
from ..engines.pool import Pool
from ..metrics import eflops
from ..metrics.arise import arise, flows
from ..metrics.consk import cons_at_k
from ..metrics.cost_of_pass import interval
from ..metrics.energy import cpu_energy_wh, energy_per_success
from ..metrics.intervals import accuracy_interval
from ..metrics.passk import mean_pass_at_k
from ..metrics.scaling import end_to_end_slope, performance, scaling
from ..metrics.shapes import Shape
from .figures import curve_of
from .item import Cell, Item
from .report import Row, rows
from .store import Store

Points = Mapping[str, tuple[float, float]]  # question -> mean accuracy and tokens


def merits(
    path: str | Path, *, shape: Shape | None = None, watts: float | None = None
) -> list[dict[str, Any]]:
    """All figures, one entry per model and task, ready for JSON.

    Args:
        path: a bench store.
        shape: of the model, for eFLOPs.
        watts: declared per busy core, for an estimate of energy from the items' seconds.

    Raises:
        StoreError: if the store cannot be read.
    """
    from .recorded import pools_from_store

    pools = {(p.model, p.task): p for p in pools_from_store(path)}
    parts: dict[tuple[str, str], list[Row]] = {}
    with Store.open(path) as store:
        for row in rows(store):
            parts.setdefault((row.model, row.task), []).append(row)
        return [
            {
                "model": model, "task": task,
                "samples": sampled(pools[key], shape) if (key := (model, task)) in pools else None,
                "methods": [_of_method(store, row, shape, watts) for row in part],
                "curves": _curves(store, part),
            }
            for (model, task), part in parts.items()
        ]  # fmt: skip


def sampled(pool: Pool, shape: Shape | None = None) -> dict[str, Any] | None:
    """pass@k and cons@k of a recording, for k in powers of two; None without gold answers."""
    graded = {p.id: counted(p, pool.find(p, "main", p.prompt)) for p in pool.problems}
    known = [g for g in graded.values() if g is not None]
    if not known:
        return None
    sizes = [n for n, *_ in known]
    powers = [2**i for i in range(16) if 2**i <= min(sizes)]
    found: dict[str, Any] = {
        "questions": len(known), "samples": min(sizes), "pass_at_k": {}, "cons_at_k": {},
    }  # fmt: skip
    for k in powers:
        found["pass_at_k"][k] = mean_pass_at_k([(n, c) for n, c, *_ in known], k)
        voted = [cons_at_k(counts, True, k, abstained=lost) for _, _, counts, lost in known]
        found["cons_at_k"][k] = math.fsum(voted) / len(voted)
    if shape is not None:
        asked = [t for p in pool.problems for t in pool.find(p, "main", p.prompt)]
        prompts = [t.prompt_tokens or 0 for t in asked]
        cost = eflops.dense(shape, prompts, [t.tokens for t in asked])
        found["eflops_mean"] = float(np.mean(cost.total))
        found["kv_share"] = float(np.sum(cost.kv) / np.sum(cost.total))
    return found


def counted(
    problem: Problem, traces: Sequence[Trace]
) -> tuple[int, int, dict[Any, int], int] | None:
    """(samples, right ones, votes by answer, abstentions); the right answer is called True. None
    without a gold answer or samples."""
    verdicts = [problem.correct(problem.answer(t)) for t in traces]
    if not verdicts or None in verdicts:
        return None
    votes = Votes.of(problem, traces)
    counts: dict[Any, int] = {}
    for number, ballot in enumerate(votes.ballots):
        name = True if problem.correct(ballot.answer) else f"wrong {number}"
        counts[name] = counts.get(name, 0) + ballot.count
    return len(traces), sum(map(bool, verdicts)), counts, votes.abstained


def _cells(store: Store, row: Row) -> list[Cell]:
    named = (row.method, row.model, row.task)
    return [c for c in store.cells() if (c.method, c.model, c.task) == named]


def _of_method(store: Store, row: Row, shape: Shape | None, watts: float | None) -> dict[str, Any]:
    cells = _cells(store, row)
    tokens: dict[str, list[int]] = {}
    right: dict[str, list[bool]] = {}
    for item in _graded(store, cells):
        tokens.setdefault(item.problem, []).append(item.usage.completion_tokens)
        right.setdefault(item.problem, []).append(bool(item.correct))
    found: dict[str, Any] = {
        "method": row.method, "accuracy": row.accuracy, "tokens_mean": row.completion_tokens_mean,
        "cost_mean": row.cost_mean, "e3": row.e3, "cost_of_pass": row.cost_of_pass,
        "tokens_per_right": row.tokens_per_right, "tokens_per_right_ci": None,
        "accuracy_ci": accuracy_interval({q: (sum(r), len(r)) for q, r in right.items()}),
    }  # fmt: skip
    if tokens:
        means = [float(np.mean(t)) for t in tokens.values()]
        found["tokens_per_right_ci"] = interval(means, [np.mean(r) for r in right.values()])
    if shape is not None:
        found["eflops_mean"] = _eflops(store, cells, shape)
    if watts is not None and row.seconds_mean is not None and row.accuracy is not None:
        found["wh_mean_estimate"] = wh = cpu_energy_wh(row.seconds_mean, watts)
        found["wh_per_right_estimate"] = energy_per_success(wh, row.accuracy)
    return found


def _graded(store: Store, cells: Sequence[Cell]) -> list[Item]:
    return [
        i for cell in cells for i in store.items(cell) if i.error is None and i.correct is not None
    ]


def _eflops(store: Store, cells: Sequence[Cell], shape: Shape) -> float | None:
    """Mean eFLOPs of an item, samples of one prompt together; None if no traces were kept."""
    asks: dict[tuple[int, str, str], list[Trace]] = {}
    for cell in cells:
        for problem, trace in store.traces(cell):
            asks.setdefault((cell.id, problem, trace.prompt_key), []).append(trace)
    if not asks:
        return None
    total = sum(
        float(
            eflops.together(shape, traces[0].prompt_tokens or 0, [t.tokens for t in traces]).total
        )
        for traces in asks.values()
    )
    return total / len({(cell, problem) for cell, problem, _ in asks})


def _curves(store: Store, part: Sequence[Row]) -> list[dict[str, Any]]:
    """Methods run at several values of their knob."""
    groups: dict[str, list[Row]] = {}
    for row in part:
        if row.knobs:
            groups.setdefault(curve_of(row), []).append(row)
    return [
        _curve(name, [(row, _points(store, row)) for row in members])
        for name, members in groups.items()
        if len(members) > 1
    ]


def _points(store: Store, row: Row) -> dict[str, tuple[float, float]]:
    """Question -> (mean accuracy, mean tokens) over repeats."""
    seen: dict[str, list[tuple[bool, int]]] = {}
    for item in _graded(store, _cells(store, row)):
        entry = (bool(item.correct), item.usage.completion_tokens)
        seen.setdefault(item.problem, []).append(entry)
    means = {q: np.mean(values, axis=0) for q, values in seen.items()}
    return {q: (float(a), float(t)) for q, (a, t) in means.items()}


def _curve(name: str, levels: Sequence[tuple[Row, Points]]) -> dict[str, Any]:
    ordered = sorted(levels, key=lambda level: level[0].completion_tokens_mean or 0.0)
    common = [q for q in ordered[0][1] if all(q in points for _, points in ordered)]
    told: dict[str, Any] = {
        "curve": name, "levels": [row.method for row, _ in ordered], "questions": len(common),
    }  # fmt: skip
    if not common:
        return told
    paths = np.array([[points[q] for _, points in ordered] for q in common])  # (q, levels, 2)
    accuracy, tokens = paths[..., 0], paths[..., 1]
    mean_a, mean_t = accuracy.mean(axis=0).tolist(), tokens.mean(axis=0).tolist()
    return {
        **told,
        "arise": arise(accuracy, tokens).value,
        "flows": asdict(flows(accuracy, tokens)),
        "scaling": scaling(mean_t, mean_a),
        "slope": end_to_end_slope(mean_t, mean_a),
        "performance": performance(mean_a),
    }
