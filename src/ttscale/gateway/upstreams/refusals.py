"""A refusal of an upstream as the client of a plain request gets it."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from ...core import AuthError
from ...engines import OpenAIHTTP
from ...engines.http.errors import error_bodies, failures
from ...engines.http.retry import advice
from ..errors import ApiError, of

_EVENTS = "text/event-stream"


def passed_on(
    server: OpenAIHTTP, status: int, headers: Mapping[str, str], kind: str, body: bytes
) -> web.Response:
    """The reply to a client whose upstream has refused with this status and body, of content type
    `kind`. The words stay as they are where clients can read them.

    Raises:
        ApiError: what else it means: an error page, a redirection, a refusal of the gateway's key.
    """
    if kind == _EVENTS:
        body = error_bodies.event_data(body) or body
    error = failures.of_response(status, headers, body, server.server, server.key).error
    shown = of(error)
    if status < 400 or isinstance(error, AuthError):
        raise shown  # nothing the client has to do with
    shown.status = status
    if not error_bodies.is_error_object(body):
        raise shown
    text = server.key.hide(body.decode())
    return web.Response(status=status, text=text, content_type="application/json", headers=advice(headers))


def in_reply(server: OpenAIHTTP, document: object) -> ApiError | None:
    """The error that a reply of status 200 holds; None if it holds none."""
    if not error_bodies.in_reply(document):
        return None
    return of(failures.of_event(document, server.server, server.key).error)
