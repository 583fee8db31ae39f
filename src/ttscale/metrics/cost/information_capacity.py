"""Information capacity: bits of text a model saves per token, over the log of what a token costs.

arXiv:2511.08066. With S the size of the text in bits per token, E the model's negative
log-likelihood in bits per token, F the FLOPs per token and b a bias chosen so that the sizes of one
series coincide:  IC = (S - E + b) / log2 F.
Inputs are log-probabilities of given texts, which an engine with the capability `score` returns.

S is averaged over lines and E over tokens, as released; `weighting="token"` averages both over
tokens, which makes E / S comparable across tokenizers.

Not as released: S is not rounded, a text's first word is context only (`scored`), and there are no
formulas for latent attention (MLA) or for gpt-oss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core import Prompt, UsageError
from ...core.engine import Scorer
from ..accuracy.intervals import LEVEL
from .model_sizes import Shape

Weighting = Literal["line", "token"]
LENGTH = 1024  # tokens of a text, truncated (released code)
BIAS = -24.0  # of the mixed set; -18.7 for Chinese FineWeb-Edu, -27 otherwise (released code)


@dataclass(frozen=True, slots=True)
class Line:
    """One scored text: log-probabilities in nats of tokens 2..L given those before, (L - 1,), and
    the UTF-8 bytes of these tokens' text."""

    logprobs: NDArray[np.floating]
    bytes: int


async def scored(engine: Scorer, texts: Sequence[str], prompts: Sequence[Prompt] | None = None) -> list[Line]:
    """Texts as an engine with the capability `score` sees them, as replies to `prompts`, (texts,).

    Without prompts the first word of a text is context only, where the paper drops the first token:
    a cut inside a word could fall inside a token. A text of one word is then an empty line.
    """
    lines = []
    for i, text in enumerate(texts):
        head, space, rest = text.partition(" ")
        prompt, given = (Prompt(raw=head), space + rest) if prompts is None else (prompts[i], text)
        score = await engine.score(prompt, given)
        lines.append(Line(np.asarray(score.logprobs), len(given.encode())))
    return lines


def text_bits(lines: Sequence[Line], weighting: Weighting = "line") -> float:
    """S: bits of text per token; lines without a token are passed over."""
    sizes = [(8 * line.bytes, len(line.logprobs)) for line in lines if len(line.logprobs)]
    if not sizes:
        raise UsageError("no scored text has two tokens", fix="give longer texts")
    if weighting == "token":
        return sum(bits for bits, _ in sizes) / sum(n for _, n in sizes)
    return math.fsum(bits / n for bits, n in sizes) / len(sizes)


def nll_bits(lines: Sequence[Line]) -> float:
    """E: negative log-likelihood in bits per token, averaged over all tokens."""
    tokens = sum(len(line.logprobs) for line in lines)
    if not tokens:
        raise UsageError("no scored text has two tokens", fix="give longer texts")
    return -math.fsum(float(np.sum(line.logprobs)) for line in lines) / tokens / math.log(2)


def flops_per_token(
    shape: Shape, length: int = LENGTH, *, head: Literal["released", "config"] = "released"
) -> float:
    """F: FLOPs per token of generating `length` tokens, a multiply-add counting 2.

    Args:
        shape: of the model.
        length: tokens generated.
        head: "released" takes hidden / heads as the head size, as the released code does;
            "config" the model's own, which differs for Qwen3 and others.
    """
    d, size = shape.hidden, shape.hidden // shape.heads if head == "released" else shape.head_dim
    projections = 4 * d * shape.heads * size + 4 * d * shape.kv_heads * size
    attention = 4 * shape.heads * size * (length * (length - 1) // 2)
    layer = length * (projections + 6 * d * shape.intermediate) + attention
    return (shape.layers * layer + length * 2 * d * shape.vocab) / length


def information_capacity(text: float, nll: float, flops: float, bias: float = BIAS) -> float:
    """IC from S and E (bits per token), F and b. An array of biases shows what hangs on b: ranks
    between families may change with it."""
    return (text - nll + bias) / math.log2(flops)


def predicted_nll(capacity: float, text: float, flops: float, bias: float = BIAS) -> float:
    """E of another size of the series: S + b - IC log2 F."""
    return text + bias - capacity * math.log2(flops)


def fitted_bias(
    text: ArrayLike, nll: ArrayLike, flops: ArrayLike, low: float = -200.0, high: float = 200.0
) -> float:
    """The bias at which the sizes of one series differ least in IC (variance); in closed form.

    Args:
        text: S of each size, bits per token, (sizes,).
        nll: E of each size, bits per token, (sizes,).
        flops: F of each size, (sizes,).
        low: smallest bias returned.
        high: largest bias returned.
    """
    saved = np.asarray(text, dtype=float) - np.asarray(nll, dtype=float)
    inverse = 1 / np.log2(np.asarray(flops, dtype=float))
    spread = inverse - inverse.mean()
    if len(inverse) < 2 or not (spread @ spread) > 0:
        raise UsageError("a bias needs two sizes of a series", fix="score another size")
    ratio = saved * inverse
    return float(np.clip(-(spread @ (ratio - ratio.mean())) / (spread @ spread), low, high))


def capacity_interval(
    lines: Sequence[Line],
    flops: float,
    bias: float = BIAS,
    *,
    weighting: Weighting = "line",
    level: float = LEVEL,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap of IC over lines."""
    kept = [line for line in lines if len(line.logprobs)]
    count = np.array([len(line.logprobs) for line in kept], dtype=float)
    bits = np.array([8.0 * line.bytes for line in kept])
    nats = np.array([-float(np.sum(line.logprobs)) for line in kept])
    picks = np.random.default_rng(seed).integers(0, len(kept), (resamples, len(kept)))
    tokens = count[picks].sum(axis=1)
    nll = nats[picks].sum(axis=1) / tokens / math.log(2)
    per_token = bits[picks].sum(axis=1) / tokens
    text = (bits / count)[picks].mean(axis=1) if weighting == "line" else per_token
    values = (text - nll + bias) / math.log2(flops)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
