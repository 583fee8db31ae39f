"""The report as one HTML file that needs nothing else: tables and plots a reader can hover over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from ...core import UsageError, install_command
from ..store.codec import dumps
from ..store.schema import fresh_file
from .plots import figures, styles
from .summary import Row, sections
from .table import count, difference, estimate, interval, number, share

FOOTER = """\
Accuracy with its 95% interval, clustered by question. Differences are paired on the same questions; \
* marks an interval that leaves out zero. Means are per answered item; items that failed are counted \
apart. The dotted line is the frontier: no method is as cheap and more accurate. \
Sequential tokens are the longest chain of tokens that had to wait for one another. Seconds of \
recordings assume 100 tokens a second; seconds of live models were measured with several questions at \
once."""


def write_html(
    path: str | Path, found: Sequence[Row], plan: Mapping[str, Any], notes: Sequence[str] = ()
) -> None:
    """Write the report of `found` rows, under what `notes` say.

    Raises:
        UsageError: without plotly, or if there are no rows.
        StoreError: if the disk is full.
    """
    write_page(Path(path), html(found, plan, notes))


def write_page(path: Path, page: str) -> None:
    """Write a page whole or not at all.

    Raises:
        StoreError: if the disk is full.
    """
    with fresh_file(path) as unfinished:
        unfinished.write_text(page, encoding="utf-8")


def html(found: Sequence[Row], plan: Mapping[str, Any], notes: Sequence[str] = ()) -> str:
    """The page; `notes` are plain texts that stand above the tables."""
    if not found:
        raise UsageError("the run holds no results yet", fix="wait for the first items")
    plots: dict[str, Any] = {}
    links: list[str] = []
    parts = [f'<div class="card">{"".join(f"<p>{escape(n)}</p>" for n in notes)}</div>'] if notes else []
    for i, ((model, task), part) in enumerate(sections(found).items()):
        ids: list[str] = []
        for figure in figures(part):
            ids.append(f"plot-{i}-{len(ids)}")
            plots[ids[-1]] = figure
        title = f"{escape(model)} · {escape(task)}"
        links.append(f'<a href="#s{i}">{title}</a>')
        boxes = "".join(f'<div class="card"><div id="{name}"></div></div>' for name in ids)
        questions = max(row.questions for row in part)
        parts.append(
            f'<h2 id="s{i}">{title}<small>{questions:,} questions</small></h2>\n'
            f'<div class="card scroll">{table(part)}</div>\n<div class="plots">{boxes}</div>'
        )
    return document(
        title="Test-time scaling bench",
        subtitle=_subtitle(plan),
        nav="".join(links) if len(links) > 1 else "",
        sections="\n".join(parts),
        footer=FOOTER,
        plots=plots,
    )


def document(
    *, title: str, subtitle: str, nav: str, sections: str, footer: str, plots: Mapping[str, Any]
) -> str:
    """A page that needs nothing else.

    Args:
        title: a plain text.
        subtitle: a plain text.
        nav: HTML of the links at the top.
        sections: HTML of what there is to read.
        footer: a plain text.
        plots: id of an element in `sections` -> the plot drawn there, in plotly's JSON shape.

    Raises:
        UsageError: without plotly.
    """
    try:
        from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        raise UsageError("the plots need plotly", fix=install_command("plots")) from None
    template = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        title=escape(title),
        subtitle=escape(subtitle),
        nav=nav,
        sections=sections,
        footer=escape(footer),
        plotly=get_plotlyjs(),
        # inside a script element only a closing tag could end it early
        figures=dumps(plots).decode().replace("</", "<\\/"),
    )


def _subtitle(plan: Mapping[str, Any]) -> str:
    facts = [f"{name} {plan[name]}" for name in ("seed", "repeats") if name in plan]
    for name in ("budget", "sampling"):
        if plan.get(name):
            facts.append(f"{name} " + ", ".join(f"{k}={v}" for k, v in plan[name].items()))
    if plan.get("models"):
        facts.append(", ".join(plan["models"]))
    return " · ".join(facts)


def table(part: Sequence[Row]) -> str:
    """The HTML table of one model and task."""
    style = styles(part)
    best = max((r.accuracy for r in part if r.accuracy is not None), default=None)
    has_cost = any(r.cost_mean is not None for r in part)
    has_unread = any(r.unread for r in part)
    headings = [
        "method",
        "accuracy",
        "95% interval",
        f"vs {part[0].method}",
        *("tokens", "sequential", "cancelled", "samples", "seconds"),
        *(["cost"] if has_cost else []),
        *("abstained", "errors"),
        *(["unread"] if has_unread else []),
    ]
    lines = ["<tr>" + "".join(f"<th>{escape(h)}</th>" for h in headings) + "</tr>"]
    for row in part:
        kind = "acc best" if row.accuracy is not None and row.accuracy == best else "acc"
        gap = row.difference
        hint = "" if gap is None else f"[{gap.low:+.3f}, {gap.high:+.3f}], p = {gap.p:.3g}"
        cells = [
            f'<td><span class="dot" style="background:{style[row.method][0]}"></span>'
            f"{escape(row.method)}</td>",
            f'<td class="{kind}" style="--share:{100 * (row.accuracy or 0):.1f}%">{share(row.accuracy)}</td>',
            f"<td>{interval(row.accuracy_ci)}</td>",
            f'<td title="{hint}">{difference(gap)}</td>',
            f"<td>{estimate(count(row.tokens_mean), row.estimated_tokens_mean)}</td>",
            f"<td>{count(row.sequential_tokens_mean)}</td>",
            f"<td>{count(row.cancelled_tokens_mean)}</td>",
            f"<td>{number(row.samples_mean, 2)}</td>",
            f"<td>{number(row.seconds_mean, 2)}</td>",
            *(
                [f"<td>{estimate(number(row.cost_mean, 6), row.estimated_cost_mean)}</td>"]
                if has_cost
                else []
            ),
            f"<td>{row.abstentions or ''}</td>",
            f"<td>{row.errors or ''}</td>",
            *([f"<td>{row.unread or ''}</td>"] if has_unread else []),
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"
