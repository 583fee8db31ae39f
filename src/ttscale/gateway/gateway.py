"""What all requests of a worker share: configuration, upstreams, keys, the queue, the numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engines import Catalogue
from ..methods import registry
from .access.admission import AdmissionQueue
from .access.api_keys import Keyring
from .access.quotas import Ledger
from .config import Config
from .execution.deferred_parsing import Reader
from .logs import log
from .metrics import Metrics, resident
from .tracing import Tracer
from .upstreams import health
from .upstreams.upstream import Upstream, build

if TYPE_CHECKING:
    from .execution.recording import Recorder

_SHARE = 1.0  # seconds between two exchanges with the other workers


class Gateway:
    """One worker. `start` before the first request, `close` after the last.

    Attributes:
        tasks: its own background work, which `close` ends.
    """

    def __init__(self, config: Config, catalogue: Catalogue | None = None) -> None:
        self.config, self._catalogue = config, catalogue
        self.upstreams: dict[str, Upstream] = build(config.models, {}, catalogue)
        self.keyring = Keyring(config.keys)
        server = config.server
        self.admission = AdmissionQueue(server.active, server.queue, server.queue_seconds)
        self.ledger = Ledger(workers=max(1, server.workers))
        self.metrics = Metrics()
        self.recorder = _recorder(config)
        self.tracer = Tracer(server.tracing)
        self.reader = Reader()
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> Path | None:
        """The file the workers share; None if there is none."""
        return Path(self.config.server.state).expanduser() if self.config.server.state else None

    async def start(self) -> None:
        """Connect to the upstreams: one that is down is tried again, a wrong one is an error."""
        await asyncio.to_thread(registry.methods)  # loaded now, no request has to wait for it
        for upstream in self.upstreams.values():
            await upstream.connect()
        if self.state is not None:
            self.ledger.open(self.state)
            self._run(self._share())
        if self.recorder is not None:
            self.recorder.open()
        for upstream in self.upstreams.values():
            self._look_after(upstream)

    async def reload(self, config: Config) -> None:
        """Use another configuration from now on; what is in service goes on undisturbed.

        Raises:
            UsageError: if it cannot be used; then nothing has changed.
        """
        before = self.upstreams
        upstreams = build(config.models, before, self._catalogue)
        for name, upstream in upstreams.items():
            if before.get(name) is not upstream:
                await upstream.connect()
        keyring = Keyring(config.keys)
        self.config, self.upstreams, self.keyring = config, upstreams, keyring
        server = config.server
        self.admission.resize(server.active, server.queue, server.queue_seconds)
        for name, upstream in upstreams.items():
            if before.get(name) is not upstream:
                self._look_after(upstream)
        for name, upstream in before.items():
            if upstreams.get(name) is not upstream:
                self._run(self._retire(upstream))

    async def close(self) -> None:
        """Give everything back."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.reader.close()
        for upstream in self.upstreams.values():
            await upstream.close()
        if self.recorder is not None:
            self.recorder.close()
        self.ledger.close()
        await asyncio.to_thread(self.tracer.close)
        self.metrics.unshare()

    def measure(self) -> Metrics:
        """The numbers of all workers, with the states of this moment."""
        metrics = self.metrics
        metrics.set("active_requests", self.admission.active)
        metrics.set("waiting_requests", self.admission.waiting)
        metrics.set("resident_bytes", resident())
        for name, upstream in self.upstreams.items():
            for replica in health.replicas(upstream):
                up = health.works(replica)
                metrics.set("upstream_up", float(up), model=name, url=replica.url)
                metrics.set("upstream_outstanding", replica.outstanding, model=name, url=replica.url)
        return metrics.together(self.state)

    # -- private

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _look_after(self, upstream: Upstream) -> None:
        self._run(health.look_after(upstream))

    async def _share(self) -> None:
        while self.state is not None:
            await asyncio.sleep(_SHARE)
            try:
                self.ledger.share()
                self.measure()
                self.metrics.share(self.state)
            except Exception as error:
                log("sharing failed", 40, error=str(error))

    async def _retire(self, upstream: Upstream) -> None:
        """Close what is no longer configured, once it is no longer used."""
        try:
            for _ in range(int(self.config.server.drain * 10) + 1):
                if not any(r.outstanding for r in health.replicas(upstream)):
                    break
                await asyncio.sleep(0.1)
        finally:
            await upstream.close()


def _recorder(config: Config) -> Recorder | None:
    """What keeps the traffic; the bench's store is loaded only where something is kept."""
    if not config.record.store:
        return None
    from .execution.recording import Recorder

    return Recorder(config.record)
