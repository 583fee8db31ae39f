"""`ttscale models`: what can be had by name, and what is here already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .. import output
from ..completion import known_models

if TYPE_CHECKING:
    from pathlib import Path

    from ...engines.catalogue.downloads import Model


@click.group(invoke_without_command=True, short_help="List the known models, or fetch one.")
@output.common
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the known models, or fetch one. Without a command: list."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_models, as_json=as_json)


@models.command("list")
@output.common
def list_models(as_json: bool) -> None:
    """List the models known by name, and the aliases of the configuration."""
    from .. import config

    entries, aliases = available(), config.load().aliases
    if as_json:
        figures = {name: alias.spec for name, alias in aliases.items()}
        output.emit_json({"models": entries, "aliases": figures})
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("model", "here", "size", "license", "what it is"):
        table.add_column(column, no_wrap=column != "what it is")
    for entry in entries:
        size = f"{entry['bytes'] / 1e6:.0f} MB"
        here = "yes" if entry["cached"] else "no"
        table.add_row(entry["name"], here, size, entry["license"], escape(entry["about"]))
    for name, alias in aliases.items():
        table.add_row(escape(name), "", "", "", escape(f"alias of {alias.spec}"))
    output.stdout().print(table)


@models.command("pull")
@click.argument("name", shell_complete=known_models)
@output.common
def pull_model(name: str, as_json: bool) -> None:
    """Fetch a model into the user's cache; an interrupted download is resumed."""
    from ...core import UnknownName
    from ...engines import known_names
    from ...engines.catalogue import downloads as engine_models
    from ...engines.catalogue.bundled import bundled_models

    if own := bundled_models().get(name):  # it came with the package
        path, size = own.path, own.size
    elif name in known_names():
        known = engine_models.find(name)
        path = known_path(known) or _fetched(known)
        size = path.stat().st_size
    else:
        raise UnknownName("model", name, known_names())
    if as_json:
        output.emit_json({"name": name, "path": path, "bytes": size})
    else:
        click.echo(path)


def available() -> list[dict[str, Any]]:
    """The models known by name, the bundled ones first; sizes in bytes."""
    from ...engines.catalogue import downloads as engine_models
    from ...engines.catalogue.bundled import bundled_models

    entries: list[dict[str, Any]] = [
        {
            "name": own.name,
            "about": own.about,
            "license": "Apache-2.0",
            "bytes": own.size,
            "cached": True,
            "path": own.path,
        }
        for own in bundled_models().values()
    ]
    for known in engine_models.known_models().values():
        path = known_path(known)
        entries.append(
            {
                "name": known.name,
                "about": known.about,
                "license": known.license,
                "bytes": known.size,
                "cached": path is not None,
                "path": path,
            }
        )
    return entries


def known_path(known: Model) -> Path | None:
    """Where a model is; None if it has not been fetched."""
    from ...engines.catalogue import downloads as engine_models

    return engine_models.path_of(known.name) if engine_models.is_cached(known.name) else None


def _fetched(known: Model) -> Path:
    """Fetch with a progress bar on stderr."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from ...engines.catalogue import downloads as engine_models

    columns = (
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=output.stderr()) as bar:
        task = bar.add_task(known.name, total=known.size)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        return engine_models.pull(known.name, progress)
