"""The rows of a report as a table for a spreadsheet (CSV) or a paper (LaTeX)."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..store.codec import dumps
from ..store.schema import fresh_file
from .summary import Row, sections
from .table import count, number, share

_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "·": r"$\cdot$",
}


def write_csv(path: Path, found: Sequence[Row]) -> None:
    """One line a row, every figure a column; what is not known is empty.

    Raises:
        StoreError: if the disk is full.
    """
    lines = [flat(row) for row in found]
    with fresh_file(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        names = list(lines[0]) if lines else ["method", "model", "task"]
        out = csv.DictWriter(file, names)
        out.writeheader()
        out.writerows(lines)


def flat(row: Row) -> dict[str, Any]:
    """A row without anything inside anything: an interval is two columns, a mapping is JSON."""
    values: dict[str, Any] = {}
    for name, value in row.as_dict().items():
        if name == "accuracy_ci":
            low, high = value or (None, None)
            values |= {"accuracy_low": low, "accuracy_high": high}
        elif name == "difference":
            gap: Mapping[str, Any] = value or {}
            values |= {"difference": gap.get("value")}
            values |= {f"difference_{key}": gap.get(key) for key in ("low", "high", "p", "questions")}
        else:
            values[name] = dumps(value).decode() if isinstance(value, dict) else value
    return values


def write_latex(path: Path, found: Sequence[Row]) -> None:
    """A table (package booktabs) for every model and task.

    Raises:
        StoreError: if the disk is full.
    """
    with fresh_file(path) as unfinished:
        unfinished.write_text(latex(found), encoding="utf-8")


def latex(found: Sequence[Row]) -> str:
    """The tables: accuracy with its interval, the difference to the first method, tokens, money."""
    made = ["% needs \\usepackage{booktabs}"]
    for (model, task), part in sections(found).items():
        priced = any(row.cost_mean is not None for row in part)
        headings = [
            "method",
            "accuracy",
            r"95\% CI",
            f"vs {_escaped(part[0].method)}",
            "tokens",
            "sequential",
        ]
        lines = [_line([*headings, *(["cost"] if priced else [])])]
        for row in part:
            low, high = row.accuracy_ci or (None, None)
            gap = row.difference
            star = "$^*$" if gap is not None and gap.clear else ""
            cells = [
                _escaped(row.method),
                share(row.accuracy),
                "–" if low is None else f"[{share(low)}, {share(high)}]",
                "–" if gap is None else f"${gap.value:+.3f}${star}",
                count(row.tokens_mean),
                count(row.sequential_tokens_mean),
                *([number(row.cost_mean, 6)] if priced else []),
            ]
            lines.append(_line([cell.replace("–", "--") for cell in cells]))
        questions = max(row.questions for row in part)
        made += [
            r"\begin{table}\centering",
            rf"\caption{{{_escaped(model)}, {_escaped(task)}: {questions} questions. "
            r"$^*$ the 95\% interval of the paired difference leaves out zero.}",
            rf"\begin{{tabular}}{{l{'r' * (len(headings) - 1 + priced)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(made) + "\n"


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in text)
