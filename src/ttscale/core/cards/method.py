"""A method: an async function of a problem (or a set) and a context, with its card and config."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..settings.declared import read
from .card import Card
from .roles import Role


@dataclass(frozen=True, slots=True)
class Method:
    """A registered method. `fn` is `async (problem, ctx, cfg) -> Outcome`, or, for a set method,
    `async (problems, ctx, cfg) -> list[Outcome]`."""

    card: Card
    fn: Callable[..., Awaitable[Any]]
    config: type

    def __call__(self, **params: Any) -> Configured:
        """The method with these parameters: `first_finish(n=8, k=4)`.

        Raises:
            UsageError: if a parameter is unknown or out of range.
        """
        given = ", ".join(f"{name}={value!r}" for name, value in params.items())
        label = f"{self.name}({given})" if given else self.name
        return Configured(self, self.configure(params), label)

    def bind(self, cfg: Any) -> Configured:
        """The method with a config that exists already."""
        return Configured(self, cfg, self.name)

    @property
    def name(self) -> str:
        return self.card.name

    def configure(self, params: Mapping[str, Any]) -> Any:
        """A validated config. Unknown parameters and bad values are errors that name the fix."""
        return read(self.config, params, of=f"method {self.name!r}", entry="parameter")

    def needs(self, cfg: Any) -> Mapping[str, Role]:
        """Role -> kind and capabilities; a config whose choices change them has its own `needs`."""
        own = getattr(cfg, "needs", None)
        return own() if own is not None else self.card.needs

    def max_samples(self, cfg: Any) -> int | None:
        """The samples per problem that `cfg` allows at most; 1 for a method without the field."""
        return int(getattr(cfg, self.card.draws)) if self.card.draws else None


@dataclass(frozen=True, slots=True)
class Configured:
    """A method with its parameters. `label` is how it was written, or would be."""

    method: Method
    cfg: Any
    label: str

    @property
    def card(self) -> Card:
        return self.method.card

    @property
    def canonical(self) -> str:
        """The one way to write it: its own name, and the parameters that are not as they come."""
        given = {f.name: getattr(self.cfg, f.name) for f in fields(self.cfg)}
        usual = self.method.config()
        shown = ", ".join(f"{k}={v}" for k, v in given.items() if v != getattr(usual, k))
        return f"{self.method.name}({shown})" if shown else self.method.name

    def needs(self) -> Mapping[str, Role]:
        """Role -> kind and capabilities, with these parameters."""
        return self.method.needs(self.cfg)

    def max_samples(self) -> int | None:
        """The samples per problem that it asks for at most; None if it names no bound."""
        return self.method.max_samples(self.cfg)
