"""Which recipe a work folder belongs to: its checkpoints are of no use to another one."""

import hashlib
import json
import random
from collections.abc import Mapping
from pathlib import Path

from ...worlds.arithmetic.training_documents import document
from ...worlds.arithmetic.verbose.documents import verbose_document

DOCUMENTS = 100


def documents_digest() -> str:
    """Changes with what the documents say."""
    rng, digest = random.Random(0), hashlib.blake2b(digest_size=8)
    for make in (document, verbose_document):
        for _ in range(DOCUMENTS):
            digest.update(repr(make(rng)).encode())
    return digest.hexdigest()


def check_fingerprint(work: Path, sizes: Mapping[str, object]) -> None:
    """Leave the recipe's fingerprint in a new work folder; ValueError where another one is there."""
    path = work / "recipe.json"
    ours = json.loads(json.dumps({**sizes, "documents": documents_digest()}))
    if not path.exists():
        old = next(work.glob("*.pt"), None)
        if old is not None:
            raise ValueError(
                f"{work} is of an unknown recipe: {old.name} without recipe.json; use another folder"
            )
        path.write_text(json.dumps(ours, indent=2) + "\n")
        return
    theirs = json.loads(path.read_text())
    different = [key for key in ours if ours[key] != theirs.get(key)]
    if different:
        raise ValueError(f"{work} is of another recipe (other {', '.join(different)}); use another folder")
