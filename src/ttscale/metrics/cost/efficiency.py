"""E3: accuracy and its price in one number.

Plan-and-Budget, arXiv:2505.16122: E3 = A * (A / T) = A^2 / T, with A the mean accuracy in percent
and T the mean tokens of a query: generated, and read by verifiers (ours: the paper has none). A / T
alone would reward answering nothing.
"""

from __future__ import annotations

import math

from ...core import UsageError


def e3(accuracy: float, tokens: float) -> float:
    """A^2 / T.

    Args:
        accuracy: mean accuracy in [0, 1]; A is its percentage, as published.
        tokens: mean tokens per query, those spent planning and judging included.

    Returns:
        NaN without tokens.

    Raises:
        UsageError: if the accuracy is outside [0, 1] or the tokens are negative.
    """
    if not 0 <= accuracy <= 1 or tokens < 0:
        raise UsageError(
            f"E3 of accuracy={accuracy:g}, tokens={tokens:g}",
            fix="give the accuracy as a share and the tokens per query",
        )
    return (100 * accuracy) ** 2 / tokens if tokens else math.nan
