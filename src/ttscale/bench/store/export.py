"""A store as plain files: one row per item, or one row per trace, in JSONL or Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from ...core import TOTALS, UsageError, install_command
from .codec import dumps
from .schema import fresh_file
from .store import Store

What = Literal["items", "traces"]
_BATCH = 2_000  # rows per Parquet row group: what is in memory at a time


def export(store: Store, path: str | Path, what: What = "items") -> int:
    """Write `path`, whose ending says the format (.jsonl or .parquet); returns the rows written.

    The file appears under its name only once it is complete.

    Raises:
        UsageError: for another ending, a file that exists, or without pyarrow.
        StoreError: if the disk is full.
    """
    path = Path(path)
    writers = {".jsonl": _jsonl, ".parquet": _parquet}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"cannot export to {path.name!r}", fix="name it .jsonl or .parquet")
    if path.exists():
        raise UsageError(f"{path} exists already", fix="choose another name")
    rows = result_rows(store) if what == "items" else trace_rows(store)
    with fresh_file(path) as unfinished:
        return write(unfinished, rows)


def result_rows(store: Store) -> Iterator[dict[str, Any]]:
    """Items as flat rows; tokens as in `Usage`."""
    for cell in store.cells():
        for result in store.items(cell):
            usage = result.usage.as_dict()
            yield {
                "method": cell.method,
                "model": cell.model,
                "task": cell.task,
                "repeat": cell.repeat,
                "problem": result.problem,
                "answer": result.answer,
                "correct": result.correct,
                "stopped_by": result.stopped_by,
                "error": result.error,
                **{name: usage[name] for name in TOTALS},
                "seconds": result.seconds,
                "units": dumps(usage["units"]).decode(),
                "sequential_units": dumps(usage["sequential_units"]).decode(),
                "by_role": dumps(usage["by"]).decode(),
                "by_part": dumps(usage["parts"]).decode(),
                "extra": dumps(result.extra).decode(),
            }


def trace_rows(store: Store) -> Iterator[dict[str, Any]]:
    """Kept traces as flat rows, with what they were drawn for."""
    for cell in store.cells():
        for problem, trace in store.traces(cell):
            yield {
                "method": cell.method,
                "model": cell.model,
                "task": cell.task,
                "repeat": cell.repeat,
                "problem": problem,
                "role": trace.role,
                "part": trace.part,
                "prompt": trace.prompt_key,
                "draw": trace.index,
                "finish": trace.finish,
                "tokens": trace.tokens,
                "prompt_tokens": trace.prompt_tokens,
                "mean_logprob": trace.average_logprob,
                "reward": trace.reward,
                "answer": trace.answer,
                "text": trace.text,
                "logprobs": None if trace.logprobs is None else trace.logprobs.tolist(),
                "conf": None if trace.conf is None else trace.conf.tolist(),
                "ends": None if trace.ends is None else list(trace.ends),
                "error": None if trace.error is None else str(trace.error),
            }


def _jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(dumps(row) + b"\n")
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
    *("role", "part", "prompt", "finish", "text"),
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
