"""The summary as tables for a terminal, and how its values are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...metrics.accuracy.intervals import Difference

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

from .summary import Row, sections

_NAME = 20  # characters a method's name has at least, before the terminal has to wrap lines


def width_of(table: Table, console: Console) -> int:
    """Columns a table needs so that no figure is cut; all of them where nothing is wrapped."""
    full = console.measure(table, options=console.options.update(max_width=1000)).maximum
    if not console.is_terminal:
        return full
    longest = max((len(str(cell)) for cell in table.columns[0].cells), default=0)
    return full - max(0, longest - _NAME)


def tables(found: Sequence[Row]) -> list[Table]:
    """One table per model and task."""
    from rich.table import Table

    made: list[Table] = []
    for (model, task), part in sections(found).items():
        questions = max(row.questions for row in part)
        table = Table(
            title=f"{model} · {task} · {questions} questions",
            title_justify="left",
            title_style="bold",
            header_style="bold",
            box=None,
            padding=(0, 2, 0, 0),
        )
        table.add_column("method", overflow="fold")  # the one column that may wrap
        for heading in (
            "accuracy",
            "95% CI",
            f"vs {part[0].method}",
            "tokens",
            "sequential",
            "cancelled",
            "samples",
            "seconds",
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        best = max((r.accuracy for r in part if r.accuracy is not None), default=None)
        notable = [
            name for name in ("errors", "abstentions", "unread") if any(getattr(r, name) for r in part)
        ]
        has_cost = any(r.cost_mean is not None for r in part)
        for heading in (*(["cost"] if has_cost else []), *notable):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in part:
            is_best = best is not None and row.accuracy == best
            cells = [
                f"[bold green]{share(row.accuracy)}[/]" if is_best else share(row.accuracy),
                interval(row.accuracy_ci),
                difference(row.difference),
                estimate(count(row.tokens_mean), row.estimated_tokens_mean),
                count(row.sequential_tokens_mean),
                count(row.cancelled_tokens_mean),
                number(row.samples_mean, 2),
                number(row.seconds_mean, 2),
            ]
            cells += [estimate(number(row.cost_mean, 6), row.estimated_cost_mean)] if has_cost else []
            cells += [str(getattr(row, name) or "") for name in notable]
            table.add_row(row.method.replace("[", "\\["), *cells)
        made.append(table)
    return made


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def interval(ci: tuple[float, float] | None) -> str:
    return "–" if ci is None else f"{ci[0]:.3f} – {ci[1]:.3f}"


def difference(gap: Difference | None) -> str:
    """The difference, with a star where its interval leaves out zero."""
    if gap is None:
        return "–"
    return f"{gap.value:+.3f}{'*' if gap.clear else ' '}"


def count(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}"


def estimate(written: str, estimated: float | None) -> str:
    """A figure with a mark where it is in part an estimate."""
    return f"~{written}" if estimated else written


def number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
