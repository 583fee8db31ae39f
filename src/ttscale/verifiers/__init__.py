"""Who judges: functions of a context that give every (partial) solution a number.

`verifier(name)` finds one. Higher is better; the scale is the verifier's own. A verifier that looks
at the gold answer is called an oracle and marked as one.
"""

from .registry import Verifier, verifier, verifiers

__all__ = ["Verifier", "verifier", "verifiers"]
