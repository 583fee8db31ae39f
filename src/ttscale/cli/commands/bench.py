"""`ttscale bench`: methods x models x tasks under equal budgets, kept in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import output
from ..completion import method_names, model_names
from ..options import assignments, budget_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...bench.plan import Plan, Planned
    from ...bench.report.summary import Row
    from ...bench.store.store import Store
    from ...engines import ModelSource

EXAMPLES = """
\b
Examples:
  ttscale bench run --model replay:samples.csv -m simple -m "sc(n=8)" -m "ffs(n=8, k=4)"
  ttscale bench run --model smollm2-135m --task rg:chain_sum -n 20 -m simple -m "sc(n=4)"
  ttscale bench resume runs/mine.db
  ttscale bench report runs/mine.db --html mine.html
  ttscale bench export runs/mine.db mine.parquet
"""


@click.group(epilog=EXAMPLES)
def bench() -> None:
    """Compare methods on tasks under equal budgets.

    A run is one file: it can be killed and resumed, reported, exported, and replayed as a model
    (--model replay:FILE).
    """


@bench.command(epilog=EXAMPLES, short_help="Run methods on models and tasks.")
@click.option(
    "-m",
    "--method",
    "methods",
    multiple=True,
    metavar="METHOD",
    shell_complete=method_names,
    help="As name or name(n=8, k=4); repeatable.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="MODEL",
    shell_complete=model_names,
    help="Specification, known name or alias; repeatable. replay:FILE stands for every model and task in it.",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="TASK",
    help="rg:GENERATOR, lab:FAMILY or a file of questions; repeatable. Recordings bring their own.",
)
@click.option("-n", "--n", "n", type=int, metavar="ITEMS", help="Questions per task at most.")
@click.option(
    "--repeats",
    default="auto",
    show_default=True,
    metavar="N",
    help="Runs of each method; auto uses every recorded sample once, and runs live models once.",
)
@click.option(
    "--budget",
    multiple=True,
    metavar="KIND=LIMIT,...",
    help="Limits per question on tokens, sequential (tokens), samples, seconds, cost.",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE=MODEL",
    help="A model for another role, such as prm or draft; repeatable.",
)
@click.option("--concurrency", type=int, default=16, show_default=True, help="Questions in flight.")
@click.option("--seed", type=int, help="The same seed draws the same samples.")
@click.option("--temperature", type=float, help="Overrides the methods' taste; 0 is greedy.")
@click.option("--top-p", type=float, help="In [0, 1].")
@click.option("--max-tokens", type=int, help="Generated tokens of one sample at most.")
@click.option(
    "--logprobs",
    type=int,
    metavar="K",
    help="Alternatives per token to record with the traces; 20 makes a pool for DeepConf.",
)
@click.option(
    "--keep-traces",
    type=click.Choice(["auto", "all", "none"]),
    default="auto",
    show_default=True,
    help="auto keeps the traces of live models.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The store; a new file in ./runs by default.")
@click.option(
    "--show", type=click.Choice(["columns"]), help="Show what each column is taken for; run nothing."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@output.common
def run(
    methods: tuple[str, ...],
    models: tuple[str, ...],
    tasks: tuple[str, ...],
    n: int | None,
    repeats: str,
    budget: tuple[str, ...],
    roles: tuple[str, ...],
    concurrency: int,
    seed: int | None,
    keep_traces: Any,
    out: Path | None,
    show: str | None,
    quiet: bool,
    as_json: bool,
    **sampling: Any,
) -> None:
    """Run every method on every model and task, and report.

    Infrastructure errors are counted apart, never as wrong answers. Ctrl-C keeps what is finished.
    """
    import dataclasses

    from ...bench.notes import notes
    from ...bench.plan import Plan, grid
    from ...bench.store.fingerprints import fingerprints
    from ...bench.store.store import Store
    from ...session import seed_of
    from ..config import load

    config = load()
    if show == "columns":
        from ..columns import show_columns

        show_columns(models or ((config.model,) if config.model else ()), tasks, as_json=as_json)
        return
    limits = budget_of(budget) or config.budget
    plan = Plan(
        methods=methods or ((config.method,) if config.method else ()),
        models=models or ((config.model,) if config.model else ()),
        tasks=tasks,
        n=n,
        repeats=_repeats(repeats),
        budget=limits.given() if limits else {},
        sampling={k: v for k, v in sampling.items() if v is not None},
        defaults=config.sampling.given(),
        roles=assignments(roles, "--role"),
        concurrency=concurrency,
        seed=seed_of(seed, config),
        keep_traces=keep_traces,
    )
    path = _free(out)
    planned, opened = grid(plan, config), _opened(plan)
    sources = [*(p.model for p in planned), *opened.values()]
    plan = dataclasses.replace(plan, recordings=fingerprints(sources))
    for note in notes(planned, every_row=plan.repeats == "auto"):
        click.echo(f"note: {note}", err=True)
    with Store.create(path, plan.as_dict()) as store:
        try:
            _go(store, plan, planned, opened, quiet=quiet, as_json=as_json)
        except (Exception, KeyboardInterrupt):
            if not _begun(store):
                store.delete()  # there is nothing to resume
            raise


@bench.command(short_help="Go on with an interrupted run.")
@click.argument("path", metavar="STORE", type=click.Path(path_type=Path))
@click.option("--concurrency", type=int, help="Questions in flight, if not as before.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@output.common
def resume(path: Path, concurrency: int | None, quiet: bool, as_json: bool) -> None:
    """Go on with the run in STORE: nothing finished is repeated, what failed is tried again."""
    import dataclasses

    from ...bench.plan import Plan, grid
    from ...bench.store.fingerprints import check_unchanged, fingerprints
    from ...bench.store.store import Store
    from ..config import load

    with Store.open(path, write=True) as store:
        plan = Plan.from_dict(store.plan)
        if concurrency is not None:
            plan = dataclasses.replace(plan, concurrency=concurrency)
        planned, opened = grid(plan, load()), _opened(plan)
        sources = [*(p.model for p in planned), *opened.values()]
        check_unchanged(plan.recordings, fingerprints(sources))
        _go(store, plan, planned, opened, quiet=quiet, as_json=as_json)


@bench.command(short_help="Show what a run found.")
@click.argument("path", metavar="STORE", type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page with plots.")
@click.option("--png", type=click.Path(path_type=Path), help="Also write the plots as an image.")
@output.common
def report(path: Path, html: Path | None, png: Path | None, as_json: bool) -> None:
    """Show the results in STORE, also while it is being written."""
    from ...bench.report.summary import rows
    from ...bench.store.store import Store

    with Store.open(path) as store:
        found = rows(store)
        plan = store.plan
    if html is not None:
        from ...bench.report.html import write_html

        write_html(html, found, plan)
    if png is not None:
        from ...bench.report.png import write_png

        write_png(png, found)
    _show(found, path, as_json=as_json, files=[f for f in (html, png) if f is not None])


@bench.command(short_help="Write a run as JSONL or Parquet.")
@click.argument("path", metavar="STORE", type=click.Path(path_type=Path))
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--what",
    type=click.Choice(["items", "traces"]),
    default="items",
    show_default=True,
    help="A row per answered question, or per sample.",
)
@output.common
def export(path: Path, target: Path, what: Any, as_json: bool) -> None:
    """Write the items (or traces) of STORE to FILE, whose ending (.jsonl, .parquet) says how."""
    from ...bench.store.export import export as write
    from ...bench.store.store import Store

    with Store.open(path) as store:
        count = write(store, target, what)
    if as_json:
        output.emit_json({"path": target, "rows": count, "what": what})
    else:
        click.echo(f"{count:,} {what} in {target}", err=True)


def _repeats(text: str) -> Any:
    from ...core import UsageError

    if text == "auto":
        return text
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--repeats {text!r}", fix="give a number of at least 1, or auto")
    return int(text)


def _free(out: Path | None) -> Path:
    """Where the store goes; a name of its own if none was asked for."""
    from datetime import datetime

    from ...core import StoreError

    if out is not None:
        if out.exists():
            raise StoreError(
                f"{out} exists already",
                fix=f"continue it with: ttscale bench resume {out}; or choose another --out",
            )
        return out
    stem = Path("runs") / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    path, number = stem.with_suffix(".db"), 1
    while path.exists():
        number += 1
        path = stem.with_name(f"{stem.name}-{number}.db")
    return path


def _opened(plan: Plan) -> dict[str, ModelSource]:
    """The models of the roles that the plan names."""
    from ...core import UsageError
    from ...engines import open_model
    from ..config import load

    opened = {}
    for role, spec in plan.roles.items():
        sources = open_model(spec, load())
        if len(sources) > 1:
            raise UsageError(
                f"--role {role}={spec} stands for {len(sources)} recordings",
                fix="choose one with ?where.model=X or ?where.task=X",
            )
        opened[role] = sources[0]
    return opened


def _go(
    store: Store,
    plan: Plan,
    planned: Sequence[Planned],
    roles: Mapping[str, ModelSource],
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run what is left and report; whatever ends the run early says what is kept."""
    from ...bench.plan import Settings
    from ...bench.progress import Progress
    from ...bench.report.summary import rows
    from ...bench.runner import run_bench
    from ...core import Budget, BudgetTooSmall, Sampling, TTScaleError
    from ..progress_bar import shown

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
        if not _begun(store):
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
        if state.total and _begun(store):
            click.echo(kept(), err=True)
        raise
    found = rows(store)
    _show(found, store.path, as_json=as_json, files=[])
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
    from ...core import PoolExhausted

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


def _begun(store: Store) -> bool:
    """Whether a store holds something; True if it cannot be read: then it must not be deleted."""
    from ...core import StoreError

    try:
        return store.begun
    except StoreError:
        return True


def _show(found: Sequence[Any], store: Path, *, as_json: bool, files: Sequence[Path]) -> None:
    from ...bench.report.table import tables, width_of

    if as_json:
        output.emit_json({"rows": [row.as_dict() for row in found], "store": store, "files": files})
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
        click.echo(f"store: {store} · plots: ttscale bench report {store} --html FILE", err=True)
