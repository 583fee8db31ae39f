"""A run: methods on engines, with seeds, prices, observers and a journal.

run = Run({"main": engine}, seed=0)
outcome = await run.answer(first_finish(n=8), problem, budget=Budget(tokens=10_000))
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast

from ..cards.method import Configured
from ..cards.roles import NO_SAMPLES
from ..engine import Engine, Probing, unknown
from ..errors import BudgetEnded, CapabilityError, EngineError, TTScaleError, UsageError
from ..generation import GenerationRequest
from ..known_generation import KnownGeneration
from ..outcome import Outcome
from ..problem import Problem
from ..prompt import Prompt
from ..sampling import Sampling
from ..spending.budget import Budget
from ..spending.budget_guard import LimitedScope, admit, scope_of
from ..spending.metering import Scope
from ..spending.prompt_lengths import PromptLengths
from ..spending.usage import Price, Usage
from ..token_time import TokenLoop
from ..trace import Chunk, Trace
from .context import Context, SampleRequest
from .observer import Observer
from .rescue import rescued
from .sample import Sample
from .trials import Trials

T = TypeVar("T")


class Journal(Protocol):
    """Finished samples of an interrupted run, served instead of being sampled again."""

    def served(self, request: GenerationRequest) -> Trace | None:
        """The recorded trace of this very sample, if there is one."""
        ...

    def record(self, request: GenerationRequest, trace: Trace) -> None:
        """Keep a finished trace that was not served."""
        ...


class Run:
    """One execution. Engines are named by role; "main" must be among them.

    Args:
        engines: role -> engine. A role without one falls back to "main" if that can do it.
        seed: with the identity of a sample it gives the sample's seed.
        request: settings the user asked for explicitly: they override a method's taste.
        defaults: settings used where neither user nor method asks for anything; those of one role
            go before those of "main".
        prices: role -> price; a role that falls back to "main" is charged main's price.
        observers: told what happens.
        journal: serves samples of an interrupted run, and keeps those that are drawn.
        ticks_per_second: speed assumed in token time, for seconds.
        rescue: whether a problem whose reply is all thinking gets one more sample (see `rescue`);
            not one of a set.
    """

    def __init__(
        self,
        engines: Mapping[str, Engine],
        *,
        seed: int = 0,
        request: Sampling | None = None,
        defaults: Sampling | Mapping[str, Sampling] | None = None,
        prices: Mapping[str, Price] | None = None,
        observers: Sequence[Observer] = (),
        journal: Journal | None = None,
        ticks_per_second: float = 100.0,
        rescue: bool = False,
    ) -> None:
        if "main" not in engines:
            raise UsageError("a run needs an engine for role 'main'")
        self.engines, self.seed = dict(engines), seed
        self.request = request or Sampling()
        self.defaults = {"main": defaults} if isinstance(defaults, Sampling) else dict(defaults or {})
        self.prices = dict(prices or {})
        self.observers, self.journal = tuple(observers), journal
        self._watched = bool(observers) or journal is not None
        self.ticks_per_second, self.rescue = ticks_per_second, rescue
        self.usage = Usage()  # of all that was asked of it, also if it was cancelled or failed
        self._prompt_lengths: defaultdict[tuple[int, str], PromptLengths] = defaultdict(PromptLengths)
        self._ordinals: dict[tuple[str, str, str], int] = {}
        self._samplings: dict[Any, Sampling] = {}

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop the run lives in, looked up once: asking costs a system call."""
        return asyncio.get_running_loop()

    @cached_property
    def token_time(self) -> bool:
        """Whether any engine lives in token time, so that the whole run does."""
        return any(engine.time == "tokens" for engine in self.engines.values())

    # -- running methods

    async def answer(self, method: Configured, problem: Problem, *, budget: Budget | None = None) -> Outcome:
        """Answer one problem within `budget`."""
        self.check(method, budget)
        self.loop = asyncio.get_running_loop()  # a run may be used on several, one after another
        if method.card.scope == "set":
            (outcome,) = await self.answer_set(method, [problem], budget=budget)
            return outcome
        scope = scope_of(None, budget, problem=problem)
        return await self.solve(method, problem, scope)

    async def answer_set(
        self, method: Configured, problems: Sequence[Problem], *, budget: Budget | None = None
    ) -> list[Outcome]:
        """Answer a set of problems with a method that spends across them; all answers are there
        at once, so each took the seconds of the whole set."""
        self.check(method, budget)
        self.loop = asyncio.get_running_loop()
        return await self.solve_set(method, problems, scope_of(None, budget, keep=False))

    async def solve_set(self, method: Configured, problems: Sequence[Problem], scope: Scope) -> list[Outcome]:
        """Run a set method in a given scope; what it spends on a problem is in
        `scope.by_problem`, also if it fails."""
        scope.needs = method.needs
        ctx = Context(self, scope, None)
        work = self._able(scope, method, lambda: method.method.fn(list(problems), ctx, method.cfg))
        outcomes, stopped_by = await self._guarded(scope, work)
        if outcomes is None:
            outcomes = []
            for problem in problems:
                answer, winner = ctx.of(problem).scope.best_so_far()
                outcomes.append(Outcome(answer, winner, f"budget:{stopped_by}"))
        if len(outcomes) != len(problems):
            raise UsageError(
                f"set method {method.card.name!r} returned {len(outcomes)} outcomes for "
                f"{len(problems)} problems"
            )
        for problem, outcome in zip(problems, outcomes, strict=True):
            self._complete(outcome, ctx.of(problem).scope).usage.seconds = scope.usage.seconds
        return outcomes

    async def solve(self, method: Configured, problem: Problem, scope: Scope) -> Outcome:
        """Run a method in a given scope; a budget of that scope ends here."""
        scope.needs = method.needs
        ctx = Context(self, scope, problem, scope.origin, scope.origins)
        work = self._able(scope, method, lambda: method.method.fn(problem, ctx, method.cfg))
        if self.rescue and scope.parent is None:  # the answer to the problem, not a method's own attempts
            return await self._rescued(work, problem, ctx)
        outcome, stopped_by = await self._guarded(scope, work)
        if outcome is None:
            outcome = _interrupted(scope, stopped_by)
        return self._complete(outcome, scope)

    async def _rescued(self, work: Awaitable[Outcome], problem: Problem, ctx: Context) -> Outcome:
        """Await the method and the rescue of what it comes to, which stays if a budget ends that."""
        found: Outcome | None = None

        async def both() -> None:
            nonlocal found
            found = await work
            found = await rescued(found, problem, ctx)

        _, stopped_by = await self._guarded(ctx.scope, both())
        if found is None:
            found = _interrupted(ctx.scope, stopped_by)
        elif stopped_by:
            found.stopped_by = f"budget:{stopped_by}"
        return self._complete(found, ctx.scope)

    async def _guarded(self, scope: Scope, work: Awaitable[T]) -> tuple[T | None, str]:
        """Await the method; (result, "") or, if the scope's own budget ended, (None, kind)."""
        loop = self.loop
        began = loop.time()
        limited = scope if isinstance(scope, LimitedScope) else None
        if limited is not None:
            limited.arm(loop, self.ticks_per_second)
        delivered = False
        try:
            return await work, ""
        except BudgetEnded as ended:
            if ended.scope is not scope:
                raise
            return None, ended.kind
        except asyncio.CancelledError:
            delivered = True
            if limited is None or not limited.cancelled_alone:
                raise
            return None, limited.ended
        finally:
            if limited is not None:
                await limited.disarm(delivered)
            for sample in list(scope.active):  # a method that leaked a generation
                sample.abort("cancelled")
            elapsed = loop.time() - began
            token_time = isinstance(loop, TokenLoop)
            scope.usage.seconds = elapsed / self.ticks_per_second if token_time else elapsed
            if scope.parent is None:
                self.usage.add(scope.usage)

    async def _able(self, scope: Scope, method: Configured, work: Callable[[], Awaitable[T]]) -> T:
        """Await a method on engines that are known to give what it needs."""
        if scope.parent is None:
            await self._find_out(scope, method)
        return await work()

    async def _find_out(self, scope: Scope, method: Configured) -> None:
        """Let the engines try what the method needs and is not known of them."""
        found = False
        for role, needed in method.needs().items():
            wanted = needed.capabilities
            if "text" in wanted and self.sampling_for({}, role).logprobs is not None:
                wanted = wanted | {"logprobs"}  # the user's own wish
            found = await self.find_out(scope, role, wanted) or found
        if found:
            self.check(method)

    async def find_out(self, scope: Scope, role: str, capabilities: frozenset[str]) -> bool:
        """Let a role's engine try what of these is not known of it, at the cost of `scope`; whether there
        was anything."""
        engine = self.engine_of(role)
        if not unknown(engine, capabilities):
            return False
        trials = Trials(scope, self.price_of(role))
        await self.real(engine, cast(Probing, engine).probe(capabilities, trials))
        return True

    def _complete(self, outcome: Outcome, scope: Scope) -> Outcome:
        """Add what only the runner knows."""
        usage = scope.usage
        usage.sequential_tokens = scope.sequential - scope.origin
        for unit, at in scope.sequential_units.items():
            usage.sequential_units[unit] = at - scope.origins.get(unit, 0.0)
        outcome.usage, outcome.traces = usage, scope.traces
        if scope.limited and not outcome.over_budget:
            outcome.stopped_by = f"budget:{scope.limited}"
        if outcome.answer is None and outcome.error is None:
            # a sample that failed might have held the answer: not wrong, but not known
            outcome.error = next((t.error for t in scope.traces if t.finish == "error"), None)
        return outcome

    def check(self, method: Configured, budget: Budget | None = None) -> None:
        """Refuse a method whose needs the engines are known not to meet, or a budget of money where
        prices are not known, before any token is spent."""
        for role, needed in method.needs().items():
            engine = self.engines.get(role, self.engines["main"])
            missing = sorted(needed.capabilities - engine.capabilities - unknown(engine, needed.capabilities))
            if missing:
                what = " and ".join(missing)
                where = f"engine {engine.name!r}" + (
                    "" if role in self.engines else f" (no engine is configured for role {role!r})"
                )
                raise CapabilityError(
                    f"method {method.card.name!r} needs {what} from role {role!r}, which {where} "
                    "does not give",
                    fix=_FIXES.get(missing[0], f"configure another engine for role {role!r}"),
                )

            if budget is not None and budget.cost is not None and self.price_of(role) is None:
                raise UsageError(
                    f"a budget of cost needs the price of role {role!r}, and engine {engine.name!r} has none",
                    fix="write its price = { prompt = 0.1, completion = 0.4 } into the config",
                )

    # -- what contexts are made of

    def engine_of(self, role: str) -> Engine:
        """The engine of a role, by its resolved name."""
        return self.engines.get(role) or self.engines["main"]

    def prompt_lengths(self, role: str) -> PromptLengths:
        """What is known of the lengths of a role's prompts: by its engine, if that keeps it from one
        run to the next, else by this run."""
        engine = self.engine_of(role)
        kept: PromptLengths | None = getattr(engine, "prompt_lengths", None)
        return self._prompt_lengths[id(engine), ""] if kept is None else kept

    def scored_lengths(self, role: str) -> PromptLengths:
        """The same of the texts a role is given to judge: its engine may be another kind of model."""
        return self._prompt_lengths[id(self.engine_of(role)), "scored"]

    def price_of(self, role: str) -> Price | None:
        """What a role's tokens cost; None if it is not known."""
        price = self.prices.get(role)
        return self.prices.get("main") if price is None and role not in self.engines else price

    def sampling_for(self, requested: Mapping[str, Any], role: str = "main") -> Sampling:
        """A method's settings for a role, under the user's and over the defaults."""
        try:
            key = (role, *requested.items())
            found = self._samplings.get(key)
        except TypeError:  # an unhashable extra
            return self._sampling(requested, role)
        if found is None:
            found = self._samplings[key] = self._sampling(requested, role)
        return found

    def _sampling(self, requested: Mapping[str, Any], role: str) -> Sampling:
        defaults = self.defaults.get(role) or self.defaults.get("main") or Sampling()
        return Sampling.of(requested).requested_by(self.request).over(defaults)

    def engine_for(self, scope: Scope, role: str, capability: str) -> tuple[str, Any]:
        """(resolved role, engine), checked for a capability."""
        role = scope.resolve(role)
        engine = self.engines.get(role) or self.engines["main"]
        if capability not in engine.capabilities:
            raise CapabilityError(
                f"role {role!r} needs {capability}, which engine {engine.name!r} does not give",
                fix=_FIXES.get(capability, f"configure another engine for role {role!r}"),
            )
        return role, engine

    async def real(self, engine: Engine, work: Coroutine[Any, Any, T]) -> T:
        """Await an engine; if that takes real time in token time, the clock stands still."""
        loop = self.loop
        if engine.time == "tokens" or not isinstance(loop, TokenLoop):
            return await work
        loop.hold()
        try:
            return await work
        finally:
            loop.release()

    def samples_left(self, scope: Scope, problem: Problem, prompt: Prompt, role: str) -> int | None:
        """How many further samples an engine has; None if it never runs dry."""
        role = scope.resolve(role)
        engine = self.engines.get(role) or self.engines["main"]
        pool_size = getattr(engine, "pool_size", None)
        if pool_size is None:
            return None
        size = pool_size(problem, prompt, role)
        return None if size is None else size - self._ordinals.get((problem.id, role, prompt.key), 0)

    def launch(
        self,
        ctx: Context,
        request: SampleRequest,
        on_finish: Callable[[Sample, Trace], None],
        on_chunk: Callable[[Chunk], None] | None = None,
    ) -> Sample:
        """Start a sample on behalf of a context, or refuse it if a budget has ended: what a context
        samples with is made of this."""
        scope, problem, role = ctx.scope, ctx.problem, request.role
        if problem is None:
            raise RuntimeError("a set method must say which problem a sample is for: ctx.of(problem)")
        if scope.renames:
            role = scope.resolve(role)
        prompt_key = request.prompt.key
        identity = (problem.id, role, prompt_key)
        index = self._ordinals.get(identity, 0)
        sample = Sample(ctx, problem, request, role, prompt_key, index, on_finish, on_chunk)
        if scope.limits:
            refused = admit(scope, _amounts(sample))
            if refused is not None:
                scope.limit_by(*refused)
                sample.finished = Trace(
                    finish="budget", role=role, part=request.part, prompt_tokens=0, sequential=ctx.sequential
                )
                sample.on_finish = None  # nothing may refer to itself: see `Sample.finish`
                on_finish(sample, sample.finished)
                return sample
            sample.limit, sample.limiter = self._limit(ctx, role)
            sample.progress = _check_all(scope.watched)
        if request.until is not None:
            sample.rule = request.until()
        self._ordinals[identity] = index + 1
        scope.begin(sample)
        if self._watched and (served := self._announce(sample)) is not None:
            sample.generation = KnownGeneration(sample, served, own=True)
            return sample
        engine = self.engine_of(role)
        try:
            sample.generation = engine.start(sample)
        except TTScaleError as error:
            self._not_started(sample, error)
        except BaseException:
            scope.forget(sample)
            raise
        else:
            if self.token_time and engine.time == "wall" and sample.finished is None:
                self._hold_the_clock(sample)
            if scope.limits and sample.price is not None and sample.generation is not None:
                reported = sample.generation.prompt_tokens  # holds for the samples that start next
                if reported:
                    sample.learn_prompt(reported)
        return sample

    def _announce(self, sample: Sample) -> Trace | None:
        """Tell the observers that a sample starts; its trace, if the journal has it."""
        for observer in self.observers:
            observer.started(sample)
        served = None if self.journal is None else self.journal.served(sample)
        sample.watched = self._finished if served is None else self._served_finished
        return served

    def _not_started(self, sample: Sample, error: TTScaleError) -> None:
        """A generation that cannot start is a failed sample, if not worse."""
        if not isinstance(error, EngineError) or error.fatal:
            sample.scope.forget(sample)
            raise error
        failed = Trace(finish="error", error=error, prompt_tokens=0)
        sample.generation = KnownGeneration(sample, failed)

    def _hold_the_clock(self, sample: Sample) -> None:
        """A live sample among recorded ones: token time stands still until it has finished."""
        loop, on_finish = self.loop, sample.on_finish
        assert isinstance(loop, TokenLoop)
        assert on_finish is not None
        loop.hold()

        def finished(sample: Sample, trace: Trace) -> None:
            loop.release()
            on_finish(sample, trace)

        sample.on_finish = finished

    def _finished(self, sample: Sample, trace: Trace) -> None:
        """A sample has ended: it is kept, and the observers are told."""
        if self.journal is not None:
            self.journal.record(sample, trace)
        self._served_finished(sample, trace)

    def _served_finished(self, sample: Sample, trace: Trace) -> None:
        for observer in self.observers:
            observer.finished(sample, trace)

    def _limit(self, ctx: Context, role: str) -> tuple[int | None, tuple[LimitedScope, str] | None]:
        """Tokens a sample may have before a budget ends it, and which. What is left of a budget of tokens
        is one where the engine is live: it keeps to a limit that it is given, and makes more than that
        when it is stopped."""
        limits: list[tuple[float, LimitedScope, str]] = []
        live = self.engine_of(role).time == "wall"
        for scope in ctx.scope.budgeted:
            if scope.budget.sequential is not None:
                left = scope.origin + scope.budget.sequential - ctx.sequential
                limits.append((left, scope, "sequential"))
            tokens = scope.remaining("tokens") if live else None
            if tokens is not None:
                limits.append((tokens, scope, "tokens"))
        if not limits:
            return None, None
        least, owner, kind = min(limits, key=lambda entry: entry[0])
        return max(0, int(least)), (owner, kind)


def _interrupted(scope: Scope, kind: str) -> Outcome:
    """What a method comes to that was ended by a budget."""
    answer, winner = scope.best_so_far()
    return Outcome(answer, winner, f"budget:{kind}")


def _amounts(sample: Sample) -> dict[str, float]:
    """What a sample takes of budgets when it starts."""
    amounts: dict[str, float] = {"calls": 1, "cost": sample.least_cost}
    if sample.part not in NO_SAMPLES:
        amounts["samples"] = 1
    return amounts


def _check_all(watched: Sequence[LimitedScope]) -> Callable[[], None] | None:
    """What a live sample calls as it makes progress: whether a budget is used up; None without
    one."""
    if not watched:
        return None

    def check() -> None:
        for scope in watched:
            scope.check()

    return check


_FIXES = {
    "logprobs": "use an engine that reports log-probabilities (llamacpp, vLLM), or another method",
    "prefix": "use a server that continues a given reply, or another method",
    "score": "use a transformers model for this role, or another method",
    "reward": "configure a reward model for this role, for example --role prm=MODEL",
    "text": "configure a model for this role, for example --role draft=MODEL",
}
