"""The process reward model: how likely is it that a reply will end right, step by step.

After Snell et al. (arXiv:2408.03314), appendix D: solutions are sampled from the model, every
step's prefix is continued several times, and the share that ends right is the soft label of that
step. No label comes from the generator.

A few thousand outcomes are too little to learn from alone what a doubtful step looks like. So the
model, a copy of the reasoner with further layers on top, learns at the same time how likely the
reasoner itself found each token of the reply: what it then needs to tell right from wrong.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...worlds.arithmetic.skills import SYSTEM
from ...worlds.arithmetic.training_documents import ends_right, random_world
from ..batches import cut
from .model import Layer, ProcessRewardModel, Reasoner
from .sampling import sample
from .tokenizer import PAD, chat

LOWEST = -6.0  # a token that the reasoner found less likely than this is no worse
IMPRESSIONS = 1.0  # weight of the impressions in the loss


class Labelled(NamedTuple):
    """A reply after its prompt; `labels`: position -> share of continuations that end right."""

    ids: list[int]
    given: int  # tokens of the prompt
    labels: dict[int, float]


def scored_positions(tokenizer: Tokenizer, ids: list[int], given: int) -> list[int]:
    """Where a reply is scored: each blank line, and its last token. `given`: prompt length."""
    blank = tokenizer.token_to_id("\n\n")
    found = [i for i in range(given, len(ids)) if ids[i] == blank]
    return found if found and found[-1] == len(ids) - 1 else [*found, len(ids) - 1]


def rollouts(
    model: Reasoner,
    tokenizer: Tokenizer,
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
        return [Labelled(ids, given, {int(k): v for k, v in labels.items()}) for ids, given, labels in lines]
    rng = random.Random(f"prm/{seed}")
    sampled = [random_world(rng) for _ in range(questions)]
    worlds = [world for world in sampled for _ in range(samples)]
    prompts = [chat(SYSTEM["solve"], world.question) for world in worlds]
    replies = sample(model, tokenizer, prompts)
    rows: list[Labelled] = []
    prefixes = []
    for k, (world, prompt, reply) in enumerate(zip(worlds, prompts, replies, strict=True)):
        given, own = len(tokenizer.encode(prompt).ids), tokenizer.encode(reply).ids
        ids, outcome = tokenizer.encode(prompt).ids + own, float(ends_right(world, reply))
        labels = dict.fromkeys(scored_positions(tokenizer, ids, given), outcome)
        rows.append(Labelled(ids, given, labels))
        if k < branched * samples:
            prefixes += [(k, at) for at in labels if at < len(ids) - 1]
    texts = [tokenizer.decode(rows[k].ids[: at + 1], skip_special_tokens=False) for k, at in prefixes]
    ends = sample(model, tokenizer, [text for text in texts for _ in range(branches)])
    for n, (k, at) in enumerate(prefixes):
        hits = sum(ends_right(worlds[k], end) for end in ends[n * branches : (n + 1) * branches])
        rows[k].labels[at] = (rows[k].labels[at] + hits) / (branches + 1)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


@torch.inference_mode()
def impressions(reasoner: Reasoner, rows: list[Labelled]) -> list[Tensor]:
    """How each reply struck the reasoner: (reply tokens, 3) per row.

    Log-probability of each token given all before it, cut at LOWEST nats, the mean of these so
    far, and the lowest so far; each with mean 0 and variance 1 over all rows.
    """
    table = reasoner.model.embed_tokens.weight
    seen = []
    for ids, given, _ in rows:
        tokens = torch.tensor(ids, device=table.device)
        hidden = reasoner.model(tokens[None, :-1])[0, given - 1 :]
        found = (hidden @ table.T).log_softmax(-1).gather(1, tokens[given:, None])[:, 0]
        found = found.clamp_min(LOWEST)
        count = torch.arange(1, len(found) + 1, device=table.device)
        seen.append(torch.stack((found, found.cumsum(0) / count, found.cummin(0).values), 1).cpu())
    every = torch.cat(seen)
    mean, spread = every.mean(0), every.std(0).clamp_min(1e-6)
    return [(found - mean) / spread for found in seen]


def start_from(reasoner: Reasoner, layers: int) -> ProcessRewardModel:
    """A reward model of so many layers: the reasoner's, then some that do nothing yet.

    Its head is zero.
    """
    shape = replace(reasoner.shape, layers=layers)
    model = ProcessRewardModel(shape).to(next(reasoner.parameters()).device)
    own = model.model.state_dict()
    model.model.load_state_dict(own | reasoner.model.state_dict())
    for layer in model.model.layers[reasoner.shape.layers :]:
        assert isinstance(layer, Layer)
        for weight in (w for w in layer.parameters() if w.ndim == 2):
            torch.nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
        torch.nn.init.zeros_(layer.self_attn.o_proj.weight)
        torch.nn.init.zeros_(layer.mlp.down_proj.weight)
    torch.nn.init.zeros_(model.score.weight)
    return model


class Learner(nn.Module):
    """A reward model in training, with a second head for impressions that is not kept."""

    def __init__(self, reward: ProcessRewardModel) -> None:
        super().__init__()
        self.reward = reward
        self.impression = nn.Linear(reward.shape.width, 3).to(reward.score.weight.device)

    def loss(self, ids: Tensor, labels: Tensor, seen: Tensor) -> Tensor:
        """Cross-entropy with soft labels over scored positions, plus the squared error of the
        impressions over replies. `labels` (batch, time) and `seen` (batch, time, 3) are NaN where
        there is nothing to learn."""
        hidden = self.reward.model(ids)
        scored, inside = ~labels.isnan(), ~seen[..., 0].isnan()
        outcome = F.binary_cross_entropy_with_logits(
            self.reward.score(hidden[scored]).squeeze(-1).float(), labels[scored]
        )
        impression = F.mse_loss(self.impression(hidden[inside]).float(), seen[inside])
        return outcome + IMPRESSIONS * impression


def batches(
    tokenizer: Tokenizer, rows: list[Labelled], seen: list[Tensor], tokens: int, rng: random.Random
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless (ids, labels, seen) as `Learner.loss` takes them."""
    pad = tokenizer.get_vocab()[PAD]
    pairs = list(zip(rows, seen, strict=True))
    while True:
        for batch in cut(pairs, tokens, lambda pair: len(pair[0].ids), rng):
            time = max(len(row.ids) for row, _ in batch)
            ids = torch.full((len(batch), time), pad)
            labels = torch.full((len(batch), time), torch.nan)
            impression = torch.full((len(batch), time, 3), torch.nan)
            for k, (row, found) in enumerate(batch):
                ids[k, : len(row.ids)] = torch.tensor(row.ids)
                labels[k, list(row.labels)] = torch.tensor(list(row.labels.values()))
                impression[k, row.given : len(row.ids)] = found
            yield ids, labels, impression
