"""Limits on what may be spent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from ..errors import UsageError
from ..settings.declared import Above, check_fields, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one scope; None means no limit.

    A budget ends runs, never texts: what is in flight when it ends is stopped and abstains, and the
    best answer so far comes back, marked with the limit that ended it.

    Attributes:
        tokens: generated tokens of all roles, cancelled ones included.
        sequential: tokens of the longest dependent chain.
        samples: samples requested.
        seconds: wall time; in token time, ticks at the engine's rate.
        cost: money, in the currency of the prices.
        units: other named amounts (network evaluations, tool calls).
    """

    tokens: Annotated[int, Above(0)] | None = None
    sequential: Annotated[int, Above(0)] | None = None
    samples: Annotated[int, Above(0)] | None = None
    seconds: Annotated[float, Above(0)] | None = None
    cost: Annotated[float, Above(0)] | None = None
    units: dict[str, Annotated[float, Above(0)]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self, "budget")
        for unit in self.units:
            if unit in KINDS:
                raise UsageError(f"budget units: {unit!r} is a kind of its own", fix=f"{unit}=...")

    @classmethod
    def of(cls, limits: Mapping[str, Any]) -> Budget:
        """A budget from a mapping; unknown kinds are an error naming the nearest."""
        return read(cls, limits, "budget", entry="kind")

    def limit(self, kind: str) -> float | None:
        """The limit of a kind or named unit; None if there is none."""
        limit: float | None = getattr(self, kind) if kind in KINDS else self.units.get(kind)
        return limit

    def given(self) -> dict[str, Any]:
        """The limits that are set."""
        set_ = {kind: v for kind in KINDS if (v := getattr(self, kind)) is not None}
        return {**set_, "units": self.units} if self.units else set_


KINDS = ("tokens", "sequential", "samples", "seconds", "cost")
