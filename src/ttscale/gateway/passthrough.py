"""Plain requests: passed on as they are, counted, and kept if traffic is recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from ..answers.rules.implicit import rule
from ..core import Budget, Outcome, Problem, Sampling, Trace, Usage, UsageError
from ..engines.http.sse import Packets
from ..engines.openai.response import ResponseReader
from .access.quotas import UNLIMITED
from .api import requests
from .api.choice import Choice
from .api.options import NONE
from .errors import ApiError, wrong
from .passed_usage import PassedUsage
from .relay import overdue, relay
from .renaming import Renaming
from .reply_shape import ReplyShape
from .request_state import RequestState
from .upstreams.abilities import require
from .upstreams.upstream import Upstream


async def pass_on(
    state: RequestState, upstream: Upstream, body: Mapping[str, Any], raw: bytes
) -> web.StreamResponse:
    """Relay a request to the same path of the upstream."""
    gateway, server = state.gateway, upstream.server
    assert server is not None
    state.model = upstream.name
    require(body, upstream)
    closed = server.replicas.closed_for()
    if closed:
        raise ApiError(
            503, f"no server of model {upstream.name!r} answers", code="upstream_down", after=closed
        )
    choices = requests.whole(body.get("n")) or 1
    budget, began = state.budget(UNLIMITED), time.monotonic()
    if not server.model:
        try:
            async with asyncio.timeout(budget.seconds):
                await upstream.open()  # it tells the name of its only model
        except TimeoutError:
            raise overdue(budget.seconds) from None
    left = None if budget.seconds is None else max(0.0, budget.seconds - (time.monotonic() - began))
    most = _most(budget, upstream, choices, raw)
    payload, cost = forwarded(body, raw, server.model, most, _configured(state.path, upstream.sampling))
    passed = PassedUsage(max(1, choices or 1))
    recorder = gateway.recorder
    kept: list[bytes] | None = [] if recorder is not None and recorder.wants() else None
    try:
        response = await relay(
            state.request,
            upstream,
            state.path,
            payload,
            cost,
            ReplyShape.requested(state.path, body),
            passed,
            Renaming(str(body["model"])),
            kept,
            left,
        )
    finally:
        _account(state, upstream, passed, raw)
    if kept and response.status == 200:
        _keep(state, upstream, body, raw, kept, passed)
    return response


def _most(budget: Budget, upstream: Upstream, choices: int, raw: bytes) -> int | None:
    """Tokens each choice of a request may have within its budget; None if there is no limit.

    Raises:
        ApiError: if there may be no such choice at all.
    """
    if budget.samples is not None and choices > budget.samples:
        raise wrong(f"{choices} choices are more than {budget.samples} per request", "n", "too_many_samples")
    limits = [] if budget.tokens is None else [budget.tokens // choices]
    if budget.sequential is not None:
        limits.append(budget.sequential)
    if budget.cost is not None:
        if (price := upstream.price) is None:
            raise UsageError(f"a budget of cost needs the price of model {upstream.name!r}, which has none")
        left = budget.cost - price.of(PassedUsage.estimated_prompt(raw), 0)
        if left <= 0:
            raise wrong("the budget of cost does not pay for the prompt", None, "budget_too_small")
        if price.completion:
            limits.append(int(left * 1e6 / price.completion) // choices)
    return max(1, min(limits)) if limits else None


def forwarded(
    body: Mapping[str, Any], raw: bytes, model: str, most: int | None, configured: Mapping[str, Any]
) -> tuple[bytes, int]:
    """(what is sent to the upstream, tokens it may cost) of a plain request.

    The bytes stay as they are unless the model has another name there, the body holds options of
    ours, a budget limits its tokens to `most`, or it leaves open what is `configured`.
    """
    limits = [name for name in (*requests.LIMITS, "max_output_tokens") if name in body]
    if not limits:
        limits = ["max_output_tokens" if "input" in body else "max_tokens"]
    changes = {
        name: value
        for setting, value in configured.items()
        if (name := limits[0] if setting == "max_tokens" else setting) not in body
    }
    if model and body.get("model") != model:
        changes["model"] = model
    bounds = {name: requests.whole(changes.get(name, body.get(name))) or 0 for name in limits}
    if most is not None:
        for name, tokens in bounds.items():
            if not 0 < tokens <= most:  # -1 asks for as many as there are
                changes[name] = bounds[name] = most
    given = min((tokens for tokens in bounds.values() if tokens > 0), default=0)
    if not changes and "ttscale" not in body:
        return raw, given
    sent = {k: v for k, v in body.items() if k != "ttscale"}
    try:
        return orjson.dumps({**sent, **changes}), given
    except TypeError:
        raise ApiError(400, "the body is nested too deeply", code="invalid_json") from None


def _configured(path: str, sampling: Sampling) -> dict[str, Any]:
    """The configured settings that a plain request to this path may leave open."""
    if path.endswith("/responses"):
        known: tuple[str, ...] = ("temperature", "top_p", "max_tokens")
    elif path.endswith("completions"):
        known = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "min_tokens", "stop")
    else:
        known = ()
    return {name: value for name, value in sampling.given().items() if name in known}


def _account(state: RequestState, upstream: Upstream, passed: PassedUsage, raw: bytes) -> None:
    """Count what was used, also by a client that went away."""
    state.tokens, state.samples = passed.completion_tokens, passed.choices
    metrics, price = state.gateway.metrics, upstream.price
    metrics.add("tokens_total", passed.completion_tokens, kind="plain", model=upstream.name)
    if passed.hedged:
        metrics.add("hedges_total", model=upstream.name)
    cost = None
    if price is not None:
        prompt = passed.prompt_of(raw)
        cost = price.of(prompt, passed.completion_tokens, passed.cached_tokens)
    state.gateway.ledger.charge(state.client, tokens=state.tokens, samples=state.samples, calls=1, cost=cost)


def _keep(
    state: RequestState,
    upstream: Upstream,
    body: Mapping[str, Any],
    raw: bytes,
    kept: list[bytes],
    passed: PassedUsage,
) -> None:
    """Record a plain chat or completion as one sample of `simple`."""
    limits = state.gateway.config.limits
    try:
        if state.path.endswith("/chat/completions"):
            request = requests.chat(body, limits, NONE)
        elif state.path.endswith("/completions"):
            request = requests.completion(body, limits, NONE)
        else:
            return
    except ApiError:
        return  # the upstream took what we cannot read
    if request.choices != 1:
        return
    reader, packets = ResponseReader(), Packets()
    whole = b"".join(kept)
    if request.stream:
        reader.feed(packets.feed(whole) + packets.rest())
    else:
        reader.feed_whole(whole)
    if (finish := reader.ending) is None:
        return
    prompt = request.prompts[0]
    trace = Trace(
        text=reader.text(),
        tokens=passed.completion_tokens or reader.tokens,
        finish=finish,
        thinking_at=reader.thinking_at(len(reader.text())),
        prompt_key=prompt.key,
        prompt_tokens=reader.prompt_tokens,
        model=upstream.name,
        tool_calls=reader.calls.result(),
        meta=reader.carried.meta(),
    )
    problem = Problem(prompt.key, prompt, rule(""))
    usage = Usage()
    prompt_tokens = passed.prompt_of(raw)
    usage.charge(trace, upstream.price, prompt_tokens, prompt_tokens)
    usage.sequential_tokens = trace.tokens
    outcome = Outcome(problem.answer(trace), trace, finish, {}, [trace], usage)
    choices = [Choice(problem, outcome, trace, False)]
    assert state.gateway.recorder is not None
    state.gateway.recorder.keep(upstream.name, "simple", request.sampling, choices)
