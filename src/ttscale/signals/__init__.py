"""What can be measured on a trace: plain text and arrays in, numbers out."""

from .confidence import (
    MEASURES,
    Confidence,
    Measure,
    RunningGroups,
    bottom_groups,
    groups,
    lowest_group,
    mean,
    measure,
    measured,
    most_confident,
    tail,
    threshold,
    token_confidence,
)

__all__ = [
    "MEASURES",
    "Confidence",
    "Measure",
    "RunningGroups",
    "bottom_groups",
    "groups",
    "lowest_group",
    "mean",
    "measure",
    "measured",
    "most_confident",
    "tail",
    "threshold",
    "token_confidence",
]
