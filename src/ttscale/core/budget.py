"""Limits on what may be spent."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from .errors import UnknownName, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one scope; None is no limit.

    A budget ends runs, never texts: what is in flight when it ends is stopped and abstains, and the
    best answer so far comes back, marked with the limit that ended it.

    Attributes:
        tokens: generated tokens of all roles, cancelled ones included.
        sequential: tokens of the longest dependent chain.
        samples: draws.
        seconds: wall time; in token time, ticks at the engine's rate.
        cost: money, in the currency of the prices.
        units: other named amounts (network evaluations, tool calls).
    """

    tokens: int | None = None
    sequential: int | None = None
    samples: int | None = None
    seconds: float | None = None
    cost: float | None = None
    units: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in KINDS:
            value = getattr(self, name)
            if value is None:
                continue
            _check(name, value)
            if name in _COUNTS:
                if value != int(value):
                    raise UsageError(f"budget {name}={value!r}", fix="give a whole number")
                object.__setattr__(self, name, int(value))
        if not isinstance(self.units, dict):
            raise UsageError(f"budget units={self.units!r}", fix="give a limit per unit")
        for unit, limit in self.units.items():
            if unit in KINDS:
                raise UsageError(f"budget units: {unit!r} is a kind of its own", fix=f"{unit}=...")
            _check(unit, limit)

    @classmethod
    def of(cls, limits: dict[str, Any]) -> Budget:
        """A budget from a mapping; unknown kinds are an error naming the nearest."""
        for name in limits:
            if name not in (*KINDS, "units"):
                raise UnknownName("budget", name, KINDS)
        return cls(**limits)

    def limit(self, kind: str) -> float | None:
        """The limit of a kind or named unit; None if there is none."""
        limit: float | None = getattr(self, kind) if kind in KINDS else self.units.get(kind)
        return limit

    def given(self) -> dict[str, Any]:
        """The limits that are set."""
        set_ = {kind: v for kind in KINDS if (v := getattr(self, kind)) is not None}
        return {**set_, "units": self.units} if self.units else set_


KINDS = ("tokens", "sequential", "samples", "seconds", "cost")
_COUNTS = ("tokens", "sequential", "samples")


def _check(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise UsageError(
            f"budget {name}={value!r} is not positive and finite", fix="give a number above 0"
        )
