"""The addresses of the gateway, and what every request goes through on its way in and out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from . import model_list, status_page
from .access.origins import Origins
from .api import openapi, requests
from .api.chat_and_completions import Chat, Completions
from .api.options import NONE, options
from .api.responses import Responses, as_chat_request
from .errors import ApiError, of, wrong
from .execution.endpoint import Shaped, run
from .gateway import Gateway
from .logs import LOG, log
from .model_resolution import target
from .passthrough import pass_on
from .request_ids import HEADER, request_id
from .request_state import RequestState
from .upstreams import health

GATEWAY = web.AppKey("gateway", Gateway)
Serve = Callable[[RequestState, bytes], Awaitable[web.StreamResponse]]
_GONE = 499  # as nginx has it: the client has closed the connection


def application(gateway: Gateway) -> web.Application:
    """The gateway's addresses, to be served by `http_server.Runner`."""
    app = web.Application(client_max_size=gateway.config.server.max_body)
    app[GATEWAY] = gateway
    origins = Origins(gateway.config.server.origins)
    app.on_response_prepare.append(_marked(origins))
    for path, serve in (
        ("/v1/chat/completions", _generates(requests.chat, Chat)),
        ("/v1/completions", _generates(requests.completion, Completions)),
        ("/v1/responses", _responses),
        ("/v1/embeddings", _embeddings),
    ):
        app.router.add_post(path, _guarded(path, serve))
    for path, show in (
        ("/v1/models", _models),
        ("/v1/models/{name:.+}", _model),
        ("/metrics", _metrics),
        ("/status.json", _status),
        ("/", _page),
        ("/openapi.json", _openapi),
    ):
        app.router.add_get(path, _shown(show))
    app.router.add_get("/health", _health)
    app.router.add_get("/ready", _ready)
    app.router.add_options("/{path:.*}", _preflight(origins))
    app.router.add_route("*", "/{path:.*}", _elsewhere)
    return app


# -- the way in and out


def _marked(origins: Origins) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Every response carries the id of its request, and may be read by the page that asked."""

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        response.headers[HEADER] = request_id(request)
        origins.mark(request, response)

    return mark


def _preflight(origins: Origins) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return origins.preflight(request)
        except ApiError as error:
            return error.response()

    return handle


def _guarded(path: str, serve: Serve) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A handler: key, limits and queue before, numbers and log after."""

    async def handle(request: web.Request) -> web.StreamResponse:
        gateway = request.app[GATEWAY]
        state = RequestState(request, gateway, path, request_id(request))
        began, code = time.perf_counter(), _GONE
        try:
            state.client = gateway.keyring.client(request.headers.get("Authorization"))
            gateway.ledger.admit(state.client)
            with gateway.tracer.span(f"POST {path}") as attributes:
                async with gateway.admission:
                    raw = await _body(request, gateway.config.server)
                    response = await serve(state, raw)
                attributes.update(
                    {
                        "ttscale.model": state.model,
                        "ttscale.method": state.method,
                        "ttscale.tokens": state.tokens,
                        "http.status_code": response.status,
                    }
                )
            code = response.status
            return response
        except ApiError as error:
            code = error.status
            if error.code in ("overloaded", "rate_limit_exceeded", "budget_spent"):
                gateway.metrics.add("refusals_total", reason=error.code)
            return error.response()
        except (asyncio.CancelledError, ConnectionError):
            gateway.metrics.add("cancellations_total")
            raise
        except Exception as error:
            shown_as = of(error)
            code = shown_as.status
            if code == 500:
                LOG.exception("failed", extra={"fields": {"id": state.id, "path": path}})
            return shown_as.response()
        finally:
            _noted(state, code, time.perf_counter() - began)

    return handle


def _noted(state: RequestState, code: int, seconds: float) -> None:
    """The request's line in the log and its place in the numbers."""
    metrics = state.gateway.metrics
    metrics.add("requests_total", path=state.path, method=state.series, status=str(code))
    metrics.observe(seconds, path=state.path, method=state.series)
    log(
        "request",
        id=state.id,
        path=state.path,
        status=code,
        key=state.client.name,
        model=state.model,
        method=state.method,
        samples=state.samples,
        tokens=state.tokens,
        ms=round(seconds * 1000, 3),
    )


async def _body(request: web.Request, server: Any) -> bytes:
    """The body of a request, if it comes in time and is not too large."""
    length = request.content_length
    large = ApiError(413, f"a body may have {server.max_body} bytes", code="body_too_large")
    if length is not None and length > server.max_body:
        raise large
    try:
        if request.content.is_eof():  # it came with its head, as most do
            return await request.read()
        async with asyncio.timeout(server.body_seconds):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise large from None
    except TimeoutError:
        raise ApiError(408, "the body did not arrive in time", code="body_too_slow") from None
    except (aiohttp.ClientError, web.RequestPayloadError, ValueError):
        raise wrong("the body cannot be read", code="invalid_body") from None


# -- the API


def _generates(read: Callable[..., requests.ApiRequest], shaped: Shaped) -> Serve:
    async def serve(state: RequestState, raw: bytes) -> web.StreamResponse:
        body = requests.document(raw)
        gateway = state.gateway
        chosen = options(body)
        where = target(body.get("model"), chosen, state.client, gateway.upstreams)
        if where.method is None:
            return await pass_on(state, where.upstream, body, raw)
        request = read(body, gateway.config.limits, chosen)
        return await run(state, request, where.upstream, where.method, shaped)

    return serve


async def _responses(state: RequestState, raw: bytes) -> web.StreamResponse:
    """Passed on to a server that has this API; else, and under a method, translated."""
    body, gateway = requests.document(raw), state.gateway
    chosen = options(body)
    where = target(body.get("model"), chosen, state.client, gateway.upstreams)
    method = where.method
    if method is None:
        try:
            response = await pass_on(state, where.upstream, body, raw)
        except ApiError as error:
            if error.status not in (404, 405, 501):
                raise
        else:
            if response.prepared or response.status not in (404, 405, 501):
                return response
        from ..methods import parse

        method = parse("simple")
    request = as_chat_request(body, gateway.config.limits, chosen)
    return await run(state, request, where.upstream, method, Responses)


async def _embeddings(state: RequestState, raw: bytes) -> web.StreamResponse:
    body = requests.document(raw)
    if options(body).method is not None:
        raise wrong("embeddings are passed through: no method applies", "ttscale.method")
    where = target(body.get("model"), NONE, state.client, state.gateway.upstreams)
    if where.upstream.server is None:
        raise ApiError(400, f"model {where.upstream.name!r} gives no embeddings", param="model")
    return await pass_on(state, where.upstream, body, raw)


# -- what can be looked at


def _shown(
    show: Callable[[web.Request, Gateway], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A page that needs a key where requests do."""

    async def handle(request: web.Request) -> web.Response:
        gateway = request.app[GATEWAY]
        try:
            gateway.keyring.client(request.headers.get("Authorization"))
            return await show(request, gateway)
        except ApiError as error:
            if error.status == 401:
                error.headers["WWW-Authenticate"] = 'Basic realm="ttscale"'  # browsers can do that
            return error.response()

    return handle


async def _models(request: web.Request, gateway: Gateway) -> web.Response:
    client = gateway.keyring.client(request.headers.get("Authorization"))
    return _json(model_list.listed(gateway, client))


async def _model(request: web.Request, gateway: Gateway) -> web.Response:
    client = gateway.keyring.client(request.headers.get("Authorization"))
    return _json(model_list.one(gateway, client, request.match_info["name"]))


async def _metrics(request: web.Request, gateway: Gateway) -> web.Response:
    text = gateway.measure().text()
    return web.Response(text=text, content_type="text/plain", charset="utf-8")


async def _status(request: web.Request, gateway: Gateway) -> web.Response:
    return _json(status_page.document(gateway))


async def _page(request: web.Request, gateway: Gateway) -> web.Response:
    return web.Response(
        text=status_page.page(gateway), content_type="text/html", headers=status_page.PAGE_HEADERS
    )


async def _openapi(request: web.Request, gateway: Gateway) -> web.Response:
    return _json(openapi.document())


async def _health(request: web.Request) -> web.Response:
    """The process runs."""
    return _json({"status": "ok"})


async def _ready(request: web.Request) -> web.Response:
    """It takes requests: it is not shutting down, and some upstream has been seen to answer."""
    gateway = request.app[GATEWAY]
    ups = await health.seen(gateway.upstreams)
    ready = any(ups.values()) and not gateway.admission.draining
    return _json({"ready": ready, "upstreams": ups}, 200 if ready else 503)


async def _elsewhere(request: web.Request) -> web.Response:
    known = {"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"}
    if request.path in known:
        error = ApiError(405, f"{request.path} takes POST", headers={"Allow": "POST"})
    elif request.path in ("/v1/models", "/metrics", "/", "/health", "/ready", "/openapi.json"):
        error = ApiError(405, f"{request.path} takes GET", headers={"Allow": "GET"})
    else:
        error = ApiError(404, "there is no such address", code="unknown_url")
    return error.response()


def _json(document: Any, code: int = 200) -> web.Response:
    return web.Response(status=code, body=orjson.dumps(document), content_type="application/json")
