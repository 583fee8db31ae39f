"""Curves over the parameter that decides an effect, drawn into the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a curve; `low` and `high` are a 95% band, or empty."""

    name: str
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A picture: lines over one axis.

    Attributes:
        paper: the paper's number, drawn as a level line; None if it has none in this unit.
        vanishes_at: where the effect is gone, on the x axis; None if it is not seen to vanish.
    """

    title: str
    x_name: str
    y_name: str
    x: Sequence[float]
    lines: Sequence[Line]
    paper: float | None = None
    vanishes_at: float | None = None
