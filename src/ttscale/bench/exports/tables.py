"""A store as plain files: one row per item, or one row per trace, in JSONL, CSV or Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ...core import UsageError, install_command
from ..store.codec import dumps
from ..store.schema import fresh_file
from ..store.store import Store
from .rows import result_rows, trace_rows

What = Literal["items", "traces"]
_BATCH = 2_000  # rows per Parquet row group: what is in memory at a time


def export(store: Store, path: str | Path, what: What = "items") -> int:
    """Write `path`, whose ending says the format (.jsonl, .csv or .parquet); returns the rows written.

    The file appears under its name only once it is complete.

    Raises:
        UsageError: for another ending, a file that exists, or without pyarrow.
        StoreError: if the disk is full.
    """
    path = Path(path)
    writers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"cannot export to {path.name!r}", fix="name it .jsonl, .csv or .parquet")
    if path.exists():
        raise UsageError(f"{path} exists already", fix="choose another name")
    rows = result_rows(store) if what == "items" else trace_rows(store)
    with fresh_file(path) as unfinished:
        return write(unfinished, rows)


def _jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(dumps(row) + b"\n")
            count += 1
    return count


def _csv(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        for row in rows:
            if not count:
                out.writerow(row)
            out.writerow(dumps(v).decode() if isinstance(v, list) else v for v in row.values())
            count += 1
    return count


def _parquet(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise UsageError(
            "Parquet needs pyarrow", fix=f"{install_command('parquet')}, or export to .jsonl"
        ) from None
    rows = iter(rows)
    batch = list(islice(rows, _BATCH))
    if not batch:
        raise UsageError("there is nothing to export", fix="check that the run kept what you want")
    count = 0
    schema = pa.schema([(name, _arrow_type(pa, name)) for name in batch[0]])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
            batch = list(islice(rows, _BATCH))
    return count


_TEXTS = {
    *("method", "model", "task", "problem", "answer", "stopped_by", "error", "extra"),
    *("units", "sequential_units", "by_role", "by_part"),
    *("role", "part", "prompt", "finish", "text", "question", "gold", "golds"),
}
_NUMBERS = {"seconds", "cost", "mean_logprob", "reward"}


def _arrow_type(pa: Any, name: str) -> Any:
    """Declared, not guessed: the first rows may hold nothing but None."""
    if name in _TEXTS:
        return pa.string()
    if name in _NUMBERS:
        return pa.float64()
    if name == "correct":
        return pa.bool_()
    if name in ("logprobs", "conf"):
        return pa.list_(pa.float32())
    if name == "ends":
        return pa.list_(pa.int32())
    return pa.int64()
