"""Files of rows as bytes: packed or not, and what their names say."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from ...core import RecordError

PACKED = (".gz", ".zst")
_FAULTS: tuple[type[Exception], ...] = (EOFError, gzip.BadGzipFile, zlib.error)


def ending(path: Path) -> str:
    """What kind of rows a name promises, `.jsonl` of "a.jsonl.gz"."""
    inner = Path(path.stem) if path.suffix.lower() in PACKED else path
    return inner.suffix.lower()


def bare_name(path: Path) -> str:
    """The name without its endings, "a" of "a.jsonl.gz"."""
    return Path(path.stem).stem if path.suffix.lower() in PACKED else path.stem


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked on the way if its name ends in .gz or .zst.

    Raises:
        RecordError: if it is not packed as its name says, or breaks off.
    """
    packing = path.suffix.lower()
    faults = _FAULTS
    with path.open("rb") as raw:
        file: Any = raw
        if packing == ".gz":
            file = gzip.GzipFile(fileobj=raw)
        elif packing == ".zst":
            import zstandard

            frames = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            file = io.BufferedReader(cast(io.RawIOBase, frames))
            faults = (*_FAULTS, zstandard.ZstdError)
        try:
            yield file
        except faults as error:
            raise RecordError(f"{path} cannot be unpacked ({error})", fix="pack it again") from None
