"""How far a bench run is."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """How far a run is. `right` of `graded` answers are right; tokens and seconds are of this
    process, the rest counts what an interrupted run had done before. `limit` is the kind of the run's
    own limits that ended it, or ""."""

    total: int
    done: int = 0
    errors: int = 0
    graded: int = 0
    right: int = 0
    tokens: int = 0
    began: float = 0.0
    label: str = ""
    limit: str = ""

    @property
    def accuracy(self) -> float | None:
        return self.right / self.graded if self.graded else None

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / max(time.monotonic() - self.began, 1e-9)
