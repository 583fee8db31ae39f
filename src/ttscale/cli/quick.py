"""A quick look at a model on the command line: its pool, its picture, and one sentence for each saving."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import output

if TYPE_CHECKING:
    from ..bench.quick import Limits, Recorded, Replayed
    from ..core import Sampling
    from .config import Config

BUNDLED = "questions.jsonl"  # in `ttscale.assets`
LABORATORY = "lab:word?level=3"  # what the bundled reasoner was trained to answer


def quick_look(
    model: str,
    questions: str | None,
    limits: Limits,
    *,
    config: Config,
    request: Sampling,
    seed: int,
    store: Path,
    page: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Record, replay and report."""
    from ..arguments import source_of
    from ..bench.quick import best_saving, candidates, in_words, record_pool, replayed
    from ..bench.tasks.task import load_task
    from ..core import UsageError
    from ..planner.consensus import agreed
    from .progress_bar import shown

    source = source_of(model, config, "--model")
    if source.pools:
        raise UsageError(
            f"{model!r} is a recording", fix="compare methods on it with: ttscale bench run --model ..."
        )
    task = load_task(questions or _questions_for(model), seed=seed)
    with shown(quiet=quiet) as report:
        recorded = record_pool(
            store,
            source,
            task,
            limits,
            seed=seed,
            request=request,
            defaults=config.sampling,
            on_progress=report,
        )
    pool = recorded.pool
    known = any(problem.has_gold for problem in pool.problems)
    if not known:
        pool = agreed(pool)
    found = replayed(pool, candidates(limits.samples, pool.capabilities), price=source.price, seed=seed)
    sentences = [in_words(found, "tokens"), in_words(found, "sequential")]
    facts = _facts(recorded, limits, len(task.problems), known=known)
    page = _write_page(page, store, found, [*sentences, *facts], seed)
    if as_json:
        savings = {unit: best_saving(found, unit) for unit in ("tokens", "sequential")}
        output.emit_json(
            {
                "rows": [row.as_dict() for row in found.rows],
                "reference": found.reference,
                "questions": len(pool.problems),
                "samples": limits.samples,
                "requests": recorded.requests,
                "seconds": recorded.seconds,
                "gold": known,
                "savings": {unit: s and asdict(s) for unit, s in savings.items()},
                "sentences": sentences,
                "notes": facts,
                "store": store,
                "html": page,
            }
        )
        return
    _print(found, sentences, facts)
    click.echo(f"samples: {store}" + (f" · plots: {page}" if page else ""), err=True)


def _questions_for(model: str) -> str:
    from importlib.resources import files

    from ..engines.catalogue.bundled import bundled_models

    if model.partition("?")[0] in bundled_models():
        return LABORATORY
    return str(files("ttscale").joinpath("assets", BUNDLED))


def _facts(recorded: Recorded, limits: Limits, there: int, *, known: bool) -> list[str]:
    """What a reader of the figures has to know."""
    whole = len(recorded.pool.problems)
    spent = "" if recorded.requests is None else f"{recorded.requests} requests, "
    facts = [f"{whole} questions x {limits.samples} samples: {spent}{recorded.seconds:.0f} s."]
    if lost := recorded.begun - whole:
        facts.append(
            f"{lost} more questions were begun and are left out, because a sample failed or time or requests "
            "ended: mostly those that take longest, so the figures are those of quick questions."
        )
    elif whole < there:
        facts.append(f"{there - whole} further questions are left: allow more --requests and --seconds.")
    if not known:
        facts.append(
            "No question has a gold answer: 'accuracy' is how often a method says what most of "
            f"the {limits.samples} samples say."
        )
    return facts


def _write_page(page: Path | None, store: Path, found: Replayed, notes: list[str], seed: int) -> Path | None:
    """The report beside the store, or where it was asked for; None where there is no plotly and it
    was not."""
    from ..bench.report.html import write_html
    from ..core import UsageError

    plan = {"seed": seed, "models": [row.model for row in found.rows[:1]]}
    try:
        write_html(wanted := page or store.with_suffix(".html"), found.rows, plan, notes)
    except UsageError:
        if page is not None:
            raise
        return None
    return wanted


def _print(found: Replayed, sentences: list[str], facts: list[str]) -> None:
    from ..bench.report.picture import picture

    first = found.rows[0]
    click.echo(f"{first.model} · {first.task}\n")
    click.echo(picture(found.rows))
    click.echo("\n● no cheaper method is as accurate; bars are 95% intervals\n")
    for line in (*sentences, *facts):
        click.echo(line)
