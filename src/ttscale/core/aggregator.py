"""What puts samples together: the seam at which regions, tournaments and clusters stand beside votes."""

from __future__ import annotations

from typing import Protocol

from .trace import Trace


class Aggregator(Protocol):
    """Takes samples one by one and names the one that speaks for them all. `Votes` is one."""

    def add(self, trace: Trace, weight: float = 1.0) -> object:
        """Count a sample. One that gives nothing to count abstains, and the result is None."""
        ...

    def winner(self) -> Trace | None:
        """The sample that speaks for all; None if none was counted."""
        ...
