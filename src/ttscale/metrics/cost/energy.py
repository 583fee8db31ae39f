"""Time, prefill, energy and power of serving: the accounting of dynamic reasoning.

The Cost of Dynamic Reasoning, arXiv:2506.04301: where an agent's wall time goes, what its growing
context costs with and without a prefix cache, what a query takes in watt-hours, and what a data
centre of such queries would draw. Watt figures for CPUs are declared, not measured: estimates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...core import UsageError

Span = tuple[float, float]  # seconds, begin and end


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Wall time of a request, in seconds: model + tools - overlap + idle = latency."""

    model: float
    tools: float
    overlap: float
    idle: float
    latency: float


def time_split(model: Sequence[Span], tools: Sequence[Span]) -> TimeSplit:
    """Where a request's time went; spans of one kind may overlap each other."""
    every = [*model, *tools]
    if not every:
        return TimeSplit(0.0, 0.0, 0.0, 0.0, 0.0)
    latency = max(end for _, end in every) - min(begin for begin, _ in every)
    both, a, b = _covered(every), _covered(model), _covered(tools)
    return TimeSplit(a, b, a + b - both, latency - both, latency)


def prefill_tokens(base: float, growth: float, calls: int, *, cached: bool) -> float:
    """Prompt tokens to process for `calls` calls of a loop whose prompt of `base` tokens grows by
    `growth` a call: n B + d n (n - 1) / 2, or with a perfect prefix cache B + (n - 1) d."""
    if cached:
        return base + (calls - 1) * growth if calls else 0.0
    return calls * base + growth * calls * (calls - 1) / 2


def tree_prefill_tokens(base: float, growth: float, children: int, depth: int, *, cached: bool) -> float:
    """Prompt tokens to process for a tree of calls in which every node has `children` and each call
    adds `growth` tokens to the prompt of its parent; the root's has `base`. With a perfect prefix
    cache every node's own part is paid once: B + d times the other nodes. One child is the loop."""
    nodes = [children**level for level in range(depth)]
    if cached:
        return base + growth * (sum(nodes) - 1) if depth else 0.0
    return float(sum(n * (base + level * growth) for level, n in enumerate(nodes)))


def idle_share(model: float, tool: float, workers: int = 1) -> float:
    """Share of time a serial server idles if each of `workers` requests alternates `model` seconds
    on it and `tool` seconds elsewhere, perfectly interleaved: 0 from (model + tool) / model on."""
    return max(0.0, 1 - workers * model / (model + tool))


def energy_wh(watts: ArrayLike, seconds: ArrayLike, queries: int = 1) -> float:
    """Watt-hours a query: the trapezoid integral of power samples over their times, (samples,)."""
    w, t = np.asarray(watts, dtype=float), np.asarray(seconds, dtype=float)
    if w.shape != t.shape or len(w) < 2 or queries < 1:
        raise UsageError("energy needs power samples over time", fix="give at least two samples")
    return float(((w[1:] + w[:-1]) / 2 * np.diff(t)).sum()) / 3600 / queries


def cpu_energy_wh(cpu_seconds: float, watts_per_core: float) -> float:
    """Watt-hours of CPU work at a declared figure per busy core; an estimate."""
    return cpu_seconds * watts_per_core / 3600


def energy_per_success(wh: float, accuracy: float) -> float:
    """Watt-hours per right answer; infinite if none is right."""
    return wh / accuracy if accuracy else float("inf")


def data_centre_watts(queries_per_day: float, wh: float) -> float:
    """Mean power of serving so many queries of `wh` watt-hours a day."""
    return queries_per_day * wh / 24


def _covered(spans: Iterable[Span]) -> float:
    """Length of the union."""
    total, reached = 0.0, -np.inf
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return float(total)
