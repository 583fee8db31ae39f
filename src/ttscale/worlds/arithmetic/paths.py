"""Mazes of numbers: the `search` family.

From a start, reach a target with exactly `depth` moves out of a few (`+5`, `*2`, ...). Several
paths may work, most do not. Numbers stay within 0..99.
"""

import random
from dataclasses import dataclass
from itertools import product

from .calculations import OPERATIONS

LARGEST = 99


@dataclass(frozen=True, slots=True)
class Maze:
    question: str
    start: int
    target: int
    moves: tuple[str, ...]
    depth: int

    @property
    def canonical(self) -> str:
        return f"{self.start}>{self.target}:{sorted(self.moves)}^{self.depth}"

    @property
    def facts(self) -> tuple[str, ...]:
        return (
            f"start {self.start}",
            f"target {self.target}",
            f"moves {', '.join(self.moves)}",
            f"length {self.depth}",
        )

    def paths(self) -> dict[tuple[str, ...], list[int]]:
        """Every path that stays in range: its moves -> the numbers visited, start included."""
        return _paths(self.start, self.moves, self.depth)

    @property
    def answer(self) -> str:
        """One shortest-to-write solution; the checker accepts every other one too."""
        return min(" ".join(p) for p, v in self.paths().items() if v[-1] == self.target)


def move(value: int, text: str) -> int:
    return OPERATIONS[text[0]](value, int(text[1:]))


def _paths(start: int, moves: tuple[str, ...], depth: int) -> dict[tuple[str, ...], list[int]]:
    found = {}
    for path in product(moves, repeat=depth):
        values = [start]
        for text in path:
            values.append(move(values[-1], text))
        if all(0 <= v <= LARGEST for v in values):
            found[path] = values
    return found


QUESTIONS = (
    "Start at {s}. Moves: {m}. Reach {t} in {d}.",
    "You have {s}. You may use {m}. Get to {t} in {d}.",
    "Go from {s} to {t} in {d}. Allowed: {m}.",
)


def search(rng: random.Random, depth: int, moves: int, largest: int) -> Maze:
    """A maze with at least one solution, start and added numbers at most `largest`."""
    while True:
        kinds = [f"+{rng.randint(1, largest)}", f"-{rng.randint(1, largest)}", f"*{rng.randint(2, 4)}"]
        kinds += [f"+{rng.randint(1, largest)}"]
        options = tuple(dict.fromkeys(rng.sample(kinds, moves)))
        start = rng.randint(1, largest)
        paths = _paths(start, options, depth)
        ends = [v[-1] for v in paths.values() if v[-1] != start]
        if len(options) == moves and ends:
            break
    target = rng.choice(ends)
    length = f"{depth} move" + "s" * (depth > 1)
    question = rng.choice(QUESTIONS).format(s=start, t=target, m=", ".join(options), d=length)
    return Maze(question, start, target, options, depth)
