"""`ttscale plan`: learn from recorded samples which method suits which question and budget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...engines import ModelSource
    from ...methods.routing.policy import Policy
    from ...planner.evidence import Evidence

EXAMPLES = """
\b
Examples:
  ttscale plan fit samples.csv --budget 4 --budget 8 --out policy.json
  ttscale plan fit runs/mine.db -m "ffs(n=8, k=4)" -m "pilot(n=8, sure=0.95)" --out policy.json
  ttscale plan fit samples.csv --pets --average 8 --out table.json
  ttscale plan show policy.json
  ttscale plan apply policy.json samples.csv --budget 8
  ttscale solve "..." --method "auto(policy='policy.json')"
"""


@click.group(epilog=EXAMPLES)
def plan() -> None:
    """Learn which method suits which question and budget.

    A policy file is run as the method auto, by solve, bench and serve alike.
    """


@plan.command(epilog=EXAMPLES, short_help="Fit a policy to recorded samples.")
@click.argument("source", metavar="SAMPLES")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option(
    "-m",
    "--method",
    "strategies",
    multiple=True,
    metavar="METHOD",
    help="A candidate, or pilot(n=N), the vote of the pilot and further samples; repeatable. "
    "Without any, those that suit the recording.",
)
@click.option(
    "--budget",
    "limits",
    multiple=True,
    type=float,
    metavar="COST",
    help="Mean cost per question, pilot included; repeatable.",
)
@click.option(
    "--unit",
    type=click.Choice(["samples", "tokens"]),
    default="samples",
    show_default=True,
    help="What budgets count.",
)
@click.option(
    "--difficulty",
    type=click.Choice(["agreement", "reward", "oracle"]),
    default="agreement",
    show_default=True,
    help="How hard a question is: predicted from a pilot, or known (a bound).",
)
@click.option(
    "--spend",
    type=click.Choice(["bin", "mean"]),
    default="bin",
    show_default=True,
    help="Whether every bin keeps to the budget, as published, or their mean does.",
)
@click.option("--bins", type=int, default=5, show_default=True, help="Bins of difficulty.")
@click.option("--pilot", type=int, default=4, show_default=True, help="Samples that predict it.")
@click.option("--repeats", type=int, default=8, show_default=True, help="Orders of the samples.")
@click.option("--epsilon", type=float, help="Accuracy a further sample must add (saturation).")
@click.option("--items", is_flag=True, help="Use a bench store's items, not its samples (oracle).")
@click.option("--consensus", is_flag=True, help="Judge by what all samples agree on: traffic has no answers.")
@click.option("--pets", is_flag=True, help="Fit the table of pets-online instead of a policy.")
@click.option("--patterns", is_flag=True, help="PETS: five buckets for open answers, not two.")
@click.option("--average", type=float, default=16, show_default=True, help="PETS: mean samples.")
@click.option("--seed", type=int, default=0, show_default=True)
@output.common
def fit(
    source: str,
    out: Path,
    strategies: tuple[str, ...],
    limits: tuple[float, ...],
    unit: Any,
    difficulty: Any,
    spend: Any,
    bins: int,
    pilot: int,
    repeats: int,
    epsilon: float | None,
    items: bool,
    consensus: bool,
    pets: bool,
    patterns: bool,
    average: float,
    seed: int,
    as_json: bool,
) -> None:
    """Fit a policy to SAMPLES: a file of recorded samples, a bench store, or a replay: model.

    Every candidate is replayed behind the same pilot and judged on questions it was not chosen on.
    """
    from ...core import UsageError
    from ...planner import evidence, fitting
    from ...planner.consensus import agreed

    for name, value in (("bins", bins), ("pilot", pilot), ("repeats", repeats)):
        if value < 1:
            raise UsageError(f"--{name} {value}", fix="give at least 1")
    if pets:
        _fit_pets(_recording(source), out, average, patterns=patterns, as_json=as_json)
        return
    if items and consensus:
        raise UsageError("--consensus takes samples, and --items leaves them out", fix="give one of the two")
    if items:
        found = evidence.from_results(source)
    else:
        recording = _recording(source)
        if consensus:
            (pool,) = recording.pools
            recording = replace(recording, pools=[agreed(pool)])
        candidates = strategies or _candidates(recording, pilot)
        found = evidence.replayed(
            recording, candidates, pilot=pilot, kind=difficulty, repeats=repeats, seed=seed
        )
    policy = fitting.fit_policy(
        found,
        limits or _limits(found, unit),
        kind=difficulty,
        bins=bins,
        unit=unit,
        epsilon=fitting.EPSILON if epsilon is None else epsilon,
        spend=spend,
    )
    policy.save(out)
    _show(policy, as_json=as_json)
    click.echo(f"wrote {out}", err=True)


@plan.command(short_help="Show a policy.")
@click.argument("path", metavar="POLICY", type=click.Path(path_type=Path))
@click.option("--larger", type=float, help="A model so many times as large: what is it worth?")
@click.option(
    "--ratio",
    type=float,
    default=1.0,
    show_default=True,
    help="With --larger: inference tokens over pre-training tokens, over the models' lives.",
)
@output.common
def show(path: Path, larger: float | None, ratio: float, as_json: bool) -> None:
    """Show what POLICY runs for which difficulty, how well it did, and where samples saturate."""
    from ...planner import Policy, inference_factor

    factor = None if larger is None else inference_factor(larger, ratio)
    _show(Policy.load(path), as_json=as_json, exchange=factor)


@plan.command(short_help="Follow a policy on recorded samples.")
@click.argument("path", metavar="POLICY", type=click.Path(path_type=Path))
@click.argument("source", metavar="SAMPLES")
@click.option("--budget", type=float, help="Mean cost per question; without it the policy's last.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the samples' order.")
@output.common
def apply(path: Path, source: str, budget: float | None, seed: int, as_json: bool) -> None:
    """Follow POLICY on SAMPLES: bin, strategy, answer and cost of every question.

    On the samples it was fitted on this is too good; the two-fold figures of show are not.
    """
    from ...core.verdict import outcome_is_right
    from ...methods.routing.auto import checked
    from ...planner import Policy
    from ...planner.evidence import follow_all

    recording = _recording(source)
    problems = recording.pools[0].problems
    policy = checked(Policy.load(path))
    outcomes = follow_all(recording, problems, policy, budget=budget, seed=seed)
    rows = [
        {
            "question": p.id,
            "bin": o.extra["bin"],
            "strategy": o.extra["strategy"],
            "answer": o.answer,
            "correct": outcome_is_right(p, o),
            "samples": o.usage.samples,
            "tokens": o.usage.tokens,
        }
        for p, o in zip(problems, outcomes, strict=True)
    ]
    graded = [row["correct"] for row in rows if row["correct"] is not None]
    total = {
        "questions": len(rows),
        "accuracy": sum(map(bool, graded)) / len(graded) if graded else None,
        "samples_mean": sum(row["samples"] for row in rows) / len(rows),
        "tokens_mean": sum(row["tokens"] for row in rows) / len(rows),
    }
    if as_json:
        output.emit_json({"summary": total, "rows": rows})
        return
    _table(list(rows[0]), [[_cell(v) for v in row.values()] for row in rows])
    click.echo("\n" + "  ".join(f"{name} {_cell(value)}" for name, value in total.items()))


def _fit_pets(recording: ModelSource, out: Path, average: float, *, patterns: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from ...methods.allocation.pets_table import fit_table
    from ...planner.fitting import pool_labels

    (pool,) = recording.pools
    lettered = all(p.choices or hasattr(p.rule, "letters") for p in pool.problems)
    kind: Any = "choice" if lettered else "patterns" if patterns else "open"
    answers = pool_labels(pool)
    table = fit_table(answers, average, kind=kind)
    table.save(out)
    if left_out := len(pool.problems) - len(answers):
        click.echo(f"{left_out} questions with fewer than four answers were left out", err=True)
    if as_json:
        output.emit_json(asdict(table))
        return
    rows = zip(table.share, table.budgets, strict=True)
    _table(
        ["bucket", "share", "samples"],
        [[str(i), f"{share:.3f}", str(n)] for i, (share, n) in enumerate(rows, 1)],
    )
    click.echo(f"wrote {out}; run it as pets-online(table={str(out)!r})", err=True)


def _recording(source: str) -> ModelSource:
    """The one recording meant; a file needs no scheme."""
    from ...arguments import source_of
    from ...core import UsageError
    from ..config import load

    spec = source if source.startswith("replay:") else f"replay:{source}"
    found = source_of(spec, load(), "SAMPLES")
    if not found.pools:
        raise UsageError(f"{source!r} is not a recording", fix="give a file of samples")
    return found


def _candidates(recording: ModelSource, pilot: int) -> list[str]:
    """What suits a recording: votes of growing size, early stopping, and a verifier if recorded."""
    from ...core import UsageError

    (pool,) = recording.pools
    there = pool.size()
    if there < pilot:
        raise UsageError(
            f"the recording holds {there} samples a question", fix=f"give --pilot {max(1, there)}"
        )
    left = there - pilot
    sizes = [pilot * 2**i for i in range(12) if pilot * 2**i <= there]
    totals = list(dict.fromkeys([*sizes, there]))
    found = [f"pilot(n={n})" for n in totals]
    found += [f"pilot(n={n}, sure=0.95)" for n in totals if n > pilot]
    if left >= 2:
        found += [f"ffs(n={left})", f"adaptive-consistency(max_samples={left})"]
    if left >= 6:
        found += [f"esc(window=3, max_samples={left})", f"ffs(n={left}, k={left // 2})"]
    if "reward" in pool.capabilities:
        found += [f"pilot(n={n}, select={how})" for how in ("weighted", "best") for n in totals]
    return found


def _limits(found: Evidence, unit: Any) -> list[float]:
    """What the candidates cost on average: nothing in between can make a difference."""
    means = sorted({round(float(m), 6) for m in found.cost(unit).mean(axis=1)})
    step = max(1, len(means) // 4)
    return [*means[::step], means[-1]]


def _show(policy: Policy, *, as_json: bool, exchange: float | None = None) -> None:
    if as_json:
        output.emit_json({**policy.as_dict(), "inference_factor": exchange})
        return
    console, difficulty = output.stdout(), policy.difficulty
    how = (
        "oracle difficulty: an upper bound that cannot be followed"
        if difficulty.kind == "oracle"
        else f"difficulty by {difficulty.kind} of {difficulty.pilot} pilot samples, in the cost"
    )
    console.print(f"{policy.model} · {policy.task} · {policy.questions} questions · {how}", markup=False)
    cuts = ", ".join(f"{c:.3g}" for c in difficulty.cuts)
    spent = "" if policy.spend == "bin" else ", budgets are means over all bins"
    console.print(f"bins {difficulty.bins}, easiest first, parted at {cuts or 'nothing'}{spent}\n")
    bins = [f"bin {b}" for b in range(1, difficulty.bins + 1)]
    _table(
        [policy.unit, *bins, "in sample", "two-fold", "95% CI", "cost", "best single", "two-fold", "cost"],
        [[f"{level.limit:g}", *level.strategies, *_figures(level.figures)] for level in policy.levels],
    )
    if policy.saturation:
        _print_saturation(policy.saturation)
    if exchange is not None:
        console.print(f"\nAt equal FLOPs the small model may spend {exchange:,.2f} times the inference.")


def _figures(figures: Mapping[str, Any]) -> list[str]:
    if not figures:
        return [""] * 7
    ours, single = figures["two_fold"], figures["best_single"]
    low, high = ours["accuracy_ci"]
    return [
        f"{figures['in_sample']['accuracy']:.3f}",
        f"{ours['accuracy']:.3f}",
        f"{low:.3f} – {high:.3f}",
        f"{ours['cost']:,.1f}",
        single["strategy"],
        f"{single['accuracy']:.3f}",
        f"{single['cost']:,.1f}",
    ]


def _print_saturation(figures: Mapping[str, Any]) -> None:
    console = output.stdout()
    measured = "not reached" if figures["observed"] is None else f"after {figures['observed']}"
    console.print(
        f"\nA further sample adds less than {figures['epsilon']:g} to pass@n: {measured} as measured"
    )
    for name, about in (("one_p", "one p for all"), ("spread_p", "p spread (Beta)")):
        curve = figures[name]
        fits = "fits" if curve["good_fit"] else "does NOT fit"
        beyond = ", extrapolated" if curve["extrapolated"] else ""
        console.print(
            f"  {about}: after {curve['saturates_at']}{beyond}; {fits} (rmse {curve['rmse']:.4f}, "
            f"at one sample off by {curve['first_error']:+.4f})"
        )
    console.print(f"  budgets of its own for each question: {figures['per_question_mean']:.1f} on average")


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    output.stdout().print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "right" if value else "wrong"
    return f"{value:,.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
