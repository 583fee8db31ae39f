"""When to ask again, and how long to wait before."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Annotated

from ...core import AtLeast, declared

_ADVICE = frozenset({"retry-after", "retry-after-ms", "x-should-retry"})


@declared
class Retry:
    """Exponential backoff with full jitter. Only what has not produced a token is asked again.

    Attributes:
        times: retries after the first attempt, >= 0.
        first: longest wait before the first retry, in seconds; it doubles with every retry.
        longest: no wait is longer; a server that asks for more is not waited for.
    """

    times: Annotated[int, AtLeast(0)] = 4
    first: Annotated[float, AtLeast(0)] = 0.5
    longest: Annotated[float, AtLeast(0)] = 60.0

    def wait(self, retry: int, requested: float | None) -> float | None:
        """Seconds to wait before the retry-th retry (from 0); None to give up.

        `requested` is what the server wants, in seconds. A little is added to it, so that the samples it
        turned away do not come back all at once.
        """
        if retry >= self.times:
            return None
        if requested is not None:
            little = random.uniform(0, min(0.25, self.first))
            return None if requested > self.longest else requested + little
        return random.uniform(0, min(self.longest, self.first * 2.0**retry))


def retry_after(value: str | None) -> float | None:
    """A Retry-After header in seconds from now; None if absent or not understood."""
    if not value:
        return None
    try:
        return _usable(float(value))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        return _usable(aware.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def requested_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds after which a server wants to be asked again; None if it does not say."""
    try:
        return _usable(float(headers.get("retry-after-ms", "")) / 1000)
    except ValueError:
        return retry_after(headers.get("Retry-After"))


def advice(headers: Mapping[str, str]) -> dict[str, str]:
    """The fields that tell a client when it is worth asking again, as they came."""
    return {
        name: value
        for name, value in headers.items()
        if (lower := name.lower()) in _ADVICE or lower.startswith(("x-ratelimit-", "ratelimit-"))
    }


def _usable(seconds: float) -> float:
    """Raises `ValueError` for what cannot be waited for; the past is now."""
    if not math.isfinite(seconds):
        raise ValueError(seconds)
    return max(0.0, seconds)
