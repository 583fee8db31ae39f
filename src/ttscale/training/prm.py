"""The process reward model: how likely is it that a reply will end right, step by step.

After Snell et al. (arXiv:2408.03314), appendix D: solutions are sampled from the model, every
step's prefix is continued several times, and the share that ends right is the soft label of that
step. No label comes from the generator.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ..lab.data import ends_right, random_world
from ..lab.roles import SYSTEM
from .batches import cut
from .model import ProcessRewardModel, Reasoner
from .sample import sample
from .tokenizer import PAD, chat

Labelled = tuple[
    list[int], dict[int, float]
]  # ids, position -> share of continuations that end right


def scored_positions(tokenizer, ids: list[int], given: int) -> list[int]:
    """Where a reply is scored: each blank line, and its last token. `given`: prompt length."""
    blank = tokenizer.token_to_id("\n\n")
    found = [i for i in range(given, len(ids)) if ids[i] == blank]
    return found if found and found[-1] == len(ids) - 1 else [*found, len(ids) - 1]


def rollouts(
    model: Reasoner,
    tokenizer,
    path: Path,
    *,
    questions: int,
    samples: int,
    branches: int,
    branched: int,
    seed: int,
) -> list[Labelled]:
    """Labelled replies, `samples` per question.

    Those to the first `branched` questions are continued `branches` times from every step.

    A reply is itself one continuation of each of its prefixes, so every prefix has 1 or `branches
    + 1` of them.
    """
    if path.exists():
        lines = map(json.loads, path.read_text().splitlines())
        return [(ids, {int(k): v for k, v in labels.items()}) for ids, labels in lines]
    rng = random.Random(f"prm/{seed}")
    drawn = [random_world(rng) for _ in range(questions)]
    worlds = [world for world in drawn for _ in range(samples)]
    prompts = [chat(SYSTEM["solve"], world.question) for world in worlds]
    replies = sample(model, tokenizer, prompts)
    rows, prefixes = [], []
    for k, (world, prompt, reply) in enumerate(zip(worlds, prompts, replies, strict=True)):
        given, own = len(tokenizer.encode(prompt).ids), tokenizer.encode(reply).ids
        ids, outcome = tokenizer.encode(prompt).ids + own, float(ends_right(world, reply))
        labels = dict.fromkeys(scored_positions(tokenizer, ids, given), outcome)
        rows.append((ids, labels))
        if k < branched * samples:
            prefixes += [(k, at) for at in labels if at < len(ids) - 1]
    texts = [
        tokenizer.decode(rows[k][0][: at + 1], skip_special_tokens=False) for k, at in prefixes
    ]
    ends = sample(model, tokenizer, [text for text in texts for _ in range(branches)])
    for n, (k, at) in enumerate(prefixes):
        hits = sum(ends_right(worlds[k], end) for end in ends[n * branches : (n + 1) * branches])
        rows[k][1][at] = (rows[k][1][at] + hits) / (branches + 1)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


def start_from(reasoner: Reasoner) -> ProcessRewardModel:
    """A reward model whose backbone is a copy of the reasoner's and whose head is zero."""
    model = ProcessRewardModel(reasoner.shape).to(next(reasoner.parameters()).device)
    model.model.load_state_dict(reasoner.model.state_dict())
    torch.nn.init.zeros_(model.score.weight)
    return model


def batches(
    tokenizer, rows: list[Labelled], tokens: int, rng: random.Random
) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless (ids, labels), both (batch, time); a label is NaN where nothing is scored."""
    pad = tokenizer.token_to_id(PAD)
    while True:
        for batch in cut(rows, tokens, lambda row: len(row[0]), rng):
            time = max(len(ids) for ids, _ in batch)
            ids = torch.full((len(batch), time), pad)
            labels = torch.full((len(batch), time), float("nan"))
            for k, (own, marks) in enumerate(batch):
                ids[k, : len(own)] = torch.tensor(own)
                labels[k, list(marks)] = torch.tensor(list(marks.values()))
            yield ids, labels


def loss(model: ProcessRewardModel, ids: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy with soft labels, mean over scored positions."""
    scored = ~labels.isnan()
    return F.binary_cross_entropy_with_logits(model(ids)[scored], labels[scored])
