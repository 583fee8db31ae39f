"""What a key may still do: requests a minute, and a day's budget.

Rates are token buckets. Daily spending is counted here and, with a state file, shared: each worker
adds what it spent and reads the sum every second, so that a budget holds over workers and restarts
up to a second's worth of requests.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...core import Budget, StoreError
from ..errors import ApiError
from .api_keys import Client

DAY = 86_400.0
SPENT = ("tokens", "samples", "calls", "seconds", "cost")
_TABLE = """CREATE TABLE IF NOT EXISTS spent (
    day INTEGER, key TEXT, kind TEXT, amount REAL NOT NULL, PRIMARY KEY (day, key, kind))"""

UNLIMITED = Budget()


@dataclass(slots=True)
class Bucket:
    """Requests that may come at once, refilled steadily up to a minute's worth."""

    level: float
    filled: float


@dataclass(slots=True)
class Ledger:
    """What each key has spent today.

    Attributes:
        workers: processes that share the rates.
        now: seconds since the epoch; a test has its own.
    """

    workers: int = 1
    now: Callable[[], float] = time.time
    _day: int = 0
    _spent: dict[tuple[str, str], float] = field(default_factory=dict)
    _unshared: dict[tuple[str, str], float] = field(default_factory=dict)
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _file: sqlite3.Connection | None = None

    # -- rates

    def admit(self, client: Client) -> None:
        """Let one request of a client in.

        Raises:
            ApiError: 429 with the time it may come back, if a rate or a day's budget is used up.
        """
        account = client.account
        if account.rate:
            self._take(client.name, account.rate / self.workers)
        if account.daily != UNLIMITED:
            for kind in SPENT:
                left = self.left(client, kind)
                if left is not None and left <= 0:
                    self._refuse_until_tomorrow(kind)

    def _take(self, name: str, rate: float) -> None:
        now = self.now()
        most = max(1.0, rate)
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(most, now)
        refill = max(0.0, now - bucket.filled) * rate / 60
        bucket.level, bucket.filled = min(most, bucket.level + refill), now
        if bucket.level < 1:
            after = (1 - bucket.level) * 60 / rate
            raise ApiError(
                429,
                f"this key may ask {rate * self.workers:g} times a minute; again in {after:.1f} s",
                code="rate_limit_exceeded",
                after=after,
                headers=_reset("requests", after),
            )
        bucket.level -= 1

    def _refuse_until_tomorrow(self, kind: str) -> None:
        now = self.now()
        after = DAY - now % DAY
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + after))
        raise ApiError(
            429,
            f"this key's daily budget of {kind} is spent; it is renewed at {when}",
            code="budget_spent",
            after=after,
            headers=_reset(kind, after),
        )

    # -- budgets

    def left(self, client: Client, kind: str) -> float | None:
        """What a client may still spend of a kind today; None if that is not limited."""
        limit = getattr(client.account.daily, kind)
        if limit is None:
            return None
        self._turn_over()
        return float(limit - self._spent.get((client.name, kind), 0.0))

    def charge(self, client: Client, **amounts: float | None) -> None:
        """Book what a client has spent."""
        if client.account.daily == UNLIMITED:
            return
        self._turn_over()
        for kind, amount in amounts.items():
            if amount:
                key = (client.name, kind)
                self._spent[key] = self._spent.get(key, 0.0) + amount
                if self._file is not None:
                    self._unshared[key] = self._unshared.get(key, 0.0) + amount

    def _turn_over(self) -> None:
        day = int(self.now() // DAY)
        if day != self._day:
            self._day = day
            self._spent.clear()
            self._unshared.clear()

    # -- sharing

    def open(self, path: Path) -> None:
        """Share what is spent through a file."""
        try:
            self._file = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute(_TABLE)
        except sqlite3.Error as error:
            raise StoreError(f"state file {path} cannot be used ({error})") from None
        self.share()

    def share(self) -> None:
        """Add what was spent here to the file, and read what all have spent."""
        if self._file is None:
            return
        self._turn_over()
        file, unshared, self._unshared = self._file, self._unshared, {}
        if unshared:
            file.execute("BEGIN IMMEDIATE")
            file.executemany(
                "INSERT INTO spent VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET amount = amount + excluded.amount",
                [(self._day, key, kind, amount) for (key, kind), amount in unshared.items()],
            )
            file.execute("COMMIT")
        rows = file.execute("SELECT key, kind, amount FROM spent WHERE day = ?", (self._day,))
        self._spent = {(key, kind): amount for key, kind, amount in rows}

    def close(self) -> None:
        self.share()
        if self._file is not None:
            self._file.close()
            self._file = None


def tightest(*budgets: Budget) -> Budget:
    """The limits that hold under all the budgets together."""
    limited = [budget.given() for budget in budgets if budget != UNLIMITED]
    if not limited:
        return UNLIMITED
    limits: dict[str, float] = {}
    for given in limited:
        for kind, limit in given.items():
            if kind != "units":
                limits[kind] = min(limit, limits.get(kind, limit))
    return Budget.of(limits)


def _reset(kind: str, after: float) -> dict[str, str]:
    """How OpenAI's API says when a limit is renewed."""
    return {f"x-ratelimit-reset-{kind}": f"{after:.0f}s"}
