"""What a server's refusal means: status, headers and body become one of the core's errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from ...core import AuthError, ContextOverflow, EngineError, ModelNotFound, RateLimited, Unreachable
from .credentials import Key
from .retry import retry_after

TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
BROKEN = (aiohttp.ClientError, OSError, UnicodeError)
"""What is raised where a reply does not come, or not to its end; the last for an unusable name."""
_OVERFLOW = re.compile(
    r"context[ _](length|size|window)|maximum context|max_model_len|prompt is too long"
    r"|too many (input )?tokens|exceeds? the (available|maximum) (context|model length)"
    r"|input (is too long|length .*exceed)",
    re.IGNORECASE,
)
_FILTERED = ("content_filter", "content_policy_violation", "responsible_ai_policy_violation")


class Refused(EngineError):
    """The model or its server declined to answer."""


class RequestsSpent(EngineError):
    """As many requests have been sent as may be."""

    fatal = True


class Failure(Exception):
    """One attempt failed.

    Attributes:
        again: another attempt may do better. after: in so many seconds.
        blamed: the replica is to rest; not if the request itself may be at fault.
    """

    def __init__(
        self, error: EngineError, again: bool, after: float | None = None, *, blamed: bool = True
    ) -> None:
        super().__init__(str(error))
        self.error, self.again, self.after = error, again, after
        self.blamed = again and blamed


def of_response(status: int, headers: Mapping[str, str], body: bytes, server: str, key: Key) -> Failure:
    """What a reply that is not a success means; `server` is how to name it."""
    kind, message = _message_of(body)
    message = key.hide(message)
    error = _error(status, kind, message, server, bool(key))
    quota = "insufficient_quota" in kind  # waiting does not fill an account
    again = status in TRANSIENT and type(error) in (RateLimited, Unreachable) and not quota
    return Failure(error, again, retry_after(headers.get("Retry-After")))


def of_event(error: Any, server: str, key: Key) -> Failure:
    """What an error object inside a stream, or in a reply of status 200, means."""
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) else 500
    return of_response(status, {}, orjson.dumps({"error": error}, default=str), server, key)


def of_connection(error: BaseException, server: str, tokens: int = 0) -> Failure:
    """No connection, or one that broke after so many tokens."""
    if tokens:
        return broke_off(server, tokens)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return Failure(
            Unreachable(f"{server}: no secure connection ({_why(error)})", fix="check the URL"), False
        )
    if isinstance(error, aiohttp.InvalidURL):
        return Failure(Unreachable(f"{server}: not an address", fix="check the URL"), False)
    refused = isinstance(error, aiohttp.ClientConnectorError)
    fix = "is the server running, and is the URL right?" if refused else "try again, or see its log"
    return Failure(Unreachable(f"{server} cannot be reached ({_why(error)})", fix=fix), True)


def broke_off(server: str, tokens: int) -> Failure:
    """A stream that ended before the model did."""
    what = f"broke off after {tokens} tokens" if tokens else "ended without a reply"
    return Failure(Unreachable(f"{server} {what}", fix="try again, or see its log"), True)


def garbled(server: str, what: str) -> Failure:
    """A reply that is not what the protocol says."""
    return Failure(
        Unreachable(f"{server} sent {what}", fix="is this an OpenAI-compatible server? see its log"), True
    )


def _error(status: int, kind: str, message: str, server: str, has_key: bool) -> EngineError:
    quoted = f" ({message})" if message else ""
    if any(word in kind for word in _FILTERED):
        return Refused(f"{server} declined to answer{quoted}")
    if status in (401, 403):
        fix = "check the key" if has_key else "name the key's environment variable or file"
        return AuthError(f"{server} refuses the key: status {status}{quoted}", fix=fix)
    if status == 413 or "context" in kind or (status in (400, 422) and _OVERFLOW.search(message)):
        return ContextOverflow(
            f"the prompt does not fit the context of {server}{quoted}",
            fix="shorten the prompt, ask for fewer tokens, or serve a larger context",
        )
    if status == 404 and "model" in f"{kind} {message}".lower():
        return ModelNotFound(f"{server} does not have the model{quoted}", fix="check its name")
    if status == 404:
        return ModelNotFound(f"{server} has no such address{quoted}", fix="check the URL")
    if status == 429:
        return RateLimited(
            f"{server} refuses more requests: status 429{quoted}", fix="lower the concurrency or wait"
        )
    if status >= 500 or status in TRANSIENT:
        return Unreachable(f"{server} failed: status {status}{quoted}", fix="see its log")
    return EngineError(f"{server} refuses the request: status {status}{quoted}")


def _message_of(body: bytes) -> tuple[str, str]:
    """(kind, message) of an error body of any of the usual shapes."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", _short(body.decode("utf-8", "replace"))
    error = document.get("error", document) if isinstance(document, dict) else document
    if not isinstance(error, dict):
        return "", _short(str(error))
    kind = f"{error.get('type') or ''} {error.get('code') or ''}".strip().lower()
    return kind, _short(str(error.get("message") or error.get("detail") or ""))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:199] + "…"


def _why(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error is not None:
        return error.os_error.strerror or str(error.os_error) or "no connection"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    return _short(str(error)) or type(error).__name__
