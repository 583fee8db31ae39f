"""Stop-token scaling with the logits at hand: the end of thinking is made likelier, or rarer.

TS of arXiv:2505.07961. With z the logit of the token e that ends the phase and p its probability:

- *paper*: z' = z / T. Raises p for T < 1 only where z > 0, and a constant added to all logits, which changes
  no model, changes it.
- *paper-safe*: z / T for z >= 0, z * T below: T < 1 raises p whatever the sign.
- *odds*: z + ln(1 / T): the odds p / (1 - p) are multiplied by kappa = 1 / T. Depends on p alone.
- *binary*: the log-odds of p are divided by T: sharper around 1/2 for T < 1. Depends on p alone.

All other tokens keep their relative probabilities. T = 1 leaves all logits as they are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from .sampler import Chooser, Sampler
from .sequence import Row

Form = Literal["paper", "paper-safe", "odds", "binary"]


class StopScaling:
    """A chooser that scales the stop token before another chooses, as long as the phase is open.

    Args:
        token: id of the token that ends the phase; the first of a marker of several, `then` the others,
            which follow of themselves.
        form, temperature: as above; T > 0.
        least: tokens of a reply before which it is left alone.
        chooser: chooses among the scaled logits: top-p and top-k come after the scaling.
    """

    def __init__(
        self,
        token: int,
        form: Form = "odds",
        temperature: float = 0.5,
        *,
        then: Sequence[int] = (),
        least: int = 0,
        chooser: Chooser | None = None,
    ) -> None:
        self.token, self.form, self.temperature = token, form, temperature
        self.marker, self.least = (token, *then), least
        self.chooser = chooser or Sampler()
        self._warned = False

    def __call__(self, logits: Tensor, rows: Sequence[Row]) -> Tensor:
        scaled = [i for i, row in enumerate(rows) if self.token not in row.ids and len(row.ids) >= self.least]
        if scaled and self.temperature != 1:
            at = torch.tensor(scaled, device=logits.device)
            logits = logits.clone()
            logits[at, self.token] = stop_logit(logits[at], self.token, self.form, self.temperature)
            self._warn(logits[at, self.token])
        tokens = self.chooser(logits, rows)
        for i, row in enumerate(rows):
            if (due := self._due(row)) is not None:
                tokens[i] = due
        return tokens

    def _due(self, row: Row) -> int | None:
        """The next token of a marker that has begun; None if none has."""
        for n in range(1, len(self.marker)):
            if tuple(row.ids[-n:]) == self.marker[:n] and self.token not in row.ids[:-n]:
                return self.marker[n]
        return None

    def _warn(self, logits: Tensor) -> None:
        if self.form == "paper" and not self._warned and bool((logits < 0).any()):
            self._warned = True
            warnings.warn(
                "the stop token's logit is negative, where dividing it does the opposite: use form odds",
                stacklevel=2,
            )


def stop_logit(logits: Tensor, token: int, form: Form, temperature: float) -> Tensor:
    """The stop token's new logit, (rows,), given logits, (rows, vocabulary)."""
    z = logits[:, token]
    if form == "paper":
        return z / temperature
    if form == "paper-safe":
        return torch.where(z >= 0, z / temperature, z * temperature)
    if form == "odds":
        return z - math.log(temperature)
    others = logits.clone()
    others[:, token] = float("-inf")
    rest = others.logsumexp(-1)  # the log-odds of p are z - rest
    return rest + (z - rest) / temperature
