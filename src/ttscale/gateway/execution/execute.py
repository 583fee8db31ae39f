"""Running a method for a request: one independent run per choice, all within one budget."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

from ...answers.rules.implicit import rule
from ...assembly import Assembly
from ...core import Budget, Configured, EngineError, Outcome, Problem, SampleCount, Trace, Usage
from ...core.cards.roles import may_answer
from ...core.thinking import Spans
from ..access.quotas import UNLIMITED
from ..api.choice import Choice
from ..api.requests import ApiRequest
from ..config import Limits
from ..errors import ApiError, of
from ..upstreams.upstream import Upstream
from .deferred_parsing import DeferringEngine, Reader
from .live_text import LiveText, ShownEngine

Show = Callable[[int, str, Spans | None], None]  # (choice, piece of its reply, thinking in it)


async def solve(
    request: ApiRequest,
    method: Configured,
    upstream: Upstream,
    budget: Budget,
    limits: Limits,
    count: SampleCount,
    spent: Usage,
    reader: Reader,
    show: Show | None = None,
) -> list[Choice]:
    """Every choice of a request, in order; `count` is told of their samples, and what they cost is
    added to `spent`, also if the request fails or is given up.

    `show` is given the pieces of the replies, if the method's samples are the reply.

    Raises:
        ApiError: what the request or the upstream did wrong.
    """
    samples, most = method.max_samples(), limits.max_samples
    rescue = limits.rescue != "none" if request.options.rescue is None else request.options.rescue
    unbounded = samples is None or (samples + rescue) * request.choices > most
    if unbounded and (budget.samples is None or budget.samples > most):
        budget = dataclasses.replace(budget, samples=most)
    try:
        models = (await upstream.opened()).wrapped(lambda _, engine: DeferringEngine(engine, reader))
        each = _share(budget, request.choices)
        numbered = list(enumerate(p for p in request.prompts for _ in range(request.n)))
        streams = method.card.streams and show is not None
        runs = [
            _answer(
                # alike for alike requests: their samples are alike, and form one pool when recorded
                Problem(prompt.key, prompt, rule(request.options.answer)),
                request,
                method,
                _showing(models, number, show) if streams else models,
                each,
                count,
                spent,
                request.seed + number % request.n,
                rescue,
            )
            for number, prompt in numbered
        ]
        return [await runs[0]] if len(runs) == 1 else await _all(runs)
    except ApiError:
        raise
    except Exception as error:
        raise _as_api_error(error) from error


def _as_api_error(error: Exception) -> ApiError:
    api_error = of(error)
    if api_error.status == 500:
        raise error  # a bug: let the log have it
    return api_error


async def _answer(
    problem: Problem,
    request: ApiRequest,
    method: Configured,
    models: Assembly,
    budget: Budget | None,
    count: SampleCount,
    spent: Usage,
    seed: int,
    rescue: bool,
) -> Choice:
    run = models.run(seed=seed & 0x7FFF_FFFF, request=request.sampling, observers=[count], rescue=rescue)
    began = time.monotonic()
    try:
        outcome = await run.answer(method, problem, budget=budget)
    finally:
        spent.add(run.usage)
        spent.seconds = max(spent.seconds, time.monotonic() - began)  # choices run side by side
    if outcome.error is not None:
        raise outcome.error
    if (refusal := _refusal(outcome)) is not None:
        raise refusal
    if outcome.winner is not None:
        ended = outcome.winner.finish in ("stop", "refused")
        return Choice(problem, outcome, outcome.winner, not ended)
    return Choice(problem, outcome, _nearest(outcome), True)


def _refusal(outcome: Outcome) -> EngineError | None:
    """The error with which the upstream refused to take the prompt at all, if that is all there is;
    a model that declines in a reply has replied."""
    if any(trace.finish == "stop" for trace in outcome.traces):
        return None
    errors = (trace.error for trace in outcome.traces if trace.finish == "refused")
    return next((e for e in errors if isinstance(e, EngineError) and e.status is not None), None)


def _nearest(outcome: Outcome) -> Trace:
    """What comes closest to a reply where nothing gives an answer: the first sample that ended,
    else the one that got furthest."""
    own = [t for t in outcome.traces if may_answer(t.part) and t.finish != "error"]
    ended = [t for t in own if t.finish == "stop" and (t.text or t.tool_calls)]
    if ended:
        return ended[0]
    return max(own, key=lambda t: len(t.text), default=Trace(finish="budget"))


def _showing(models: Assembly, number: int, show: Show | None) -> Assembly:
    assert show is not None
    live_text = LiveText(lambda text, thinking_at: show(number, text, thinking_at))
    return models.with_main(ShownEngine(models.engines["main"], live_text))


def _share(budget: Budget, choices: int) -> Budget | None:
    """What each of several choices may spend of what adds up."""
    if budget == UNLIMITED:
        return None
    if choices == 1:
        return budget
    return dataclasses.replace(
        budget,
        tokens=None if budget.tokens is None else max(1, budget.tokens // choices),
        samples=None if budget.samples is None else max(1, budget.samples // choices),
        calls=None if budget.calls is None else max(1, budget.calls // choices),
        cost=None if budget.cost is None else budget.cost / choices,
    )


async def _all(runs: Sequence[Any]) -> list[Choice]:
    """All at once; the first failure stops the others and is raised as itself."""
    tasks = [asyncio.ensure_future(run) for run in runs]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
