"""Whether upstreams answer: looked at now and then, besides what requests find out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from ...core import TTScaleError
from ...engines.http.replicas import Replica
from ..logs import log
from .upstream import Upstream

_PATIENCE = 5.0  # seconds a healthy server takes at most to list its models
_GLANCE = 2.0  # seconds in which a question for readiness is to be answered
_RETRY = 2.0  # seconds between two attempts to probe a server that is down


def replicas(upstream: Upstream) -> Sequence[Replica]:
    """Its servers, once it is connected; none for models in this process."""
    server = upstream.server
    return () if server is None or not hasattr(server, "replicas") else server.replicas.all


def works(replica: Replica) -> bool:
    """Whether it has answered and is asked: failures on one thing or two may be that thing's fault."""
    return replica.answered and not replica.closed(time.monotonic())


def is_up(upstream: Upstream) -> bool:
    """Whether any of its servers works, as far as is known."""
    known = replicas(upstream)
    return any(works(r) for r in known) if known else upstream.ready


async def seen(upstreams: Mapping[str, Upstream]) -> dict[str, bool]:
    """Whether each upstream is up; those that are not known to be are looked at now."""
    unknown = [(u, r) for u in upstreams.values() if not is_up(u) for r in replicas(u)]
    await asyncio.gather(*(_look_at(u, r, _GLANCE) for u, r in unknown))
    return {name: is_up(upstream) for name, upstream in upstreams.items()}


async def look_after(upstream: Upstream) -> None:
    """Probe a server until that succeeds, then look at its replicas for ever."""
    if not upstream.model.health:
        return
    while True:
        if not upstream.ready:
            try:
                await upstream.open()
                log("upstream ready", model=upstream.name)
            except TTScaleError as error:
                log("upstream not ready", 30, model=upstream.name, error=type(error).__name__)
                await asyncio.sleep(min(_RETRY, upstream.model.health))
                continue
        await asyncio.sleep(upstream.model.health)
        for replica in replicas(upstream):
            await _look_at(upstream, replica)


async def _look_at(upstream: Upstream, replica: Replica, seconds: float = _PATIENCE) -> None:
    """Note whether a replica answers. One that does is used again at once."""
    assert upstream.server is not None
    if not await upstream.server.answers(replica, seconds):
        if works(replica):
            log("replica down", 30, model=upstream.name, url=replica.url)
        replica.failed()
    else:
        if replica.failures:
            log("replica up", model=upstream.name, url=replica.url)
        replica.worked()
