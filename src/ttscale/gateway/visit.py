"""One request on its way through the gateway."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from ..core import Budget
from .gateway import Gateway
from .keys import ANYBODY, Client
from .limits import UNLIMITED, tightest


@dataclass(slots=True)
class Visit:
    """What is known of a request, and what the log and the numbers shall say of it.

    Attributes:
        method: label of the method; "plain" if it is passed through.
        tokens: generated for it, whatever became of them.
    """

    request: web.Request
    gateway: Gateway
    path: str
    id: str
    client: Client = field(default=ANYBODY)
    model: str = ""
    method: str = "plain"
    tokens: int = 0
    samples: int = 0

    def budget(self, asked: Budget) -> Budget:
        """What the request may spend: the tightest of its own, its key's and everybody's limits,
        and what is left of the key's day."""
        gateway, account = self.gateway, self.client.account
        if account.daily == UNLIMITED:
            return tightest(asked, account.budget, gateway.config.limits.budget)
        left = {
            kind: max(left, 1e-9) if kind in ("seconds", "cost") else max(1, int(left))
            for kind in account.daily.given()
            if kind in ("tokens", "samples", "seconds", "cost")
            and (left := gateway.ledger.left(self.client, kind)) is not None
        }
        today = Budget.of(left) if left else UNLIMITED
        return tightest(asked, account.budget, gateway.config.limits.budget, today)
