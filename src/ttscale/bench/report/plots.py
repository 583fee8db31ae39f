"""The plots of a report as plain data in plotly's JSON shape, and the look they share.

A colour stands for a method with all its settings but the one that scales its compute, a symbol for
that one: the points of one colour are a scaling curve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .summary import Row
from .table import count, interval, number, share

# Paul Tol's bright scheme: told apart by colour-blind readers, on white and on black
COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#EE7733", "#999999")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "star", "hexagon", "cross", "x")
SPLIT = (
    ("useful", "useful_tokens_mean", "#5B8DB8"),
    ("cut", "cut_tokens_mean", "#E9C46A"),
    ("cancelled", "cancelled_tokens_mean", "#B0B7C3"),
    ("verifier", "verifier_tokens_mean", "#9467BD"),
    ("planning", "planning_tokens_mean", "#F4A261"),
)
Style = Mapping[str, tuple[str, str]]  # method -> (colour, symbol)


def curve_of(row: Row) -> str:
    """The method as written, without the setting that scales it."""
    name, _, rest = row.method.rstrip(")").partition("(")
    others = [p for p in rest.split(", ") if p and p.partition("=")[0].strip() not in row.knobs]
    return f"{name}({', '.join(others)})" if others else name


def styles(part: Sequence[Row]) -> Style:
    """Colour and symbol of every method, in the order of the rows."""
    seen: dict[str, int] = {}  # curve -> points so far; its place gives the colour
    made: dict[str, tuple[str, str]] = {}
    for row in part:
        curve = curve_of(row)
        point = seen.get(curve, 0)
        seen[curve] = point + 1
        place = list(seen).index(curve)
        made[row.method] = (COLOURS[place % len(COLOURS)], SYMBOLS[point % len(SYMBOLS)])
    return made


def frontier(part: Sequence[Row], cost: Callable[[Row], float | None]) -> list[Row]:
    """The rows no other row beats: none is as cheap and more accurate. By cost, rising. Oracles are
    bounds, and not among them."""
    known = [r for r in part if cost(r) is not None and r.accuracy is not None and not r.is_oracle]
    best: list[Row] = []
    for row in sorted(known, key=lambda r: (cost(r), -(r.accuracy or 0.0))):
        if not best or (row.accuracy or 0.0) > (best[-1].accuracy or 0.0):
            best.append(row)
    return best


AXES: dict[str, tuple[str, Callable[[Row], float | None]]] = {
    "tokens": ("tokens per question, generated and read by verifiers", lambda r: r.tokens_mean),
    "sequential": ("sequential tokens per question", lambda r: r.sequential_tokens_mean),
    "seconds": ("seconds per question", lambda r: r.seconds_mean),
    "samples": ("samples per question", lambda r: r.samples_mean),
    "cost": ("cost per question", lambda r: r.cost_mean),
}


def _si(value: float) -> str:
    size = next((e for e in (9, 6, 3) if value >= 10**e), 0)
    return f"{value / 10**size:g}{'kMG'[size // 3 - 1] if size else ''}"


# few ticks, each a whole number: left to itself, a short logarithmic axis reads "5 100 2"
TICKS = {m * 10.0**e: _si(m * 10.0**e) for e in range(-6, 12) for m in (1, 2, 5)}


def figures(part: Sequence[Row]) -> list[dict[str, Any]]:
    """The plots of one model and task: two frontiers, scaling curves if there are any, the split.
    Rows without answered items are in none, rows without references in the split only."""
    style = styles(part)
    answered = [row for row in part if row.items]
    graded = [row for row in answered if row.accuracy is not None]
    made: list[dict[str, Any]] = []
    if graded:
        made.append(scatter(graded, style, "Accuracy and what it costs", ("tokens", "cost")))
        made.append(scatter(graded, style, "Accuracy and latency", ("sequential", "seconds")))
    if curves(graded):
        made.append(scaling(graded, style))
    if answered:
        made.append(split(answered))
    return made


def curves(part: Sequence[Row]) -> dict[str, list[Row]]:
    """Curve -> its rows by compute, where a method was run with several settings."""
    found: dict[str, list[Row]] = {}
    for row in part:
        if row.accuracy is not None:
            found.setdefault(curve_of(row), []).append(row)
    by_tokens = {n: sorted(c, key=lambda r: r.tokens_mean or 0) for n, c in found.items()}
    return {name: curve for name, curve in by_tokens.items() if len(curve) > 1}


def scatter(part: Sequence[Row], style: Style, title: str, axes: Sequence[str]) -> dict[str, Any]:
    """Accuracy with its interval over a cost, and the frontier; buttons choose among `axes`."""
    usable = [a for a in axes if any(AXES[a][1](r) is not None for r in part)]
    data: list[dict[str, Any]] = []
    for axis in usable:
        _, cost = AXES[axis]
        visible = axis == usable[0]
        best = frontier(part, cost)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "visible": visible,
                "hoverinfo": "skip",
                "name": "frontier",
                "x": [cost(r) for r in best],
                "y": [r.accuracy for r in best],
                "line": {"shape": "hv", "dash": "dot", "width": 1.5, "color": "#888888"},
            }
        )
        for row in part:
            data.append(_point(row, style[row.method], cost(row), visible))
    per_axis = len(part) + 1
    buttons = [
        {
            "label": AXES[axis][0],
            "method": "update",
            "args": [
                {"visible": [i // per_axis == j for i in range(len(data))]},
                {"xaxis.title.text": AXES[axis][0]},
            ],
        }
        for j, axis in enumerate(usable)
    ]
    return {"data": data, "layout": _layout(title, AXES[usable[0]][0], buttons, log=True)}


def _point(row: Row, style: tuple[str, str], x: float | None, visible: bool) -> dict[str, Any]:
    low, high = row.accuracy_ci or (None, None)
    accuracy = row.accuracy
    known = accuracy is not None and low is not None and high is not None
    colour, symbol = style
    return {
        "type": "scatter",
        "mode": "markers",
        "visible": visible,
        "name": row.method,
        "x": [x],
        "y": [accuracy],
        "marker": {"size": 11, "color": colour, "symbol": f"{symbol}-open" if row.is_oracle else symbol},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "thickness": 1.2,
            "width": 3,
            "color": _faint(colour),
            "array": [high - accuracy] if known else [],  # type: ignore[operator]
            "arrayminus": [accuracy - low] if known else [],  # type: ignore[operator]
        },
        "hovertemplate": _hover(row) + "<extra></extra>",
    }


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.45)"


def _hover(row: Row) -> str:
    lines = [
        f"<b>{row.method}</b>",
        f"accuracy {share(row.accuracy)}  [{interval(row.accuracy_ci)}]",
        f"tokens {count(row.tokens_mean)}, "
        f"sequential {count(row.sequential_tokens_mean)}, "
        f"cancelled {count(row.cancelled_tokens_mean)}",
        f"samples {number(row.samples_mean, 2)}, seconds {number(row.seconds_mean, 2)}",
        f"{row.items:,} items" + (f", {row.errors} errors" if row.errors else ""),
    ]
    return "<br>".join(lines)


def scaling(part: Sequence[Row], style: Style) -> dict[str, Any]:
    """Accuracy over compute, a line for every method that was run with several settings."""
    axes = ("samples", "tokens", "sequential")
    data = []
    for axis in axes:
        for name, curve in curves(part).items():
            colour, _ = style[curve[0].method]
            known = [(r, r.accuracy_ci or (0.0, 1.0), r.accuracy or 0.0) for r in curve]
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": name,
                    "visible": axis == axes[0],
                    "x": [AXES[axis][1](r) for r in curve],
                    "y": [a for _, _, a in known],
                    "line": {"color": colour, "width": 2},
                    "marker": {"size": 9, "symbol": [style[r.method][1] for r in curve]},
                    "error_y": {
                        "type": "data",
                        "symmetric": False,
                        "thickness": 1,
                        "width": 3,
                        "color": _faint(colour),
                        "array": [ci[1] - a for _, ci, a in known],
                        "arrayminus": [a - ci[0] for _, ci, a in known],
                    },
                    "hovertemplate": [_hover(r) + "<extra></extra>" for r in curve],
                }
            )
    per_axis = len(curves(part))
    buttons = [
        {
            "label": AXES[axis][0],
            "method": "update",
            "args": [
                {"visible": [i // per_axis == j for i in range(len(data))]},
                {"xaxis.title.text": AXES[axis][0]},
            ],
        }
        for j, axis in enumerate(axes)
    ]
    return {"data": data, "layout": _layout("Scaling", AXES[axes[0]][0], buttons, log=True)}


def split(part: Sequence[Row]) -> dict[str, Any]:
    """Where the tokens of a question went, a bar for every method."""
    shown = [s for s in SPLIT if any(getattr(r, s[1]) for r in part)] or list(SPLIT[:1])
    methods = [r.method for r in part][::-1]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "x": [getattr(r, field) or 0 for r in part][::-1],
            "y": methods,
            "marker": {"color": colour},
            "hovertemplate": f"<b>%{{y}}</b><br>{name} %{{x:,.0f}} tokens<extra></extra>",
        }
        for name, field, colour in shown
    ]
    layout = _layout("Where the tokens go", "generated tokens per question", [])
    layout |= {"barmode": "stack", "bargap": 0.35}
    layout["yaxis"] = {"automargin": True, "ticksuffix": "  "}
    layout["xaxis"]["rangemode"] = "tozero"
    return {"data": data, "layout": layout}


def _layout(title: str, x: str, buttons: Sequence[Mapping[str, Any]], *, log: bool = False) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "title": {"text": title, "x": 0, "xref": "paper", "font": {"size": 15}},
        "height": 460,
        "margin": {"l": 60, "r": 30, "t": 60, "b": 60},
        "showlegend": True,
        "legend": {"orientation": "h", "y": -0.24, "yanchor": "top", "x": 0},
        "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)", "color": "#c4c9d4"},
        "hoverlabel": {"align": "left"},
        "xaxis": {"title": {"text": x}, "automargin": True},
        "yaxis": {"title": {"text": "accuracy"}, "tickformat": ".2f", "automargin": True},
    }
    if log:
        layout["xaxis"] |= {"type": "log", "tickvals": list(TICKS), "ticktext": list(TICKS.values())}
    else:
        layout["xaxis"] |= {"exponentformat": "SI"}
    if len(buttons) > 1:
        layout["updatemenus"] = [
            {
                "buttons": list(buttons),
                "direction": "down",
                "x": 1,
                "xanchor": "right",
                "y": 1.16,
                "yanchor": "top",
                "showactive": True,
                "font": {"size": 11},
            }
        ]
    return layout
