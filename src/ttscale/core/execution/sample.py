"""One sample under way: the request an engine receives, tied to the scope that pays for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..generation import Generation, GenerationRequest
from ..problem import Problem
from ..spending.budget_guard import LimitedScope
from ..spending.metering import Scope
from ..spending.prompt_lengths import size_of
from ..spending.usage import Price
from ..thinking import THINK
from ..trace import Chunk, Finish, Trace
from .trials import Trial, Trials

if TYPE_CHECKING:
    from .context import Context, SampleRequest
    from .run import Run

LOG = logging.getLogger("ttscale.core")


class Sample(GenerationRequest):
    """A sample under way.

    Attributes:
        scope: who pays. price: per token, None if unknown.
        sequential_start: tokens in the chain it had to wait for.
        on_finish: called when it has finished.
        sequential_units_start: the same in named units.
        watched: called with its trace before `on_finish` is; None if nothing observes.
        finished: its trace, once it has finished.
        limiter: the scope whose budget limits it or has ended it, and the kind; None if none does.
    """

    __slots__ = (
        "finished",
        "generation",
        "limiter",
        "on_finish",
        "price",
        "prompt_key",
        "run",
        "scope",
        "sequential_start",
        "sequential_units_start",
        "watched",
    )

    run: Run
    scope: Scope
    price: Price | None
    sequential_start: int
    sequential_units_start: Mapping[str, float]
    prompt_key: str
    generation: Generation | None
    on_finish: Callable[[Sample, Trace], None] | None
    watched: Callable[[Sample, Trace], None] | None
    finished: Trace | None
    limiter: tuple[LimitedScope, str] | None

    def __init__(
        self,
        ctx: Context,
        problem: Problem,
        request: SampleRequest,
        role: str,
        prompt_key: str,
        index: int,
        on_finish: Callable[[Sample, Trace], None],
        on_chunk: Callable[[Chunk], None] | None,
    ) -> None:
        # every field once: a replay makes as many of these as it has samples, and little else
        run = self.run = ctx.run
        self.problem, self.prompt, self.sampling = problem, request.prompt, request.sampling
        self.role, self.prompt_key, self.index, self.part = role, prompt_key, index, request.part
        self.run_seed, self.loop, self.on_chunk = run.seed, run.loop, on_chunk
        self.scope, self.on_finish = ctx.scope, on_finish
        self.sequential_start, self.sequential_units_start = ctx.sequential, ctx.sequential_units
        self.price = run.price_of(role) if run.prices else None
        self.rule = self.limit = self.progress = self.limiter = None
        self.generation = self.finished = self.watched = None

    def finish(self, trace: Trace) -> None:
        """Receive the engine's trace, the first time: identify, charge, record, hand over."""
        if self.finished is not None:
            return
        self.finished = trace
        # cut the references that go round in circles: all is freed at once, not by the collector
        self.generation = self.progress = None
        trace.role = self.role
        trace.prompt_key = self.prompt_key
        trace.index = self.index
        trace.part = self.part
        if self.prompt.prefix:
            trace.opened = THINK.left_open(self.prompt.prefix)
        trace.sequential = self.sequential_start + trace.tokens
        if trace.units:
            start = self.sequential_units_start
            trace.sequential_units = {u: start.get(u, 0.0) + amount for u, amount in trace.units.items()}
        on_finish, self.on_finish = self.on_finish, None
        assert on_finish is not None
        try:
            self.scope.charge(self, trace)
            if self.watched is not None:
                self.watched(self, trace)
        except Exception as error:  # an observer, or a figure that cannot be booked: the trace is waited for
            LOG.exception("a sample has ended and cannot be booked")
            trace.finish, trace.error = "error", error
        finally:
            on_finish(self, trace)

    def probed(self, prompt_tokens: int, tokens: int) -> None:
        Trials(self.scope, self.price).book(Trial(prompt_tokens, tokens, estimated=bool(tokens)))

    def tighten(self) -> bool:
        if self.limit is None or self.limiter is None or self.limiter[1] != "tokens":
            return False
        left = self.limiter[0].remaining("tokens")
        if left is None or left >= self.limit:
            return False
        self.limit = max(1, int(left))  # without any left the budget ends it
        return True

    def seen(self, at: float | None = None) -> int:
        """Tokens so far; in token time also at a later tick."""
        return 0 if self.generation is None else self.generation.seen(at)

    @property
    def late(self) -> int:
        """Tokens that are made although it is stopped now."""
        return 0 if self.generation is None else self.generation.late

    def tokens(self, at: float | None = None) -> int:
        """What it has cost in tokens if it is stopped now, or in token time at a later tick."""
        generation = self.generation
        return 0 if generation is None else generation.seen(at) + generation.late

    def cost(self, at: float | None = None) -> float:
        """The same in money; a prompt whose length is not known is estimated."""
        if self.price is None:
            return 0.0
        generation = self.generation
        prompt = None if generation is None else generation.prompt_tokens
        if prompt is None:
            prompt = self.scope.prompts.length(self)
        cached = None if generation is None else generation.cached_tokens
        return self.price.of(prompt, self.tokens(at), cached or 0)

    @property
    def least_cost(self) -> float:
        """Money for its prompt and one token; 0 without a price."""
        return 0.0 if self.price is None else self.price.of(self.scope.prompts.length(self), 1)

    def estimated_prompt(self) -> int:
        """Tokens its prompt has by all that the engine has told of others."""
        return self.run.prompt_lengths(self.role).estimate(size_of(self.prompt, self.sampling.extra))

    def learn_prompt(self, tokens: int) -> None:
        """The engine has told how many tokens its prompt has."""
        self.run.prompt_lengths(self.role).learn(size_of(self.prompt, self.sampling.extra), tokens)

    def time_left(self) -> float | None:
        """Seconds until a budget ends it; None if none does."""
        left = (limited.remaining("seconds") for limited in self.scope.budgeted)
        return min((seconds for seconds in left if seconds is not None), default=None)

    def abort(self, finish: Finish) -> None:
        """Stop it, unless it has finished."""
        if self.generation is not None:
            self.generation.abort(finish)
