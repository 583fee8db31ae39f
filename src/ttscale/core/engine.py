"""The seam between methods and models: what an engine is, and an engine made of another one."""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar, cast

from .generation import Generation, GenerationRequest
from .problem import Problem
from .prompt import Prompt
from .spending.prompt_lengths import PromptLengths
from .trace import FloatArray, Trace

if TYPE_CHECKING:
    from .execution.trials import Trials

Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Score:
    """Log-probabilities of a given text, in nats, (tokens,), and the tokens read for it, with those
    before the text; None if they are not known."""

    logprobs: FloatArray
    tokens: int | None
    conf: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Rewards:
    """A verifier's scores of texts, (texts,), and the tokens it read; None if they are not known."""

    values: list[float]
    tokens: int | None
    steps: list[list[float]] | None = None


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors, (texts, dimensions), and the tokens they took; None if they are not known."""

    vectors: FloatArray
    tokens: int | None


class UseRequest(abc.ABC, Generic[Reply]):
    """Something asked of a metered resource other than sampling: an environment, a denoiser, a
    renderer. A subclass holds what is asked, and its type argument is the type of the reply."""

    role: str
    """Who is asked."""

    @abc.abstractmethod
    def units(self) -> Mapping[str, float]:
        """Its price in named units (network evaluations, renders), at most: known before it
        starts, so that no budget is overshot."""


@dataclass(frozen=True, slots=True)
class Used(Generic[Reply]):
    """The reply of a metered resource, and what it took.

    Attributes:
        units: no more than the request's price; None if that is what it took.
        sequential: of these, the longest chain that had to wait for one another; None for all.
    """

    result: Reply
    units: Mapping[str, float] | None = None
    sequential: Mapping[str, float] | None = None


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


class Probing(Protocol):
    """An engine that finds out what it can do when a method needs to know."""

    def unknown(self, capabilities: Collection[str]) -> frozenset[str]:
        """Which of these it may have or not."""
        ...

    async def probe(self, capabilities: Collection[str], trials: Trials) -> None:
        """Find out; every request is one of `trials`."""
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

    async def use(self, request: UseRequest[Reply]) -> Used[Reply]: ...


class Finite(Protocol):
    """An engine that may run dry."""

    def pool_size(self, problem: Problem, prompt: Prompt, role: str) -> int | None:
        """Samples there are of a prompt; None if they never end."""
        ...


def unknown(engine: Engine, capabilities: Collection[str]) -> frozenset[str]:
    """Which of these an engine may have or not: none, unless it finds out only when asked."""
    return cast(Probing, engine).unknown(capabilities) if hasattr(engine, "unknown") else frozenset()


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

    @property
    def prompt_lengths(self) -> PromptLengths | None:
        return getattr(self.engine, "prompt_lengths", None)

    @property
    def prompts(self) -> str:
        return getattr(self.engine, "prompts", "")

    def unknown(self, capabilities: Collection[str]) -> frozenset[str]:
        return unknown(self.engine, capabilities)

    async def probe(self, capabilities: Collection[str], trials: Trials) -> None:
        await cast(Probing, self.engine).probe(capabilities, trials)

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

    async def use(self, request: UseRequest[Reply]) -> Used[Reply]:
        return await cast(Resource, self.engine).use(request)

    def pool_size(self, problem: Problem, prompt: Prompt, role: str) -> int | None:
        if not hasattr(self.engine, "pool_size"):
            return None
        return cast(Finite, self.engine).pool_size(problem, prompt, role)
