"""One request on its way through the gateway."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from ..core import Budget
from .access.api_keys import ANONYMOUS, Client
from .access.quotas import SPENT, UNLIMITED, tightest
from .gateway import Gateway


@dataclass(slots=True)
class RequestState:
    """What is known of a request, and what the log and the numbers shall say of it.

    Attributes:
        method: label of the method; "plain" if it is passed through. series: its own name, whatever
            alias it was asked for by.
        tokens: generated for it and read by verifiers, whatever became of them.
    """

    request: web.Request
    gateway: Gateway
    path: str
    id: str
    client: Client = field(default=ANONYMOUS)
    model: str = ""
    method: str = "plain"
    series: str = "plain"
    tokens: int = 0
    samples: int = 0

    def budget(self, requested: Budget) -> Budget:
        """What the request may spend: the tightest of its own, its key's and the gateway's limits,
        and what is left of the key's day."""
        gateway, account = self.gateway, self.client.account
        if account.daily == UNLIMITED:
            return tightest(requested, account.budget, gateway.config.limits.budget)
        left = {
            kind: max(left, 1e-9) if kind in ("seconds", "cost") else max(1, int(left))
            for kind in account.daily.given()
            if kind in SPENT and (left := gateway.ledger.left(self.client, kind)) is not None
        }
        today = Budget.of(left) if left else UNLIMITED
        return tightest(requested, account.budget, gateway.config.limits.budget, today)
