"""Accuracy with its interval as a picture of characters, a line for every method, the cheapest first.

  method          0.5       0.7       0.9   accuracy  tokens  sequential
● simple             ├────●────┤               0.712     412         412
○ ffs(n=8)           ├───○────┤                0.691   1,204         151
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .plots import AXES, frontier
from .summary import Row
from .table import count, share

WIDTH = 40  # characters from one end of the scale to the other
_STEP = 0.1  # the ends of the scale are multiples of it


def picture(part: Sequence[Row], *, width: int = WIDTH) -> str:
    """The picture of one model and task; "" if no accuracy is known. Methods that no cheaper one
    equals have a full mark, oracles a diamond."""
    graded = [row for row in part if row.accuracy is not None and row.accuracy_ci is not None]
    if not graded:
        return ""
    tokens = AXES["tokens"][1]
    best = {row.method for row in frontier(graded, tokens)}
    ends = [end for row in graded for end in row.accuracy_ci or ()]
    low = math.floor(min(ends) / _STEP + 1e-9) * _STEP
    high = max(math.ceil(max(ends) / _STEP - 1e-9) * _STEP, low + _STEP)

    def column(value: float) -> int:
        return round((value - low) / (high - low) * (width - 1))

    names = max(len("method"), *(len(row.method) for row in graded))
    middle = (low + high) / 2
    scale = f"{low:.2f}{middle:^{width - 8}.2f}{high:.2f}"
    lines = [f"  {'method':<{names}}  {scale}  accuracy    tokens  sequential"]
    for row in sorted(graded, key=lambda r: tokens(r) or 0.0):
        mark = "◇" if row.is_oracle else "●" if row.method in best else "○"
        left, right = (column(end) for end in row.accuracy_ci or (low, high))
        bar = [" "] * width
        bar[left : right + 1] = "─" * (right + 1 - left)
        bar[left], bar[right] = "├", "┤"
        bar[column(row.accuracy or 0.0)] = mark
        lines.append(
            f"{mark} {row.method:<{names}}  {''.join(bar)}  {share(row.accuracy):>8}  "
            f"{count(row.tokens_mean):>8}  {count(row.sequential_tokens_mean):>10}"
        )
    return "\n".join(lines)
