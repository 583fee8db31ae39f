"""The way in from Python: one question, or a session of many.

outcome = ttscale.solve("Find the value of 17+7*6.", method="ffs(n=8, k=4)", tokens=2000)

async with ttscale.open("openai:qwen3@http://localhost:8000/v1") as session:
    outcome = await session.solve("What is 17 * 23?", method="self-consistency(n=16)")
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from . import notebook
from .arguments import limits_of, method_of, problem_of, seed_of, sources_of
from .assembly import Assembly
from .core import (
    AnswerRule,
    Budget,
    Configured,
    Method,
    Outcome,
    Problem,
    Run,
    SampleCount,
    Sampling,
    ThreadedExecution,
    UsageError,
    execute,
    opened,
)
from .core.settings.declared import check
from .core.verdict import outcome_is_right

if TYPE_CHECKING:
    from .bench import Comparison, Progress
    from .cli.config import Config
    from .core import Observer
    from .engines import ModelSource

Answering = Coroutine[Any, Any, Outcome]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One question with the method, the run and the budget that are to answer it.

    Attributes:
        count: of its samples, while it is answered.
    """

    problem: Problem
    method: Configured
    run: Run
    budget: Budget | None
    count: SampleCount

    async def answer(self) -> Outcome:
        """Answer it on engines that are open."""
        show = notebook.line()
        answering = self.run.answer(self.method, self.problem, budget=self.budget)
        outcome = await (answering if show is None else self._followed(answering, show))
        outcome.correct = outcome_is_right(self.problem, outcome)
        return outcome

    async def _followed(self, answering: Answering, show: Callable[[str], None]) -> Outcome:
        return await self.count.followed(answering, lambda text: show(f"{self.method.label}: {text}"))

    def execute(self, around: Callable[[Answering], Answering] | None = None) -> Outcome:
        """Open the engines, answer, and close them; blocks. `around` wraps what is awaited, for
        example to show progress meanwhile."""
        return execute(self.run, lambda: around(self.answer()) if around else self.answer())

    def threaded(self) -> ThreadedExecution[Outcome]:
        """The same in a thread of its own, begun."""
        return ThreadedExecution(self.run, self.answer)


class Session:
    """Models opened once, and questions answered on them.

    With a recording among them, questions are answered one after the other, each in token time on an
    event loop of its own, and what else there is of models is opened for each.

    Attributes:
        sources: role -> where its tokens come from.
    """

    def __init__(self, sources: Mapping[str, ModelSource], config: Config) -> None:
        self.sources, self._config = sources, config
        self._assembly = Assembly.of(sources, config.sampling)
        self._open: contextlib.AsyncExitStack | None = None
        self._turn = asyncio.Lock()  # of questions in token time: their engines know one loop at a time

    async def __aenter__(self) -> Session:
        stack = contextlib.AsyncExitStack()
        run = self._assembly.run()
        if not run.token_time:
            await stack.enter_async_context(opened(run))
        self._open = stack
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the models; what is under way on them is stopped."""
        stack, self._open = self._open, None
        if stack is not None:
            await stack.aclose()

    async def solve(self, question: str | Problem, **requested: Any) -> Outcome:
        """Answer a question; see `ttscale.solve` for the keywords.

        Raises:
            UsageError: also if the session is not open.
        """
        if self._open is None:
            raise UsageError("the session is not open", fix="write: async with ttscale.open(...) as session")
        attempt = self.attempt(question, **requested)
        if not attempt.run.token_time:
            return await attempt.answer()
        async with self._turn:
            return await attempt.threaded().ended()

    def attempt(
        self,
        question: str | Problem,
        *,
        method: str | Method | Configured | None = None,
        budget: Budget | Mapping[str, Any] | None = None,
        tokens: int | None = None,
        seconds: float | None = None,
        cost: float | None = None,
        answer: str | AnswerRule | None = None,
        choices: Sequence[str] = (),
        reference: str | None = None,
        system: str | None = None,
        images: Sequence[str | Path] = (),
        seed: int | None = None,
        observers: Sequence[Observer] = (),
        rescue: bool = False,
        **sampling: Any,
    ) -> Attempt:
        """Everything that is needed to answer a question; nothing has been spent yet."""
        check(bool, rescue=rescue)
        config, count = self._config, SampleCount()
        return Attempt(
            problem_of(
                self.sources["main"],
                question,
                config.answer,
                answer=answer,
                choices=choices,
                reference=reference,
                system=system,
                images=images,
            ),
            method_of(method or config.method or "simple"),
            self._assembly.run(
                seed=seed_of(seed, config),
                request=Sampling.of({k: v for k, v in sampling.items() if v is not None}),
                observers=(*observers, count),
                rescue=rescue,
            ),
            limits_of(budget, tokens=tokens, seconds=seconds, cost=cost) or config.budget,
            count,
        )

    async def bench(
        self,
        *methods: str | Method | Configured,
        task: str | None = None,
        n: int | None = None,
        repeats: int | Literal["auto"] = "auto",
        budget: Budget | Mapping[str, Any] | None = None,
        concurrency: int = 16,
        seed: int | None = None,
        out: str | Path | None = None,
        **sampling: Any,
    ) -> Comparison:
        """Compare methods on the questions of a task, as `ttscale bench run` does.

        It runs in a thread of its own, on models of its own. Cancelled, it stops after the question
        that is finished next.

        Args:
            methods: the first is what the others are compared with.
            task: a file of questions, or `lab:...`, `rg:...`; see `load_task`. A recording brings
                its own.
            n: questions at most.
            repeats: of each method; "auto" uses every sample of a recording once.
            budget: limits on each question.
            concurrency: questions in flight.
            seed: the same seed draws the same samples.
            out: where the run is kept, to be resumed and replayed; nowhere by default.
            sampling: settings that override the methods' taste.

        Raises:
            UsageError: before a token is spent, for what is not known or out of range.
            EngineError: if every question would fail.
        """
        from .bench import Plan, tasks_of

        config, source = self._config, self.sources["main"]
        chosen = [method_of(one) for one in methods]
        limits, request = limits_of(budget) or config.budget, Sampling.of(sampling)
        roles = {role: one for role, one in self.sources.items() if role != "main"}
        plan = Plan(
            methods=tuple(one.label for one in chosen),
            models=(source.spec,),
            tasks=() if task is None else (task,),
            n=n,
            repeats=repeats,
            budget=limits.given() if limits else {},
            sampling=request.given(),
            defaults=config.sampling.given(),
            roles={role: one.spec for role, one in roles.items()},
            concurrency=concurrency,
            seed=seed_of(seed, config),
        )
        tasks = tasks_of(source, plan, {pool.task for pool in source.pools})
        show = notebook.line()
        stopped = threading.Event()

        def on_progress(progress: Progress) -> None:
            if stopped.is_set():
                raise asyncio.CancelledError
            if show is not None:
                show(f"{progress.label}: {progress.done} of {progress.total} items")

        def run() -> Comparison:
            from .bench import Comparison, Settings, Store, arrange, rows, run_bench

            planned = arrange(chosen, [(source, tasks)], repeats=repeats, seed=plan.seed)
            settings = Settings(
                budget=limits, request=request, defaults=config.sampling, roles=roles, concurrency=concurrency
            )
            with TemporaryDirectory() as folder:
                path = Path(folder) / "bench.db" if out is None else Path(out)
                with Store.create(path, plan.as_dict()) as store:
                    run_bench(store, planned, settings, on_progress)
                    return Comparison(rows(store), None if out is None else path)

        try:
            return await asyncio.to_thread(run)
        finally:
            stopped.set()


def open_session(model: str | None = None, *, config: Config | None = None, **roles: str) -> Session:
    """A session on a model, and on others for further roles: `open("tiny", prm="tiny-prm")`.

    Args:
        model: a specification, a known name or an alias; without one, the configured default or
            the bundled reasoner.
        roles: role -> model.
        config: aliases, prices and defaults; without it, the user's own.

    Raises:
        UsageError: for a model that is not known or holds several recordings.
    """
    return session_on(model, roles, config)


def session_on(model: str | None, roles: Mapping[str, str] | None, config: Config | None = None) -> Session:
    """`open_session` for roles of any name."""
    if config is None:
        from .cli.config import load

        config = load()
    return Session(sources_of(model, {} if roles is None else roles, config), config)


def solve(
    question: str | Problem,
    *,
    model: str | None = None,
    method: str | Method | Configured | None = None,
    roles: Mapping[str, str] | None = None,
    **requested: Any,
) -> Outcome:
    """Answer one question; blocks, also inside a running event loop (a notebook).

    Args:
        question: a text, or a `Problem`; for a recording, the id or text of a recorded question.
        model: a specification, a known name or an alias; the bundled reasoner if nothing is said.
        method: as `"ffs(n=8, k=4)"`, or configured: `first_finish(n=8)`; "simple" by default.
        roles: models for further roles of the method, such as `{"prm": "tiny-prm"}`.
        requested: `budget` (a `Budget` or a mapping) or `tokens`, `seconds`, `cost`; `answer`, the rule
            by which answers are found and compared ("math", "number", ...); `choices`, `reference`,
            `system`, `images` (paths), `seed`, `observers` of the run; `rescue`, for one more sample
            where the reply has spent its tokens on thinking; and any setting of `Sampling`.

    Raises:
        UsageError: for anything that is not known or out of range, before a token is spent.
        EngineError: if the model cannot be reached or does not do what the method needs.
        KeyboardInterrupt: after what was under way has been stopped.
    """
    attempt = session_on(model, roles).attempt(question, method=method, **requested)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return attempt.execute()
    return attempt.threaded().wait()


async def asolve(
    question: str | Problem,
    *,
    model: str | None = None,
    method: str | Method | Configured | None = None,
    roles: Mapping[str, str] | None = None,
    **requested: Any,
) -> Outcome:
    """Answer one question without blocking the event loop; see `solve`."""
    async with session_on(model, roles) as session:
        return await session.solve(question, method=method, **requested)
