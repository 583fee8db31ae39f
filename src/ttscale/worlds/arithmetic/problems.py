"""Problems: seeded, unlimited, in three families and five levels, train and test disjoint.

A problem belongs to "test" when the hash of what it asks (not of how it is worded) falls in one
eighth of the hash range, to "train" otherwise: no problem can be in both.
"""

import hashlib
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .calculations import Calculation, arith, word
from .paths import Maze, search

Split = Literal["train", "test"]
MAKERS: dict[str, Callable[..., Calculation | Maze]] = {"arith": arith, "word": word, "search": search}
FAMILIES = tuple(MAKERS)

# Set so that the bundled reasoner is nearly always right on the first level, right somewhat more than
# every other time on the third, and seldom on the fifth.
LEVELS: dict[str, dict[int, dict[str, int]]] = {
    "arith": {
        1: {"operations": 1, "largest": 20},
        2: {"operations": 2, "largest": 30},
        3: {"operations": 4, "largest": 50},
        4: {"operations": 5, "largest": 50},
        5: {"operations": 7, "largest": 50},
    },
    "word": {
        1: {"operations": 1, "largest": 20, "idle": 0},
        2: {"operations": 2, "largest": 20, "idle": 1},
        3: {"operations": 3, "largest": 50, "idle": 1},
        4: {"operations": 4, "largest": 50, "idle": 1},
        5: {"operations": 6, "largest": 50, "idle": 3},
    },
    "search": {
        1: {"depth": 1, "moves": 2, "largest": 9},
        2: {"depth": 2, "moves": 3, "largest": 9},
        3: {"depth": 3, "moves": 3, "largest": 9},
        4: {"depth": 3, "moves": 3, "largest": 20},
        5: {"depth": 3, "moves": 4, "largest": 20},
    },
}


PATIENCE = 500  # repeated problems in a row after which a level counts as exhausted


@dataclass(frozen=True, slots=True)
class WorldProblem:
    """One problem. `answer` is the number, or for `search` one path that works (others may too)."""

    id: str
    family: str
    level: int
    question: str
    answer: str
    world: Calculation | Maze = field(repr=False, compare=False)


def split_of(world: Calculation | Maze) -> Split:
    digest = hashlib.blake2b(world.canonical.encode(), digest_size=1).digest()
    return "test" if digest[0] < 32 else "train"


def generate(family: str, knobs: dict[str, int], rng: random.Random, split: Split) -> Calculation | Maze:
    """A world with the given knobs (see LEVELS) from the given split."""
    while True:
        world = MAKERS[family](rng, **knobs)
        if split_of(world) == split:
            return world


def problem(family: str, level: int, seed: int, split: Split = "test") -> WorldProblem:
    """The problem of this family, level, seed and split; the same on every machine."""
    if family not in LEVELS:
        raise ValueError(f"unknown family {family!r}: use one of {', '.join(FAMILIES)}")
    if level not in LEVELS[family]:
        raise ValueError(f"level={level} must be between 1 and 5")
    if split not in ("train", "test"):
        raise ValueError(f"unknown split {split!r}: use 'train' or 'test'")
    rng = random.Random(f"{family}/{level}/{seed}/{split}")
    world = generate(family, LEVELS[family][level], rng, split)
    name = f"{family}-{level}-{split}-{seed}"
    return WorldProblem(name, family, level, world.question, world.answer, world)


def problems(family: str, level: int, n: int, seed: int = 0, split: Split = "test") -> list[WorldProblem]:
    """`n` different problems: seeds from `seed * 1_000_000` on, repeated ones skipped."""
    found: dict[str, WorldProblem] = {}
    seeds, repeats = itertools.count(seed * 1_000_000), 0
    while len(found) < n:
        candidate = problem(family, level, next(seeds), split)
        repeats = repeats + 1 if candidate.world.canonical in found else 0
        found.setdefault(candidate.world.canonical, candidate)
        if repeats == PATIENCE:
            raise ValueError(
                f"{family} level {level} seems to have only {len(found)} different problems in "
                f"split {split!r}: ask for fewer than n={n}, or for another level"
            )
    return list(found.values())
