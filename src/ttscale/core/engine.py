"""The seam between methods and models: what an engine is, and an engine made of another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast

from .generation import Generation, GenerationRequest
from .problem import Problem
from .prompt import Prompt
from .trace import FloatArray, Trace


@dataclass(frozen=True, slots=True)
class Score:
    """Log-probabilities of a given text, in nats, (tokens,), and the tokens it took."""

    logprobs: FloatArray
    tokens: int
    conf: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Rewards:
    """A verifier's scores of texts, (texts,), and the tokens it read."""

    values: list[float]
    tokens: int
    steps: list[list[float]] | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors, (texts, dimensions), and the tokens they took."""

    vectors: FloatArray
    tokens: int


@dataclass(slots=True)
class Used:
    """The reply of a metered resource and the named units it used."""

    reply: Any
    units: dict[str, float] = field(default_factory=dict)


class Engine(Protocol):
    """Where tokens come from. Only `start` is needed; the rest is declared by `capabilities`."""

    @property
    def name(self) -> str: ...

    @property
    def time(self) -> Literal["wall", "tokens"]: ...

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do; complete after `open`."""
        ...

    async def open(self) -> None:
        """Get ready: load, connect, probe. May be called again without harm."""
        ...

    async def close(self) -> None:
        """Give everything back. Generations still under way are aborted."""
        ...

    def start(self, request: GenerationRequest) -> Generation:
        """Begin a sample."""
        ...


class Scorer(Protocol):
    """Capability `score`."""

    async def score(self, prompt: Prompt, text: str) -> Score: ...


class Rewarder(Protocol):
    """Capability `reward`."""

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards: ...


class Embedder(Protocol):
    """Capability `embed`."""

    async def embed(self, texts: Sequence[str]) -> Embeddings: ...


class Resource(Protocol):
    """Capability `use`."""

    async def use(self, request: Any) -> Used: ...


class Finite(Protocol):
    """An engine that may run dry."""

    def pool_size(self, problem: Problem, prompt: Prompt, role: str) -> int | None:
        """Samples there are of a prompt; None if they never end."""
        ...


class EngineWrapper:
    """Another engine in all that a subclass does not change."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def time(self) -> Literal["wall", "tokens"]:
        return self.engine.time

    @property
    def capabilities(self) -> frozenset[str]:
        return self.engine.capabilities

    async def open(self) -> None:
        await self.engine.open()

    async def close(self) -> None:
        await self.engine.close()

    def start(self, request: GenerationRequest) -> Generation:
        return self.engine.start(request)

    async def score(self, prompt: Prompt, text: str) -> Score:
        return await cast(Scorer, self.engine).score(prompt, text)

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        return await cast(Rewarder, self.engine).reward(problem, traces)

    async def embed(self, texts: Sequence[str]) -> Embeddings:
        return await cast(Embedder, self.engine).embed(texts)

    async def use(self, request: Any) -> Used:
        return await cast(Resource, self.engine).use(request)

    def pool_size(self, problem: Problem, prompt: Prompt, role: str) -> int | None:
        if not hasattr(self.engine, "pool_size"):
            return None
        return cast(Finite, self.engine).pool_size(problem, prompt, role)
