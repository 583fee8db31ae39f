"""Requests for a method: run, shaped, counted, and kept if traffic is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import orjson
from aiohttp import web

from ...core import Configured, SampleCount, Usage
from ..api.chat_and_completions import Shape
from ..api.choice import Choice
from ..api.reply_fields import total
from ..api.requests import ApiRequest
from ..logs import log
from ..request_state import RequestState
from ..upstreams.abilities import require
from ..upstreams.upstream import Upstream
from .execute import solve
from .stream import ReplyEvents, stream

_KINDS = ("useful", "cancelled", "cut", "verifier", "planning")
Shaped = Callable[[ApiRequest, Configured], Shape]


async def run(
    state: RequestState, request: ApiRequest, upstream: Upstream, method: Configured, shaped: Shaped
) -> web.StreamResponse:
    """Answer a request with a method.

    Raises:
        ApiError: what the request or the upstream did wrong, if the reply has not begun.
    """
    gateway = state.gateway
    state.model, state.method, state.series = upstream.name, method.label, method.method.name
    require(request.body, upstream)
    budget = state.budget(request.options.budget)
    count, spent, shape = SampleCount(), Usage(), shaped(request, method)
    pieces = ReplyEvents(shape) if request.stream else None
    choices: list[Choice] | None = None
    solving = solve(
        request,
        method,
        upstream,
        budget,
        gateway.config.limits,
        count,
        spent,
        gateway.reader,
        None if pieces is None else pieces.show,
    )
    try:
        if pieces is not None:
            task = asyncio.ensure_future(solving)
            heartbeat = gateway.config.server.heartbeat
            response, choices = await stream(state.request, pieces, task, count, heartbeat)
        else:
            choices = await solving
            response = web.Response(body=orjson.dumps(shape.whole(choices)), content_type="application/json")
    finally:
        _account(state, count, spent, choices)
    if choices is not None:
        if gateway.recorder is not None and gateway.recorder.wants():
            gateway.recorder.keep(upstream.name, method.canonical, request.sampling, choices)
        if gateway.config.server.prompts:
            log(
                "answered",
                id=state.id,
                prompts=[p.text for p in request.prompts],
                replies=[s.trace.text for s in choices],
            )
    return response


def _account(state: RequestState, count: SampleCount, spent: Usage, choices: Sequence[Choice] | None) -> None:
    """Count what was used, also by a request that failed or whose client went away."""
    metrics, name = state.gateway.metrics, state.series
    state.samples, state.tokens = count.begun, spent.tokens
    metrics.add("samples_total", count.begun, method=name)
    state.gateway.ledger.charge(
        state.client,
        tokens=spent.tokens,
        samples=spent.samples,
        calls=spent.calls,
        seconds=spent.seconds,
        cost=spent.known_cost,
    )
    if choices is None:
        metrics.add("tokens_total", state.tokens, kind="unanswered", model=state.model)
        return
    used = total(choices)
    tokens = {kind: getattr(used, f"{kind}_tokens") for kind in _KINDS}
    for kind, amount in tokens.items():
        metrics.add("tokens_total", amount, kind=kind, model=state.model)
    for choice in choices:
        votes = choice.agreement
        ending = "answered" if votes else "unanswered"
        metrics.add("answers_total", method=name, state="partial" if choice.partial else ending)
        if votes:
            metrics.add("votes_total", votes["votes"], method=name, kind="for")
            metrics.add("votes_total", votes["of"], method=name, kind="cast")
