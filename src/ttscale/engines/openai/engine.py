"""Any server that speaks the OpenAI API: vLLM, SGLang, llama.cpp, Ollama, hosted ones.

    engine = OpenAIHTTP("Qwen/Qwen3-8B", "http://localhost:8000")
    engine = OpenAIHTTP("gpt-5", "https://api.openai.com", key_env="OPENAI_API_KEY")

What a server can do is tried when it is needed, never assumed. Samples are always
streamed, because only a stream can be stopped: closing its connection stops the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from ...core import Embeddings, Generation, GenerationRequest, Problem, Prompt, Rewards, Score, Trace, Trials
from ...core.spending.metering import Scope
from ...core.spending.prompt_lengths import PromptLengths, size_of
from ..http.client import HTTPClient
from ..http.forwarding import Forwarding
from ..http.retry import Retry
from . import endless, findings, probe, scoring
from .dialect import Dialect
from .generation import HTTPGeneration
from .request_body import EffortField, RequestBody, body_of
from .response import ResponseReader


class OpenAIHTTP(HTTPClient):
    """A model behind one or several equal servers.

    Args:
        model: its name there; "" for the only one, or the `likely` one if there are several.
        seeds: send the sample's own seed, so that a rerun can give the same texts.
        dialect: what the server can do, if that is known; otherwise it is tried.
        effort: the field in which the server is told how hard to think.
        cache: a directory in which to remember what was found, by URL and model.
        prompts: the set of prompts it was trained on, if there is one.

    The others are those of `HTTPClient`.

    Attributes:
        confirmed: whether the server was asked what it lists, so that findings are its own.
        listed: what it listed then, or when what is kept was found.
    """

    time: Literal["wall", "tokens"] = "wall"

    def __init__(
        self,
        model: str,
        url: str | Sequence[str],
        *,
        key_env: str | None = None,
        key_file: str | Path | None = None,
        key_in: str | None = None,
        headers: Mapping[str, str] | None = None,
        concurrency: int = 64,
        connect: float = 10.0,
        idle: float = 120.0,
        total: float | None = None,
        retry: Retry | None = None,
        seeds: bool = True,
        dialect: Dialect | None = None,
        effort: EffortField = "reasoning_effort",
        cache: Path | None = None,
        name: str = "",
        likely: str = "",
        prompts: str = "",
    ) -> None:
        super().__init__(
            url,
            key_env=key_env,
            key_file=key_file,
            key_in=key_in,
            headers=headers,
            concurrency=concurrency,
            connect=connect,
            idle=idle,
            total=total,
            retry=retry or Retry(),
        )
        self.model, self.likely, self.seeds, self.cache = model, likely, seeds, cache
        self.effort: EffortField = effort
        host = self.urls[0].split("://", 1)[1] if self.urls else ""
        self.name = name or f"openai:{model}@{host}"
        self.prompts, self._known = prompts, dialect
        self.dialect = dialect or Dialect()
        self._opened, self._finding = False, asyncio.Lock()
        self.confirmed = dialect is not None
        self.listed: tuple[str, ...] = ()
        self._key = (self.urls[0] if self.urls else "", model, likely)
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
        """Get ready, and recall what is known of the server; it is asked nothing yet."""
        if self._opened:
            return
        self.attach()
        self._opened, self._finding = True, asyncio.Lock()
        if self._known is not None:
            return
        found = findings.known(self._key)
        if found is not None:
            self.confirm(found.model, found.listed, found.dialect)
        elif (found := findings.kept(self.cache, self._key)) is not None:
            self.listed, self.dialect = found.listed, found.dialect

    def unknown(self, capabilities: Collection[str]) -> frozenset[str]:
        """Which of these have not been tried; "text", as long as the model's name is not known."""
        if self._known is not None:
            return frozenset()
        untried = probe.TRIED.intersection(capabilities)
        if self.confirmed:
            untried -= self.dialect.tried
        return untried if self.model else untried | {"text"}

    async def probe(self, capabilities: Collection[str], trials: Trials) -> None:
        """Find out what of these is unknown; see `probe.find_out`. What several want to know is found
        out for the first of them."""
        async with self._finding:
            if self.unknown(capabilities):
                await probe.find_out(self, capabilities, trials)

    async def identify(self) -> None:
        """Learn what the server says of itself, which takes no token."""
        if self._known is None:
            async with self._finding:
                await probe.identify(self, Trials(Scope(None), None))

    def confirm(self, model: str, listed: tuple[str, ...], dialect: Dialect) -> None:
        """The server has told its name for the model, and what it lists."""
        self.confirmed, self.model, self.listed = True, model, listed
        self.learn(dialect)

    async def close(self) -> None:
        """Abort what is under way and close all connections."""
        if not self.attached:
            return
        self.attached = self._opened = False
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
        path, body = body_of(
            request.prompt,
            request.sampling,
            dialect,
            self.model,
            limit=dialect.bound(request.limit),
            server=self.server,
            effort=self.effort,
        )
        return RequestBody(request, path, body, seeds=self.seeds)

    def reader(self, prefix: str) -> ResponseReader:
        """What reads the reply that continues `prefix`."""
        return ResponseReader(prefix)

    def learn(self, dialect: Dialect) -> None:
        """Speak to the server like this from now on."""
        self.dialect, self._body = dialect, None
        if dialect.greeting:
            self.prompt_lengths.learn(size_of(Prompt.user(probe.GREETING)), dialect.greeting)
        if self._known is None:
            found = findings.Finding(dialect, self.model, self.listed)
            findings.remember(self.cache, self._key, found, confirmed=self.confirmed)

    def mistakes(self, spoken: Dialect, headers: Mapping[str, str]) -> bool:
        """Whether a reply to a request in a dialect is llama.cpp's, and that was not known. It samples by
        habits of its own unless it is told not to, so that it is asked once more."""
        if self._known is not None or spoken.kind != "other" or headers.get("Server") != "llama.cpp":
            return False
        if self.dialect.kind == "other":
            self.learn(self.dialect.of_kind("llamacpp"))
        return self.dialect.kind == "llamacpp"

    def _forget(self, task: asyncio.Task[None]) -> None:
        """A generation's connection has been given back."""
        generation = self._generations.pop(task, None)
        if generation is not None:
            generation.abort("cancelled")  # if it was the task that was cancelled
            del generation.task  # a cancelled task leads back to its generation: a circle

    # -- passing on

    def forward(self, path: str, payload: bytes, **settings: Any) -> Forwarding:
        """As `HTTPClient.forward`. Raises `UsageError` for what the server would never answer."""
        if self.dialect.kind == "llamacpp":
            endless.check(payload, self.server)
        return super().forward(path, payload, **settings)

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
