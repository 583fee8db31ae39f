"""Models that can be had by name, and the cache they are kept in."""

from .models import Model, cache_dir, find, is_cached, known_models, path_of, place_of, pull, server_cache

__all__ = [
    "Model",
    "cache_dir",
    "find",
    "is_cached",
    "known_models",
    "path_of",
    "place_of",
    "pull",
    "server_cache",
]
