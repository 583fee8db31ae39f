"""`ttscale metrics`: figures of merit of a bench store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from .. import output

EXAMPLES = """
\b
Examples:
  ttscale metrics --from runs/mine.db
  ttscale metrics --from runs/mine.db --config Qwen3-0.6B/config.json --watts 15 --json
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--from", "path", required=True, metavar="STORE", type=click.Path(path_type=Path), help="A bench store."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The model's config.json: adds eFLOPs, compute and memory traffic in one unit.",
)
@click.option(
    "--watts",
    type=float,
    help="Declared power while answering: adds an estimate of watt-hours from the items' seconds, "
    "which for recorded samples are an assumed rate.",
)
@output.common
def metrics(path: Path, config: Path | None, watts: float | None, as_json: bool) -> None:
    """Show figures of merit of a bench.

    pass@k and cons@k of its samples, E3 and cost-of-pass of its methods, ARISE, Scaling and
    Performance of methods at several values of their knob.
    """
    from ...bench.report.figures_of_merit import figures_of_merit
    from ...metrics.cost.model_sizes import Shape

    found = figures_of_merit(path, shape=None if config is None else Shape.read(config), watts=watts)
    if as_json:
        output.emit_json({"store": path, "sections": found})
        return
    console = output.stdout()
    for part in found:
        console.print(f"[bold]{part['model']} · {part['task']}[/]", highlight=False)
        if part["samples"]:
            _samples(part["samples"])
        names = {
            "method": "method",
            "accuracy": "accuracy",
            "e3": "E3",
            "tokens_mean": "tokens",
            "tokens_per_right": "tokens per right",
            "tokens_per_right_ci": "95% CI",
            "cost_of_pass": "cost-of-pass",
            "repaired_per_turn": "repaired a turn",
            "lost_per_turn": "lost a turn",
            "errors": "errors",
            "eflops_mean": "eFLOPs",
            "wh_mean_estimate": "Wh (estimate)",
            "wh_per_right_estimate": "Wh per right",
        }
        _table([{**m, "errors": m["errors"] or None} for m in part["methods"]], names)
        names = {
            "curve": "curve",
            "levels": "levels",
            "arise": "ARISE",
            "scaling": "scaling",
            "performance": "performance",
            "gained": "gained",
            "lost": "lost",
            "mixed": "mixed",
        }
        if part["curves"]:
            _table([{**c, **c.get("flows", {}), "levels": len(c["levels"])} for c in part["curves"]], names)


def _samples(figures: Mapping[str, Any]) -> None:
    ks = list(figures["pass_at_k"])
    shown = [("pass@k", "pass_at_k"), ("cons@k", "cons_at_k")]
    if len(set(figures["questions_at_k"].values())) > 1:  # some have fewer samples
        shown.append(("questions", "questions_at_k"))
    rows = [{"": name, **{str(k): figures[key][k] for k in ks}} for name, key in shown]
    failed = f", {figures['errors']} failed samples apart" if figures["errors"] else ""
    _table(rows, {"": f"{figures['questions']} questions{failed}, k =", **{str(k): str(k) for k in ks}})


def _table(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    """The named columns that have anything to show."""
    from rich.markup import escape
    from rich.table import Table

    shown = [key for key in names if any(row.get(key) is not None for row in rows)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in shown:
        table.add_column(names[key], justify="left" if key == shown[0] else "right")
    for row in rows:
        table.add_row(*(escape(_cell(row.get(key))) for key in shown))
    output.stdout().print(table)
    output.stdout().print()


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, tuple):
        return " – ".join(_cell(v) for v in value)
    if isinstance(value, float):
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.4g}"
    return str(value)
