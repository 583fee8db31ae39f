"""Errors as OpenAI's clients expect them: a status, and `{"error": {message, type, param, code}}`.

400  the request is wrong (invalid_request_error)     429  a rate or a budget of the key
401  no key, or a wrong one                           502  the upstream failed or refused
402  the upstream wants to be paid                    503  too many requests are waiting, or the
403  the key may not use the model, or the                 upstream takes no more
     upstream declines to answer                      504  the upstream was too slow
404  no such model or address
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from ..core import (
    AuthError,
    BudgetTooSmall,
    CapabilityError,
    ContextOverflow,
    EngineError,
    ModelNotFound,
    PoolExhausted,
    RateLimited,
    TTScaleError,
    Unreachable,
    UsageError,
)
from ..engines.http.errors.failures import Refused, Unpaid

KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_SHOWN = {503: 503, 529: 503, 408: 504, 504: 504, 524: 504}  # of failures of the upstream; else 502


class ApiError(Exception):
    """An answer that is a refusal.

    Attributes:
        status: of the HTTP reply.
        code: a word programs can act on.
        param: the field of the request that is wrong.
        after: seconds until it is worth asking again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.after = status, code, param, after
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """The error, ready for JSON."""
        default = "invalid_request_error" if self.status < 500 else "server_error"
        kind = KINDS.get(self.status, default)
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    def event(self) -> bytes:
        """The error as an event of a stream that has begun."""
        return b"data: " + orjson.dumps(self.document()) + b"\n\n"

    def response(self) -> web.Response:
        headers = dict(self.headers)
        if self.after is not None:
            headers.setdefault("Retry-After", str(max(1, round(self.after))))
        return web.Response(
            status=self.status,
            body=orjson.dumps(self.document()),
            content_type="application/json",
            headers=headers,
        )


def wrong(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """The request is wrong."""
    return ApiError(400, message, param=param, code=code)


def of(error: BaseException) -> ApiError:
    """What an error of the library means to a client."""
    if isinstance(error, ApiError):
        return error
    text = str(error)
    match error:
        case ContextOverflow():
            return ApiError(400, text, code="context_length_exceeded", param="messages")
        case CapabilityError():
            return ApiError(400, text, code="unsupported_by_model", param="model")
        case BudgetTooSmall():
            return ApiError(400, text, code="budget_too_small", param="ttscale.budget")
        case Refused():
            return ApiError(403 if error.status == 403 else 400, text, code="content_filter")
        case Unpaid():
            return ApiError(402, text, code="upstream_unpaid", headers=error.advice)
        case UsageError():
            return ApiError(400, text)
        case AuthError():
            # the gateway's own key: nothing the client could correct
            return ApiError(502, "the upstream refuses the gateway's key", code="upstream_key")
        case ModelNotFound():
            return ApiError(502, text, code="upstream_model")
        case RateLimited():
            return ApiError(429, text, code="upstream_rate_limit", after=1.0, headers=error.advice)
        case PoolExhausted():
            return ApiError(502, text, code="recording_exhausted")
        case Unreachable():
            shown = _SHOWN.get(error.status or 0, 502)
            after = 1.0 if shown == 503 else None
            return ApiError(shown, text, code="upstream_failed", after=after, headers=error.advice)
        case EngineError():
            # the upstream refused this very request: its words are what the client needs
            refused = error.status if error.status in range(400, 500) else 400
            return ApiError(refused or 400, text, code="upstream_refused", headers=error.advice)
        case TTScaleError():
            return ApiError(500, text)
    return ApiError(500, "internal error", code="internal_error")
