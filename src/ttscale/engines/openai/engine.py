"""Any server that speaks the OpenAI API: vLLM, SGLang, llama.cpp, Ollama, hosted ones.

    engine = OpenAIHTTP("Qwen/Qwen3-8B", "http://localhost:8000")
    engine = OpenAIHTTP("gpt-5", "https://api.openai.com", key_env="OPENAI_API_KEY")

What a server can do is probed when the engine is opened, never assumed. Samples are always
streamed, because only a stream can be stopped: closing its connection stops the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ...core import Embeddings, Generation, GenerationRequest, Problem, Prompt, Rewards, Score, Trace
from ...core.spending.prompt_lengths import PromptLengths, size_of
from ..http.client import HTTPClient
from ..http.forwarding import Forwarding
from ..http.retry import Retry
from . import endless, probe, scoring
from .dialect import Dialect
from .generation import HTTPGeneration
from .request_body import RequestBody


class OpenAIHTTP(HTTPClient):
    """A model behind one or several equal servers.

    Args:
        model: its name there; "" for the only one, or the `likely` one if there are several.
        seeds: send the sample's own seed, so that a rerun can give the same texts.
        dialect: what the server can do, if that is known; otherwise `open` probes it.
        cache: a directory in which to remember what was probed, by URL and model.

    The others are those of `HTTPClient`.
    """

    time: Literal["wall", "tokens"] = "wall"

    def __init__(
        self,
        model: str,
        url: str | Sequence[str],
        *,
        key_env: str | None = None,
        key_file: str | Path | None = None,
        concurrency: int = 64,
        connect: float = 10.0,
        idle: float = 120.0,
        total: float | None = None,
        retry: Retry | None = None,
        seeds: bool = True,
        dialect: Dialect | None = None,
        cache: Path | None = None,
        name: str = "",
        likely: str = "",
    ) -> None:
        super().__init__(
            url,
            key_env=key_env,
            key_file=key_file,
            concurrency=concurrency,
            connect=connect,
            idle=idle,
            total=total,
            retry=retry or Retry(),
        )
        self.model, self.likely, self.seeds, self.cache = model, likely, seeds, cache
        host = self.urls[0].split("://", 1)[1] if self.urls else ""
        self.name = name or f"openai:{model}@{host}"
        self._known = dialect
        self.dialect = dialect or Dialect()
        self._probed = False
        self.prompt_lengths = PromptLengths()
        self._generations: dict[asyncio.Task[None], HTTPGeneration] = {}
        self._body: RequestBody | None = None  # the last: samples of a question follow one another

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def capabilities(self) -> frozenset[str]:
        return self.dialect.capabilities

    # -- opening and closing

    async def open(self) -> None:
        """Connect and probe. Raises the typed error of an unreachable server or a wrong key."""
        if self._probed:
            return
        connected = self.attached
        self.attach()
        try:
            if self._known is None:
                self.dialect, self.model = await probe.known_or_probed(self)
                self._body = None
            if self.dialect.greeting:
                size = size_of(Prompt.user(probe.GREETING))
                self.prompt_lengths.learn(size, self.dialect.greeting)
        except BaseException:
            if not connected:
                await self.close()
            raise
        self._probed = True

    async def close(self) -> None:
        """Abort what is under way and close all connections."""
        if not self.attached:
            return
        self.attached = self._probed = False
        for generation in list(self._generations.values()):
            generation.abort("cancelled")
        tasks = list(self._generations)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.detach()

    # -- sampling

    def start(self, request: GenerationRequest) -> Generation:
        """Raises `CapabilityError` for what the server cannot do."""
        if not self.attached:
            raise RuntimeError(f"{self!r} is not open")
        body = self._body
        if body is None or not body.fits(request):
            body = self._body = self.body_for(request, self.dialect)
        generation = HTTPGeneration(self, request, body, model=self.model, ahead=self.dialect.ahead)
        self._generations[generation.task] = generation
        generation.task.add_done_callback(self._forget)
        return generation

    def body_for(self, request: GenerationRequest, dialect: Dialect) -> RequestBody:
        """The request that is sent for a sample, in a dialect."""
        return RequestBody(request, dialect, self.model, seeds=self.seeds, server=self.server)

    def learn(self, dialect: Dialect) -> None:
        """Speak to the server like this from now on."""
        self.dialect, self._body = dialect, None

    def _forget(self, task: asyncio.Task[None]) -> None:
        """A generation's connection has been given back."""
        generation = self._generations.pop(task, None)
        if generation is not None:
            generation.abort("cancelled")  # if it was the task that was cancelled
            del generation.task  # a cancelled task leads back to its generation: a circle

    # -- passing on

    def forward(self, path: str, payload: bytes, *, cost: int = 0, hedge: float = 0.0) -> Forwarding:
        """As `HTTPClient.forward`. Raises `UsageError` for what the server would never answer."""
        if self.dialect.kind == "llamacpp":
            endless.check(payload, self.server)
        return super().forward(path, payload, cost=cost, hedge=hedge)

    # -- judging

    async def score(self, prompt: Prompt, text: str) -> Score:
        """Log-probabilities of `text` as the reply to `prompt`, in nats."""
        return await scoring.score(self, prompt, text)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        """The server's embeddings."""
        return await scoring.embed(self, texts)

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        """A reward model's scores; see `judging.reward` for which endpoint gives them."""
        return await scoring.reward(self, problem, traces)
