"""One number for what a run found: equal for equal runs, however they were cut up, killed or merged.

It covers the questions and golds (by their digest), every cell with its settings, every item (answer,
verdict, what stopped it, all counters, errors) and every kept sample (identity, settings, text, tokens,
log-probabilities, reward). It leaves out times, the order in which things finished, where files lie, and
the plan: a shard and the whole differ in that.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import orjson

from . import codec
from .store import Store


def content_hash(store: Store) -> str:
    """The hash of a store, as 32 hexadecimal digits.

    Raises:
        StoreError: if an entry cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    cells = store.query(
        "SELECT cells.id, method, model, name, digest, repeat, skip, recorded, knobs FROM cells "
        "JOIN tasks ON tasks.id = task ORDER BY method, model, name, digest, repeat"
    )
    for cell, *what in list(cells):
        digest.update(codec.dumps(["cell", *what]))
        items = store.query(
            "SELECT usage, problem, answer, correct, stopped_by, extra, winner, error FROM items "
            "WHERE cell = ? ORDER BY problem",
            cell,
        )
        for usage, *item in items:
            try:
                counters = {k: v for k, v in orjson.loads(usage).items() if k != "seconds"}
            except codec.DAMAGE as error:
                raise codec.damaged("item", error) from None
            digest.update(codec.dumps(["item", counters, *item]))
        samples = store.query(
            "SELECT problem, role, prompt, draw, sampling, body FROM traces WHERE cell = ? "
            "ORDER BY problem, role, prompt, draw",
            cell,
        )
        for problem, role, prompt, index, sampling, body in samples:
            trace = codec.unpack(body, role=role, prompt_key=prompt, index=index)
            digest.update(codec.dumps(["sample", problem, role, prompt, index, sampling]))
            digest.update(codec.pack(replace(trace, began=0.0, ended=0.0)))
    return digest.hexdigest()
