"""`ttscale bench tasks`: the kinds of tasks there are, with an example each."""

from __future__ import annotations

import click

from ... import output

KINDS = (
    ("questions.jsonl", "a file of questions: CSV, JSON lines, JSON or Parquet"),
    ("questions.csv?question=prompt&rule=text", "the same, with columns and rule named"),
    ("questions.jsonl?rule=scorers.py:close", "the same, graded by a function of your own"),
    ("lab:arith?level=3&seed=1", "the bundled world: arith, word or search, levels 1 to 5"),
    ("rg:chain_sum?min_terms=4", "a generator of reasoning-gym (extra tasks)"),
    ("hf:OWNER/NAME?config=main&split=test&question=problem", "any data set of the hub (extra hf)"),
    ("hf:gsm8k?file=gsm8k.jsonl", "a published benchmark from a local copy"),
)


@click.command(short_help="List the kinds of tasks.")
@output.common
def tasks(as_json: bool) -> None:
    """List the kinds of tasks that --task takes, with an example each; see docs/tasks.md."""
    from ....bench.tasks.published import PUBLISHED

    found = [{"example": example, "about": about} for example, about in KINDS]
    for name, source in PUBLISHED.items():
        found.append({"example": f"hf:{name}", "about": f"{source.dataset}, {source.split}"})
    if as_json:
        output.emit_json(found)
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", no_wrap=True)
    table.add_column("what it is")
    for one in found:
        table.add_row(escape(one["example"]), escape(one["about"]))
    output.stdout().print(table)
