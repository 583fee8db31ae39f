"""Figures of merit, and how sure they are."""

from .intervals import (
    Difference,
    accuracy_interval,
    paired_difference,
    sign_flip_p,
    wilson,
)
from .passk import mean_pass_at_k, pass_at_k

__all__ = [
    "Difference",
    "accuracy_interval",
    "mean_pass_at_k",
    "paired_difference",
    "pass_at_k",
    "sign_flip_p",
    "wilson",
]
