"""What a system's file is made of: claims with criteria, and the laboratory they are measured in."""

from .claims import Above, Below, Claim, Criterion, Equals, Figure, Needs, System, Verdict
from .curves import Curve, Line
from .laboratory import Comparison, Laboratory, Lacking

__all__ = [
    "Above",
    "Below",
    "Claim",
    "Comparison",
    "Criterion",
    "Curve",
    "Equals",
    "Figure",
    "Laboratory",
    "Lacking",
    "Line",
    "Needs",
    "System",
    "Verdict",
]
