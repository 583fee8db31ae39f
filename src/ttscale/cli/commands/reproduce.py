"""`ttscale reproduce`: a paper's claims measured here, with the verdict of a criterion fixed before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import output
from ..completion import systems as complete_systems

if TYPE_CHECKING:
    from ...reproduce.protocol.catalogue import Published
    from ...reproduce.protocol.claims import System
    from ...reproduce.protocol.results import Result

EXAMPLES = """
\b
Examples:
  ttscale reproduce --list
  ttscale reproduce first-finish-search
  ttscale reproduce --all --full --html systems.html --data recordings/
"""


@click.command(epilog=EXAMPLES)
@click.argument("names", nargs=-1, metavar="[SYSTEM]...", shell_complete=complete_systems)
@click.option("--all", "everything", is_flag=True, help="All systems that are built.")
@click.option("--list", "listing", is_flag=True, help="List all systems, with the verdicts kept.")
@click.option("--full", is_flag=True, help="As large as the figures in the documentation.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of recordings; by default the one TTSCALE_DATA names.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of what is random.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with the curves.")
@click.option(
    "--save", type=click.Path(path_type=Path, file_okay=False), help="Write a result file a system there."
)
@click.option("--new", is_flag=True, help="Write a first version of the named system's file.")
@output.common
def reproduce(
    names: tuple[str, ...],
    everything: bool,
    listing: bool,
    full: bool,
    data: Path | None,
    seed: int,
    html: Path | None,
    save: Path | None,
    new: bool,
    as_json: bool,
) -> None:
    """Measure what a paper claims, and say what came out here.

    Every claim has a criterion that was fixed before it ran. The verdict is said of the effect:
    reproduced, refuted, not visible here (the interval holds both), or needs (a larger model, a GPU,
    a recording).
    """
    from ...core import UsageError
    from ...reproduce.protocol.catalogue import find, load, published

    if listing:
        _list(as_json)
        return
    if everything and names:
        raise UsageError("--all and names of systems", fix="give one of the two")
    chosen = [s for s in published().values() if s.built] if everything else [find(name) for name in names]
    if not chosen:
        raise UsageError("no system is named", fix="see ttscale reproduce --list, or give --all")
    if new:
        _write_skeletons(chosen)
        return
    if missing := [entry.name for entry in chosen if not entry.built]:
        raise UsageError(f"{missing[0]} is not built yet", fix="see ttscale reproduce --list")
    systems = [load(entry) for entry in chosen]
    results = []
    for system in systems:
        results.append(_measured(system, full, data, seed, quiet=as_json))
        if save:
            from ...reproduce.protocol.results import write

            write(results[-1], save)
        if not as_json:
            _show(system, results[-1])
    if as_json:
        output.emit_json({"results": [result.as_dict() for result in results]})
    if html:
        from ...reproduce.protocol.report import write_html

        write_html(html, list(zip(systems, results, strict=True)))
        output.stderr().print(f"wrote {html}")


def _measured(system: System, full: bool, data: Path | None, seed: int, *, quiet: bool) -> Result:
    from ...reproduce.protocol.laboratory import Laboratory, data_folder
    from ...reproduce.protocol.results import measure

    lab = Laboratory(data_folder(data), full, seed)
    console = output.stderr()
    if quiet or not console.is_terminal:
        return measure(system, lab)
    with console.status(system.name) as status:
        return measure(system, lab, lambda claim: status.update(f"{system.name}: {claim.name}"))


def _show(system: System, result: Result) -> None:
    from rich.markup import escape
    from rich.table import Table

    from ...reproduce.protocol.page import fixed, shown

    console = output.stdout()
    console.print(f"[bold]{system.name}[/]  ({result.form}, {result.spent})")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("verdict", "claim", "paper", "here", "criterion"):
        table.add_column(heading)
    for claim in system.claims:
        finding = result.of(claim)
        assert finding is not None
        cells = (finding.verdict, claim.text, claim.number, shown(finding), fixed(claim))
        table.add_row(*map(escape, cells))
    console.print(table)
    console.print()


def _list(as_json: bool) -> None:
    from ...reproduce.protocol.catalogue import load, published
    from ...reproduce.protocol.page import verdicts

    kept = verdicts()
    found: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "family": entry.family,
            "built": entry.built,
            "methods": list(load(entry).methods) if entry.built else [],
            "verdict": kept[entry.name],
        }
        for entry in published().values()
    ]
    if as_json:
        output.emit_json({"systems": found})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("system", "family", "methods", "verdict"):
        table.add_column(heading)
    for entry in found:
        verdict = (entry["verdict"] or "not run") if entry["built"] else "not built"
        table.add_row(entry["name"], entry["family"], ", ".join(entry["methods"]), verdict)
    output.stdout().print(table)


def _write_skeletons(chosen: Sequence[Published]) -> None:
    from ... import reproduce as package
    from ...reproduce.protocol.skeleton import write_skeleton

    for system in chosen:
        path = write_skeleton(system, Path(package.__file__).parent)
        output.stdout().print(f"wrote {path}: fix its criterion, commit it, then run it")
