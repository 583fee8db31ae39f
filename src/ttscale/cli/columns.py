"""What each column of a file of samples or questions is taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from . import output

_WIDEST = 48  # characters of a value shown


def show_columns(models: Sequence[str], tasks: Sequence[str], *, as_json: bool) -> None:
    """Print, for every recording among the models and every file among the tasks, what a row tells,
    the column it is read from, and its first value."""
    from ..bench.tasks.task import load_task
    from ..core import UsageError
    from ..engines import open_model
    from .config import load

    config = load()
    files: dict[str, Mapping[str, str]] = {}
    for model in models:
        for source in open_model(model, config):
            files |= {pool.source: pool.columns for pool in source.pools if pool.columns}
    for spec in tasks:
        task = load_task(spec, n=1)
        if task.columns:
            files[task.source] = task.columns
    if not files:
        raise UsageError(
            "no file of samples or questions is named", fix="give --model replay:FILE or --task FILE"
        )
    shown = {path: _described(Path(path), columns) for path, columns in files.items()}
    if as_json:
        output.emit_json({"files": shown})
        return
    for path, rows in shown.items():
        _print(path, rows)


def _described(path: Path, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """What a row tells, its column and the first value there; columns that tell nothing last."""
    from ..engines.recordings import parse
    from ..engines.recordings.tables import open_table

    table = open_table(path)
    values: dict[str, Any] = {}
    for _, row in table.rows(table.columns):
        for name, value in zip(table.columns, row):
            if name not in values and not parse.blank(value):
                values[name] = value
        if len(values) == len(table.columns):
            break
    unused = [name for name in table.columns if name not in columns.values() and "." not in name]
    pairs = [*columns.items(), *((None, name) for name in unused)]
    return [{"tells": what, "column": name, "first": values.get(name)} for what, name in pairs]


def _print(path: str, rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from ..engines.recordings import parse

    table = Table(title=path, title_justify="left", box=None, header_style="bold")
    for heading in ("tells", "column", "first value"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        first = " ".join((parse.text(row["first"]) or "").split())
        short = first if len(first) <= _WIDEST else first[: _WIDEST - 1] + "…"
        table.add_row(row["tells"] or "–", escape(row["column"]), escape(short))
    console = output.stdout()
    console.print(table)
    click.echo("")
