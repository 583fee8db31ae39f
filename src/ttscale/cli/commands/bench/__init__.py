"""`ttscale bench`: methods x models x tasks under equal budgets, kept in one file."""

from __future__ import annotations

import click

from .results import compare, export, list_stores, merge, report
from .run import quick, resume, run
from .tasks import tasks

EXAMPLES = """
\b
Examples:
  ttscale bench run --model replay:samples.csv -m simple -m "sc(n=8)" -m "ffs(n=8, k=4)"
  ttscale bench run --model smollm2-135m --task rg:chain_sum -n 20 -m simple -m "sc(n=4)"
  ttscale bench quick --model openai:MODEL@http://localhost:8000/v1
  ttscale bench resume runs/mine.db
  ttscale bench report runs/mine.db --html mine.html
  ttscale bench compare runs/before.db runs/after.db --fail-if-worse
  ttscale bench export runs/mine.db mine.parquet
"""


@click.group(epilog=EXAMPLES)
def bench() -> None:
    """Compare methods on tasks under equal budgets.

    A run is one file: it can be killed and resumed, reported, exported, and replayed as a model
    (--model replay:FILE).
    """


for command in (run, quick, resume, report, compare, list_stores, merge, export, tasks):
    bench.add_command(command)
