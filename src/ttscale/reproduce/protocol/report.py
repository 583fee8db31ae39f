"""The report of reproductions as one HTML file: claims with verdicts, and the curves behind them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from ...bench.report.html import document, write_page
from ...bench.report.plots import COLOURS
from .claims import System
from .curves import Curve
from .page import fixed, shown
from .results import Result

FOOTER = """\
Every criterion was fixed before its claim was measured. Figures have 95% intervals in brackets; \
those without are exact. The dashed level is the paper's number, the dotted one marks where the effect \
vanishes."""


def write_html(path: Path, found: Sequence[tuple[System, Result]]) -> None:
    """Write the page.

    Raises:
        UsageError: without plotly.
        StoreError: if the disk is full.
    """
    write_page(path, html(found))


def html(found: Sequence[tuple[System, Result]]) -> str:
    """The page."""
    plots: dict[str, Any] = {}
    parts, links = [], []
    for system, result in found:
        links.append(f'<a href="#{system.name}">{system.name}</a>')
        boxes: list[str] = []
        for curve in result.curves:
            name = f"{system.name}-{len(boxes)}"
            plots[name] = _plot(curve)
            boxes.append(f'<div class="card"><div id="{name}"></div></div>')
        parts.append(
            f'<h2 id="{system.name}">{system.name}<small>{result.form}, {result.spent}</small></h2>\n'
            f'<div class="card scroll">{_table(system, result)}</div>\n'
            f'<div class="plots">{"".join(boxes)}</div>'
        )
    return document(
        title="Published claims, measured here",
        subtitle=", ".join(
            sorted({f"commit {(r.commit or 'unknown')[:12]}, seed {r.seed}" for _, r in found})
        ),
        nav="".join(links) if len(links) > 1 else "",
        sections="\n".join(parts),
        footer=FOOTER,
        plots=plots,
    )


def _table(system: System, result: Result) -> str:
    headings = "".join(f"<th>{h}</th>" for h in ("verdict", "claim", "paper", "here", "criterion"))
    lines = [f"<tr>{headings}</tr>"]
    for claim in system.claims:
        finding = result.of(claim)
        verdict = finding.verdict if finding else "not run"
        cells = (verdict, claim.text, claim.number, shown(finding), fixed(claim))
        lines.append("<tr>" + "".join(f'<td class="text">{escape(cell)}</td>' for cell in cells) + "</tr>")
    return f"<table>{''.join(lines)}</table>"


def _plot(curve: Curve) -> dict[str, Any]:
    data: list[dict[str, Any]] = []
    for place, line in enumerate(curve.lines):
        colour = COLOURS[place % len(COLOURS)]
        if line.low and line.high:
            band = {"x": [*curve.x, *reversed(curve.x)], "y": [*line.high, *reversed(line.low)]}
            data.append(
                {**band, "fill": "toself", "fillcolor": f"{colour}22", "line": {"width": 0}, "mode": "lines"}
                | {"hoverinfo": "skip", "showlegend": False}
            )
        data.append(
            {"x": list(curve.x), "y": list(line.y), "name": line.name, "mode": "lines+markers"}
            | {"line": {"color": colour}}
        )
    shapes = []
    if curve.paper is not None:
        shapes.append({"xref": "paper", "x0": 0, "x1": 1, "y0": curve.paper, "y1": curve.paper})
        shapes[-1] |= {"type": "line", "line": {"dash": "dash", "width": 1, "color": "#999999"}}
    if curve.vanishes_at is not None:
        shapes.append({"yref": "paper", "y0": 0, "y1": 1, "x0": curve.vanishes_at, "x1": curve.vanishes_at})
        shapes[-1] |= {"type": "line", "line": {"dash": "dot", "width": 1, "color": "#999999"}}
    layout = {
        "title": {"text": curve.title, "font": {"size": 14}},
        "xaxis": {"title": {"text": curve.x_name}},
        "yaxis": {"title": {"text": curve.y_name}},
        "shapes": shapes,
        "height": 380,
        "legend": {"orientation": "h", "y": -0.25},
    }
    return {"data": data, "layout": layout}
