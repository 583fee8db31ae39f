"""The addresses of the gateway, and what every request goes through on its way in and out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from . import model_list, status_page
from .access.origins import Origins
from .api import openapi, requests
from .api.addresses import address
from .api.chat_and_completions import Chat, Completions
from .api.content_encoding import inflated, too_large
from .api.options import NONE, Options, options
from .api.responses import Responses, as_chat_request
from .config import Limits, Server
from .errors import ApiError, of, wrong
from .execution.endpoint import Shaped, run
from .gateway import Gateway
from .logs import LOG, log
from .model_resolution import chosen, target, within
from .passthrough import pass_on
from .request_ids import HEADER, request_id
from .request_state import RequestState
from .upstreams import health

GATEWAY = web.AppKey("gateway", Gateway)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[RequestState, bytes], Awaitable[web.StreamResponse]]
_GONE = 499  # as nginx has it: the client has closed the connection


def application(gateway: Gateway) -> web.Application:
    """The gateway's addresses, to be served by `http_server.Runner`."""
    app = web.Application(client_max_size=gateway.config.server.max_body)
    app[GATEWAY] = gateway
    origins = Origins(gateway.config.server.origins)
    app.on_response_prepare.append(_marked(origins))
    posts = {
        path: _guarded(path, serve)
        for path, serve in (
            ("/v1/chat/completions", _generates(requests.chat, Chat)),
            ("/v1/completions", _generates(requests.completion, Completions)),
            ("/v1/responses", _responses),
            ("/v1/embeddings", _embeddings),
        )
    }
    gets: dict[str, Handler] = {
        "/v1/models": _shown(_models),
        "/metrics": _shown(_metrics),
        "/status.json": _shown(_status),
        "/": _shown(_page),
        "/openapi.json": _shown(_openapi),
        "/health": _health,
        "/ready": _ready,
    }
    for path, handler in posts.items():
        app.router.add_post(path, handler)
    for path, handler in gets.items():
        app.router.add_get(path, handler)
    app.router.add_options("/{path:.*}", _preflight(origins))
    app.router.add_route("*", "/{path:.*}", _elsewhere(posts, gets))
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
            state.client = gateway.keyring.client(request.headers)
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


async def _body(request: web.Request, server: Server) -> bytes:
    """The body of a request, if it comes in time and is not too large."""
    length, most = request.content_length, server.max_body
    if length is not None and length > most:
        raise too_large(most)
    try:
        if request.content.is_eof():  # it came with its head, as most do
            raw = await request.read()
        else:
            async with asyncio.timeout(server.body_seconds):
                raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large(most) from None
    except TimeoutError:
        raise ApiError(408, "the body did not arrive in time", code="body_too_slow") from None
    except (aiohttp.ClientError, web.RequestPayloadError, ValueError):
        raise wrong("the body cannot be read", code="invalid_body") from None
    if "Content-Encoding" not in request.headers:
        return raw
    encodings = ",".join(request.headers.getall("Content-Encoding"))
    return await asyncio.to_thread(inflated, raw, encodings, most)


# -- the API


def _document(state: RequestState, raw: bytes) -> tuple[dict[str, Any], bytes]:
    """(body, its bytes) of a request; a model that the address names is the body's."""
    body, named = requests.document(raw), state.request.match_info.get("model")
    return (body, raw) if not named else requests.naming(body, named)


def _wanted(body: Mapping[str, Any], limits: Limits) -> Options:
    """The options of a request; where all are rescued, that is asked for by each that does not say."""
    wanted = options(body)
    if wanted.rescue is None and limits.rescue == "all":
        return replace(wanted, rescue=True)
    return wanted


def _generates(read: Callable[..., requests.ApiRequest], shaped: Shaped) -> Serve:
    async def serve(state: RequestState, raw: bytes) -> web.StreamResponse:
        gateway = state.gateway
        body, raw = _document(state, raw)
        wanted = _wanted(body, gateway.config.limits)
        where = target(body.get("model"), wanted, state.client, gateway.upstreams)
        if where.method is None:
            return await pass_on(state, where.upstream, body, raw)
        request = read(body, gateway.config.limits, wanted)
        method = within(where, request.choices, gateway.config.limits)
        return await run(state, request, where.upstream, method, shaped)

    return serve


async def _responses(state: RequestState, raw: bytes) -> web.StreamResponse:
    """Passed on to a server that has this API; else, and under a method, translated."""
    gateway = state.gateway
    body, raw = _document(state, raw)
    wanted = _wanted(body, gateway.config.limits)
    where = target(body.get("model"), wanted, state.client, gateway.upstreams)
    if where.method is None:
        try:
            response = await pass_on(state, where.upstream, body, raw)
        except ApiError as error:
            if error.status not in (404, 405, 501):
                raise
        else:
            if response.prepared or response.status not in (404, 405, 501):
                return response
        where = chosen("simple", {}, "ttscale", where.upstream)
    request = as_chat_request(body, gateway.config.limits, wanted)
    method = within(where, request.choices, gateway.config.limits)
    return await run(state, request, where.upstream, method, Responses)


async def _embeddings(state: RequestState, raw: bytes) -> web.StreamResponse:
    body, raw = _document(state, raw)
    if options(body).method is not None:
        raise wrong("embeddings are passed through: no method applies", "ttscale.method")
    where = target(body.get("model"), NONE, state.client, state.gateway.upstreams)
    if where.method is not None and body["model"] not in state.gateway.upstreams:
        raise wrong("embeddings are passed through: no method applies", "model")
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
            gateway.keyring.client(request.headers)
            return await show(request, gateway)
        except ApiError as error:
            if error.status == 401:
                error.headers["WWW-Authenticate"] = 'Basic realm="ttscale"'  # browsers can do that
            return error.response()

    return handle


async def _models(request: web.Request, gateway: Gateway) -> web.Response:
    client, name = gateway.keyring.client(request.headers), request.match_info.get("model")
    return _json(model_list.one(gateway, client, name) if name else model_list.listed(gateway, client))


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


def _elsewhere(posts: Mapping[str, Handler], gets: Mapping[str, Handler]) -> Handler:
    """What is sent to an address that is written in another way, or is none."""

    async def handle(request: web.Request) -> web.StreamResponse:
        path, request.match_info["model"] = address(request.rel_url.raw_path)
        reading = request.method in ("GET", "HEAD")
        handler = (gets if reading else posts if request.method == "POST" else {}).get(path)
        if handler is not None:
            return await handler(request)
        takes = "POST" if path in posts else "GET" if path in gets else ""
        if takes:
            return ApiError(405, f"{path} takes {takes}", headers={"Allow": takes}).response()
        return ApiError(404, "there is no such address", code="unknown_url").response()

    return handle


def _json(document: Any, code: int = 200) -> web.Response:
    return web.Response(status=code, body=orjson.dumps(document), content_type="application/json")
