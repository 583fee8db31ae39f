"""The context: a method's only window to the world.

Everything a method spends goes through here and is metered. A method never sees an HTTP client, a
clock, a token counter or a file.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from ..cards.method import Configured
from ..cards.roles import default_part
from ..engine import Embeddings, Engine, Reply, Resource, Rewards, Score, UseRequest
from ..errors import EngineError, TTScaleError
from ..generation import StopRule
from ..outcome import Outcome
from ..problem import Problem
from ..prompt import Prompt
from ..sampling import Sampling
from ..spending.budget import Budget
from ..spending.budget_guard import admit, scope_of
from ..spending.metering import Scope, later
from ..spending.prompt_lengths import size_of
from ..trace import NO_UNITS, FloatArray, Trace
from .branches import Group
from .streams import Arrivals, Live, Race

if TYPE_CHECKING:
    from .run import Run

T = TypeVar("T")
Judged = TypeVar("Judged", Score, Rewards, Embeddings)
Item = TypeVar("Item")
Prompts = Prompt | Sequence[Prompt]
Until = Callable[[], StopRule]


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """What one sample is asked. `until` makes the stop rule that watches it, `part` says what the
    trace will be."""

    prompt: Prompt
    role: str = "main"
    sampling: Sampling = field(default_factory=Sampling)
    until: Until | None = None
    part: str = "answer"


class Context:
    """What a method works with. Concurrent branches must have a context each: see `map`, `group`.

    Attributes:
        sequential: tokens in the longest chain this branch has waited for.
        sequential_units: the same in every named unit; replaced, never changed.
        problem: the problem being answered; None in a set method until `of` names one.
    """

    __slots__ = ("problem", "run", "scope", "sequential", "sequential_units")

    def __init__(
        self,
        run: Run,
        scope: Scope,
        problem: Problem | None,
        sequential: int = 0,
        sequential_units: Mapping[str, float] = NO_UNITS,
    ) -> None:
        self.run, self.scope, self.problem = run, scope, problem
        self.sequential, self.sequential_units = sequential, sequential_units

    # -- sampling

    async def sample(
        self,
        prompt: Prompt,
        role: str = "main",
        *,
        part: str = "",
        until: Until | None = None,
        **sampling: Any,
    ) -> Trace:
        """Draw one trace. Sampling settings are those of `Sampling`.

        `part` says what it is, if it is not what its role makes by itself (an answer, a judge's
        verdict): a "step", a "reflection". Only answers vote when a budget ends the method.
        """
        (trace,) = await self.sample_all(prompt, 1, role, part=part, until=until, **sampling)
        return trace

    async def sample_all(
        self,
        prompts: Prompts,
        n: int = 1,
        role: str = "main",
        *,
        part: str = "",
        until: Until | None = None,
        vary: Sequence[Mapping[str, Any]] | None = None,
        **sampling: Any,
    ) -> list[Trace]:
        """Draw n traces of every prompt and wait for all; they come in the order of their index,
        not in order of arrival (which would favour short answers). `vary` gives one mapping of
        further settings per sample.

        Under a budget of tokens a sample starts only when it can be expected to finish: n samples
        that starve together would leave no answer at all.
        """
        requests = self.sample_requests(prompts, n, role, until, vary, sampling, part)
        arrivals = Arrivals(self.run.loop)
        limited = bool(self.scope.watched)
        try:
            for request in requests:
                while limited and not self._fits(request, arrivals):
                    arrivals.finished.clear()
                    await arrivals.wait()
                arrivals.samples.append(self.run.launch(self, request, arrivals.finish))
            await arrivals.wait_for_all()
        except BaseException:
            arrivals.abort("cancelled")
            raise
        traces: list[Trace] = [sample.finished for sample in arrivals.samples]  # type: ignore[misc]
        self.receive(*traces)
        return traces

    def as_finished(
        self,
        prompts: Prompts,
        n: int = 1,
        role: str = "main",
        *,
        part: str = "",
        until: Until | None = None,
        vary: Sequence[Mapping[str, Any]] | None = None,
        **sampling: Any,
    ) -> Race:
        """A race of samples: `async with ctx.as_finished(...) as race: async for trace in race`."""
        return Race(self, self.sample_requests(prompts, n, role, until, vary, sampling, part))

    def stream(
        self,
        prompt: Prompt,
        role: str = "main",
        *,
        part: str = "",
        until: Until | None = None,
        **sampling: Any,
    ) -> Live:
        """One trace, watched while it is generated: `async with ctx.stream(...) as live`."""
        return Live(self, self.sample_request(prompt, role, until, sampling, part))

    def sample_request(
        self,
        prompt: Prompt,
        role: str = "main",
        until: Until | None = None,
        sampling: Mapping[str, Any] | None = None,
        part: str = "",
    ) -> SampleRequest:
        """What `sample` would ask, for `Race.start`."""
        if not part:
            known = None if role == "main" else self.scope.role(role)
            part = "answer" if known is None else default_part(known.kind)
        settings = self.run.sampling_for(sampling or {}, self.scope.resolve(role))
        return SampleRequest(prompt, role, settings, until, part)

    def sample_requests(
        self,
        prompts: Prompts,
        n: int,
        role: str,
        until: Until | None,
        vary: Sequence[Mapping[str, Any]] | None,
        sampling: Mapping[str, Any],
        part: str = "",
    ) -> list[SampleRequest]:
        each = [prompts] if isinstance(prompts, Prompt) else list(prompts)
        if vary is None:
            return [
                request for p in each for request in [self.sample_request(p, role, until, sampling, part)] * n
            ]
        wanted = [p for p in each for _ in range(n)]
        return [
            self.sample_request(p, role, until, {**sampling, **more}, part)
            for p, more in zip(wanted, vary, strict=True)
        ]

    def receive(self, *traces: Trace) -> None:
        """Take finished traces into this context's chain; raise an error that hits every sample."""
        sequential, units = 0, NO_UNITS
        for trace in traces:
            if trace.sequential > sequential:
                sequential = trace.sequential
            if trace.sequential_units:
                units = later(units, trace.sequential_units)
        self.advance(sequential, units)
        for trace in traces:
            if trace.error is not None and isinstance(trace.error, EngineError) and trace.error.fatal:
                raise trace.error

    def advance(self, sequential: int, sequential_units: Mapping[str, float] = NO_UNITS) -> None:
        """Depend on something that ended at `sequential` tokens, and at `sequential_units` named units."""
        if sequential > self.sequential:
            self.sequential = sequential
        elif not sequential_units:
            return
        if sequential_units:
            self.sequential_units = later(self.sequential_units, sequential_units)
        self.scope.advance(sequential, sequential_units)

    # -- branches

    def branch(self) -> Context:
        """A context for concurrent work, starting where this one stands."""
        return Context(self.run, self.scope, self.problem, self.sequential, self.sequential_units)

    def of(self, problem: Problem) -> Context:
        """A branch that books into the ledger of one problem of a set."""
        ledger = self.scope.by_problem.get(problem.id)
        if ledger is None:
            ledger = Scope(self.scope, problem=problem, origin=self.sequential, origins=self.sequential_units)
            self.scope.by_problem[problem.id] = ledger
        return Context(self.run, ledger, problem, self.sequential, self.sequential_units)

    def group(self) -> Group:
        """Structured concurrency: `async with ctx.group() as g: g.start(fn, ...)`."""
        return Group(self)

    async def map(
        self,
        fn: Callable[[Context, Item], Awaitable[T]],
        items: Iterable[Item],
        *,
        of: Callable[[Item], Problem] | None = None,
    ) -> list[T]:
        """`await fn(branch, item)` for all items at once; results in the order of the items."""
        async with self.group() as group:
            branches = [
                group.start(fn, item, ctx=None if of is None else self.of(of(item))) for item in items
            ]
        return [branch.task.result() for branch in branches]

    async def solve(
        self,
        method: Configured,
        problem: Problem,
        *,
        roles: Mapping[str, str] | None = None,
        budget: Budget | None = None,
    ) -> Outcome:
        """Run another method inside this one; `roles` renames what it asks for."""
        # what a set method has solved for it is in the ledger of the problem, as its own samples are
        where = self if self.problem is not None else self.of(problem)
        scope = scope_of(
            where.scope,
            budget,
            problem=problem,
            names=roles,
            origin=self.sequential,
            origins=self.sequential_units,
        )
        outcome = await self.run.solve(method, problem, scope)
        where.advance(scope.sequential, scope.sequential_units)
        self.advance(scope.sequential, scope.sequential_units)
        return outcome

    # -- judging and other resources

    async def score(self, prompt: Prompt, text: str, role: str = "main") -> Score:
        """Log-probabilities of a given text after `prompt`, in nats."""
        role, engine = self.run.engine_for(self.scope, role, "score")
        size = size_of(prompt) + len(text.encode())
        return await self._judged(role, engine, size, lambda: engine.score(prompt, text))

    async def reward(self, traces: Sequence[Trace], role: str = "prm") -> Rewards:
        """A verifier's scores of (partial) solutions, also left in `trace.reward`."""
        if self.problem is None:
            raise RuntimeError("a set method must say which problem it judges: ctx.of(problem)")
        problem = self.problem
        role, engine = self.run.engine_for(self.scope, role, "reward")
        size = sum(len(trace.text.encode()) for trace in traces) + len(traces) * size_of(problem.prompt)
        rewards: Rewards = await self._judged(role, engine, size, lambda: engine.reward(problem, traces))
        for trace, value in zip(traces, rewards.values, strict=True):
            trace.reward = value
        for observer in self.run.observers:
            observer.judged(self.problem, traces)
        return rewards

    async def embed(self, texts: Sequence[str], role: str = "embedder") -> FloatArray:
        """Sentence embeddings, (texts, dimensions)."""
        role, engine = self.run.engine_for(self.scope, role, "embed")
        size = sum(len(text.encode()) for text in texts)
        embedded: Embeddings = await self._judged(role, engine, size, lambda: engine.embed(texts))
        import numpy as np

        return np.asarray(embedded.vectors, dtype=np.float32)

    async def use(self, request: UseRequest[Reply]) -> Reply:
        """Use another metered resource (environment, denoiser, renderer): charges named units.

        A request that would overshoot a budget does not start: it waits while others are under
        way, which may take less than they said, and then ends the budget. One that is stopped or
        fails is booked in full: how much of it was done is not known.
        """
        role, engine = self.run.engine_for(self.scope, request.role, "use")
        resource: Resource = engine
        price, start = request.units(), self.sequential_units
        await self._reserve(price)
        taken = price
        try:
            used = await self.run.real(engine, resource.use(request))
            taken = price if used.units is None else used.units
        finally:
            self.scope.charge_use(role, taken)
            self.scope.release(price)
        if any(amount > price.get(unit, 0.0) for unit, amount in taken.items()):
            raise EngineError(
                f"engine {engine.name!r} took {dict(taken)} for a request of {dict(price)}",
                fix="its `units` must say the most it can take",
            )
        sequential = taken if used.sequential is None else used.sequential
        ends = {unit: start.get(unit, 0.0) + amount for unit, amount in sequential.items()}
        self.advance(self.sequential, ends)
        return used.result

    # -- budgets, progress, randomness

    def remaining(self, kind: str) -> float | None:
        """What may still be spent of a kind or named unit, the tightest of all scopes; None if
        unlimited."""
        left = [r for s in self.scope.budgeted if (r := s.remaining(kind)) is not None]
        return min(left, default=None)

    def can_afford(
        self, *, samples: int = 0, tokens: int = 0, prompt: Prompt | None = None, role: str = "main"
    ) -> bool:
        """Whether so much may still be spent; with `prompt`, also whether the engine has so many
        further samples of it (a replay pool runs dry).

        A method that heeds a no is marked as limited by that budget."""
        for kind, amount in (("samples", samples), ("tokens", tokens)):
            for scope in self.scope.budgeted:
                left = scope.remaining(kind)
                if left is not None and (left < amount or left <= 0):
                    self.scope.limit_by(scope, kind)
                    return False
        if prompt is not None and self.problem is not None:
            there = self.run.samples_left(self.scope, self.problem, prompt, role)
            return there is None or there >= samples
        return True

    def gives(self, capability: str, role: str = "main") -> bool:
        """Whether the engine of a role can do what a method makes use of but does not need."""
        return capability in self.run.engine_of(self.scope.resolve(role)).capabilities

    def prompts_of(self, role: str = "main") -> str:
        """The set of prompts that a role's model was trained on, as its specification says; "" if it
        says none."""
        return getattr(self.run.engine_of(self.scope.resolve(role)), "prompts", "")

    def samples_left(self, prompt: Prompt, role: str = "main") -> int | None:
        """How many further samples of `prompt` the engine has; None if it never runs dry."""
        if self.problem is None:
            raise RuntimeError("a set method must say which problem it asks for: ctx.of(problem)")
        return self.run.samples_left(self.scope, self.problem, prompt, role)

    def offer_among(self, choose: Callable[[list[Trace]], Outcome]) -> None:
        """Announce the best answer so far as what `choose` makes of the whole attempts that have ended,
        in the order they were asked for. It is called if a budget ends the method, and only where
        nothing was offered since: waiting for many samples costs no more than it did."""
        self.scope.choose, self.scope.best = choose, None

    def offer(self, answer: str | None, trace: Trace | None = None) -> None:
        """Announce the best answer so far: it is returned if a budget ends the method."""
        self.scope.best = (answer, trace)
        for observer in self.run.observers:
            observer.offered(self.problem, answer, trace)

    def rng(self, *key: Any) -> random.Random:
        """A generator that depends on the run's seed, the problem and `key` only."""
        where = self.problem.id if self.problem else ""
        return random.Random(f"{self.run.seed}|{where}|{key!r}")

    # -- private

    async def _reserve(self, amounts: Mapping[str, float]) -> None:
        """Keep so much of all budgets for a request, once there is room."""
        while (full := admit(self.scope, amounts)) is not None:
            await full[0].room()
        self.scope.reserve(amounts)

    async def _judged(
        self, role: str, engine: Engine, size: int, request: Callable[[], Coroutine[Any, Any, Judged]]
    ) -> Judged:
        """What an engine says of given texts of `size` bytes in all, booked: with an estimate where it
        does not tell how many tokens it read, or is stopped before it does."""
        lengths, price = self.run.scored_lengths(role), self.run.price_of(role)
        tokens, known = lengths.estimate(size), False
        amounts = {"calls": 1.0, "tokens": tokens, "cost": 0.0 if price is None else price.of(tokens, 0)}
        await self._reserve(amounts)
        try:
            reply = await self.run.real(engine, request())
            if reply.tokens is not None:
                tokens, known = reply.tokens, True
                lengths.learn(size, tokens)
        except TTScaleError:
            tokens, known = 0, True  # refused, or never sent
            raise
        finally:
            self.scope.charge_scored(role, tokens, price, not known)
            self.scope.release(amounts)
        return reply

    def _buys(self, request: SampleRequest) -> float | None:
        """Tokens that may still be generated for the money left, after the prompt of one more sample;
        None if there is no such limit."""
        money, role = self.remaining("cost"), self.scope.resolve(request.role)
        price = self.run.price_of(role)
        if money is None or price is None or not price.completion:
            return None
        prompt = self.scope.prompts.known.get((role, request.prompt.key))
        if prompt is None:
            size = size_of(request.prompt, request.sampling.extra)
            prompt = self.run.prompt_lengths(role).estimate(size)
        return (money - price.of(prompt, 0)) * 1e6 / price.completion

    def _fits(self, request: SampleRequest, arrivals: Arrivals) -> bool:
        """Whether a sample can be expected to finish within budgets of tokens and money; if
        nothing else is under way it may try."""
        if not arrivals.under_way:
            return True
        limits = [self.remaining("tokens"), self._buys(request)]
        left = min((limit for limit in limits if limit is not None), default=None)
        if left is None:
            return True
        done = [t.tokens for t in self.scope.traces if t.finish in ("stop", "length")]
        guess = request.sampling.max_tokens or left / 2
        expected = sum(done) / len(done) if done else guess
        owed = sum(max(0.0, expected - d.tokens()) for d in self.scope.active)
        return owed + expected <= left
