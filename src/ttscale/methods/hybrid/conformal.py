"""Conformal p-values: how a score ranks among the scores of a calibration bank.

ATTS, arXiv:2509.15148. A score is the mean log-probability, in nats, that the target gives to a
draft's segment; high is plausible. For a bank of N scores
    p = (number of bank scores >= s, plus 1) / (N + 1),
so that a large p is worse than most of the bank. If the score is exchangeable with the bank, p is
uniform on {1, ..., N + 1} / (N + 1), whatever the distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from ...core import RecordError, UsageError

VERSION = 1


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
        made: dict[str, Any] = {
            "version": VERSION, "segment_tokens": self.segment_tokens,
            "temperature": self.temperature, "scores": self.scores.tolist(),
        }  # fmt: skip
        Path(path).write_bytes(orjson.dumps(made) + b"\n")

    @classmethod
    def load(cls, path: str | Path) -> Bank:
        """Read what `save` wrote.

        Raises:
            RecordError: if it cannot be read or is no bank of this version.
        """
        try:
            data = orjson.loads(Path(path).read_bytes())
            if data["version"] != VERSION:
                raise RecordError(f"{str(path)!r} has version {data['version']}, not {VERSION}")
            return cls.of(data["scores"], int(data["segment_tokens"]), data["temperature"])
        except OSError as error:
            raise RecordError(
                f"cannot read the bank of scores {str(path)!r}: {error.strerror}",
                fix="leave `bank` empty to calibrate on every question itself",
            ) from None
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(f"{str(path)!r} is no bank of scores: {error}") from None

    def check(self, segment_tokens: int, temperature: float | None) -> None:
        """Raise UsageError unless inference makes segments as the bank's were made."""
        if (segment_tokens, temperature) != (self.segment_tokens, self.temperature):
            raise UsageError(
                f"the bank was made with draft_tokens={self.segment_tokens} and "
                f"temperature={self.temperature}, not {segment_tokens} and {temperature}",
                fix="use the bank's settings, or calibrate again",
            )


def rejection_rate(alpha: float, size: int) -> float:
    """P(p > alpha) for a score exchangeable with a bank of `size` scores without ties."""
    return 1 - math.floor(alpha * (size + 1) + 1e-9) / (size + 1)
