"""The runs of `ttscale bench`: begun, gone on with, and the quick look at a model."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

import click

from ... import output
from ...bench_run import begun, run_to_end, settings_of, show_estimates
from ...completion import method_names, model_names
from ...options import assignments, budget_of, request_options


def _limits(command: output.Command) -> output.Command:
    """Options for what the whole run may spend."""
    for name, kind, about in (
        ("--max-total-tokens", click.IntRange(1), "Generated tokens of the whole run at most."),
        ("--max-requests", click.IntRange(1), "Requests of the whole run at most."),
        ("--max-cost", click.FloatRange(0, min_open=True), "Money for the whole run at most."),
    ):
        command = click.option(name, type=kind, help=about)(command)
    return command


def _given(
    max_cost: float | None, max_requests: int | None, max_total_tokens: int | None
) -> dict[str, float]:
    named = {"cost": max_cost, "requests": max_requests, "tokens": max_total_tokens}
    return {kind: limit for kind, limit in named.items() if limit is not None}


@click.command(short_help="Run methods on models and tasks.")
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
    help="Limits per question on tokens, sequential (tokens), samples, calls, seconds, cost.",
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
@request_options
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
@_limits
@click.option("--dry-run", is_flag=True, help="Say what it would take at most; run nothing.")
@click.option(
    "--like",
    type=click.Path(path_type=Path),
    metavar="STORE",
    help="With --dry-run: estimate from what this run took.",
)
@click.option(
    "--shard", metavar="K/N", help="Every Nth question from the Kth on; ttscale bench merge joins the stores."
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
    max_cost: float | None,
    max_requests: int | None,
    max_total_tokens: int | None,
    dry_run: bool,
    like: Path | None,
    shard: str | None,
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

    from ....arguments import role_sources, seed_of
    from ....bench.notes import notes
    from ....bench.plan import Plan, grid, prices_of
    from ....bench.store.fingerprints import fingerprints
    from ....bench.store.store import Store
    from ....core import UsageError
    from ...config import load

    config = load()
    if show == "columns":
        from ...columns import show_columns

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
        limits=_given(max_cost, max_requests, max_total_tokens),
        shard=shard,
    )
    if like is not None and not dry_run:
        raise UsageError("--like says what a dry run is estimated from", fix="give --dry-run too")
    path = _free(out)
    planned, opened = grid(plan, config), role_sources(plan.roles, config)
    if dry_run:
        show_estimates(planned, settings_of(plan, opened), like, as_json=as_json)
        return
    sources = [*(p.model for p in planned), *opened.values()]
    plan = dataclasses.replace(plan, recordings=fingerprints(sources), prices=prices_of(sources))
    for note in notes(planned, every_row=plan.repeats == "auto"):
        click.echo(f"note: {note}", err=True)
    with Store.create(path, plan.as_dict()) as store:
        try:
            run_to_end(store, plan, planned, opened, quiet=quiet, as_json=as_json)
        except (Exception, KeyboardInterrupt):
            if not begun(store):
                store.delete()  # there is nothing to resume
            raise


@click.command(short_help="What would each method save on your own model? 200 requests, 120 s.")
@click.argument("questions", required=False, metavar="[QUESTIONS]")
@click.option(
    "--model",
    metavar="MODEL",
    shell_complete=model_names,
    help="Specification, known name or alias; the configured or bundled model by default.",
)
@click.option(
    "--requests",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="HTTP requests at most, probes and retries included.",
)
@click.option(
    "--seconds", type=click.FloatRange(1), default=120.0, show_default=True, help="Of real time at most."
)
@click.option(
    "-n", "--samples", type=click.IntRange(2), default=8, show_default=True, help="Samples of each question."
)
@click.option(
    "--together",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Questions in flight; fewer for a slow server, more for one that batches well.",
)
@click.option("--seed", type=int, help="The same seed draws the same samples.")
@click.option("--temperature", type=float, help="Of the samples.")
@click.option("--top-p", type=float, help="In [0, 1].")
@click.option("--max-tokens", type=int, help="Generated tokens of one sample at most.")
@request_options
@click.option("--logprobs", type=int, metavar="K", help="Alternatives per token; 20 lets DeepConf take part.")
@click.option("--out", type=click.Path(path_type=Path), help="Where samples are kept; in ./runs by default.")
@click.option("--html", type=click.Path(path_type=Path), help="The page; beside the samples by default.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@output.common
def quick(
    questions: str | None,
    model: str | None,
    requests: int,
    seconds: float,
    samples: int,
    together: int,
    seed: int | None,
    out: Path | None,
    html: Path | None,
    quiet: bool,
    as_json: bool,
    **sampling: Any,
) -> None:
    """Sample a model once, replay every method that the samples allow, and say what each would save.

    QUESTIONS is a file or another task (see docs/tasks.md); by default a small bundled set. Samples are
    kept, and can be replayed with other methods: ttscale bench run --model replay:STORE.
    """
    from ....arguments import default_model, seed_of
    from ....bench.quick import Limits
    from ....core import Sampling
    from ...config import load
    from ...quick import quick_look

    config = load()
    quick_look(
        model or config.model or default_model(),
        questions,
        Limits(requests=requests, seconds=seconds, samples=samples, together=together),
        config=config,
        request=Sampling.of({k: v for k, v in sampling.items() if v is not None}),
        seed=seed_of(seed, config),
        store=_free(out),
        page=html,
        quiet=quiet,
        as_json=as_json,
    )


@click.command(short_help="Go on with an interrupted run.")
@click.argument("path", metavar="STORE", type=click.Path(path_type=Path))
@click.option("--concurrency", type=int, help="Questions in flight, if not as before.")
@_limits
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@output.common
def resume(
    path: Path,
    concurrency: int | None,
    max_cost: float | None,
    max_requests: int | None,
    max_total_tokens: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Go on with the run in STORE: nothing finished is repeated, what failed is tried again.

    Limits are of the whole run, what was spent before included; without any they are as before.
    """
    import dataclasses

    from ....arguments import role_sources
    from ....bench.plan import Plan, grid
    from ....bench.store.fingerprints import check_unchanged, fingerprints
    from ....bench.store.store import Store
    from ...config import load

    with Store.open(path, write=True) as store:
        plan = Plan.from_dict(store.plan)
        if concurrency is not None:
            plan = dataclasses.replace(plan, concurrency=concurrency)
        limits = {**plan.limits, **_given(max_cost, max_requests, max_total_tokens)}
        plan = dataclasses.replace(plan, limits=limits)
        config = load()
        planned, opened = grid(plan, config), role_sources(plan.roles, config)
        opened = {role: plan.priced(source) for role, source in opened.items()}
        sources = [*(p.model for p in planned), *opened.values()]
        check_unchanged(plan.recordings, fingerprints(sources))
        run_to_end(store, plan, planned, opened, quiet=quiet, as_json=as_json)


def _repeats(text: str) -> Any:
    from ....core import UsageError

    if text == "auto":
        return text
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"--repeats {text!r}", fix="give a number of at least 1, or auto")
    return int(text)


def _free(out: Path | None) -> Path:
    """Where the store goes; a name of its own if none was asked for."""
    from datetime import datetime

    from ....core import StoreError

    if out is not None:
        if out.exists():
            raise StoreError(
                f"{out} exists already",
                fix=f"continue it with: ttscale bench resume {quote(str(out))}; or choose another --out",
            )
        return out
    stem = Path("runs") / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    path, number = stem.with_suffix(".db"), 1
    while path.exists():
        number += 1
        path = stem.with_name(f"{stem.name}-{number}.db")
    return path
