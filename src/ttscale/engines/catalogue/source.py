"""What a specification stands for, models that can be opened, and what a configuration says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

from ...core import Engine, NotEmpty, Price, Sampling, UsageError, declared
from ...core.settings.declared import Inline, Shorthand
from .providers import Provider

if TYPE_CHECKING:
    from ..recordings.pool import Pool


@declared
class Alias:
    """A name of one's own for a specification, with what always goes with it."""

    spec: Annotated[str, NotEmpty(), Shorthand()]
    price: Price | None = None
    sampling: Annotated[Sampling, Inline()] = field(default_factory=Sampling)


class Catalogue(Protocol):
    """What a configuration knows about models."""

    @property
    def aliases(self) -> Mapping[str, Alias]:
        """Name -> what it stands for."""
        ...

    @property
    def prices(self) -> Mapping[str, Price]:
        """Model name -> price, for models whose alias does not say one."""
        ...

    @property
    def providers(self) -> Mapping[str, Provider]:
        """Scheme -> provider, those a user has added."""
        ...

    def read_store(self, path: Path) -> list[Pool]:
        """The recordings in a store of bench runs."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """A catalogue without anything of a user's own."""

    aliases: Mapping[str, Alias] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)

    def read_store(self, path: Path) -> list[Pool]:
        raise UsageError(f"{path} is a store of bench runs", fix="export it to JSONL first")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model that can be opened.

    Attributes:
        name: what reports call it.
        spec: what the user wrote.
        make: builds the engine, not yet opened; keywords override the specification's own
            settings (`make(skip=8)` for a replay).
        pools: the one recording a replay serves; empty for models that generate.
        price: None if it is not known.
        sampling: used where neither the user nor the method asks for anything.
        system: the message before a question where the user gives none.
    """

    name: str
    spec: str
    make: Callable[..., Engine]
    pools: list[Pool] = field(default_factory=list)
    price: Price | None = None
    sampling: Sampling = field(default_factory=Sampling)
    system: str | None = None
