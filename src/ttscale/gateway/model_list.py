"""/v1/models: every model, plain and behind every method it can run."""

from __future__ import annotations

from typing import Any

from ..methods import methods
from .access.api_keys import Client
from .errors import ApiError
from .gateway import Gateway
from .upstreams.upstream import Upstream


def listed(gateway: Gateway, client: Client) -> dict[str, Any]:
    """The models a client may use."""
    allowed = client.account.models
    upstreams = [u for n, u in gateway.upstreams.items() if not allowed or n in allowed]
    return {"object": "list", "data": [entry for u in upstreams for entry in _entries(gateway, u)]}


def one(gateway: Gateway, client: Client, name: str) -> dict[str, Any]:
    """One of them.

    Raises:
        ApiError: 404 if there is none of that name.
    """
    for entry in listed(gateway, client)["data"]:
        if entry["id"] == name:
            return dict(entry)
    raise ApiError(404, f"there is no model {name!r}", code="model_not_found", param="model")


def _entries(gateway: Gateway, upstream: Upstream) -> list[dict[str, Any]]:
    created = int(gateway.metrics.began)
    plain = {"id": upstream.name, "object": "model", "created": created, "owned_by": "ttscale"}
    known = methods()
    return [
        plain,
        *(
            {
                **plain,
                "id": f"{name}/{upstream.name}",
                "ttscale": {
                    "method": name,
                    "title": card.title,
                    "paper": card.paper,
                    "what": card.what,
                    "status": card.status,
                    "stops": card.stops,
                    "knob": card.knob,
                },
            }
            for name in upstream.runnable()
            for card in [known[name].card]
        ),
    ]
