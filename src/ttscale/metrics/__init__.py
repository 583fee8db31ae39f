"""Figures of merit, and how sure they are. Pure functions; one file per idea."""

from .accuracy.consk import cons_at_k
from .accuracy.intervals import Difference, accuracy_interval, paired_difference, sign_flip_p, wilson
from .accuracy.passk import mean_pass_at_k, pass_at_k
from .cost.cost_of_pass import cost_of_pass
from .cost.efficiency import e3
from .cost.model_sizes import Shape
from .curves.arise import Arise, Flows, Stability, arise, flows, stability
from .curves.scaling import control, performance, scaling

__all__ = [
    "Arise",
    "Difference",
    "Flows",
    "Shape",
    "Stability",
    "accuracy_interval",
    "arise",
    "cons_at_k",
    "control",
    "cost_of_pass",
    "e3",
    "flows",
    "mean_pass_at_k",
    "paired_difference",
    "pass_at_k",
    "performance",
    "scaling",
    "sign_flip_p",
    "stability",
    "wilson",
]
