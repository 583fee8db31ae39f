"""Key conditions of a question, with what an attempt found: a short list that carries an attempt on.

    1. Tom has 5 apples.
    2. 5+3=8
    Question: How many apples does Tom have now?

As in Sticker-TTS (arXiv:2509.05007): an extractor makes the list from an attempt, with the attempt's
mistakes; a modifier mends it; a solver uses it.
"""

import random
import re
from collections.abc import Sequence

from .calculations import Calculation
from .paths import Maze
from .solutions import CLEAN, miscalculate, reason


def facts(world: Calculation | Maze) -> list[str]:
    """What the question says that matters."""
    return list(world.facts)


def found(world: Calculation | Maze) -> list[str]:
    """Right intermediate results, all but the last; none in a maze."""
    if isinstance(world, Maze):
        return []
    steps, _ = reason(world, random.Random(0), CLEAN)
    return [s.split("\n")[0] for s in steps if "=" in s][:-1]


def listed(world: Calculation | Maze, conditions: Sequence[str]) -> str:
    last = world.question.rpartition(". ")[2]
    lines = [f"{k}. {text}" for k, text in enumerate(conditions, 1)]
    return "\n".join([*lines, f"Question: {last}"])


def right_conditions(world: Calculation | Maze) -> str:
    return listed(world, facts(world) + found(world))


def faulty_conditions(world: Calculation | Maze, rng: random.Random) -> str:
    """A list with one or two of an extractor's mistakes: a number changed, a condition lost."""
    conditions = facts(world) + found(world)
    places = rng.sample(range(len(conditions)), min(len(conditions), rng.choice((1, 1, 2))))
    for at in sorted(places, reverse=True):  # from the back, so that a loss moves none still to come
        numbers = list(re.finditer(r"\d+", conditions[at]))
        if len(conditions) > 1 and (not numbers or rng.random() < 0.3):
            del conditions[at]
        elif numbers:
            spot = rng.choice(numbers)
            other = miscalculate(rng, "+", int(spot[0]), 0)
            conditions[at] = f"{conditions[at][: spot.start()]}{other}{conditions[at][spot.end() :]}"
    return listed(world, conditions)
