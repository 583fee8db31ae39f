"""A Hugging Face causal language model in this process, for what a server cannot give: scores of a
given text, hidden states, replaceable decoding. Needs the extra `ttscale[torch]`.

    engine = TransformersLocal("path/to/model", batch=16)

Samples are batched continuously: one joins at the next step, and leaves when it finishes or is
stopped. Samples of the same prompt share its reading. A sample's text depends on its own seed and
settings only: each row has a generator of its own and uses one random number per token. The model's
numbers do depend on who else is in the batch, in their last bits; where two tokens are that close,
so does the choice. In float32 this is rare, in half precision it is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ...core import (
    CapabilityError,
    ContextOverflow,
    Embeddings,
    FloatArray,
    Generation,
    GenerationRequest,
    Prompt,
    Sampling,
    Score,
    TokenLoop,
    UsageError,
)
from .loading import Loaded, free, load, load_encoder, located, need

if TYPE_CHECKING:
    from .decoding.sampler import Chooser
    from .detokenizer import Speller
    from .embedding import Embedder
    from .tokenization import Prompts
    from .worker import Worker

T = TypeVar("T")

_TOP = 20  # alternatives in the confidence of a given text (DeepConf, arXiv:2508.15260)
_COLD = 1e-5  # below this temperature, logits overflow: it is greedy decoding
_ENDLESS = 1 << 31  # tokens
_EXTRA = ("chat_template_kwargs",)


@dataclass(frozen=True, slots=True)
class Hidden:
    """Hidden states of a given text, (layers, tokens, width), and the tokens they took."""

    states: FloatArray
    tokens: int


class TransformersLocal:
    """A model that generates, scores, and shows its hidden states.

    Settings a sample leaves open are those the model's generation_config.json recommends; without
    any, temperature 1 and the whole distribution.

    Args:
        model: a folder, or a name on the hub (looked for on this machine first).
        device: "auto" is the first GPU if there is one, else the CPU.
        dtype: float32, bfloat16 or float16; by default float32 on a CPU, else as it was saved.
        batch: samples decoded at a time; further ones queue.
        context: tokens of prompt and reply together; the model's own limit if that is smaller.
        reuse: texts whose keys and values are kept, for prompts that begin with them; 0 for none.
        chooser: logits -> tokens, in place of plain sampling.
        embedder: a sentence-transformers folder for `embed`; without it the mean of this model's
            own last hidden states.
        revision: of a model on the hub.
        prompts: the set of prompts it was trained on, if there is one.
    """

    time: Literal["wall", "tokens"] = "wall"

    def __init__(
        self,
        model: str | Path,
        *,
        device: str = "auto",
        dtype: str | None = None,
        batch: int = 16,
        context: int | None = None,
        reuse: int = 8,
        chooser: Chooser | None = None,
        embedder: str | Path | None = None,
        name: str = "",
        revision: str | None = None,
        prompts: str = "",
    ) -> None:
        for setting, value, least in (("batch", batch, 1), ("reuse", reuse, 0), ("context", context, 2)):
            if value is not None and value < least:
                raise UsageError(f"{setting}={value!r} is out of range", fix=f"give {least} or more")
        self.path = located(model)
        self.model = Path(self.path).name if Path(self.path).is_dir() else self.path
        self.name = name or f"transformers:{self.model}"
        self.device, self.dtype, self.revision = device, dtype, revision
        self.prompts = prompts
        self.batch, self.context, self.reuse = batch, context, reuse
        self.chooser, self.embedder = chooser, embedder
        self._loaded: Loaded | None = None
        self._worker: Worker | None = None
        self._prompts: Prompts
        self._speller: Callable[[], Speller]
        self._encoder: Embedder

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def capabilities(self) -> frozenset[str]:
        return frozenset({"text", "prefix", "logprobs", "score", "hidden", "embed"})

    # -- opening and closing

    async def open(self) -> None:
        """Load the model and start the thread that runs it.

        Raises:
            UsageError: torch is not installed, the folder is missing or broken, the model is not a
                causal language model, or the device cannot be used.
            ModelNotFound: a name that is neither on this machine nor can be fetched.
        """
        if self._worker is not None:
            return
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        need("torch")
        loaded = load(self.path, self.device, self.dtype, self.revision)
        from .decoding.decoder import Decoder
        from .detokenizer import spelling
        from .embedding import Embedder
        from .tokenization import Prompts
        from .worker import Worker

        limits = [n for n in (self.context, loaded.context) if n is not None]
        loaded.context = min(limits, default=None)
        if self.embedder is None:
            self._encoder = Embedder(loaded.model, loaded.tokenizer, loaded.context)
        else:
            other, pooling, unit = load_encoder(str(self.embedder), self.device, self.dtype)
            self._encoder = Embedder(other.model, other.tokenizer, other.context, pooling, unit)
        self._prompts = Prompts(loaded.tokenizer, self.name)
        self._speller = spelling(loaded.tokenizer)
        decoder = Decoder(loaded.model, loaded.ends, reuse=self.reuse, chooser=self.chooser)
        self._loaded, self._worker = loaded, Worker(decoder, self.batch, self.name)

    async def close(self) -> None:
        """Abort what is under way, end the thread, free the model."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        for generation in list(worker.generations):
            generation.abort("cancelled")
        await asyncio.to_thread(worker.close)
        device = None if self._loaded is None else self._loaded.device
        self._loaded = None
        del worker, self._encoder, self._prompts, self._speller
        if device is not None:
            free(device)

    # -- sampling

    def start(self, request: GenerationRequest) -> Generation:
        loaded, worker = self._opened()
        row = self._row(request, loaded)
        from .generation import LocalGeneration

        return LocalGeneration(worker, request, row, self.model)

    def _row(self, request: GenerationRequest, loaded: Loaded) -> Any:
        """The sample as the decoder sees it."""
        from .decoding.sequence import Row

        sampling = request.sampling
        prompt = self._prompts.ids(request.prompt, _template_settings(sampling, self.name))
        most, full = request.most(self._room(len(prompt)))
        wanted = {n: getattr(sampling, n) for n in ("temperature", "top_p", "top_k", "min_p")}
        given = {n: v for n, v in wanted.items() if v is not None}
        if given.get("temperature", 1) < _COLD:
            given["temperature"] = 0.0
        return Row(
            prompt,
            request.seed,
            self._speller(),
            loaded.ends,
            most=_ENDLESS if most is None else max(0, most),
            full=full,
            least=sampling.min_tokens or 0,
            stop=sampling.stop,
            alternatives=sampling.logprobs,
            **{**loaded.taste, **given},
        )

    def _room(self, prompt: int) -> int | None:
        """Tokens a reply may have; None if the model has no limit."""
        loaded, _ = self._opened()
        if loaded.context is None:
            return None
        if prompt >= loaded.context:
            raise ContextOverflow(
                f"a prompt of {prompt} tokens leaves no room in the context of {loaded.context} of "
                f"{self.name}",
                fix="shorten the prompt, or use a model with a longer context",
            )
        return loaded.context - prompt

    # -- given texts

    async def score(self, prompt: Prompt, text: str) -> Score:
        """Log-probabilities of `text` as the (continued) reply to `prompt`, in nats, at temperature
        1; the confidence is minus the mean of the 20 highest.

        The text's tokens are those that prompt and text together have and the prompt alone has not:
        a token that spans the border counts as the text's.
        """
        _, worker = self._opened()
        ids, first = self._prompts.with_text(prompt, text)
        self._fits(len(ids))
        logprobs, conf = await self._on_worker(lambda: worker.decoder.score(ids, first, _TOP))
        return Score(logprobs.numpy(), len(ids), conf.numpy())

    async def hidden(self, prompt: Prompt, text: str, layers: Sequence[int] | None = None) -> Hidden:
        """Hidden states of `text` as the reply to `prompt`, at the position of each of its tokens.
        Layer 0 is the embedding, the last one (-1) what the output layer reads."""
        _, worker = self._opened()
        ids, first = self._prompts.with_text(prompt, text)
        self._fits(len(ids))
        states = await self._on_worker(lambda: worker.decoder.hidden(ids, first, layers))
        return Hidden(states.numpy(), len(ids))

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """Vectors in the order of `texts`."""
        self._opened()
        encoder = self._encoder
        return await self._on_worker(lambda: encoder.embed(texts))

    def _fits(self, tokens: int) -> None:
        loaded, _ = self._opened()
        if loaded.context is not None and tokens > loaded.context:
            raise ContextOverflow(
                f"a text of {tokens} tokens does not fit the context of {loaded.context} of {self.name}",
                fix="shorten the text, or use a model with a longer context",
            )

    async def _on_worker(self, work: Callable[[], T]) -> T:
        """Let the worker do something between two steps. Token time stands still meanwhile."""
        _, worker = self._opened()
        loop = asyncio.get_running_loop()
        future = asyncio.wrap_future(worker.submit(work))
        if not isinstance(loop, TokenLoop):
            return await future
        loop.hold()
        try:
            return await future
        finally:
            loop.release()

    def _opened(self) -> tuple[Loaded, Worker]:
        if self._loaded is None or self._worker is None:
            raise RuntimeError(f"{self!r} is not open")
        return self._loaded, self._worker


def _template_settings(sampling: Sampling, name: str) -> Mapping[str, Any]:
    """The variables of the chat template among a sample's extra fields. Another field dropped in
    silence would be a different experiment."""
    unknown = sorted(set(sampling.extra) - set(_EXTRA))
    if unknown:
        raise CapabilityError(
            f"{name} does not know the field {unknown[0]!r}", fix=f"it knows {', '.join(_EXTRA)}"
        )
    settings: Mapping[str, Any] = sampling.extra.get("chat_template_kwargs") or {}
    return settings
