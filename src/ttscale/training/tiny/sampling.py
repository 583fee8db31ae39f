"""Batched sampling in torch: many replies at once."""

import torch
from tokenizers import Tokenizer
from torch import Tensor

from .model import Backbone, Past, Reasoner
from .tokenizer import END, PAD

CROWDED = 0.8  # ended rows are dropped when fewer than this share goes on: dropping copies the rest


@torch.inference_mode()
def sample(
    model: Reasoner,
    tokenizer: Tokenizer,
    prompts: list[str],
    *,
    temperature: float = 1.0,
    max_tokens: int = 400,
    batch: int = 128,
    generator: torch.Generator | None = None,
) -> list[str]:
    """One reply per prompt (rendered text, up to where the reply begins), without the end token.

    Prompts of like length share a batch. A reply cut at `max_tokens` is returned as it is.
    """
    encoded = [e.ids for e in tokenizer.encode_batch_fast(prompts)]
    order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
    replies = [""] * len(prompts)
    for first in range(0, len(order), batch):
        chosen = order[first : first + batch]
        rows = _continue(model, tokenizer, [encoded[i] for i in chosen], temperature, max_tokens, generator)
        for i, ids in zip(chosen, rows, strict=True):
            replies[i] = tokenizer.decode(ids, skip_special_tokens=False)
    return replies


def _continue(
    model: Reasoner,
    tokenizer: Tokenizer,
    prompts: list[list[int]],
    temperature: float,
    max_tokens: int,
    generator: torch.Generator | None,
) -> list[list[int]]:
    """Sampled ids per prompt, end token excluded. Prompts are padded on the left."""
    shape, net = model.shape, model.model
    like = net.embed_tokens.weight
    vocabulary = tokenizer.get_vocab()
    pad, end = vocabulary[PAD], vocabulary[END]
    longest = max(map(len, prompts))
    room = min(shape.context, longest + max_tokens)
    ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=like.device)
    empty = torch.tensor([longest - len(p) for p in prompts], device=like.device)  # padding per row
    pasts = [
        Past(len(prompts), shape.heads, room, shape.width // shape.heads, like) for _ in range(shape.layers)
    ]
    owner = list(range(len(prompts)))  # which prompt each row belongs to
    produced: list[list[int]] = [[] for _ in prompts]
    ended: set[int] = set()  # prompts whose reply is complete
    fed, at = ids, 0
    while at < room and len(ended) < len(prompts):
        logits = _step(net, fed, at, empty, pasts)
        at += fed.shape[1]
        fed = sample_token(logits, temperature, generator)
        for prompt, token in zip(owner, fed.squeeze(1).tolist(), strict=True):
            if token == end:
                ended.add(prompt)
            elif prompt not in ended:
                produced[prompt].append(token)
        going = [row for row, prompt in enumerate(owner) if prompt not in ended]
        if len(going) < CROWDED * len(owner):
            owner = [owner[row] for row in going]
            rows = torch.tensor(going, device=like.device, dtype=torch.long)
            empty, fed = empty[rows], fed[rows]
            for past in pasts:
                past.keep(rows)
    return produced


def _step(net: Backbone, fed: Tensor, at: int, empty: Tensor, pasts: list[Past]) -> Tensor:
    """Logits of the last position, (rows, vocab)."""
    time = fed.shape[1]
    where = torch.arange(at, at + time, device=fed.device)
    positions = (where - empty[:, None]).clamp_min(0)
    keys = torch.arange(at + time, device=fed.device)
    hidden_keys = (keys > where[:, None]) | (keys < empty[:, None, None])
    mask = torch.where(hidden_keys[:, None], -1e4, 0.0)
    x, cos, sin = net.embed_tokens(fed), net.cos[positions][:, None], net.sin[positions][:, None]
    for layer, past in zip(net.layers, pasts, strict=True):
        x = layer(x, cos, sin, mask, past)
    return net.norm(x[:, -1]) @ net.embed_tokens.weight.T


def sample_token(logits: Tensor, temperature: float, generator: torch.Generator | None) -> Tensor:
    """Sampled tokens, (rows, 1); greedy at temperature 0."""
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    return torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator)
