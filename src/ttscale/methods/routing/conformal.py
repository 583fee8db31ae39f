"""Conformal p-values: how a score ranks among the scores of a calibration bank.

ATTS, arXiv:2509.15148. A score is the mean log-probability, in nats, that the target gives to a
draft's segment; high is plausible. For a bank of N scores
    p = (number of bank scores >= s, plus 1) / (N + 1),
so that a large p is worse than most of the bank. If the score is exchangeable with the bank, p is
uniform on {1, ..., N + 1} / (N + 1), whatever the distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import SavedFile, UsageError


@dataclass(frozen=True, slots=True)
class Bank:
    """Scores of first segments, in rising order, and how the segments were made.

    Attributes:
        scores: mean log-probabilities under the target, (N,), nats.
        segment_tokens, temperature: of the draft; inference has to use the same.
    """

    scores: NDArray[np.float64]
    segment_tokens: int
    temperature: float | None

    @classmethod
    def of(cls, scores: Iterable[float], segment_tokens: int, temperature: float | None) -> Bank:
        return cls(np.sort(np.fromiter(scores, np.float64)), segment_tokens, temperature)

    def p_value(self, score: float) -> float:
        """In (0, 1]; 1 with an empty bank."""
        at_least = len(self.scores) - int(np.searchsorted(self.scores, score, side="left"))
        return (at_least + 1) / (len(self.scores) + 1)

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        BANK_FILE.save(
            path,
            {"segment_tokens": self.segment_tokens, "temperature": self.temperature, "scores": self.scores},
        )

    @classmethod
    def load(cls, path: str | Path) -> Bank:
        """Read what `save` wrote.

        Raises:
            RecordError: if it cannot be read or is not a bank of this version.
        """
        return BANK_FILE.load(path)

    def check(self, segment_tokens: int, temperature: float | None) -> None:
        """Raise UsageError unless inference makes segments as the bank's were made."""
        if (segment_tokens, temperature) != (self.segment_tokens, self.temperature):
            raise UsageError(
                f"the bank was made with draft_tokens={self.segment_tokens} and "
                f"temperature={self.temperature}, not {segment_tokens} and {temperature}",
                fix="use the bank's settings, or calibrate again",
            )


def _bank(content: Mapping[str, Any]) -> Bank:
    segment_tokens = int(content["segment_tokens"])
    return Bank.of(content["scores"], segment_tokens, content["temperature"])


BANK_FILE = SavedFile(
    "bank of scores", 1, _bank, fix="leave `bank` empty to calibrate on every question itself"
)


def rejection_rate(alpha: float, size: int) -> float:
    """P(p > alpha) for a score exchangeable with a bank of `size` scores without ties."""
    return 1 - math.floor(alpha * (size + 1) + 1e-9) / (size + 1)
