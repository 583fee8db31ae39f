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

from ...core import Problem, Trace, Votes
from ...core.cards.roles import VOTING
from ...core.verdict import answer_is_right, is_right
from ...engines import Pool
from ...metrics.accuracy.consk import cons_at_k
from ...metrics.accuracy.intervals import accuracy_interval
from ...metrics.accuracy.passk import mean_pass_at_k
from ...metrics.accuracy.transitions import transition_rates
from ...metrics.cost import eflops
from ...metrics.cost.cost_of_pass import interval
from ...metrics.cost.energy import cpu_energy_wh, energy_per_success
from ...metrics.cost.model_sizes import Shape
from ...metrics.curves.arise import arise, flows
from ...metrics.curves.scaling import end_to_end_slope, performance, scaling
from ..store.results import Cell, Result
from ..store.store import Store
from .plots import curve_of
from .summary import Row, rows

Points = Mapping[str, tuple[float, float]]  # question -> mean accuracy and tokens


def figures_of_merit(
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
    from ..store.replay_pool import pools_from_store

    pools = {(p.model, p.task): p for p in pools_from_store(path)}
    questions = {key: {problem.id: problem for problem in pool.problems} for key, pool in pools.items()}
    samples = {key: of_samples(pool, shape) for key, pool in pools.items()}
    parts: dict[tuple[str, str], list[Row]] = {}
    with Store.open(path) as store:
        for row in rows(store):
            parts.setdefault((row.model, row.task), []).append(row)
        return [
            {
                "model": model,
                "task": task,
                "samples": _with_errors(store, model, task, samples.get((model, task))),
                "methods": [
                    _of_method(store, row, questions.get((model, task), {}), shape, watts) for row in part
                ],
                "curves": _curves(store, part),
            }
            for (model, task), part in parts.items()
        ]


def _with_errors(store: Store, model: str, task: str, found: dict[str, Any] | None) -> dict[str, Any] | None:
    """The figures of a store's samples; those that failed are in the store, in no pool of it."""
    if found is not None:
        sql = (
            "SELECT count(*) FROM traces JOIN cells ON cells.id = cell JOIN tasks "
            "ON tasks.id = task WHERE finish = 'error' AND model = ? AND name = ?"
        )
        found["errors"] += int(next(store.query(sql, model, task))[0])
    return found


def of_samples(pool: Pool, shape: Shape | None = None) -> dict[str, Any] | None:
    """pass@k and cons@k of a recording, for k in powers of two; None without gold answers.

    Each k counts the questions that have as many samples: `questions_at_k`. Failed samples
    (`errors`) and those of unknown verdict are none.
    """
    sampled_traces = {
        p.id: [t for t in pool.find(p, "main", p.prompt) if t.part in VOTING] for p in pool.problems
    }
    graded = [counted(p, sampled_traces[p.id]) for p in pool.problems]
    known = [g for g in graded if g is not None]
    if not known:
        return None
    sizes = [n for n, *_ in known]
    found: dict[str, Any] = {
        "questions": len(known),
        "samples": min(sizes),
        "errors": sum(t.finish == "error" for traces in sampled_traces.values() for t in traces),
        "questions_at_k": {},
        "pass_at_k": {},
        "cons_at_k": {},
    }
    for k in (2**i for i in range(max(sizes).bit_length())):
        enough = [g for g in known if g[0] >= k]
        found["questions_at_k"][k] = len(enough)
        found["pass_at_k"][k] = mean_pass_at_k([(n, c) for n, c, *_ in enough], k)
        voted = [cons_at_k(counts, True, k, abstained=lost) for _, _, counts, lost in enough]
        found["cons_at_k"][k] = math.fsum(voted) / len(voted)
    if shape is not None:
        sampled = [t for traces in sampled_traces.values() for t in traces]
        prompts = [t.prompt_tokens or 0 for t in sampled]
        cost = eflops.dense(shape, prompts, [t.tokens for t in sampled])
        found["eflops_mean"] = float(np.mean(cost.total))
        found["kv_share"] = float(np.sum(cost.kv) / np.sum(cost.total))
    return found


def counted(problem: Problem, traces: Sequence[Trace]) -> tuple[int, int, dict[Any, int], int] | None:
    """(samples, right ones, votes by answer, abstentions), of the samples that did not fail; the
    right answer is called True. None if it is not known which of them are right, or there are none.
    """
    sampled = [t for t in traces if t.finish != "error"]
    verdicts = [is_right(problem, t) for t in sampled]
    if not verdicts or None in verdicts:
        return None
    votes = Votes.of(problem, sampled)
    counts: dict[Any, int] = {}
    for number, ballot in enumerate(votes.ballots):
        right = answer_is_right(problem, ballot.answer, ballot.traces, ballot.traces[0])
        name = True if right else f"wrong {number}"
        counts[name] = counts.get(name, 0) + ballot.count
    return len(sampled), sum(map(bool, verdicts)), counts, votes.abstained


def _cells(store: Store, row: Row) -> list[Cell]:
    named = (row.method, row.model, row.task)
    return [c for c in store.cells() if (c.method, c.model, c.task) == named]


def _of_method(
    store: Store, row: Row, questions: Mapping[str, Problem], shape: Shape | None, watts: float | None
) -> dict[str, Any]:
    cells = _cells(store, row)
    tokens: dict[str, list[int]] = {}
    right: dict[str, list[bool]] = {}
    for result in _graded(store, cells):
        tokens.setdefault(result.problem, []).append(result.usage.tokens)
        right.setdefault(result.problem, []).append(bool(result.correct))
    found: dict[str, Any] = {
        "method": row.method,
        "accuracy": row.accuracy,
        "tokens_mean": row.tokens_mean,
        "cost_mean": row.cost_mean,
        "e3": row.e3,
        "cost_of_pass": row.cost_of_pass,
        "tokens_per_right": row.tokens_per_right,
        "tokens_per_right_ci": None,
        "accuracy_ci": accuracy_interval({q: (sum(r), len(r)) for q, r in right.items()}),
        "errors": row.errors,
        **turn_rates([i for cell in cells for i in store.items(cell)], questions),
    }
    if tokens:
        means = [float(np.mean(t)) for t in tokens.values()]
        found["tokens_per_right_ci"] = interval(means, [np.mean(r) for r in right.values()])
    if shape is not None:
        found["eflops_mean"] = _eflops(store, cells, shape)
    if watts is not None and row.seconds_mean is not None and row.accuracy is not None:
        found["wh_mean_estimate"] = wh = cpu_energy_wh(row.seconds_mean, watts)
        found["wh_per_right_estimate"] = energy_per_success(wh, row.accuracy)
    return found


def turn_rates(results: Sequence[Result], questions: Mapping[str, Problem]) -> dict[str, float | None]:
    """How often a further turn makes a wrong answer right, and a right one wrong, of a method that
    tells the answers of its turns, chain by chain; None where no turn began so, or no verdict is known.

    Args:
        results: items of the method.
        questions: question -> itself, with its gold answer.
    """
    verdicts = [
        [questions[result.problem].correct(answer) for answer in chain]
        for result in results
        if result.problem in questions
        for chain in result.extra.get("answers", ())
        if isinstance(chain, list)
    ]
    known = [[bool(v) for v in chain] for chain in verdicts if None not in chain]
    rates = zip(("repaired_per_turn", "lost_per_turn"), transition_rates(known), strict=True)
    return {name: None if math.isnan(rate) else rate for name, rate in rates}


def _graded(store: Store, cells: Sequence[Cell]) -> list[Result]:
    return [i for cell in cells for i in store.items(cell) if i.error is None and i.correct is not None]


def _eflops(store: Store, cells: Sequence[Cell], shape: Shape) -> float | None:
    """Mean eFLOPs of an item, samples of one prompt together; None if no traces were kept."""
    by_prompt: dict[tuple[int, str, str], list[Trace]] = {}
    for cell in cells:
        for problem, trace in store.traces(cell):
            by_prompt.setdefault((cell.id, problem, trace.prompt_key), []).append(trace)
    if not by_prompt:
        return None
    total = sum(
        float(eflops.together(shape, traces[0].prompt_tokens or 0, [t.tokens for t in traces]).total)
        for traces in by_prompt.values()
    )
    return total / len({(cell, problem) for cell, problem, _ in by_prompt})


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
    for result in _graded(store, _cells(store, row)):
        entry = (bool(result.correct), result.usage.tokens)
        seen.setdefault(result.problem, []).append(entry)
    means = {q: np.mean(values, axis=0) for q, values in seen.items()}
    return {q: (float(a), float(t)) for q, (a, t) in means.items()}


def _curve(name: str, levels: Sequence[tuple[Row, Points]]) -> dict[str, Any]:
    ordered = sorted(levels, key=lambda level: level[0].tokens_mean or 0.0)
    common = [q for q in ordered[0][1] if all(q in points for _, points in ordered)]
    numbers: dict[str, Any] = {
        "curve": name,
        "levels": [row.method for row, _ in ordered],
        "questions": len(common),
    }
    if not common:
        return numbers
    paths = np.array([[points[q] for _, points in ordered] for q in common])  # (q, levels, 2)
    accuracy, tokens = paths[..., 0], paths[..., 1]
    mean_a, mean_t = accuracy.mean(axis=0).tolist(), tokens.mean(axis=0).tolist()
    return {
        **numbers,
        "arise": arise(accuracy, tokens).value,
        "flows": asdict(flows(accuracy, tokens)),
        "scaling": scaling(mean_t, mean_a),
        "slope": end_to_end_slope(mean_t, mean_a),
        "performance": performance(mean_a),
    }
