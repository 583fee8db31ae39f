"""From logits to tokens: the step that decoding methods replace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from .sequence import Row


class Chooser(Protocol):
    """Chooses every row's next token."""

    def __call__(self, logits: Tensor, rows: Sequence[Row]) -> Tensor:
        """Token ids, (rows,), given logits, (rows, vocabulary), in float32. Tokens a row may not
        choose (an end before its least length) are -inf already. `logits` may be overwritten."""
        ...


class Sampler:
    """Plain sampling: temperature, then top-k, top-p, min-p, then the token at which the cumulated
    probability passes the row's random number."""

    def __call__(self, logits: Tensor, rows: Sequence[Row]) -> Tensor:
        if all(row.temperature == 0 for row in rows):
            return logits.argmax(-1)
        warm = [row.temperature or 1.0 for row in rows]
        if any(t != 1.0 for t in warm):
            logits = logits / torch.tensor(warm, device=logits.device)[:, None]
        probabilities = filtered(logits, rows).softmax(-1)
        # float64 where there is one: the tail of a long sum matters
        kind = torch.float32 if logits.device.type == "mps" else torch.float64
        reached = probabilities.cumsum(-1, dtype=kind)
        luck = torch.tensor([row.uniform() for row in rows], dtype=kind, device=logits.device)
        mark = luck[:, None] * reached[:, -1:]
        tokens = torch.searchsorted(reached, mark, right=True).squeeze(1)
        tokens = tokens.clamp_max(logits.shape[1] - 1)
        if any(row.temperature == 0 for row in rows):
            greedy = torch.tensor([row.temperature == 0 for row in rows], device=logits.device)
            tokens = torch.where(greedy, logits.argmax(-1), tokens)
        return tokens


def filtered(logits: Tensor, rows: Sequence[Row]) -> Tensor:
    """Logits, (rows, vocabulary), with what top-k, top-p and min-p leave out at -inf."""
    never = float("-inf")
    vocabulary, device = logits.shape[1], logits.device
    if any(0 < row.top_k < vocabulary for row in rows):
        counts = [min(row.top_k, vocabulary) or vocabulary for row in rows]
        limited = max(c for c in counts if c < vocabulary)
        best = logits.topk(limited).values
        at = torch.tensor([min(c, limited) - 1 for c in counts], device=device)
        least = best.gather(1, at[:, None])
        everything = torch.tensor([c >= vocabulary for c in counts], device=device)[:, None]
        logits = logits.masked_fill((logits < least) & ~everything, never)
    if any(row.top_p < 1 for row in rows):
        share = torch.tensor([row.top_p for row in rows], device=device)[:, None]
        ordered, order = logits.sort(descending=True, stable=True)
        each = ordered.softmax(-1)
        outside = each.cumsum(-1) - each >= share
        outside[:, 0] = False
        outside &= share < 1
        logits = logits.masked_fill(outside.scatter(1, order, outside), never)
    if any(row.min_p > 0 for row in rows):
        share = torch.tensor([row.min_p for row in rows], device=device)[:, None]
        each = logits.softmax(-1)
        logits = logits.masked_fill(each < share * each.amax(-1, keepdim=True), never)
    return logits
