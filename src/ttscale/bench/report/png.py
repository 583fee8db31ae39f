"""The report's plots as an image: a row of panels for every model and task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...core import UsageError, install_command
from ..store.schema import fresh_file
from .plots import AXES, SPLIT, curves, frontier, styles
from .summary import Row, sections

_MARKERS = {
    "circle": "o",
    "diamond": "D",
    "square": "s",
    "triangle-up": "^",
    "star": "*",
    "hexagon": "h",
    "cross": "P",
    "x": "X",
}
_GREY = "#888888"


def write_png(path: str | Path, found: Sequence[Row], *, dpi: int = 130) -> None:
    """Draw the plots of `found` rows into one image.

    Raises:
        UsageError: without matplotlib, or if there are no rows.
        StoreError: if the disk is full.
    """
    if not any(row.items for row in found):
        raise UsageError("the run holds no results yet", fix="wait for the first items")
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise UsageError("the image needs matplotlib", fix=install_command("plots")) from None
    parts = list(sections([row for row in found if row.items]).items())
    # a bare Figure draws without a display and without global state
    figure = Figure(figsize=(16, 4.6 * len(parts)), layout="constrained")
    rows = figure.subfigures(len(parts), 1, squeeze=False)
    for ((model, task), part), (row,) in zip(parts, rows, strict=True):
        row.suptitle(f"{model} · {task}", x=0.01, ha="left", fontweight="bold")
        left, middle, right = row.subplots(1, 3, width_ratios=(5, 5, 4))
        graded = [r for r in part if r.accuracy is not None]
        _scatter(left, graded, "tokens")
        _scatter(middle, graded, "sequential")
        _split(right, part)
        _legend(row, part)
    with fresh_file(Path(path)) as unfinished:
        figure.savefig(unfinished, dpi=dpi, format="png")


def _scatter(axes: Any, part: Sequence[Row], axis: str) -> None:
    label, cost = AXES[axis]
    style = styles(part)
    best = frontier(part, cost)
    axes.step([cost(r) for r in best], [r.accuracy for r in best], where="post", ls=":", color=_GREY, lw=1)
    for curve in curves(part).values():
        colour, _ = style[curve[0].method]
        axes.plot([cost(r) for r in curve], [r.accuracy for r in curve], color=colour, lw=1, alpha=0.5)
    for row in part:
        x = cost(row)
        if x is None or row.accuracy is None or row.accuracy_ci is None:
            continue
        colour, symbol = style[row.method]
        low, high = row.accuracy_ci
        bars = [[row.accuracy - low], [high - row.accuracy]]
        axes.errorbar(
            [x],
            [row.accuracy],
            yerr=bars,
            fmt=_MARKERS[symbol],
            color=colour,
            ms=8,
            ecolor=(colour, 0.35),
            capsize=2,
            lw=1,
        )
    axes.set(xlabel=label, ylabel="accuracy")
    _logarithmic(axes, [x for r in part if (x := cost(r))])
    _plain(axes)


def _logarithmic(axes: Any, values: Sequence[float]) -> None:
    """A logarithmic axis with few, round ticks; linear where the values are close together."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    if values and max(values) > 3 * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _legend(figure: Any, part: Sequence[Row]) -> None:
    from matplotlib.lines import Line2D

    style = styles(part)
    handles = [
        Line2D([], [], ls="", marker=_MARKERS[symbol], color=colour, ms=7, label=method)
        for method, (colour, symbol) in style.items()
    ]
    figure.legend(
        handles=handles, loc="outside lower left", ncols=min(6, len(handles)), frameon=False, fontsize=9
    )


def _split(axes: Any, part: Sequence[Row]) -> None:
    from matplotlib.ticker import EngFormatter

    methods = [r.method for r in part]
    left = [0.0] * len(part)
    for name, field, colour in SPLIT:
        widths = [getattr(r, field) or 0.0 for r in part]
        if any(widths):
            axes.barh(methods, widths, left=left, color=colour, label=name, height=0.6)
            left = [a + b for a, b in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="generated tokens per question")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(
            handles, labels, loc="lower right", bbox_to_anchor=(1, 1), ncols=5, frameon=False, fontsize=8
        )
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, lw=0.6)
    axes.set_axisbelow(True)
