"""The verbose model: the concise one, taught to think at length and to play further roles.

It goes on from trained weights, so that what they know need not be learned again; a part of the
documents is as before, so that it is not forgotten.
"""

import random
from collections.abc import Iterator
from typing import Literal

from ...worlds.arithmetic.document import Document
from ...worlds.arithmetic.skills import Skill
from ...worlds.arithmetic.training_documents import document
from ...worlds.arithmetic.verbose.documents import verbose_document
from .self_generated import Attempts, own_documents

LONGEST = 800  # tokens of a training document
NEW, OWN = 0.62, 0.22  # shares of documents of its own roles, and about the concise model's attempts
OWN_SHARES: dict[Skill | Literal["world"], float] = {"judge": 42, "rate": 20, "revise": 8, "merge": 30}
AT_ONCE = 0.5  # of the judges and raters


def documents(pool: list[Attempts], rng: random.Random) -> Iterator[Document]:
    """Endless documents, mixed."""
    own = own_documents(pool, rng, OWN_SHARES, AT_ONCE)
    while True:
        kind = rng.random()
        if kind < NEW:
            yield verbose_document(rng)
        elif kind < NEW + OWN and pool:
            yield next(own)
        else:
            yield document(rng, 0.8)
