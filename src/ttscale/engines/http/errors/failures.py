"""What a server's refusal means: status, headers and body become one of the core's errors."""

from __future__ import annotations

import re
import zlib
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import aiohttp

from ....core import AuthError, ContextOverflow, EngineError, ModelNotFound, RateLimited, Unreachable
from ..credentials import Key
from ..retry import advice, requested_wait
from . import error_bodies
from .error_bodies import ErrorBody

if TYPE_CHECKING:
    from ..replicas import Replica

TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, *range(520, 528), 529, 530})
_DOWN = TRANSIENT - {408, 409, 425, 429, 500}  # a 500 may be the request's own fault
BROKEN = (aiohttp.ClientError, OSError, UnicodeError)
"""What is raised where a reply does not come, or not to its end; the last for an unusable name."""
_OVERFLOW = re.compile(
    r"context[ _](length|size|window)|maximum context|max_model_len|prompt is too long"
    r"|too many (input )?tokens|exceeds? the (available|maximum) (context|model length)"
    r"|input (is too long|length .*exceed)",
    re.IGNORECASE,
)
_FILTERED = ("content_filter", "content_policy", "responsible_ai_policy", "moderation", "safety_")
_FLAGGED = re.compile(r"\bmoderat|\bflagged\b|content[ _](policy|filter)|usage polic", re.IGNORECASE)
Condition = Literal["works", "full", "failed", "gone"]
"""What a failure says of the replica: it works, and the request may be at fault; it takes no more for
now; it failed on this prompt; it does not answer, whatever it is asked."""


class Refused(EngineError):
    """The model or its server declined to answer."""


class RequestsSpent(EngineError):
    """As many requests have been sent as may be."""

    fatal = True


class Unpaid(EngineError):
    """The account has no credit left."""

    fatal = True


class Failure(Exception):
    """One attempt failed.

    Attributes:
        again: another attempt may do better. after: in so many seconds.
        condition: of the replica, as far as this failure shows it.
    """

    def __init__(
        self, error: EngineError, again: bool, after: float | None = None, *, condition: Condition = "works"
    ) -> None:
        super().__init__(str(error))
        self.error, self.again, self.after, self.condition = error, again, after, condition

    def note(self, replica: Replica, identity: bytes, attempts: Hashable) -> None:
        """Let the replica rest if it is at fault.

        What is asked again and again counts once, by all who ask it (`identity`): one prompt must not
        close a server for the others. Where no request gets through, each one counts (`attempts`).
        """
        match self.condition:
            case "full":
                replica.full(self.after)
            case "failed":
                replica.failed(zlib.crc32(identity))
            case "gone":
                replica.failed(attempts)


def of_response(status: int, headers: Mapping[str, str], body: bytes, server: str, key: Key) -> Failure:
    """What a reply that is not a success means; `server` is how to name it."""
    return _of(status, headers, error_bodies.read(body), server, key)


def of_event(error: Any, server: str, key: Key) -> Failure:
    """What an error object inside a stream, or in a reply of status 200, means."""
    read = error_bodies.of({"error": error})
    return _of(read.status or 500, {}, read, server, key)


def of_event_data(data: bytes, server: str, key: Key) -> Failure:
    """The same for the data of an event that is an error."""
    read = error_bodies.read(data)
    return _of(read.status or 500, {}, read, server, key)


def _of(status: int, headers: Mapping[str, str], read: ErrorBody, server: str, key: Key) -> Failure:
    error = _error(status, read.kind, key.hide(read.message), server, bool(key))
    error.status, error.advice = status, advice(headers)
    after = requested_wait(headers)
    quota = "insufficient_quota" in read.kind  # waiting does not fill an account
    again = status in TRANSIENT and type(error) in (RateLimited, Unreachable) and not quota
    wanted = headers.get("x-should-retry", "").lower()
    if wanted in ("true", "false"):
        again = wanted == "true" and not error.fatal
    condition: Condition = "works"
    if isinstance(error, RateLimited) or (status in (503, 529) and after is not None):
        condition = "full"
    elif status in _DOWN and isinstance(error, Unreachable):
        condition = "failed"
    return Failure(error, again, after, condition=condition)


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
    gone = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    fix = "is the server running, and is the URL right?" if gone else "try again, or see its log"
    return Failure(
        Unreachable(f"{server} cannot be reached ({_why(error)})", fix=fix),
        True,
        condition="gone" if gone else "failed",
    )


def broke_off(server: str, tokens: int) -> Failure:
    """A stream that ended before the model did."""
    what = f"broke off after {tokens} tokens" if tokens else "ended without a reply"
    return Failure(Unreachable(f"{server} {what}", fix="try again, or see its log"), True, condition="failed")


def garbled(server: str, what: str) -> Failure:
    """A reply that is not what the protocol says."""
    return Failure(
        Unreachable(f"{server} sent {what}", fix="is this an OpenAI-compatible server? see its log"), True
    )


def _error(status: int, kind: str, message: str, server: str, has_key: bool) -> EngineError:
    quoted = f" ({message})" if message else ""
    if any(word in kind for word in _FILTERED) or (status in (403, 451) and _FLAGGED.search(message)):
        return Refused(f"{server} declined to answer{quoted}")
    if status < 400:
        what = "redirects" if status >= 300 else "sends no reply"
        return Unreachable(f"{server} {what}: status {status}", fix="check the URL")
    if status == 402:
        return Unpaid(f"{server} wants to be paid: status 402{quoted}", fix="check the account's credit")
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


def _why(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error is not None:
        return error.os_error.strerror or str(error.os_error) or "no connection"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    return error_bodies.short(str(error)) or type(error).__name__
