"""When to ask again, and how long to wait before."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime
from typing import Annotated

from ...core import AtLeast, declared


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
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
