"""From documents to batches: tokenised, sorted by length, cut where a batch is full.

Sequences of like length share a batch, so padding is small and no document ever sees another.
"""

import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..worlds.arithmetic.document import Document
from .tiny.tokenizer import END, PAD, chat

R = TypeVar("R")
Row = tuple[list[int], int]  # ids, and how many of them are given rather than learned
BUFFER = 1536  # documents sorted together


def encode(tokenizer: Tokenizer, documents: list[Document]) -> list[Row]:
    given = tokenizer.encode_batch_fast([chat(d.system, d.user) + d.prefill for d in documents])
    learned = tokenizer.encode_batch_fast([d.reply + END * d.ends for d in documents])
    return [(g.ids + r.ids, len(g.ids)) for g, r in zip(given, learned, strict=True)]


def cut(rows: list[R], tokens: int, length: Callable[[R], int], rng: random.Random) -> list[list[R]]:
    """Batches of at most `tokens` padded tokens (a longer row comes alone), in random order."""
    batches: list[list[R]] = []
    batch: list[R] = []
    for row in sorted(rows, key=length):
        if batch and length(row) * (len(batch) + 1) > tokens:
            batches.append(batch)
            batch = []
        batch.append(row)
    if batch:
        batches.append(batch)
    rng.shuffle(batches)
    return batches


def collate(batch: list[Row], pad: int) -> tuple[Tensor, Tensor]:
    """(ids, learned), both (batch, time), padded on the right."""
    time = max(len(ids) for ids, _ in batch)
    ids = torch.full((len(batch), time), pad)
    learned = torch.zeros((len(batch), time), dtype=torch.bool)
    for row, (tokens, given) in enumerate(batch):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        learned[row, given : len(tokens)] = True
    return ids, learned


def stream(
    tokenizer: Tokenizer, documents: Iterator[Document], tokens: int, longest: int, rng: random.Random
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of about `tokens` tokens; documents of more than `longest` are left out."""
    pad = tokenizer.get_vocab()[PAD]
    while True:
        rows = [row for row in encode(tokenizer, list(islice(documents, BUFFER))) if len(row[0]) <= longest]
        for batch in cut(rows, tokens, lambda row: len(row[0]), rng):
            yield collate(batch, pad)
