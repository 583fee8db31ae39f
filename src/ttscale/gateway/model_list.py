"""/v1/models: every model, plain and behind every method it can run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core import Card
from ..methods import methods
from .access.api_keys import Client
from .api.options import NONE
from .errors import ApiError
from .gateway import Gateway
from .model_resolution import target
from .upstreams.upstream import Upstream


def listed(gateway: Gateway, client: Client) -> dict[str, Any]:
    """The models a client may use."""
    allowed = client.account.models
    upstreams = [u for n, u in gateway.upstreams.items() if not allowed or n in allowed]
    return {"object": "list", "data": [entry for u in upstreams for entry in _entries(gateway, u)]}


def one(gateway: Gateway, client: Client, name: str) -> dict[str, Any]:
    """What a request with that model name would be answered by.

    Raises:
        ApiError: 404 if there is none of that name.
    """
    try:
        where = target(name, NONE, client, gateway.upstreams)
    except ApiError as error:
        raise ApiError(404, str(error), code="model_not_found", param="model") from None
    method = where.method
    if method is None or name == where.upstream.name:
        return _plain(gateway, where.upstream)
    return _behind(_plain(gateway, where.upstream), method.card, name)


def _entries(gateway: Gateway, upstream: Upstream) -> list[dict[str, Any]]:
    plain, known = _plain(gateway, upstream), methods()
    runnable = ((name, known[name].card) for name in upstream.runnable())
    return [plain, *(_behind(plain, card, f"{name}/{upstream.name}") for name, card in runnable)]


def _plain(gateway: Gateway, upstream: Upstream) -> dict[str, Any]:
    created = int(gateway.metrics.began)
    return {"id": upstream.name, "object": "model", "created": created, "owned_by": "ttscale"}


def _behind(plain: Mapping[str, Any], card: Card, name: str) -> dict[str, Any]:
    """The entry of a model behind a method."""
    return {
        **plain,
        "id": name,
        "ttscale": {
            "method": card.name,
            "title": card.title,
            "paper": card.paper,
            "what": card.what,
            "status": card.status,
            "stops": card.stops,
            "knob": card.knob,
        },
    }
