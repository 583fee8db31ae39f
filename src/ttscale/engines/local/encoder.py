"""A sentence embedder in this process, for the role `embedder`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from ...core import CapabilityError, Embeddings, Generation, GenerationRequest
from .embedding import Embedder
from .loading import Loaded, free, load_encoder, located


class EncoderLocal:
    """A sentence-transformers model: texts to vectors, and nothing else.

    Args:
        model: a folder, or a name on the hub.
        device: "auto" is the first GPU if there is one, else the CPU.
        dtype: float32, bfloat16 or float16; by default float32 on a CPU, else as it was saved.
    """

    time: Literal["wall", "tokens"] = "wall"

    def __init__(
        self, model: str | Path, *, device: str = "auto", dtype: str | None = None, name: str = ""
    ) -> None:
        self.path = located(model)
        self.name = name or f"embedder:{Path(self.path).name}"
        self.device, self.dtype = device, dtype
        self._loaded: Loaded | None = None
        self._encoder: Embedder
        self._thread: ThreadPoolExecutor

    @property
    def capabilities(self) -> frozenset[str]:
        return frozenset({"embed"})

    async def open(self) -> None:
        """Load the model. Raises the typed error of a folder that is missing or no embedder."""
        if self._loaded is not None:
            return
        loaded, pooling, unit = await asyncio.to_thread(load_encoder, self.path, self.device, self.dtype)
        self._loaded = loaded
        self._encoder = Embedder(loaded.model, loaded.tokenizer, loaded.context, pooling, unit)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.name)

    async def close(self) -> None:
        """Free the model."""
        loaded, self._loaded = self._loaded, None
        if loaded is None:
            return
        await asyncio.to_thread(self._thread.shutdown, True, cancel_futures=True)
        del self._encoder
        free(loaded.device)

    def start(self, request: GenerationRequest) -> Generation:
        raise CapabilityError(f"{self.name} embeds, it does not write", fix="ask another engine")

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Vectors in the order of `texts`."""
        if self._loaded is None:
            raise RuntimeError(f"{self.name} is not open")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, list(texts))

    def _read(self, texts: list[str]) -> Embeddings:
        import torch

        with torch.inference_mode():
            return self._encoder.embed(texts)
