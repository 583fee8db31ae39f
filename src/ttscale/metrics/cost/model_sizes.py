"""The sizes of a transformer that its costs follow from, read from its `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ...core import RecordError


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A decoder with grouped-query attention and gated MLPs.

    Attributes:
        hidden: d. layers: n_l. heads: H_q. kv_heads: H_kv. vocab: V.
        head_dim: d_k; often, not always, hidden / heads.
        intermediate: d_ff; of a mixture of experts that of the experts one token passes together.
        tied: whether the output head is the embedding.
        parameters: P, active per token; 0 in a config means they are counted from the sizes.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocab: int
    tied: bool = True
    parameters: float = 0.0

    def __post_init__(self) -> None:
        if not self.parameters:
            object.__setattr__(self, "parameters", float(self.counted))

    @property
    def counted(self) -> int:
        """Parameters that follow from the sizes: embeddings, projections, MLPs and norms; biases
        and routers are left out."""
        d, attention = self.hidden, self.heads + self.kv_heads
        layer = 2 * d * attention * self.head_dim + 3 * d * self.intermediate + 2 * d
        return self.layers * layer + (1 if self.tied else 2) * self.vocab * d + d

    @property
    def kv_elements(self) -> int:
        """D: key and value elements of one token in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim

    @classmethod
    def of(cls, config: Mapping[str, Any], *, parameters: float = 0.0) -> Shape:
        """From the contents of a Hugging Face `config.json`.

        Args:
            config: its sizes, by their usual names.
            parameters: active parameters, where the count from the sizes is not what is wanted.

        Raises:
            RecordError: if a size is missing; a multimodal config's text part is looked into.
        """
        text = config.get("text_config", config)
        try:
            heads, hidden = int(text["num_attention_heads"]), int(text["hidden_size"])
            layers, vocab = int(text["num_hidden_layers"]), int(text["vocab_size"])
            experts = int(text.get("num_experts_per_tok") or 0)
            if experts and "moe_intermediate_size" in text:
                shared = int(text.get("n_shared_experts") or 0)
                intermediate = int(text["moe_intermediate_size"]) * (experts + shared)
                intermediate += int(text.get("shared_expert_intermediate_size") or 0)
            else:
                intermediate = int(text["intermediate_size"]) * max(1, experts)
        except (KeyError, TypeError, ValueError) as error:
            raise RecordError(
                f"the model config does not give {error}", fix="give a Hugging Face config.json"
            ) from None
        return cls(
            hidden=hidden,
            layers=layers,
            heads=heads,
            vocab=vocab,
            intermediate=intermediate,
            kv_heads=int(text.get("num_key_value_heads") or heads),
            head_dim=int(text.get("head_dim") or hidden // heads),
            tied=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", True))),
            parameters=parameters,
        )

    @classmethod
    def read(cls, path: str | Path, *, parameters: float = 0.0) -> Shape:
        """From a `config.json`, or the folder that holds one.

        Raises:
            RecordError: if it cannot be read.
        """
        path = Path(path)
        if path.is_dir():
            path = path / "config.json"
        try:
            config = orjson.loads(path.read_bytes())
        except OSError as error:
            raise RecordError(
                f"cannot read {path}: {error.strerror}", fix="give a model's config.json"
            ) from None
        except ValueError as error:
            raise RecordError(f"{path} is not JSON: {error}") from None
        return cls.of(config, parameters=parameters)
