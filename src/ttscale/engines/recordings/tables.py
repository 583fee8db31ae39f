"""Reading tables row by row: CSV, JSON lines, JSON and Parquet, with the place of every row.

A value inside another is a column of its own: {"doc": {"answer": 5}} has the column `doc.answer`,
and {"choices": [{"text": "A"}]} has `choices.0.text`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import orjson

from ...core import RecordError, UsageError, install_command
from .files import PACKED, ending, unpacked

Kind = Literal["csv", "jsonl", "json", "parquet"]
Row = Mapping[str, Any]
KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
SEPARATORS = ",;\t|"
_PEEK = 100  # rows of a JSON file looked at to learn its columns
_DEPTH = 4  # of values inside values that count as columns


@dataclass(frozen=True, slots=True)
class Table:
    """A file of rows. `columns` are its names, in the file's order; `separator` is a CSV's."""

    path: Path
    kind: Kind
    columns: tuple[str, ...]
    separator: str = ","

    def rows(self, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """(line, values of the wanted columns) per row; a row of a Parquet or JSON file has its
        number for a line.

        Values of a CSV are texts, "" where nothing stands; elsewhere None is nothing.

        Raises:
            RecordError: for a row that cannot be read.
        """
        if self.kind == "csv":
            return self._csv([self.columns.index(name) for name in wanted])
        if self.kind == "parquet":
            return self._parquet(list(wanted))
        return self._objects([_parts(name) for name in wanted])

    def _csv(self, wanted: Sequence[int]) -> Iterator[tuple[int, Sequence[Any]]]:
        width = len(self.columns)
        with _text(self.path) as file:
            reader = _reader(file, self.separator)
            try:
                next(reader)
                for row in reader:
                    if len(row) == width:
                        yield reader.line_num, [row[i] for i in wanted]
                    elif row:
                        raise RecordError(
                            f"{self.path}, line {reader.line_num}: {len(row)} values, but the "
                            f"header names {width} columns",
                            fix="correct the line, or quote values that contain the separator",
                        )
            except csv.Error as error:
                raise RecordError(
                    f"{self.path}, after line {reader.line_num}: {error}",
                    fix="correct the line, or quote values that contain the separator",
                ) from None
            except UnicodeDecodeError:
                raise _no_text(self.path) from None

    def _objects(self, wanted: Sequence[Sequence[str]]) -> Iterator[tuple[int, Sequence[Any]]]:
        for line, row in _objects(self.path, self.kind):
            yield line, [_reach(row, parts) for parts in wanted]

    def _parquet(self, wanted: list[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        number = 0
        file = _parquet(self.path)
        there = set(file.schema_arrow.names)
        outer = {n: n if n in there else n.partition(".")[0] for n in wanted}
        for batch in file.iter_batches(batch_size=4096, columns=list(dict.fromkeys(outer.values()))):
            columns = []
            for name in wanted:
                values = batch.column(outer[name]).to_pylist()
                if outer[name] != name:
                    inside = _parts(name.partition(".")[2])
                    values = [_reach(value, inside) for value in values]
                columns.append(values)
            for values in zip(*columns):
                number += 1
                yield number, values


def open_table(path: str | Path) -> Table:
    """The table in a file, of the kind that its name ends with; `.gz` and `.zst` are unpacked.

    Raises:
        UsageError: if there is no such file, or its kind is not known.
        RecordError: if it is empty or is not what its name says.
    """
    path = Path(path)
    kind = KINDS.get(ending(path))
    if kind is None:
        raise UsageError(
            f"{path} is of no known kind",
            fix=f"use a file ending in {', '.join(KINDS)}, plain or packed ({', '.join(PACKED)})",
        )
    if not path.is_file():
        raise UsageError(f"there is no file {path}", fix="check the path")
    separator = ","
    if kind == "csv":
        names, separator = _csv_names(path)
    elif kind == "parquet":
        names = _parquet_names(path)
    else:
        names = _json_names(path, kind)
    if not names:
        raise RecordError(f"{path} is empty", fix="give a file with a row per sample or question")
    return Table(path, kind, names, separator)


# -- CSV


def _csv_names(path: Path) -> tuple[tuple[str, ...], str]:
    try:
        separator = "\t" if ending(path) == ".tsv" else _separator(path)
        with _text(path) as file:
            names = tuple(name.strip() for name in next(_reader(file, separator), []))
    except csv.Error as error:
        raise RecordError(f"{path}, line 1: {error}", fix="save it as CSV in UTF-8") from None
    except UnicodeDecodeError:
        raise _no_text(path) from None
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordError(f"{path}, line 1: two columns are named {twice!r}", fix="rename one")
    return names, separator


def _separator(path: Path) -> str:
    """What separates the names of a header: whatever gives the most of them."""
    with _text(path) as file:
        header = file.readline()
    return max(SEPARATORS, key=lambda separator: len(next(_reader([header], separator), [])))


def _no_text(path: Path) -> RecordError:
    """Which line is not UTF-8: the file is decoded in blocks, so the reader's own line is another."""
    with unpacked(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                byte = f"byte 0x{line[error.start]:02x}"
                return RecordError(
                    f"{path}, line {number}: {byte} is not UTF-8", fix="save the file in UTF-8"
                )
    return RecordError(f"{path} is not UTF-8", fix="save the file in UTF-8")


@contextmanager
def _text(path: Path) -> Iterator[io.TextIOWrapper]:
    with unpacked(path) as file:
        yield io.TextIOWrapper(file, encoding="utf-8-sig", newline="", errors="strict")


def _reader(file: Any, separator: str) -> Any:
    csv.field_size_limit(1 << 27)  # a long reasoning text is one field
    return csv.reader(file, delimiter=separator, strict=True)


# -- JSON


def _json_names(path: Path, kind: Kind) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for _, row in islice(_objects(path, kind), _PEEK):
        names.update(dict.fromkeys(_names(row)))
    return tuple(sorted(names, key=lambda name: "." in name))


def _names(value: Any, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """The columns of a row: its names, and those of what is inside of them."""
    if depth == _DEPTH:
        return
    if isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        inside = {"0": value[0]}.items()
    else:
        return
    for name, inner in inside:
        yield f"{prefix}{name}"
        yield from _names(inner, f"{prefix}{name}.", depth + 1)


def _parts(name: str) -> tuple[str, ...]:
    """A column's name, and the steps to it from the outermost value."""
    return (name, *name.split("."))


def _reach(value: Any, parts: Sequence[str]) -> Any:
    """The value under a name, or inside another; None if there is none."""
    whole, *steps = parts
    if isinstance(value, Mapping) and whole in value:
        return value[whole]
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, Sequence) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _objects(path: Path, kind: Kind) -> Iterator[tuple[int, Row]]:
    """The JSON objects of a file: one a line, or those of one document."""
    if kind == "json":
        with unpacked(path) as file:
            document = _document(file.read())
        if document is not None:
            yield from enumerate(document, 1)
            return
    with unpacked(path) as file:
        for line, raw in enumerate(file, 1):
            if line == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if not raw or raw.isspace():
                continue
            try:
                row = _loads(raw)
            except json.JSONDecodeError as error:
                raise RecordError(
                    f"{path}, line {line}: not valid JSON ({error.msg} at column {error.colno})",
                    fix="write one JSON object a line",
                ) from None
            if not isinstance(row, dict):
                raise RecordError(
                    f"{path}, line {line}: {type(row).__name__} where an object should be",
                    fix="write one JSON object a line",
                )
            yield line, row


def _document(data: bytes) -> list[Row] | None:
    """The rows of a file that is one JSON value: a list of them, or a log that holds such a list
    (under `samples`, or per question under `eval`); None if it holds a row a line."""
    try:
        value = _loads(data.removeprefix(b"\xef\xbb\xbf"))
    except json.JSONDecodeError:
        return None
    if isinstance(value, dict):
        inner = value.get("samples")
        if inner is None and isinstance(value.get("eval"), dict):
            lists = [v for v in value["eval"].values() if isinstance(v, list)]
            inner = [row for rows in lists for row in rows]
        value = inner if inner else [value]
    rows: list[Row]
    rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
    return rows or None


def _loads(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data)  # knows NaN, as Python and pandas write what is missing


# -- Parquet


def _parquet_names(path: Path) -> tuple[str, ...]:
    file = _parquet(path)
    if not file.metadata.num_rows:
        return ()
    schema = file.schema_arrow
    return (
        *schema.names,
        *(name for field in schema for name in _parquet_inner(field.type, f"{field.name}.")),
    )


def _parquet_inner(kind: Any, prefix: str, depth: int = 1) -> Iterator[str]:
    import pyarrow.types as types

    if depth == _DEPTH:
        return
    if types.is_struct(kind):
        for i in range(kind.num_fields):
            yield f"{prefix}{kind.field(i).name}"
            yield from _parquet_inner(kind.field(i).type, f"{prefix}{kind.field(i).name}.", depth + 1)
    elif types.is_list(kind) and types.is_struct(kind.value_type):
        yield from _parquet_inner(kind.value_type, f"{prefix}0.", depth + 1)


def _parquet(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(f"reading {path} needs pyarrow", fix=install_command("parquet")) from None
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RecordError(f"{path} is not a Parquet file: {reason}", fix="check the file") from None
