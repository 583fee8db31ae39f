"""The published systems there are to be, and the ones that have a file."""

from __future__ import annotations

import importlib
import importlib.util
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import ModuleType

from ...core import UnknownName
from .claims import System

PACKAGE = __name__.rpartition(".protocol.")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published system.

    Attributes:
        family: where its mechanism belongs.
        arxiv: identifiers of its papers.
    """

    name: str
    title: str
    family: str
    arxiv: Sequence[str]

    @property
    def module(self) -> str:
        """The name of its file: hyphens become underscores."""
        return self.name.replace("-", "_")

    @property
    def built(self) -> bool:
        """Whether it has a file."""
        return importlib.util.find_spec(f"{PACKAGE}.{self.module}") is not None


@cache
def published() -> dict[str, Published]:
    """Name -> system, in the order of the list."""
    listed = tomllib.loads(files(__package__).joinpath("systems.toml").read_text(encoding="utf-8"))
    return {name: Published(name=name, **entry) for name, entry in listed.items()}


def find(name: str) -> Published:
    """The system of that name; underscores are as good as hyphens.

    Raises:
        UnknownName: names the nearest.
    """
    name = name.replace("_", "-")
    if name not in published():
        raise UnknownName("system", name, list(published()))
    return published()[name]


def load(system: Published) -> System:
    """What the system's file says; only for one that is built."""
    module: ModuleType = importlib.import_module(f"{PACKAGE}.{system.module}")
    found: System = module.SYSTEM
    if found.name != system.name:
        raise ValueError(f"{module.__name__} describes {found.name!r}")
    return found
