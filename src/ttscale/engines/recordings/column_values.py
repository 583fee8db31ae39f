"""What the values of a column look like: for names that are used in several senses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from . import parse
from .parse import blank
from .tables import Table

LOOKED_AT = 1000  # rows
_PROSE = 80  # characters: what is longer is not a parsed answer


class ColumnValues:
    """The values of a table's first rows, by column; of those that have the values `where` asks
    for, as far as it names columns."""

    def __init__(self, table: Table, where: Mapping[str, str] | None = None) -> None:
        rows = (dict(zip(table.columns, values)) for _, values in table.rows(table.columns))
        tests = [(name, v) for name, v in (where or {}).items() if name in table.columns]
        kept = (row for row in rows if all(parse.text(row[name]) == v for name, v in tests))
        self._rows = list(islice(kept, LOOKED_AT))

    def of(self, column: str) -> list[Any]:
        """Those that are there."""
        return [row[column] for row in self._rows if not blank(row[column])]

    def distinct(self, column: str) -> int:
        return len({str(value) for value in self.of(column)})

    def identifies_rows(self, column: str) -> bool:
        """Whether every row has a value of its own."""
        return self.distinct(column) == len(self._rows) > 1

    def varies(self, column: str, question: str | None) -> bool | None:
        """Whether a column tells samples of one question apart; None if no question has two."""
        seen: dict[str, list[str]] = {}
        for row in self._rows:
            if question is not None and not blank(row[column]):
                seen.setdefault(str(row[question]), []).append(str(row[column]))
        several = [values for values in seen.values() if len(values) > 1]
        return any(len(set(values)) > 1 for values in several) if several else None

    def is_inside(self, column: str, text: str) -> bool:
        """Whether each value occurs in the text of its row, as what was read from it would."""
        return all(
            str(row[column]).strip() in str(row[text])
            for row in self._rows
            if not blank(row[column]) and not blank(row[text])
        )

    def are_texts(self, column: str) -> bool:
        """Whether a column holds texts, or lists of them."""
        return all(isinstance(parse.inner(value), str) for value in self.of(column))

    def are_answers(self, column: str) -> bool:
        """Whether a column holds texts, numbers or truth values, or lists of texts."""
        return all(isinstance(parse.inner(v), str | int | float) for v in self.of(column))

    def are_verdicts(self, column: str) -> bool:
        values = self.of(column)
        return bool(values) and all(_reads(parse.verdict, value) for value in values)

    def are_numbers(self, column: str) -> bool:
        """Whether a column holds numbers, or lists of them."""
        return all(
            _reads(parse.real, one)
            for value in self.of(column)
            for one in (value if isinstance(value, list) else [value])
        )

    def are_prose(self, column: str) -> bool:
        """Whether most values are whole replies rather than answers read from one."""
        values = [str(value) for value in self.of(column)]
        long = sum(len(v) > _PROSE or "\\boxed" in v or "\n" in v.strip() for v in values)
        return 2 * long > len(values)

    def are_worked(self, column: str) -> bool:
        """Whether most values end in a marked answer, as the solutions of GSM8K do."""
        values = self.of(column)
        return bool(values) and 2 * sum("#### " in str(value) for value in values) > len(values)


def _reads(read: Callable[[Any], Any], value: Any) -> bool:
    try:
        read(value)
    except (ValueError, TypeError, OverflowError):
        return False
    return True
