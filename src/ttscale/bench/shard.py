"""A share of a run's questions: what one machine of several answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..core import UsageError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """The questions at every `of`-th place, from place `number` on (1 is the first)."""

    number: int
    of: int

    @classmethod
    def read(cls, written: str) -> Shard:
        """A shard from "3/8".

        Raises:
            UsageError: if it cannot be read, or the number is beyond the count.
        """
        found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", written)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise UsageError(f"shard {written!r}", fix="write it as 3/8: the third of eight")
        return cls(int(found[1]), int(found[2]))

    def part(self, questions: Sequence[T]) -> Sequence[T]:
        """Its share of the questions."""
        return questions[self.number - 1 :: self.of]
