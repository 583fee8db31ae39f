"""Which web pages may call the gateway from a browser (CORS).

Pages served from this machine may, unless configured otherwise; keys are asked for all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from ..errors import ApiError

_SECONDS = "86400"  # a browser need not ask again for a day


class Origins:
    """The origins that are allowed: `https://a.example`, `http://localhost:*` for any port of it, `*`
    for all."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._all = "*" in allowed
        self._exact = {origin.rstrip("/").lower() for origin in allowed if not origin.endswith(":*")}
        self._any_port = {origin[:-2].lower() for origin in allowed if origin.endswith(":*")}

    def allow(self, origin: str) -> bool:
        """Whether pages of an origin may call."""
        origin = origin.lower()
        if self._all or origin in self._exact or origin in self._any_port:
            return True
        host, _, port = origin.rpartition(":")
        return host in self._any_port and port.isdecimal()

    def mark(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Let the page that asks read the response, if it may."""
        origin = request.headers.get("Origin")
        if origin is None:
            return
        response.headers["Vary"] = "Origin"
        if self.allow(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "*"

    def preflight(self, request: web.Request) -> web.Response:
        """What a browser asks before it lets a page send its request.

        Raises:
            ApiError: 403 for a page that may not.
        """
        fields = request.headers
        origin, method = fields.get("Origin"), fields.get("Access-Control-Request-Method")
        if origin is None or method is None:
            return web.Response(status=204, headers={"Allow": "GET, POST, OPTIONS"})
        if not self.allow(origin):
            raise ApiError(403, "server.origins does not name this page's origin", code="origin_not_allowed")
        allowed = {
            "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
            "Access-Control-Allow-Headers": fields.get("Access-Control-Request-Headers", "*"),
            "Access-Control-Max-Age": _SECONDS,
        }
        if fields.get("Access-Control-Request-Private-Network") == "true":
            allowed["Access-Control-Allow-Private-Network"] = "true"
        return web.Response(status=204, headers=allowed)
