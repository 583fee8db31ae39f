"""Requests for a method: run, shaped, counted, and kept if traffic is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import orjson
from aiohttp import web

from ..core import THINK, Configured, SampleCount
from .asking import Asked
from .logs import log
from .shapes import Shape
from .solving import Solved, solve
from .streaming import Pieces, stream
from .telling import total
from .upstream import Upstream
from .visit import Visit

_KINDS = ("useful", "cancelled", "cut", "verifier", "planning")
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
    count, shape = SampleCount(), shaped(asked, method)
    pieces = Pieces(shape, upstream.unopened_thinking) if asked.stream else None
    solved: list[Solved] | None = None
    solving = solve(
        asked,
        method,
        upstream,
        budget,
        gateway.config.limits,
        count,
        gateway.reader,
        None if pieces is None else pieces.tell,
    )
    try:
        if pieces is not None:
            task = asyncio.ensure_future(solving)
            heartbeat = gateway.config.server.heartbeat
            response, solved = await stream(visit.request, pieces, task, count, heartbeat)
        else:
            solved = await solving
            response = web.Response(
                body=orjson.dumps(shape.whole(solved)), content_type="application/json"
            )
    finally:
        _account(visit, count, solved)
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


def _account(visit: Visit, count: SampleCount, solved: Sequence[Solved] | None) -> None:
    """Count what was used: by the run's meter, or by what was seen of one that never ended."""
    metrics, name = visit.gateway.metrics, visit.method.partition("(")[0]
    visit.samples = count.begun
    metrics.add("samples_total", count.begun, method=name)
    if solved is None:
        visit.tokens = count.tokens
        metrics.add("tokens_total", visit.tokens, kind="unanswered", model=visit.model)
        visit.gateway.ledger.charge(visit.client, tokens=visit.tokens, samples=visit.samples)
        return
    used = total(solved)
    visit.tokens = used.completion_tokens
    tokens = {kind: getattr(used, f"{kind}_tokens") for kind in _KINDS}
    for kind, spent in tokens.items():
        metrics.add("tokens_total", spent, kind=kind, model=visit.model)
    for choice in solved:
        votes = choice.agreement
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
            THINK.unopened(t.text)
            for choice in solved
            for t in choice.outcome.traces
            if not choice.problem.prompt.prefix
        )
