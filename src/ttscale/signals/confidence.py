"""How sure a model was while it wrote: token confidences and what they say about a trace.

Deep Think with Confidence (DeepConf), arXiv:2508.15260, Sec. 2 and 3. The confidence of a token is
    C_i = -(1/k) * sum over the k most probable tokens j of log P_i(j),
in nats: ln V for a uniform distribution over V tokens, and more the more peaked it is.
A group G_i is the mean of the last w confidences, over full windows only. All measures of a trace
fall back to its mean where it is shorter than the window.

Confidences come as arrays, (tokens,), sums are taken in float64. Infinite values, which come from
candidates of probability 0, count as CEILING.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Measure = Literal["mean", "lowest", "bottom", "tail"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
FloatArray = NDArray[np.float64]

TOP = 20  # k, candidates per token (released code)
WINDOW = 2048  # w, tokens in a group (released code)
TAIL = 2048  # tokens that count as the tail (released code)
BOTTOM = 0.1  # share of the groups that counts as the bottom (Sec. 3.1)
CEILING = 1e4  # servers write the logarithm of 0 as -9999 or -inf


@dataclass(frozen=True, slots=True)
class Confidence:
    """Everything that is measured on one trace, in nats."""

    mean: float
    lowest: float
    bottom: float
    tail: float

    def of(self, measure: Measure) -> float:
        return float(getattr(self, measure))


def token_confidence(logprobs: ArrayLike) -> FloatArray:
    """C_i from the log-probabilities of the k most probable tokens, (..., k) -> (...)."""
    return bounded(-np.mean(np.asarray(logprobs, dtype=np.float64), axis=-1))


def bounded(conf: ArrayLike) -> FloatArray:
    """Confidences as float64, at most CEILING."""
    values = np.asarray(conf)
    return np.minimum(values.astype(np.float64), CEILING)


def groups(conf: ArrayLike, window: int = WINDOW) -> FloatArray:
    """G_i for every full window, (max(0, tokens - window + 1),), by cumulative sums."""
    return _groups(_sums(conf), window)


def mean(conf: ArrayLike) -> float:
    """Mean confidence of a trace."""
    values = _some(conf)
    return float(np.minimum(values, CEILING).mean(dtype=np.float64))


def lowest_group(conf: ArrayLike, window: int = WINDOW) -> float:
    """The smallest group; the mean of a trace shorter than the window."""
    return _lowest(_sums(_some(conf)), window)


def bottom_groups(conf: ArrayLike, window: int = WINDOW, share: float = BOTTOM) -> float:
    """Mean of the smallest groups, max(1, floor(share * groups)) of them."""
    sums = _sums(_some(conf))
    found = _groups(sums, window)
    return _bottom(found, share) if len(found) else _whole(sums)


def tail(conf: ArrayLike, tokens: int = TAIL) -> float:
    """Mean of the last `tokens` confidences; of all if there are fewer."""
    return mean(_some(conf)[-tokens:])


def measured(
    conf: ArrayLike, window: int = WINDOW, tail_tokens: int = TAIL, share: float = BOTTOM
) -> Confidence:
    """All measures of a trace at once; what they share is computed once."""
    values = _some(conf)
    sums = _sums(values)
    found = _groups(sums, window)
    whole = _whole(sums)
    last = min(tail_tokens, len(values))
    return Confidence(
        mean=whole,
        lowest=float(found.min()) if len(found) else whole,
        bottom=_bottom(found, share) if len(found) else whole,
        tail=float((sums[-1] - sums[-1 - last]) / last),
    )


def measure(name: Measure, conf: ArrayLike, window: int = WINDOW, tail_tokens: int = TAIL) -> float:
    """One measure of a trace, by name."""
    if name == "mean":
        return mean(conf)
    if name == "lowest":
        return lowest_group(conf, window)
    if name == "bottom":
        return bottom_groups(conf, window)
    return tail(conf, tail_tokens)


def threshold(values: ArrayLike, keep: float) -> float:
    """The value that about `keep` percent of `values` reach: their percentile at 100 - keep.

    keep = 10 is DeepConf-low (few survive), keep = 90 is DeepConf-high; 100 keeps all.
    """
    return float(np.percentile(np.asarray(values, dtype=np.float64), 100.0 - keep))


def most_confident(values: ArrayLike, keep: float) -> NDArray[np.bool_]:
    """Which of `values` are among the top `keep` percent; all that tie at the threshold are."""
    given = np.asarray(values, dtype=np.float64)
    if not len(given):
        return np.zeros(0, dtype=bool)
    return given >= threshold(given, keep)


class RunningGroups:
    """Groups of a trace that arrives piece by piece.

    The sums are carried on exactly as `groups` forms them, so that the values do not depend on how
    the trace is cut into pieces, not even in the last bit.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self.window = window
        self._sums = np.zeros(1)  # cumulative sums at the last `window` positions

    def feed(self, conf: ArrayLike) -> tuple[int, FloatArray]:
        """(position of the first group, groups) that end inside this piece; position j means that
        the group's last token is the piece's token j, counted from 0."""
        more = np.concatenate([self._sums[-1:], bounded(conf)])
        sums = np.concatenate([self._sums[:-1], np.cumsum(more)])
        found = _groups(sums, self.window)
        first = len(more) - 1 - len(found)
        self._sums = sums[-self.window :]
        return first, found


def _some(conf: ArrayLike) -> NDArray[Any]:
    values = np.asarray(conf)
    if not len(values):
        raise ValueError("a trace without tokens has no confidence")
    return values


def _sums(conf: ArrayLike) -> FloatArray:
    """Cumulative sums with a leading 0, (tokens + 1,)."""
    values = np.asarray(conf)
    sums = np.empty(len(values) + 1)
    sums[0] = 0.0
    np.minimum(values, CEILING, out=sums[1:])
    return np.cumsum(sums, out=sums)


def _groups(sums: FloatArray, window: int) -> FloatArray:
    if len(sums) <= window:
        return np.empty(0)
    found = sums[window:] - sums[:-window]
    found /= window
    return found


def _whole(sums: FloatArray) -> float:
    return float(sums[-1] / (len(sums) - 1))


def _lowest(sums: FloatArray, window: int) -> float:
    found = _groups(sums, window)
    return float(found.min()) if len(found) else _whole(sums)


def _bottom(found: FloatArray, share: float) -> float:
    count = max(1, int(share * len(found)))
    return float(np.partition(found, count - 1)[:count].mean())
