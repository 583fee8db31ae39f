"""Equivalent FLOPs: compute and memory traffic of generation in one currency.

Kinetics, arXiv:2506.05333. To the FLOPs of weights and attention it adds the reads of the KV cache,
which dominate long generation, at the FLOPs the machine could have done meanwhile. Generating L
tokens after L_in, in N trials that share the prompt's cache:
    linear     2 N P L
    attention  N r D (2 L_in L + L^2)
    KV reads   I D (2 L_in L + N L^2)
Parameter reads are dropped (amortised over a large batch); the terms add, overlap is ignored. With
intensity 0 it is the older law that counts FLOPs only. Step t is taken to attend to L_in + t + 1/2
positions, which is what makes the sums these squares.

Symbols: P = parameters, D = kv_elements, r = heads / kv_heads, I = intensity, B = KV budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .model_sizes import Shape

FloatArray = NDArray[np.float64]

B200 = 562.5
"""FLOPs per byte of an NVIDIA B200: 4.5 PFLOP/s over 8 TB/s (paper)."""
B200_FLOPS = 4.5e15  # per second
ELEMENT_BYTES = 2


@dataclass(frozen=True, slots=True)
class Cost:
    """eFLOPs of a generation, by term; each a number or an array over generations."""

    linear: Any
    attention: Any
    kv: Any

    @property
    def total(self) -> Any:
        return self.linear + self.attention + self.kv

    @property
    def flops(self) -> Any:
        """What the FLOPs-only law counts."""
        return self.linear + self.attention

    @property
    def seconds(self) -> Any:
        """B200-seconds at full rate."""
        return self.total / B200_FLOPS


def dense(
    shape: Shape, prompt: ArrayLike, generated: ArrayLike, trials: int = 1, intensity: float = B200
) -> Cost:
    """Full attention; the prompt's cache is read once for all trials.

    Args:
        shape: of the model.
        prompt: L_in, tokens; a number or (generations,).
        generated: L, tokens of each trial; broadcast with `prompt`.
        trials: N.
        intensity: I, FLOPs per byte; 0 counts FLOPs only.
    """
    before, made = _lengths(prompt, generated)
    kv = shape.kv_elements
    return Cost(
        _linear(shape, made, trials),
        trials * shape.heads / shape.kv_heads * kv * (2 * before * made + made**2),
        intensity * kv * (2 * before * made + trials * made**2),
    )


def together(shape: Shape, prompt: float, generated: ArrayLike, intensity: float = B200) -> Cost:
    """Samples of one prompt, decoded side by side, `generated` tokens each, (samples,): the
    prompt's cache is read as long as the longest of them lasts. Equal lengths give `dense`."""
    made = np.atleast_1d(np.asarray(generated, dtype=float))
    if not len(made):
        return Cost(0.0, 0.0, 0.0)
    alone = dense(shape, prompt, made, 1, intensity)
    positions = 2 * prompt * float(made.max()) + float((made**2).sum())
    reads = intensity * shape.kv_elements * positions
    return Cost(float(alone.linear.sum()), float(alone.attention.sum()), reads)


def sparse(
    shape: Shape,
    prompt: ArrayLike,
    generated: ArrayLike,
    budget: float,
    trials: int = 1,
    intensity: float = B200,
    *,
    block: int | None = None,
) -> Cost:
    """Attention to at most `budget` positions a step; trials choose their own, nothing is shared.

    Args:
        shape: of the model.
        prompt: L_in, tokens.
        generated: L, tokens of each trial.
        trials: N.
        intensity: I, FLOPs per byte.
        budget: B, positions read per step, the local ones included.
        block: block size of a top-k search over block summaries, whose cost is added; None adds no
            search (the released formulas for an ideal top-k).
    """
    before, made = _lengths(prompt, generated)
    attended = attended_positions(before, made, budget)
    kv, grouped = shape.kv_elements, shape.heads / shape.kv_heads
    attention = 2 * trials * grouped * kv * attended
    reads = 2 * intensity * trials * kv * attended
    if block is not None:
        # one summary key per block: half of a position's key and value
        attention = attention + trials * grouped * kv / 2 * made * ((2 * before + made) // block)
        reads = reads + intensity * kv / 2 * made * ((2 * before + trials * made) // block)
    return Cost(_linear(shape, made, trials), attention, reads)


def attended_positions(prompt: ArrayLike, generated: ArrayLike, budget: float) -> Any:
    """S: sum over steps of min(B, L_in + t + 1/2), exact for whole numbers.

    B L - max(0, B - L_in)^2 / 2 once the budget binds; one released formula has the other sign, and
    both are wrong where it never binds.
    """
    before, made = _lengths(prompt, generated)
    filling = np.clip(budget - before, 0, made)  # steps before the budget binds
    return before * filling + filling**2 / 2 + budget * (made - filling) if budget > 0 else 0 * made


def kv_bytes(shape: Shape, prompt: float, generated: ArrayLike, *, shared: bool = True) -> float:
    """Bytes of KV cache at the end of several samples of one prompt, `generated` tokens each,
    (samples,); the prompt counts once if it is shared."""
    tails = np.atleast_1d(np.asarray(generated, dtype=float))
    positions = prompt * (1 if shared else len(tails)) + float(tails.sum())
    return ELEMENT_BYTES * shape.kv_elements * positions


def _linear(shape: Shape, generated: FloatArray, trials: int) -> FloatArray:
    return 2 * trials * shape.parameters * generated


def _lengths(prompt: ArrayLike, generated: ArrayLike) -> tuple[FloatArray, FloatArray]:
    return np.asarray(prompt, dtype=float)[()], np.asarray(generated, dtype=float)[()]
