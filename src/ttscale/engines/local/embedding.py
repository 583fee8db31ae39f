"""Sentence embeddings: hidden states of a text, pooled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core import Embeddings

_TOKENS = 8192  # padded tokens read at a time


class Embedder:
    """A model whose last hidden states are pooled: by their mean, the first or the last token.

    Args:
        model: gives `last_hidden_state`, or, a language model, all hidden states.
        context: longer texts are cut to so many tokens, as sentence-transformers does.
        unit: scale the vectors to length one.
    """

    def __init__(
        self, model: Any, tokenizer: Any, context: int | None, pooling: str = "mean", unit: bool = False
    ) -> None:
        self.model, self.tokenizer, self.context = model, tokenizer, context
        self.pooling, self.unit = pooling, unit

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Vectors, (texts, width), in the order of `texts`; an empty text is the zero vector."""
        ids = [self.tokenizer(text)["input_ids"][: self.context] for text in texts]
        vectors: list[Any] = [None] * len(texts)
        width = int(self.model.config.get_text_config().hidden_size)
        for batch in batches([len(i) for i in ids], _TOKENS):
            for index, vector in zip(batch, self._pooled([ids[i] for i in batch]), strict=True):
                vectors[index] = vector.numpy()
        empty = np.zeros(width, dtype=np.float32)
        rows = [empty if v is None else v for v in vectors]
        stacked = np.stack(rows) if rows else np.zeros((0, width), dtype=np.float32)
        return Embeddings(stacked.astype(np.float32), sum(map(len, ids)))

    def _pooled(self, ids: Sequence[Sequence[int]]) -> Tensor:
        device = next(self.model.parameters()).device
        padded, mask = pad(ids, device)
        backbone = getattr(self.model, "base_model", self.model)
        states = backbone(input_ids=padded, attention_mask=mask).last_hidden_state.float()
        if self.pooling == "mean":
            weights = mask[:, :, None].float()
            vectors = (states * weights).sum(1) / weights.sum(1)
        elif self.pooling == "cls":
            vectors = states[:, 0]
        else:
            vectors = states[torch.arange(len(ids)), mask.sum(1) - 1]
        if self.unit:
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        result: Tensor = vectors.cpu()
        return result


def pad(ids: Sequence[Sequence[int]], device: Any) -> tuple[Tensor, Tensor]:
    """(token ids padded on the right, which of them are real), both (texts, longest)."""
    longest = max(map(len, ids))
    padded = torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids], device=device)
    real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids], device=device)
    return padded, real


def batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices of texts of like length, at most `most` padded tokens at a time; empty ones are
    left out."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if not lengths[index]:
            continue
        if batch and lengths[index] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
