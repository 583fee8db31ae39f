"""What is done with the stores of `ttscale bench` once there are some: reported, compared, listed,
exported."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from ... import output
from ...bench_run import show_rows
from ...completion import method_names

if TYPE_CHECKING:
    from ....bench.report.paired import Figure, Pair

STORES: Callable[[output.Command], output.Command] = click.argument(
    "paths", metavar="STORE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
_FILE = click.Path(path_type=Path)


@click.command(short_help="Show what runs found.")
@STORES
@click.option("--html", type=_FILE, help="Also write a page with plots.")
@click.option("--png", type=_FILE, help="Also write the plots as an image.")
@click.option("--csv", type=_FILE, help="Also write the rows with every figure.")
@click.option("--latex", type=_FILE, help="Also write the tables for a paper.")
@click.option(
    "--regret", is_flag=True, help="Also say how far each method is from an oracle on the kept samples."
)
@output.common
def report(
    paths: tuple[Path, ...],
    html: Path | None,
    png: Path | None,
    csv: Path | None,
    latex: Path | None,
    regret: bool,
    as_json: bool,
) -> None:
    """Show the results in STORE, also while it is being written.

    The rows of several stores stand in one table where model and task are the same.
    """
    from ....bench.report.summary import rows
    from ....bench.store.content import content_hash
    from ....bench.store.store import Store

    with ExitStack() as opened:
        stores = [opened.enter_context(Store.open(path)) for path in paths]
        found = rows(*stores)
        plan = stores[0].plan if len(stores) == 1 else {}
        hashes = [content_hash(store) for store in stores] if as_json else []
    if html is not None:
        from ....bench.report.html import write_html

        write_html(html, found, plan, [] if plan else [f"runs: {', '.join(map(str, paths))}"])
    if png is not None:
        from ....bench.report.png import write_png

        write_png(png, found)
    if csv is not None:
        from ....bench.report.files import write_csv

        write_csv(csv, found)
    if latex is not None:
        from ....bench.report.files import write_latex

        write_latex(latex, found)
    files = [f for f in (html, png, csv, latex) if f is not None]
    more = {}
    if regret:
        from ....bench.report.regret import regrets

        more["regret"] = [line.as_dict() for path in paths for line in regrets(path)]
    show_rows(found, paths, as_json=as_json, files=files, hashes=hashes, more=more)
    if regret and not as_json:
        _print_regret(more["regret"])


def _print_regret(lines: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from ....bench.report.table import count, share

    if not lines:
        click.echo("regret is not known: no graded samples were kept (--keep-traces all)", err=True)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("selector", "model · task", "accuracy", "regret", "of the way", "tokens", "verifier"):
        table.add_column(heading, justify="left" if heading in ("selector", "model · task") else "right")
    for line in lines:
        table.add_row(
            escape(line["name"]),
            escape(f"{line['model']} · {line['task']}"),
            *(share(line[key]) for key in ("accuracy", "regret", "closed")),
            *(count(line[key]) for key in ("tokens", "verifier_tokens")),
        )
    output.stdout().print(table)


@click.command(short_help="Compare runs on the same questions.")
@STORES
@click.option(
    "-m",
    "--method",
    "methods",
    multiple=True,
    metavar="METHOD",
    shell_complete=method_names,
    help="Of the later stores, as it was written; repeatable. All by default.",
)
@click.option("--against", metavar="METHOD", help="Of the first store; by default the one of the same name.")
@click.option(
    "--fail-if-worse",
    "margin",
    type=click.FloatRange(0, 1),
    is_flag=False,
    flag_value=0.0,
    metavar="[MARGIN]",
    help="Exit with 9 if a method is surely less often right than before, by more than MARGIN (0).",
)
@output.common
def compare(
    paths: tuple[Path, ...],
    methods: tuple[str, ...],
    against: str | None,
    margin: float | None,
    as_json: bool,
) -> None:
    """Compare later STOREs with the first, paired on the questions both have answered.

    A method is set against the one of the same name, on the same model or on the only one there. The
    interval of a difference counts questions: repeats of one are averaged. "Surely" means that the whole
    95% interval lies below -MARGIN.
    """
    from ....bench.report.paired import compare as pairs_of
    from ....bench.store.store import Store
    from ....core import UsageError

    if len(paths) < 2:
        raise UsageError("there is only one store to compare", fix="give at least two")
    with ExitStack() as opened:
        pairs, left = pairs_of([opened.enter_context(Store.open(path)) for path in paths], methods, against)
    unknown = [pair for pair in pairs if pair.accuracy is None]
    if margin is not None and unknown:
        raise UsageError(
            f"whether {unknown[0].other.place} is worse is not known: no question is graded in both stores",
            fix="compare runs on questions with gold answers",
        )
    worse = [pair for pair in pairs if margin is not None and pair.worse_by(margin)]
    if as_json:
        output.emit_json(
            {
                "pairs": [pair.as_dict() for pair in pairs],
                "unmatched": left,
                "margin": margin,
                "worse": [pair.as_dict() for pair in worse],
            }
        )
    else:
        _print_pairs(pairs)
        for place in left:
            click.echo(f"note: {place} has no match in {paths[0]}", err=True)
        for pair in worse:
            by = f" by more than {margin:g}" if margin else ""
            click.echo(f"worse{by}: {pair.other.place}", err=True)
    if worse:
        raise output.Fail(output.WORSE)


def _print_pairs(pairs: list[Pair]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from ....bench.report.table import count, number, share, width_of

    console = output.stdout()
    for pair in pairs:
        reference, other = pair.reference, pair.other
        table = Table(
            title=escape(f"{other.place}\nvs {reference.place}"),
            title_justify="left",
            title_style="bold",
            box=None,
            padding=(0, 2, 0, 0),
        )
        for heading in ("per question", "before", "after", "difference", "95% CI", "p", "questions"):
            table.add_column(heading, justify="left" if heading == "per question" else "right", no_wrap=True)
        for name, figure, written in (
            ("accuracy", pair.accuracy, share),
            ("tokens", pair.tokens, count),
            ("cost", pair.cost, lambda value: number(value, 6)),
        ):
            if figure is not None:
                table.add_row(name, *_cells(figure, written))
        console.width = max(console.width, width_of(table, console))
        console.print(table)
        console.print()


def _cells(figure: Figure, written: Any) -> list[str]:
    gap = figure.difference
    low, high = (_signed(end, written) for end in (gap.low, gap.high))
    return [
        written(figure.reference),
        written(figure.value),
        _signed(gap.value, written) + ("*" if gap.clear else " "),
        f"{low} – {high}",
        f"{gap.p:.3g}",
        f"{gap.questions:,}",
    ]


def _signed(value: float, written: Any) -> str:
    if value in (float("inf"), float("-inf")):
        return "unknown"
    return f"{'-' if value < 0 else '+'}{written(abs(value))}"


@click.command(short_help="Make one run of its shards.")
@click.argument("out", metavar="OUT", type=_FILE)
@STORES
@output.common
def merge(out: Path, paths: tuple[Path, ...], as_json: bool) -> None:
    """Write OUT with what the STOREs hold, which are shards of one run (bench run --shard).

    What one of them lacks because its item failed or was not reached may be in another; what is in none is
    told, and answered by: ttscale bench resume OUT.
    """
    from ....bench.store.content import content_hash
    from ....bench.store.merging import merge as merged

    with merged(out, paths) as store:
        done, total, digest = store.answered(), store.planned(), content_hash(store)
    if as_json:
        output.emit_json({"store": out, "done": done, "total": total, "hash": digest})
        return
    click.echo(f"{done:,} of {total:,} items in {out}, content {digest}", err=True)
    if done < total:
        click.echo(f"go on with: ttscale bench resume {quote(str(out))}", err=True)


@click.command("list", short_help="List the runs in a folder.")
@click.argument("folder", default="runs", type=click.Path(path_type=Path))
@output.common
def list_stores(folder: Path, as_json: bool) -> None:
    """List the stores in FOLDER (runs by default): what each holds and how far it is."""
    import dataclasses

    from ....bench.store.listing import stores_in

    found = list(stores_in(folder, hashed=as_json))
    if as_json:
        output.emit_json([dataclasses.asdict(one) for one in found])
        return
    if not found:
        click.echo(f"there are no stores in {folder}", err=True)
        return
    from rich.markup import escape
    from rich.table import Table

    console = output.stdout()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("store", "written", "items", "failed", "models", "tasks", "methods"):
        right = heading in ("items", "failed")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for one in found:
        written = f"{one.changed:%Y-%m-%d %H:%M}"
        if one.unreadable:
            table.add_row(escape(one.path.name), written, "–", "–", escape(one.unreadable))
            continue
        table.add_row(
            escape(one.path.name),
            written,
            f"{one.done:,} of {one.total:,}",
            f"{one.errors:,}" if one.errors else "",
            *(escape("; ".join(names)) for names in (one.models, one.tasks, one.methods)),
        )
    console.print(table)


@click.command(short_help="Write a run for other programs.")
@click.argument("path", metavar="STORE", type=_FILE)
@click.argument("target", metavar="TARGET", type=_FILE)
@click.option(
    "--what",
    type=click.Choice(["items", "traces"]),
    default="items",
    show_default=True,
    help="A row per answered question, or per sample.",
)
@click.option(
    "--to",
    type=click.Choice(["table", "inspect", "mlflow"]),
    default="table",
    show_default=True,
    help="Logs for `inspect view`, or runs of MLflow; TARGET is then a folder.",
)
@output.common
def export(path: Path, target: Path, what: Any, to: str, as_json: bool) -> None:
    """Write the items (or traces) of STORE to the file TARGET, whose ending (.jsonl, .csv, .parquet)
    says how; or all of it to a folder, for inspect-ai or MLflow."""
    from ....bench.store.store import Store

    with Store.open(path) as store:
        if to == "table":
            from ....bench.exports.tables import export as write

            count = write(store, target, what)
        elif to == "inspect":
            from ....bench.exports.inspect_logs import write_inspect

            count, what = len(write_inspect(store, target)), "logs"
        else:
            from ....bench.exports.mlflow_runs import write_mlflow

            count, what = write_mlflow(store, target), "runs"
    if as_json:
        output.emit_json({"path": target, "rows": count, "what": what})
    else:
        click.echo(f"{count:,} {what} in {target}", err=True)
