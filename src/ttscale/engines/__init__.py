"""Where tokens come from: servers, embedded models, models in process, recordings, known worlds.

An engine is loaded when it is first named: most of them bring a library of their own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalogue.providers import Provider
    from .catalogue.source import Alias, Catalogue, ModelSource
    from .catalogue.specification import known_names, open_model
    from .llamacpp import LlamaCpp
    from .local.engine import TransformersLocal
    from .openai.engine import OpenAIHTTP
    from .recordings.engine import Replay
    from .recordings.pool import Pool
    from .synthetic import Synthetic

_HOME = {
    "catalogue.providers": ("Provider",),
    "catalogue.source": ("Alias", "Catalogue", "ModelSource"),
    "catalogue.specification": ("known_names", "open_model"),
    "llamacpp": ("LlamaCpp",),
    "local.engine": ("TransformersLocal",),
    "openai.engine": ("OpenAIHTTP",),
    "recordings.engine": ("Replay",),
    "recordings.pool": ("Pool",),
    "synthetic": ("Synthetic",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Alias",
    "Catalogue",
    "LlamaCpp",
    "ModelSource",
    "OpenAIHTTP",
    "Pool",
    "Provider",
    "Replay",
    "Synthetic",
    "TransformersLocal",
    "known_names",
    "open_model",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_MODULE[name]}", __name__), name)
    return value
