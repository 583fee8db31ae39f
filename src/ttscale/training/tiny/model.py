"""The Llama architecture, lean: only what training needs, with the parameter names of Hugging Face.

Attention is written out: on a CPU and at these lengths it is faster than the fused kernel, whose
backward pass dominates.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a model; `inner` is the feed-forward width, `context` the longest sequence."""

    vocab: int
    width: int
    layers: int
    heads: int
    inner: int
    context: int = 2048
    theta: float = 10_000.0
    eps: float = 1e-5

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Norm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of x, (batch, heads, time, head width)."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


class Past:
    """Keys and values of one layer, (batch, heads, room, head width), filled from the left."""

    def __init__(self, batch: int, heads: int, room: int, width: int, like: Tensor) -> None:
        self.keys, self.values = (like.new_zeros(batch, heads, room, width) for _ in range(2))
        self.length = 0

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        end = self.length + k.shape[2]
        self.keys[:, :, self.length : end], self.values[:, :, self.length : end] = k, v
        self.length = end
        return self.keys[:, :, :end], self.values[:, :, :end]

    def keep(self, rows: Tensor) -> None:
        """Drop all other rows; only what is filled is copied."""

        def kept(old: Tensor) -> Tensor:
            new = old.new_zeros(len(rows), *old.shape[1:])
            new[:, :, : self.length] = old[rows, :, : self.length]
            return new

        self.keys, self.values = kept(self.keys), kept(self.values)


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (
            nn.Linear(shape.width, shape.width, bias=False) for _ in range(4)
        )

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, past: "Past | None" = None
    ) -> Tensor:
        batch, time, width = x.shape
        q, k, v = (
            proj(x).view(batch, time, self.heads, -1).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if past is not None:
            k, v = past.extend(k, v)
        weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + mask
        mixed = weights.softmax(-1).to(v.dtype) @ v
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, time, width))


class FeedForward(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn, self.mlp = Attention(shape), FeedForward(shape)
        self.input_layernorm = Norm(shape.width, shape.eps)
        self.post_attention_layernorm = Norm(shape.width, shape.eps)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, past: "Past | None" = None
    ) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask, past)
        return x + self.mlp(self.post_attention_layernorm(x))


class Backbone(nn.Module):
    """Token ids, (batch, time), padded on the right -> hidden states, (batch, time, width)."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.width, shape.eps)
        half = torch.arange(0, shape.width // shape.heads, 2) * shape.heads / shape.width
        angles = torch.outer(torch.arange(shape.context), shape.theta**-half)
        angles = torch.cat((angles, angles), dim=-1)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        x, time = self.embed_tokens(ids), ids.shape[1]
        dtype = (
            torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype
        )
        x, cos, sin = x.to(dtype), self.cos[:time].to(dtype), self.sin[:time].to(dtype)
        mask = torch.full((time, time), -1e4, dtype=dtype, device=x.device).triu(1)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)


class Reasoner(nn.Module):
    """The language model; input and output embeddings are tied."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Backbone(shape)
        deep = (2 * shape.layers) ** -0.5
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=weight.shape[1] ** -0.5 * (deep if residual else 1.0))
        nn.init.normal_(self.model.embed_tokens.weight, std=0.02)

    def loss(self, ids: Tensor, learned: Tensor) -> Tensor:
        """Mean cross-entropy in nats over the tokens where `learned`, (batch, time), is true."""
        hidden = self.model(ids[:, :-1])[learned[:, 1:]]
        logits = hidden @ self.model.embed_tokens.weight.T.to(hidden.dtype)
        return F.cross_entropy(logits.float(), ids[:, 1:][learned[:, 1:]])


class ProcessRewardModel(nn.Module):
    """The backbone with a head: the logit, at each position, that the reply will end right."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Backbone(shape)
        self.score = nn.Linear(shape.width, 1, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits, (batch, time)."""
        return self.score(self.model(ids)).squeeze(-1).float()
