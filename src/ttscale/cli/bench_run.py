"""A bench at work on the command line: its progress, what is kept when it ends early, and what it
found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..bench.plan import Plan, Planned
    from ..bench.report.summary import Row
    from ..bench.store.store import Store
    from ..engines import ModelSource


def run_to_end(
    store: Store,
    plan: Plan,
    planned: Sequence[Planned],
    roles: Mapping[str, ModelSource],
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run what is left and report; whatever ends the run early says what is kept."""
    from ..bench.plan import Settings
    from ..bench.progress import Progress
    from ..bench.report.summary import rows
    from ..bench.runner import run_bench
    from ..core import Budget, BudgetTooSmall, Sampling, TTScaleError
    from .progress_bar import shown

    settings = Settings(
        budget=Budget.of(dict(plan.budget)) if plan.budget else None,
        request=Sampling.of(plan.sampling),
        defaults=Sampling.of(plan.defaults),
        roles=roles,
        concurrency=plan.concurrency,
        keep_traces=plan.keep_traces,
    )
    state = Progress(0)

    def note(progress: Progress) -> None:
        nonlocal state
        state = progress
        report(progress)

    def kept() -> str:
        if not begun(store):
            return "nothing was finished"
        return (
            f"{store.answered():,} of {state.total:,} items are kept in {store.path}; "
            f"go on with: ttscale bench resume {store.path}"
        )

    try:
        with shown(quiet=quiet) as report:
            run_bench(store, planned, settings, note)
    except KeyboardInterrupt:
        click.echo(f"interrupted: {kept()}", err=True)
        if as_json:
            done = store.answered()
            output.emit_json({"interrupted": True, "store": store.path, "done": done})
        raise output.Fail(output.INTERRUPTED) from None
    except TTScaleError:
        if state.total and begun(store):
            click.echo(kept(), err=True)
        raise
    found = rows(store)
    show_rows(found, [store.path], as_json=as_json, files=[])
    starved = [row for row in found if row.starved]
    for row in starved:
        limits = ", ".join(f"{kind}={limit}" for kind, limit in plan.budget.items())
        click.echo(
            f"{row.method} answered nothing on {row.task} within {limits}: its accuracy says "
            "nothing; raise --budget",
            err=True,
        )
    if state.errors:
        _print_errors(store, found)
    if starved and len(starved) == len(found):
        raise output.Fail(BudgetTooSmall.exit_code)


def _print_errors(store: Store, found: Sequence[Row]) -> None:
    """What failed, by what can be done about it; ends with a failure if nothing was answered."""
    from ..core import PoolExhausted

    live = {cell.model for cell in store.cells() if not cell.recorded}
    again = sum(row.errors for row in found if row.model in live)
    recorded = sum(row.errors - (row.ended is not None) for row in found if row.model not in live)
    if again:
        click.echo(
            f"{again} items failed and count as errors, not as wrong answers; try them "
            f"again with: ttscale bench resume {store.path}",
            err=True,
        )
    if recorded > 0:
        click.echo(
            f"{recorded} items are errors in the recording; they count as errors, not as wrong answers",
            err=True,
        )
    dry = [row for row in found if row.ended]
    for row in dry:
        click.echo(
            f"{row.method} on {row.task} ended after {row.items} items, and its accuracy is that "
            f"of those: {row.ended}",
            err=True,
        )
    if not any(row.items for row in found):
        raise output.Fail(PoolExhausted.exit_code if dry else 1)


def begun(store: Store) -> bool:
    """Whether a store holds something; True if it cannot be read: then it must not be deleted."""
    from ..core import StoreError

    try:
        return store.begun
    except StoreError:
        return True


def show_rows(
    found: Sequence[Row],
    stores: Sequence[Path],
    *,
    as_json: bool,
    files: Sequence[Path],
    hashes: Sequence[str] = (),
) -> None:
    """Print the rows and where they come from; in JSON with the stores' content hashes, if given."""
    from ..bench.report.table import tables, width_of

    if as_json:
        places: dict[str, Any] = {"store": stores[0]} if len(stores) == 1 else {"stores": stores}
        if hashes:
            places |= {"hash": hashes[0]} if len(stores) == 1 else {"hashes": hashes}
        output.emit_json({"rows": [row.as_dict() for row in found], **places, "files": files})
        return
    console = output.stdout()
    for table in tables(found):
        console.width = max(console.width, width_of(table, console))
        console.print(table)
        console.print()
    if any(row.difference is not None and row.difference.clear for row in found):
        console.print("* differs: the 95% interval of the paired difference leaves out zero\n")
    for file in files:
        click.echo(f"wrote {file}", err=True)
    if not files:
        store = " ".join(map(str, stores))
        click.echo(f"store: {store} · plots: ttscale bench report {store} --html FILE", err=True)
