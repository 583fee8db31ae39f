"""pass@k: the probability that at least one of k samples is right.

Chen et al., 2021, arXiv:2107.03374, Sec. 2.1: from n samples with c right, the unbiased estimate
is 1 - C(n - c, k)/C(n, k). It is an oracle's figure: it takes knowing which sample is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ...core import UsageError


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased pass@k of one question from n samples, c of them right; NaN if k > n, where no
    unbiased estimate exists.

    Raises:
        UsageError: unless 0 <= c <= n and k >= 1.
    """
    if not 0 <= c <= n or k < 1:
        raise UsageError(f"pass@{k} of {c} right among {n} is not defined", fix="need 0 <= c <= n and k >= 1")
    if k > n:
        return math.nan
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def mean_pass_at_k(counts: Iterable[tuple[int, int]], k: int) -> float:
    """Mean pass@k over questions, given as (n, c). Questions with fewer than k samples are left
    out; NaN if none is left."""
    values = [v for n, c in counts if not math.isnan(v := pass_at_k(n, c, k))]
    return math.fsum(values) / len(values) if values else math.nan
