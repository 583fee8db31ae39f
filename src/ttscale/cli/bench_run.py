"""A bench at work on the command line: its progress, what is kept when it ends early, and what it
found."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from . import output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..bench.plan import Plan, Planned, Settings
    from ..bench.report.summary import Row
    from ..bench.store.store import Store
    from ..engines import ModelSource


def settings_of(plan: Plan, roles: Mapping[str, ModelSource]) -> Settings:
    """What a plan says that is equal for all its cells."""
    from ..bench.plan import Settings
    from ..bench.totals import Limits
    from ..core import Budget, Sampling

    return Settings(
        budget=Budget.of(dict(plan.budget)) if plan.budget else None,
        request=Sampling.of(plan.sampling),
        defaults=Sampling.of(plan.defaults),
        roles=roles,
        concurrency=plan.concurrency,
        keep_traces=plan.keep_traces,
        limits=Limits(**plan.limits),
    )


def show_estimates(
    planned: Sequence[Planned], settings: Settings, like: Path | None, *, as_json: bool
) -> None:
    """What a run would take; nothing is spent."""
    from contextlib import nullcontext

    from rich.markup import escape
    from rich.table import Table

    from ..bench.estimate import estimates
    from ..bench.store.store import Store

    with nullcontext(None) if like is None else Store.open(like) as store:
        found = estimates(planned, settings, store)
    if as_json:
        output.emit_json({"estimates": [one.as_dict() for one in found], "like": like})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("method", "model · task", "items", "requests", "tokens", "cost"):
        table.add_column(heading, justify="right" if heading in ("items", "requests") else "left")
    for one in found:
        table.add_row(
            escape(one.method),
            escape(f"{one.model} · {one.task}"),
            f"{one.items:,}",
            f"{one.least_requests:,} to {'?' if one.most_requests is None else f'{one.most_requests:,}'}",
            _expected(one.tokens, one.tokens_ci, one.most_tokens, 0),
            _expected(one.cost, one.cost_ci, one.most_cost, 4),
        )
    output.stdout().print(table)
    click.echo("nothing was run: see docs/runs.md for how this is estimated", err=True)


def _expected(value: float | None, ci: tuple[float, float] | None, most: float | None, digits: int) -> str:
    parts = [] if value is None else [f"{value:,.{digits}f}"]
    parts += [] if ci is None else [f"[{ci[0]:,.{digits}f} – {ci[1]:,.{digits}f}]"]
    parts += [] if most is None else [f"at most {most:,.{digits}f}"]
    return ", ".join(parts) or "unknown"


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
    from ..bench.progress import Progress
    from ..bench.report.summary import rows
    from ..bench.runner import run_bench
    from ..core import BudgetTooSmall, TTScaleError
    from .progress_bar import shown

    settings = settings_of(plan, roles)
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
            f"go on with: ttscale bench resume {quote(str(store.path))}"
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
    if state.limit:
        option = {"tokens": "--max-total-tokens"}.get(state.limit, f"--max-{state.limit}")
        reached = f"the run's limit of {plan.limits[state.limit]:,} {state.limit} is reached"
        click.echo(f"{reached}: {kept()} {option} MORE", err=True)
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
    if state.limit or (starved and len(starved) == len(found)):
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
            f"again with: ttscale bench resume {quote(str(store.path))}",
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
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print the rows and where they come from; in JSON with the stores' content hashes, and `more`."""
    from ..bench.report.table import tables, width_of

    if as_json:
        places: dict[str, Any] = {"store": stores[0]} if len(stores) == 1 else {"stores": stores}
        if hashes:
            places |= {"hash": hashes[0]} if len(stores) == 1 else {"hashes": hashes}
        output.emit_json({"rows": [row.as_dict() for row in found], **places, "files": files, **(more or {})})
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
        store = " ".join(quote(str(store)) for store in stores)
        click.echo(f"store: {store} · plots: ttscale bench report {store} --html FILE", err=True)
