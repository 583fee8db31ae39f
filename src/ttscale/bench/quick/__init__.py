"""A quick look at a model: a pool of samples, every method that it allows, and what would be saved."""

from .pool import Limits, Recorded, record_pool
from .replay import Replayed, candidates, replayed
from .saving import Saving, best_saving, in_words

__all__ = [
    "Limits",
    "Recorded",
    "Replayed",
    "Saving",
    "best_saving",
    "candidates",
    "in_words",
    "record_pool",
    "replayed",
]
