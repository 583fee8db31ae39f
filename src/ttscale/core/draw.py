"""One draw on its way: ties an engine's flight to the scope that pays for it."""

from __future__ import annotations

from collections.abc import Callable

from .engine import Call, Flight
from .scope import Scope
from .trace import Finish, Trace
from .usage import Price


class Draw:
    """A draw under way. `chain_start` is the chain of tokens it had to wait for."""

    __slots__ = (
        "began", "call", "chain_start", "flight", "landed_trace", "on_land", "price", "recorded",
        "role", "scope",
    )  # fmt: skip

    def __init__(
        self, scope: Scope, role: str, chain_start: int, began: float, price: Price | None
    ) -> None:
        self.scope, self.role, self.chain_start = scope, role, chain_start
        self.began, self.price = began, price
        self.call: Call
        self.flight: Flight | None = None
        self.landed_trace: Trace | None = None
        self.on_land: Callable[[Draw, Trace], None]
        self.recorded: Callable[[Trace], None] | None = None

    def land(self, trace: Trace) -> None:
        """Receive the engine's trace: identify, charge, record, hand over."""
        if self.landed_trace is not None:
            return
        self.landed_trace = trace
        trace.role = self.role
        trace.prompt_key = self.call.prompt.key
        trace.draw = self.call.draw
        trace.chain = self.chain_start + trace.tokens
        self.scope.landed(self, trace, self.price)
        if self.recorded is not None:
            self.recorded(trace)
        self.on_land(self, trace)

    def seen(self, at: float | None = None) -> int:
        """Tokens so far; in token time also at a later tick."""
        return 0 if self.flight is None else self.flight.seen(at)

    def abort(self, finish: Finish) -> None:
        if self.flight is not None and self.landed_trace is None:
            self.flight.abort(finish)
