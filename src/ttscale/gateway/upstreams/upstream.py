"""The models behind the gateway: opened once, shared by all requests.

An upstream that is down does not keep the gateway from starting: plain requests are passed on as
soon as a connection can be made, and so are the requests of methods. What a server can do is found out
by the first request that needs it, at its cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ...assembly import Assembly
from ...core import Engine, Price, Sampling, Trials, TTScaleError, UnknownName, UsageError
from ...core.engine import unknown
from ...core.spending.metering import Scope
from ...engines import Catalogue, LlamaCpp, ModelSource, OpenAIHTTP, open_model
from ...methods import registry
from ..config import Model

CONCURRENCY = 256  # requests at a time, unless configured otherwise


class Upstream:
    """One model clients can name.

    Attributes:
        server: the engine if it is an HTTP server, to which plain requests are passed on.
        presets: method -> parameters it has here where the request says nothing else.
    """

    def __init__(self, name: str, model: Model, source: ModelSource) -> None:
        self.name, self.model = name, model
        self.price: Price | None = model.price or source.price
        self.sampling: Sampling = model.sampling.over(source.sampling)
        settings: dict[str, Any] = {}
        if model.spec.startswith("openai:@"):
            settings["likely"] = name
        if model.spec.startswith("openai:") and (model.concurrency or "concurrency=" not in model.spec):
            settings["concurrency"] = model.concurrency or CONCURRENCY
        self.engine: Engine = source.make(**settings)
        self.server = self.engine if isinstance(self.engine, OpenAIHTTP) else None
        self.roles: dict[str, Upstream] = {}
        self.presets = _presets(name, model)
        self._opening: asyncio.Lock | None = None
        self._ready = False

    @classmethod
    def of(cls, name: str, model: Model, catalogue: Catalogue | None = None) -> Upstream:
        """The upstream of a configured model.

        Raises:
            UsageError: if its specification is wrong.
        """
        return cls(name, model, open_model(model.spec, catalogue)[0])

    @property
    def ready(self) -> bool:
        """Whether it has been opened, and has told what it is."""
        return self._ready

    @property
    def elsewhere(self) -> bool:
        """Whether it is a server that may do what it has not shown."""
        return self.server is not None and (not self._ready or self.server.dialect.kind != "llamacpp")

    def lacks(self, capability: str) -> bool:
        """Whether it is known not to be able to do this."""
        known = not self.elsewhere and not unknown(self.engine, [capability])
        return known and capability not in self.engine.capabilities

    async def connect(self) -> None:
        """Get ready to pass requests on; load what lives in this process."""
        if self.server is not None and not isinstance(self.server, LlamaCpp):
            self.server.attach()
        else:
            await self.open()

    async def open(self) -> None:
        """Get ready, and let a server tell what it is. Raises the error of one that does not."""
        if self._ready:
            return
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if not self._ready:
                await self.engine.open()
                if self.server is not None:
                    await self.server.identify()
                    if self.server.dialect.kind == "llamacpp":  # it tells for nothing
                        await self.server.probe(["tools"], Trials(Scope(None), None))
                self._ready = True

    async def close(self) -> None:
        await self.engine.close()
        self._ready = False

    @property
    def assembly(self) -> Assembly:
        """What its runs are made of: itself, and the upstreams of its other roles."""
        upstreams = {"main": self, **self.roles}
        return Assembly(
            {role: upstream.engine for role, upstream in upstreams.items()},
            {role: u.price for role, u in upstreams.items() if u.price is not None},
            {role: upstream.sampling for role, upstream in upstreams.items()},
        )

    async def opened(self) -> Assembly:
        """The same when all engines are open; servers are not waited for."""
        for upstream in (self, *self.roles.values()):
            await (upstream.open() if upstream.server is None else upstream.server.open())
        return self.assembly

    def runnable(self) -> list[str]:
        """The methods it can run, as far as is known."""
        if not self._ready:
            return []
        run = self.assembly.run()
        names = []
        for name, method in registry.methods().items():
            try:
                run.check(method(**self.presets.get(name, {})))
            except TTScaleError:
                continue
            names.append(name)
        return names


def _presets(name: str, model: Model) -> dict[str, Mapping[str, Any]]:
    """The configured parameters of methods, by the methods' own names, checked.

    Raises:
        UsageError: for a method or a parameter that is wrong.
    """
    presets = {}
    for method_name, params in model.methods.items():
        try:
            method = registry.get(method_name)
            method.configure(params)
        except UsageError as error:
            raise UsageError(f"models.{name}.methods.{method_name}", fix=str(error)) from None
        presets[method.name] = params
    return presets


def build(
    models: Mapping[str, Model], known: Mapping[str, Upstream], catalogue: Catalogue | None = None
) -> dict[str, Upstream]:
    """Upstreams for the configured models; those that have not changed are kept."""
    upstreams = {
        name: known[name]
        if name in known and known[name].model == model
        else Upstream.of(name, model, catalogue)
        for name, model in models.items()
    }
    for upstream in upstreams.values():
        upstream.roles = {role: upstreams[other] for role, other in upstream.model.roles.items()}
    return upstreams


def find(upstreams: Mapping[str, Upstream], name: str) -> Upstream:
    """The upstream of that name; `UnknownName` names the nearest."""
    if name not in upstreams:
        raise UnknownName("model", name, upstreams)
    return upstreams[name]
