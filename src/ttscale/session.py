"""The way in from Python: one question, or a session of many.

outcome = ttscale.solve("What is 17 * 23?", method="ffs(n=8)", tokens=2000)

async with ttscale.open("openai:qwen3@http://localhost:8000/v1") as session:
    outcome = await session.solve("What is 17 * 23?", method="self-consistency(n=16)")
"""

from __future__ import annotations

import asyncio
import string
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .assembly import Assembly
from .core import (
    AnswerRule,
    Budget,
    Configured,
    Image,
    Outcome,
    Problem,
    Prompt,
    Run,
    Sampling,
    UnknownName,
    UsageError,
    execute,
)
from .methods import parse

if TYPE_CHECKING:
    from .cli.config import Config
    from .core import Observer
    from .engines import ModelSource

Answering = Coroutine[Any, Any, Outcome]
FALLBACK = "smollm2-135m"
LONGEST_SEED = 63  # bits: what JSON and a store can hold


@dataclass(frozen=True, slots=True)
class Attempt:
    """One question with the method, the run and the budget that are to answer it."""

    problem: Problem
    method: Configured
    run: Run
    budget: Budget | None

    async def answer(self) -> Outcome:
        """Answer it on engines that are open."""
        return await self.run.answer(self.method, self.problem, budget=self.budget)

    def execute(self, around: Callable[[Answering], Answering] | None = None) -> Outcome:
        """Open the engines, answer, and close them; blocks. `around` wraps what is awaited, for
        example to show progress meanwhile."""
        return execute(self.run, lambda: around(self.answer()) if around else self.answer())


class Session:
    """Models opened once, and questions answered on them.

    Attributes:
        sources: role -> where its tokens come from.
    """

    def __init__(self, sources: Mapping[str, ModelSource], config: Config) -> None:
        self.sources, self._config = sources, config
        self._assembly = Assembly.of(sources, config.sampling)
        self._opened = False

    async def __aenter__(self) -> Session:
        if not self._recorded:
            try:
                for engine in self._engines:
                    await engine.open()
            except BaseException:
                await self.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the models; what is under way on them is stopped."""
        if not self._recorded:
            for engine in self._engines:
                await engine.close()

    async def solve(self, question: str | Problem, **requested: Any) -> Outcome:
        """Answer a question; see `ttscale.solve` for the keywords."""
        attempt = self.attempt(question, **requested)
        if self._recorded:  # token time has a loop of its own
            return await asyncio.to_thread(attempt.execute)
        return await attempt.answer()

    def attempt(
        self,
        question: str | Problem,
        *,
        method: str | Configured | None = None,
        budget: Budget | Mapping[str, Any] | None = None,
        tokens: int | None = None,
        seconds: float | None = None,
        cost: float | None = None,
        answer: str | AnswerRule | None = None,
        choices: Sequence[str] = (),
        reference: str | None = None,
        system: str | None = None,
        images: Sequence[str] = (),
        seed: int | None = None,
        observers: Sequence[Observer] = (),
        **sampling: Any,
    ) -> Attempt:
        """Everything that is needed to answer a question; nothing has been spent yet."""
        config = self._config
        chosen = method or config.method or "simple"
        rule = answer or ("choice" if choices else config.answer)
        if not isinstance(question, Problem):
            question = problem_of(self.sources["main"], question, rule, choices, reference, system, images)
        limits = {"tokens": tokens, "seconds": seconds, "cost": cost}
        return Attempt(
            question,
            parse(chosen) if isinstance(chosen, str) else chosen,
            self._assembly.run(
                seed=seed_of(seed, config),
                request=Sampling.of({k: v for k, v in sampling.items() if v is not None}),
                observers=observers,
            ),
            _budget(budget, limits) or config.budget,
        )

    @property
    def _engines(self) -> list[Any]:
        return list({id(e): e for e in self._assembly.engines.values()}.values())

    @property
    def _recorded(self) -> bool:
        return any(engine.time == "tokens" for engine in self._assembly.engines.values())


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
    if config is None:
        from .cli.config import load

        config = load()
    sources = {"main": source_of(model, config, "model")}
    for role, spec in roles.items():
        sources[role] = source_of(spec, config, role)
    return Session(sources, config)


def solve(
    question: str | Problem,
    *,
    model: str | None = None,
    method: str | Configured | None = None,
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
            `system`, `images` (paths), `seed`, `observers` of the run; and any setting of `Sampling`.

    Raises:
        UsageError: for anything that is not known or out of range, before a token is spent.
        EngineError: if the model cannot be reached or does not do what the method needs.
    """
    attempt = open_session(model, config=None, **(roles or {})).attempt(question, method=method, **requested)
    return _blocking(attempt.execute)


async def asolve(
    question: str | Problem,
    *,
    model: str | None = None,
    method: str | Configured | None = None,
    roles: Mapping[str, str] | None = None,
    **requested: Any,
) -> Outcome:
    """Answer one question without blocking the event loop; see `solve`."""
    async with open_session(model, config=None, **(roles or {})) as session:
        return await session.solve(question, method=method, **requested)


def _blocking(work: Callable[[], Outcome]) -> Outcome:
    """Run `work`, which starts an event loop, where one may be running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    found: list[Outcome | BaseException] = []

    def target() -> None:
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=target, name="ttscale.solve")
    thread.start()
    thread.join()
    (result,) = found
    if isinstance(result, BaseException):
        raise result
    return result


def _budget(budget: Budget | Mapping[str, Any] | None, limits: Mapping[str, Any]) -> Budget | None:
    """One budget from an object or mapping and from limits given by themselves."""
    given = {kind: limit for kind, limit in limits.items() if limit is not None}
    if budget is None:
        return Budget.of(given) if given else None
    own = budget.given() if isinstance(budget, Budget) else dict(budget)
    if both := sorted(given.keys() & own.keys()):
        raise UsageError(f"budget {both[0]} is given twice", fix="give it once")
    return Budget.of({**own, **given})


# -- models and questions


def seed_of(seed: int | None, config: Config) -> int:
    """The seed asked for, else the configured one.

    Raises:
        UsageError: if it is larger than JSON and a store can hold.
    """
    if seed is not None and seed.bit_length() > LONGEST_SEED:
        raise UsageError(f"seed {seed}", fix=f"give a whole number of at most {LONGEST_SEED} bits")
    return config.seed if seed is None else seed


def source_of(spec: str | None, config: Config, option: str) -> ModelSource:
    """The one model a specification stands for; without one, the default model.

    Raises:
        UsageError: if a recording holds several models or tasks and none is chosen.
    """
    from .engines import open_model

    sources = open_model(spec or config.model or default_model(), config)
    if len(sources) > 1:
        there = "; ".join(f"where.model={s.name}&where.dataset={s.pools[0].task}" for s in sources)
        raise UsageError(f"{option} {spec!r} holds {len(sources)} recordings", fix=f"add one of: ?{there}")
    return sources[0]


def default_model() -> str:
    """The bundled reasoner, or else the small general model if it has been fetched.

    Raises:
        UsageError: if there is neither; says how to get one.
    """
    from .engines.catalogue import downloads
    from .engines.catalogue.bundled import bundled_models

    if bundled := list(bundled_models()):
        return bundled[0]
    if downloads.is_cached(FALLBACK):
        return FALLBACK
    raise UsageError(
        "no model is given and none is here", fix=f"run ttscale models pull {FALLBACK}, or give --model"
    )


def problem_of(
    main: ModelSource,
    text: str,
    rule: str | AnswerRule,
    choices: Sequence[str] = (),
    reference: str | None = None,
    system: str | None = None,
    images: Sequence[str] = (),
) -> Problem:
    """A question as a problem; for a recording, the recorded problem of that id or text.

    Raises:
        UsageError: if the question is empty, or there are more choices than letters.
        UnknownName: if the recording has no such question; names the nearest.
    """
    from .answers import ChoiceRule, rule_for

    text = text.strip()
    if not text:
        raise UsageError("the question is empty", fix="give a question, or '-' and a text on stdin")
    "".join((text, *choices, reference or "", system or "")).encode()  # bytes are not a question
    if main.pools:
        problems = main.pools[0].problems
        recorded = next((p for p in problems if text in (p.id, p.prompt.text)), None)
        if recorded is None:
            raise UnknownName("question", text, [p.id for p in problems], f"recording {main.spec!r}")
        return recorded
    letters = string.ascii_uppercase[: len(choices)]
    if choices and rule == "choice":
        if len(choices) > len(letters):
            raise UsageError(f"{len(choices)} choices", fix="give at most 26")
        rule = ChoiceRule(letters)
    elif isinstance(rule, str):
        rule = rule_for(rule)
    listed = "".join(f"\n{letter}) {choice}" for letter, choice in zip(letters, choices))
    requested = f"{text}\n{listed}" if choices else text
    prompt = Prompt.user(requested, *map(Image.read, images), system=system)
    return Problem("question", prompt, rule, reference, tuple(choices))
