"""The process reward model: how likely is it that a reply will end right, step by step.

After Snell et al. (arXiv:2408.03314), appendix D: solutions are sampled from the model, the
prefixes of some are continued several times, and the share that ends right is the soft label of a
step. A reply is itself one continuation of each of its prefixes. No label comes from the generator.

Outcomes alone teach which questions are easy, and short replies belong to easy questions: the best
of many by such a reward leaves out a step. So replies to one question are compared as well, in every
pair of a right and a wrong one (Bradley and Terry 1952). Where rewards are calibrated and replies
independent, the chance that of such a pair the first is the right one is the logistic function of the
difference of their logits: the two losses agree.

A few thousand outcomes are too little to learn from alone what a doubtful step looks like. So the
model, a copy of the reasoner with further layers on top, learns at the same time how likely the
reasoner itself found each token of the reply: what it then needs to tell right from wrong.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from ...worlds.arithmetic.skills import SYSTEM
from ...worlds.arithmetic.training_documents import ends_right
from ..batches import cut
from ..keeping import kept_lines
from .model import Layer, ProcessRewardModel, Reasoner
from .sampling import sample
from .self_generated import CHUNK, Attempts
from .tokenizer import PAD, chat

LOWEST = -6.0  # a token that the reasoner found less likely than this is no worse
IMPRESSIONS = 1.0  # weight of the impressions in the loss
PAIRS = 1.0  # weight of the pairs


class Labelled(NamedTuple):
    """A reply after its prompt; `labels`: position -> share of continuations that end right."""

    question: int
    ids: list[int]
    given: int  # tokens of the prompt
    labels: dict[int, float]


def scored_positions(tokenizer: Tokenizer, ids: list[int], given: int) -> list[int]:
    """Where a reply is scored: each blank line, and its last token. `given`: prompt length."""
    blank = tokenizer.token_to_id("\n\n")
    found = [i for i in range(given, len(ids)) if ids[i] == blank]
    return found if found and found[-1] == len(ids) - 1 else [*found, len(ids) - 1]


def rollouts(
    model: Reasoner, tokenizer: Tokenizer, path: Path, pool: list[Attempts], *, branches: int, branched: int
) -> list[Labelled]:
    """The pool's replies, labelled; those to the first `branched` questions are continued `branches`
    times from every step, which is kept in `path`: what is there is not sampled again."""
    rows: list[Labelled] = []
    prefixes = []
    for question, attempts in enumerate(pool):
        prompt = tokenizer.encode(chat(SYSTEM["solve"], attempts.world.question)).ids
        for reply, right in zip(attempts.replies, attempts.right, strict=True):
            ids = prompt + tokenizer.encode(reply).ids
            labels = dict.fromkeys(scored_positions(tokenizer, ids, len(prompt)), float(right))
            if question < branched:
                prefixes += [(len(rows), at) for at in labels if at < len(ids) - 1]
            rows.append(Labelled(question, ids, len(prompt), labels))

    def continued(chunk: Sequence[tuple[int, int]]) -> list[list[str]]:
        texts = [tokenizer.decode(rows[k].ids[: at + 1], skip_special_tokens=False) for k, at in chunk]
        ends = sample(model, tokenizer, [text for text in texts for _ in range(branches)])
        return [ends[n * branches : (n + 1) * branches] for n in range(len(chunk))]

    for (k, at), ends in zip(prefixes, kept_lines(path, prefixes, CHUNK, continued), strict=True):
        world = pool[rows[k].question].world
        hits = sum(ends_right(world, end) for end in ends)
        rows[k].labels[at] = (rows[k].labels[at] + hits) / (branches + 1)
    return rows


@torch.inference_mode()
def impressions(reasoner: Reasoner, rows: list[Labelled]) -> list[Tensor]:
    """How each reply struck the reasoner: (reply tokens, 3) per row.

    Log-probability of each token given all before it, cut at LOWEST nats, the mean of these so
    far, and the lowest so far; each with mean 0 and variance 1 over all rows.
    """
    table = reasoner.model.embed_tokens.weight
    seen = []
    for _, ids, given, _ in rows:
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

    def loss(self, ids: Tensor, labels: Tensor, seen: Tensor, questions: Tensor) -> Tensor:
        """Cross-entropy with soft labels over scored positions, plus that of pairs, plus the squared
        error of the impressions over replies. `labels` (batch, time) and `seen` (batch, time, 3) are
        NaN where there is nothing to learn; `questions` is (batch,)."""
        hidden = self.reward.model(ids)
        scored, inside = ~labels.isnan(), ~seen[..., 0].isnan()
        logits = self.reward.score(hidden).squeeze(-1).float()
        outcome = F.binary_cross_entropy_with_logits(logits[scored], labels[scored])
        impression = F.mse_loss(self.impression(hidden[inside]).float(), seen[inside])
        rows, time = torch.arange(len(ids), device=ids.device), ids.shape[1]
        last = time - 1 - scored.flip(1).int().argmax(1)
        return (
            outcome
            + PAIRS * pair_loss(logits[rows, last], labels[rows, last], questions)
            + IMPRESSIONS * impression
        )


def pair_loss(logits: Tensor, right: Tensor, questions: Tensor) -> Tensor:
    """Mean over the pairs of a right and a wrong reply to one question of how little the right one is
    preferred, in nats; 0 without pairs. All (replies,)."""
    pairs = (questions[:, None] == questions) & (right[:, None] > right)
    if not pairs.any():
        return logits.sum() * 0.0
    return F.softplus(logits - logits[:, None])[pairs].mean()


def batches(
    tokenizer: Tokenizer, rows: list[Labelled], seen: list[Tensor], tokens: int, rng: random.Random
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Endless (ids, labels, seen, questions) as `Learner.loss` takes them; the replies to a question
    stay together."""
    pad = tokenizer.get_vocab()[PAD]
    groups: dict[int, list[tuple[Labelled, Tensor]]] = {}
    for row, found in zip(rows, seen, strict=True):
        groups.setdefault(row.question, []).append((row, found))
    while True:
        for batch in cut(list(groups.values()), tokens, padded, rng):
            together = [pair for group in batch for pair in group]
            time = max(len(row.ids) for row, _ in together)
            ids = torch.full((len(together), time), pad)
            labels = torch.full((len(together), time), torch.nan)
            impression = torch.full((len(together), time, 3), torch.nan)
            for k, (row, found) in enumerate(together):
                ids[k, : len(row.ids)] = torch.tensor(row.ids)
                labels[k, list(row.labels)] = torch.tensor(list(row.labels.values()))
                impression[k, row.given : len(row.ids)] = found
            yield ids, labels, impression, torch.tensor([row.question for row, _ in together])


def padded(group: list[tuple[Labelled, Tensor]]) -> int:
    """Tokens that the replies to one question take in a batch of their own."""
    return len(group) * max(len(row.ids) for row, _ in group)
