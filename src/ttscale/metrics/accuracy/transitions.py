"""How often a further turn repairs an answer, and how often it loses one.

The state-transition model of test-time scaling, arXiv:2505.20522, knows the first rate; the second,
which its absorbing right state leaves out, is measured beside it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence


def transition_rates(rounds: Sequence[Sequence[bool]]) -> tuple[float, float]:
    """(wrong to right, right to wrong) per round, from the verdicts of chains round by round; NaN
    where the chains never were in that state."""
    moves = [(x, y) for chain in rounds for x, y in itertools.pairwise(chain)]
    wrong = [y for x, y in moves if not x]
    right = [not y for x, y in moves if x]
    return (sum(wrong) / len(wrong) if wrong else math.nan, sum(right) / len(right) if right else math.nan)
