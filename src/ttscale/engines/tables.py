"""Reading tables row by row: CSV, JSON lines and Parquet, with the place of every row."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import orjson

from ..core import RecordError, UsageError

Kind = Literal["csv", "jsonl", "parquet"]
KINDS: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PEEK = 100  # rows of a JSON lines file looked at to learn its columns


@dataclass(frozen=True, slots=True)
class Table:
    """A file of rows. `columns` are its names, in the file's order."""

    path: Path
    kind: Kind
    columns: tuple[str, ...]

    def rows(self, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """(line, values of the wanted columns) per row; a Parquet row's line is its number.

        Values of a CSV are texts, "" where nothing stands; elsewhere None is nothing.

        Raises:
            RecordError: for a row that cannot be read.
        """
        if self.kind == "csv":
            return self._csv([self.columns.index(name) for name in wanted])
        if self.kind == "jsonl":
            return self._jsonl(wanted)
        return self._parquet(list(wanted))

    def _csv(self, wanted: Sequence[int]) -> Iterator[tuple[int, Sequence[Any]]]:
        width = len(self.columns)
        with _open(self.path) as file:
            reader = _reader(self.path, file)
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

    def _jsonl(self, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        for line, row in _objects(self.path):
            yield line, [row.get(name) for name in wanted]

    def _parquet(self, wanted: list[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        number = 0
        for batch in _parquet(self.path).iter_batches(batch_size=4096, columns=wanted):
            columns = [batch.column(name).to_pylist() for name in wanted]
            for values in zip(*columns):
                number += 1
                yield number, values


def open_table(path: str | Path) -> Table:
    """The table in a file, of the kind that its name ends with.

    Raises:
        UsageError: if there is no such file, or its kind is not known.
        RecordError: if it is empty or is not what its name says.
    """
    path = Path(path)
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise UsageError(
            f"{path} is of no known kind", fix=f"use a file ending in {', '.join(KINDS)}"
        )
    if not path.is_file():
        raise UsageError(f"there is no file {path}", fix="check the path")
    names = {"csv": _csv_names, "jsonl": _jsonl_names, "parquet": _parquet_names}[kind](path)
    if not names:
        raise RecordError(f"{path} is empty", fix="give a file with a row per sample or question")
    return Table(path, kind, names)


def _csv_names(path: Path) -> tuple[str, ...]:
    with _open(path) as file:
        try:
            names = tuple(name.strip() for name in next(_reader(path, file), []))
        except csv.Error as error:
            raise RecordError(f"{path}, line 1: {error}", fix="save it as CSV in UTF-8") from None
        except UnicodeDecodeError:
            raise _no_text(path) from None
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RecordError(f"{path}, line 1: two columns are named {twice!r}", fix="rename one")
    return names


def _no_text(path: Path) -> RecordError:
    """Which line is not UTF-8: the file is decoded in blocks, so the reader's own line is another."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                byte = f"byte 0x{line[error.start]:02x}"
                return RecordError(
                    f"{path}, line {number}: {byte} is no UTF-8", fix="save the file in UTF-8"
                )
    return RecordError(f"{path} is no UTF-8", fix="save the file in UTF-8")


def _jsonl_names(path: Path) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for _, row in islice(_objects(path), _PEEK):
        names.update(dict.fromkeys(row))
    return tuple(names)


def _parquet_names(path: Path) -> tuple[str, ...]:
    file = _parquet(path)
    return tuple(file.schema_arrow.names) if file.metadata.num_rows else ()


def _open(path: Path) -> Any:
    return path.open(encoding="utf-8-sig", newline="", errors="strict")


def _reader(path: Path, file: Any) -> Any:
    csv.field_size_limit(1 << 27)  # a long reasoning text is one field
    return csv.reader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file, one a line; blank lines are passed over."""
    with path.open("rb") as file:
        for line, raw in enumerate(file, 1):
            if raw.isspace():
                continue
            try:
                row = orjson.loads(raw)
            except orjson.JSONDecodeError as error:
                raise RecordError(
                    f"{path}, line {line}: no valid JSON ({error.msg} at column {error.colno})",
                    fix="write one JSON object a line",
                ) from None
            if not isinstance(row, dict):
                raise RecordError(
                    f"{path}, line {line}: {type(row).__name__} where an object should be",
                    fix="write one JSON object a line",
                )
            yield line, row


def _parquet(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            f"reading {path} needs pyarrow", fix="pip install 'ttscale[parquet]'"
        ) from None
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RecordError(f"{path} is no Parquet file: {reason}", fix="check the file") from None
