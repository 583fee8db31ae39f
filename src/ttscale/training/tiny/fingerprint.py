"""Which recipe a work folder belongs to: its checkpoints are of no use to another one."""

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path

from ...worlds.arithmetic.training_documents import document
from ...worlds.arithmetic.verbose.documents import verbose_document
from ..keeping import write_whole

DOCUMENTS = 100


def documents_digest() -> str:
    """Changes with what the documents say."""
    rng, digest = random.Random(0), hashlib.blake2b(digest_size=8)
    for make in (document, verbose_document):
        for _ in range(DOCUMENTS):
            digest.update(repr(make(rng)).encode())
    return digest.hexdigest()


def check_fingerprint(work: Path, recipe: Mapping[str, object]) -> None:
    """Leave the recipe's fingerprint in a work folder; ValueError where there are checkpoints of another.

    An entry of None fits whatever the folder says.
    """
    path = work / "recipe.json"
    theirs = json.loads(path.read_text()) if path.exists() else {}
    known = {key: value for key, value in recipe.items() if value is not None}
    ours = json.loads(json.dumps({**known, "documents": documents_digest()}))
    different = [key for key in ours if key in theirs and ours[key] != theirs[key]]
    old = next(work.glob("*.pt"), None)
    if old is not None:
        different += [key for key in ours if key not in theirs]
    if different:
        raise ValueError(
            f"{work} is of another recipe (other or unknown {', '.join(different)}); use another folder"
        )
    write_whole(path, lambda part: part.write_text(json.dumps(theirs | ours, indent=2) + "\n"))
