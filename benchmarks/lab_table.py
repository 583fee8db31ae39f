"""What the lab report measures, as rows: printed as Markdown, kept as JSON."""

import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HEAD = "| measure | value | 95% interval | target | holds |\n|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure with its 95% interval, NaN where there is none.

    `of`: the row that it is a part of, such as one family of it. `holds`: whether the target does,
    None without one.
    """

    what: str
    value: float
    low: float = math.nan
    high: float = math.nan
    target: str = ""
    holds: bool | None = None
    of: str = ""

    @property
    def key(self) -> str:
        """The name that no other row of its table has."""
        return f"{self.of}: {self.what}" if self.of else self.what

    @property
    def span(self) -> str:
        return "" if math.isnan(self.low) else f"{shown(self.low)} to {shown(self.high)}"

    def __str__(self) -> str:
        indented = "&nbsp;&nbsp;" * bool(self.of) + self.what
        verdict = {None: "", True: "yes", False: "**no**"}[self.holds]
        return f"| {indented} | {shown(self.value)} | {self.span} | {self.target} | {verdict} |"


def shown(x: float) -> str:
    if math.isnan(x):
        return "unknown"
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


class Table:
    """Rows in the order in which they were measured; each is shown at once."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def add(
        self,
        what: str,
        value: float,
        low: float = math.nan,
        high: float = math.nan,
        target: str = "",
        holds: bool | None = None,
        *,
        of: str = "",
    ) -> None:
        """ValueError for a name that is there already."""
        row = Row(what, value, low, high, target, holds, of)
        if row.key in self.rows:
            raise ValueError(f"two rows are called {row.key!r}")
        self.rows[row.key] = row
        print(row, file=sys.stderr, flush=True)

    def __str__(self) -> str:
        return "\n".join([HEAD, *map(str, self.rows.values())])


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the report: its rows by key, on how many problems a level and family, drawn by which seed."""

    rows: dict[str, Row]
    problems: int
    seed: int

    def __str__(self) -> str:
        lines = "\n".join(map(str, self.rows.values()))
        return f"{HEAD}\n{lines}\n\n{self.problems} problems per family and level, seed {self.seed}."


def read(path: Path) -> dict[str, Part]:
    """The parts that `keep` left in a file, by name; none where there is no file."""
    if not path.exists():
        return {}
    return {name: _part(**kept) for name, kept in json.loads(path.read_text()).items()}


def _part(rows: list[dict[str, Any]], problems: int, seed: int) -> Part:
    made = [Row(**{k: math.nan if v is None and k != "holds" else v for k, v in row.items()}) for row in rows]
    return Part({row.key: row for row in made}, problems, seed)


def keep(path: Path, name: str, part: Part) -> None:
    """Put a part into the file, in place of an earlier one of its name; the others stay. NaN is null."""
    parts = read(path) | {name: part}
    text = json.dumps(
        {
            name: {"rows": [_plain(r) for r in p.rows.values()], "problems": p.problems, "seed": p.seed}
            for name, p in parts.items()
        },
        indent=1,
        allow_nan=False,
    )
    path.write_text(text + "\n")


def _plain(row: Row) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(row).items()}
