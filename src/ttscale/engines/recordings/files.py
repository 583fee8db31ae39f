"""Files of rows as bytes: packed or not, and what their names say."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import zstandard

from ...core import RecordError

PACKED = (".gz", ".zst")
_BLOCK = 1 << 16  # bytes read at once
_FAULTS = (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError)


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
    with path.open("rb") as raw:
        file: Any = raw
        if packing == ".gz":
            file = gzip.GzipFile(fileobj=raw)
        elif packing == ".zst":
            file = io.BufferedReader(_Frames(raw))
        try:
            yield file
        except _FAULTS as error:
            raise RecordError(f"{path} cannot be unpacked ({error})", fix="pack it again") from None


class _Frames(io.RawIOBase):
    """The bytes of zstandard frames, one after the other. Unlike the package's own reader it tells
    a frame that breaks off from one that ends."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._left = b""  # unpacked, not yet taken

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            ended = self._frame.eof
            packed = (self._frame.unused_data if ended else b"") or self._raw.read(_BLOCK)
            if not packed:
                if ended:
                    return 0
                raise EOFError("it breaks off")
            if ended:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._left = self._frame.decompress(packed)
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
