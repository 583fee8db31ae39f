"""More test-time compute, or a larger model? The exchange at equal FLOPs.

Compute-optimal test-time scaling, arXiv:2408.03314, Sec. 7. With n parameters, pre-training costs
X = 6 n D_pre FLOPs and inference Y = 2 n D_inf. A model M times as large costs M (X + Y); the small
one with T times the inference X + T Y. They are equal at T = M + 3 (M - 1) / R, R = D_inf / D_pre.
"""

from __future__ import annotations

from ..core import UsageError


def inference_factor(size: float, ratio: float) -> float:
    """T: how much more inference the small model may spend.

    Args:
        size: M, parameters of the large model over those of the small one, at least 1.
        ratio: R, inference tokens over pre-training tokens, both over the models' lives.

    Raises:
        UsageError: if either is out of range.
    """
    if size < 1 or ratio <= 0:
        raise UsageError(f"size={size:g}, ratio={ratio:g}", fix="need size >= 1 and ratio > 0")
    return size + 3 * (size - 1) / ratio
