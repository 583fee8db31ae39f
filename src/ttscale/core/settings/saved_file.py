"""Values kept as versioned JSON files: policies, tables, calibration banks.

A file says its version, and may say its kind. Whatever is wrong with one is a `RecordError` that
names the file and the way to a good one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson

from ..errors import RecordError, UsageError

T = TypeVar("T")


class SavedFile(Generic[T]):
    """How one kind of value is written and read.

    Args:
        name: what a message calls it, as in "cannot read the PETS table 'x.json'".
        version: of the format; files of another are refused.
        decode: makes the value from the file's content. What it finds wrong it raises as KeyError,
            TypeError, ValueError or UsageError.
        kind: what the file's "kind" has to be; "" if its files do not say.
        fix: where a file comes from, or how to do without.
    """

    def __init__(
        self,
        name: str,
        version: int,
        decode: Callable[[Mapping[str, Any]], T],
        *,
        kind: str = "",
        fix: str = "",
    ) -> None:
        self.name, self.version, self.kind, self.fix = name, version, kind, fix
        self._decode = decode
        self._read_once = lru_cache(maxsize=64)(lambda path, changed: self.load(path))

    def head(self) -> dict[str, Any]:
        """What the content of a file begins with."""
        kind = {"kind": self.kind} if self.kind else {}
        return {**kind, "version": self.version}

    def save(self, path: str | Path, content: Mapping[str, Any]) -> None:
        """Write `content` (arrays may be numpy's) as a file of this version."""
        option = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
        data = orjson.dumps({**self.head(), **content}, option=option)
        Path(path).write_bytes(data + b"\n")

    def load(self, path: str | Path) -> T:
        """The value in a file.

        Raises:
            RecordError: if it cannot be read, or is not of this kind and version.
        """
        shown = repr(str(path))
        try:
            content = orjson.loads(Path(path).read_bytes())
        except OSError as error:
            raise RecordError(
                f"cannot read the {self.name} {shown}: {error.strerror}", fix=self.fix
            ) from None
        except ValueError as error:
            raise RecordError(f"the {self.name} {shown} is not JSON: {error}") from None
        if not isinstance(content, dict) or (self.kind and content.get("kind") != self.kind):
            raise RecordError(f"{shown} is not a {self.name}", fix=self.fix)
        if content.get("version") != self.version:
            raise RecordError(
                f"the {self.name} {shown} has version {content.get('version')}, not {self.version}",
                fix="make it again",
            )
        try:
            return self._decode(content)
        except (KeyError, TypeError, ValueError, UsageError) as error:
            raise RecordError(
                f"{shown} is not a {self.name}: {type(error).__name__} {error}", fix="make it again"
            ) from None

    def cached(self, path: str | Path) -> T:
        """The value in a file, read once as long as the file does not change.

        Raises:
            RecordError: as `load`.
        """
        try:
            changed = os.stat(path).st_mtime_ns
        except OSError:
            changed = 0
        return self._read_once(str(path), changed)
