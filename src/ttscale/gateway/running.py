"""Requests for a method: run, shaped, counted, and kept if traffic is recorded."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import orjson
from aiohttp import web

from ..core import Configured
from .asking import Asked
from .logs import log
from .shapes import Shape
from .solving import Solved, Tell, Watch, solve
from .streaming import stream
from .telling import agreement, total
from .upstream import Upstream
from .visit import Visit

Shaped = Callable[[Asked, Configured], Shape]


async def run(
    visit: Visit, asked: Asked, upstream: Upstream, method: Configured, shaped: Shaped
) -> web.StreamResponse:
    """Answer a request with a method.

    Raises:
        ApiError: what the request or the upstream did wrong, if the reply has not begun.
    """
    gateway = visit.gateway
    visit.model, visit.method = upstream.name, method.label
    budget = visit.budget(asked.options.budget)
    watch, shape = Watch(), shaped(asked, method)
    solved: list[Solved] | None = None

    def work(tell: Tell | None) -> Coroutine[Any, Any, list[Solved]]:
        limits = gateway.config.limits
        return solve(asked, method, upstream, budget, limits, watch, gateway.reader, tell)

    try:
        if asked.stream:
            heartbeat = gateway.config.server.heartbeat
            response, solved = await stream(
                visit.request, shape, upstream.unopened_thinking, watch, heartbeat, work
            )
        else:
            solved = await work(None)
            response = web.Response(
                body=orjson.dumps(shape.whole(solved)), content_type="application/json"
            )
    finally:
        _account(visit, watch, solved)
    if solved is not None:
        _learn(upstream, solved)
        if gateway.recorder is not None and gateway.recorder.wants():
            gateway.recorder.keep(upstream.name, method.label, asked.sampling, solved)
        if gateway.config.server.prompts:
            log(
                "answered", id=visit.id, prompts=[p.text for p in asked.prompts],
                replies=[s.trace.text for s in solved],
            )  # fmt: skip
    return response


def _account(visit: Visit, watch: Watch, solved: Sequence[Solved] | None) -> None:
    """Count what was used: by the run's meter, or by what was seen of one that never ended."""
    metrics, name = visit.gateway.metrics, visit.method.partition("(")[0]
    visit.samples = watch.started
    metrics.add("samples_total", watch.started, method=name)
    if solved is None:
        visit.tokens = watch.tokens
        metrics.add("tokens_total", visit.tokens, kind="unanswered", model=visit.model)
        visit.gateway.ledger.charge(visit.client, tokens=visit.tokens, samples=visit.samples)
        return
    used = total(solved)
    visit.tokens = used.completion_tokens
    for kind in ("useful", "cancelled", "cut", "verifier", "planning"):
        metrics.add("tokens_total", getattr(used, f"{kind}_tokens"), kind=kind, model=visit.model)
    for choice in solved:
        votes = agreement(choice)
        state = "answered" if votes else "unanswered"
        metrics.add("answers_total", method=name, state="partial" if choice.partial else state)
        if votes:
            metrics.add("votes_total", votes["votes"], method=name, kind="for")
            metrics.add("votes_total", votes["of"], method=name, kind="cast")
    visit.gateway.ledger.charge(
        visit.client, tokens=used.completion_tokens, samples=used.samples, seconds=used.seconds,
        cost=used.cost,
    )  # fmt: skip


def _learn(upstream: Upstream, solved: Sequence[Solved]) -> None:
    """Note a model whose chat template opens the thinking: later streams begin with it."""
    if not upstream.unopened_thinking:
        upstream.unopened_thinking = any(
            "</think>" in t.text and "<think>" not in t.text
            for choice in solved
            for t in choice.outcome.traces
            if not choice.problem.prompt.prefix
        )
