"""The HTTP server: what it refuses by itself, before any handler, is an error object with an id too."""

from __future__ import annotations

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from .app import GATEWAY
from .errors import ApiError
from .logs import log
from .request_ids import HEADER, request_id

_FIELD = 33 * 1024  # bytes of a header field: tokens of identity providers take up to 32 KB


class _Connection(web.RequestHandler):
    """One connection of a client."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The reply to what cannot be read as a request, or to a fault of ours."""
        super().handle_error(request, status, exc, message)  # it knows what to do with a reply begun
        if isinstance(exc, LineTooLong):
            error = ApiError(431, f"a header field may have {_FIELD} bytes", code="header_too_large")
        elif status < 500:
            what = " ".join((message or "it cannot be read").split())
            error = ApiError(status, f"this is not a valid HTTP request: {what}", code="invalid_http")
        else:
            error = ApiError(status, "internal error", code="internal_error")
        response = _answered(request, error)
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a reply; a refusal of the framework's own becomes one of ours."""
        if isinstance(resp, web.HTTPException):
            resp = _answered(request, ApiError(resp.status, resp.reason, code="invalid_http"))
        return await super().finish_response(request, resp, start_time)


def _answered(request: web.BaseRequest, error: ApiError) -> web.Response:
    name = request_id(request)
    log("refused", id=name, status=error.status, code=error.code)  # the message may quote a key
    response = error.response()
    response.headers[HEADER] = name
    return response


class _Server(web.Server):
    """Makes such connections."""

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs the application of a gateway."""

    def __init__(self, app: web.Application, shutdown_timeout: float) -> None:
        super().__init__(
            app,
            handler_cancellation=True,  # a client that goes away takes its samples with it
            auto_decompress=False,  # bodies are inflated within bounds, and from more encodings
            access_log=None,
            keepalive_timeout=app[GATEWAY].config.server.idle_seconds,
            shutdown_timeout=shutdown_timeout,
            max_field_size=_FIELD,
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made.request_handler, request_factory=made.request_factory, **self._kwargs)
