"""Methods that were compared, as Python and a notebook see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core import UnknownName
from .report.html import table
from .report.picture import picture
from .report.summary import Row, sections


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """What a bench found: a row for each method.

    Attributes:
        store: where the run is kept; None if nothing was asked to be kept.
    """

    rows: Sequence[Row]
    store: Path | None = None

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, method: str) -> Row:
        """The row of a method, as it was written; of the first model and task that has it.

        Raises:
            UnknownName: if it was not compared.
        """
        for row in self.rows:
            if row.method == method:
                return row
        raise UnknownName("method", method, {row.method for row in self.rows}, "comparison")

    def __repr__(self) -> str:
        parts = (
            f"{model} · {task} · {max(row.questions for row in part)} questions\n{picture(part)}"
            for (model, task), part in sections(self.rows).items()
        )
        return "\n\n".join(part.rstrip() for part in parts)

    def _repr_html_(self) -> str:
        return "".join(table(part) for part in sections(self.rows).values())
