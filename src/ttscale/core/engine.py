"""The seam between methods and models: a call goes in, a flight comes out and lands once.

An engine exposes no coroutine for sampling. `start` returns at once; the flight reports chunks
while it lasts and lands exactly one trace, by itself or because it was aborted. Abort is
synchronous and idempotent: there is no cleanup to wait for, hence none that a second cancellation
could break.
"""

from __future__ import annotations

import abc
import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from .problem import Problem
from .prompt import Prompt
from .sampling import Sampling
from .trace import Chunk, Finish, FloatArray, Trace

Reply = TypeVar("Reply")


class StopRule(Protocol):
    """Ends a trace early. One instance watches one trace, from its beginning."""

    def feed(self, chunk: Chunk) -> int | None:
        """How many of the chunk's tokens to keep if the trace ends inside it, else None.

        The outcome must not depend on how a trace is divided into chunks: a recording is fed whole,
        a live stream piece by piece.
        """
        ...


class Call(abc.ABC):
    """One draw asked of an engine.

    Attributes:
        problem: the problem it is for; replay pools are looked up by its id.
        part: what the trace will be (see `roles`).
        draw: ordinal among equal asks of the run (problem, role, prompt).
        run_seed: the seed of the run; with the identity of the draw it gives `seed`.
        loop: the event loop of the run.
        rule: ends the trace early; its verdict is finish `cut`.
        limit: tokens this draw may have before a budget ends it (finish `budget`).
        watch: receives every chunk, in order, before the trace lands.
        progress: told after every chunk, if somebody has to know how far the flight is.
    """

    __slots__ = (
        "draw",
        "limit",
        "loop",
        "part",
        "problem",
        "progress",
        "prompt",
        "role",
        "rule",
        "run_seed",
        "sampling",
        "watch",
    )

    def __init__(
        self,
        problem: Problem,
        prompt: Prompt,
        sampling: Sampling,
        role: str,
        draw: int,
        run_seed: int,
        loop: asyncio.AbstractEventLoop,
        rule: StopRule | None = None,
        limit: int | None = None,
        watch: Callable[[Chunk], None] | None = None,
        progress: Callable[[], None] | None = None,
        part: str = "answer",
    ) -> None:
        self.problem, self.prompt, self.sampling, self.role = problem, prompt, sampling, role
        self.part, self.draw, self.run_seed, self.loop = part, draw, run_seed, loop
        self.rule, self.limit, self.watch, self.progress = rule, limit, watch, progress

    @abc.abstractmethod
    def land(self, trace: Trace) -> None:
        """Hand over the trace: once, in the event loop's thread; later ones are ignored."""

    @property
    def seed(self) -> int:
        """A seed in [0, 2^31) that depends on what is asked and on its ordinal only."""
        name = f"{self.run_seed}|{self.problem.id}|{self.role}|{self.prompt.key}|{self.draw}"
        digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") & 0x7FFFFFFF


class Flight(Protocol):
    """A draw under way."""

    def seen(self, at: float | None = None) -> int:
        """Tokens generated so far; in token time also at a later tick `at`."""
        ...

    def abort(self, finish: Finish) -> None:
        """Stop generating and land what is there, unless it has landed already."""
        ...

    def cap(self, tokens: int) -> None:
        """Let the draw have `tokens` tokens at most, then cut it; at once if it has more."""
        ...


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

    reply: Reply
    units: Mapping[str, float] | None = None
    sequential: Mapping[str, float] | None = None


class Engine(Protocol):
    """Where tokens come from. Only `start` is needed; the rest is declared by `capabilities`."""

    name: str
    time: Literal["wall", "tokens"]

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do; complete after `open`."""
        ...

    async def open(self) -> None:
        """Get ready: load, connect, probe. May be called again without harm."""
        ...

    async def close(self) -> None:
        """Give everything back. Flights still under way are aborted."""
        ...

    def start(self, call: Call) -> Flight:
        """Begin a draw."""
        ...


class Scorer(Protocol):
    """Capability `score`."""

    async def score(self, prompt: Prompt, text: str) -> Score: ...


class Resource(Protocol):
    """Capability `use`."""

    async def use(self, request: UseRequest[Reply]) -> Used[Reply]: ...
