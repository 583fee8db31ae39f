"""A question split into sub-questions: what a good split says, and whether a given one can be used.

    1. 7*3 (0.5)
    2. 12+#1 (0.3)
    100: 60 40

`#1` is the answer to the first sub-question; in brackets how hard it is, from 0 to 1; the credits,
one per sub-question in the last line, add up to 100. Two sub-questions name the last move of a maze and
the rest.
"""

import re
from dataclasses import dataclass

from .calculations import OPERATIONS, Calculation
from .paths import Maze, move
from .solutions import hardness

LINE = re.compile(r"^(\d+)\. (.+) \((0\.\d)\)$")
CALCULATION = re.compile(r"(#?\d+)([+\-*])(#?\d+)")
TOTAL = "100: "
SHARE = (100, 40, 30, 20, 15, 15, 10)  # credits of all but the hardest, by number of sub-questions


@dataclass(frozen=True, slots=True)
class SubQuestion:
    text: str
    difficulty: float  # 0..1
    credits: int


def sub_questions(world: Calculation | Maze) -> list[SubQuestion]:
    """The split as it should be."""
    pairs = _of_maze(world) if isinstance(world, Maze) else _of_calculation(world)
    share = SHARE[len(pairs) - 1]
    hardest = max(range(len(pairs)), key=lambda k: pairs[k][1])
    rest = 100 - share * (len(pairs) - 1)
    return [SubQuestion(text, d, rest if k == hardest else share) for k, (text, d) in enumerate(pairs)]


def _of_calculation(world: Calculation) -> list[tuple[str, float]]:
    values, first = world.evaluate(), len(world.leaves)

    def name(index: int) -> str:
        return str(values[index]) if index < first else f"#{index - first + 1}"

    return [
        (f"{name(n.left)}{n.op}{name(n.right)}", difficulty(n.op, values[n.left], values[n.right]))
        for n in world.nodes
    ]


def difficulty(op: str, a: int, b: int) -> float:
    """How hard a calculation is, 0.1 to 0.9, one decimal: half its `hardness`."""
    return min(0.9, max(0.1, round(hardness(op, a, b) / 2, 1)))


def _of_maze(maze: Maze) -> list[tuple[str, float]]:
    last = f"Last move: {' or '.join(last_moves(maze))}"
    return (
        [(last, 0.2), (f"First {maze.depth - 1} from {maze.start}", 0.7)] if maze.depth > 1 else [(last, 0.2)]
    )


def last_moves(maze: Maze) -> list[str]:
    """From where each move reaches the target, as in "12+3"; moves that cannot are left out."""
    found = []
    for text in maze.moves:
        op, n = text[0], int(text[1:])
        before = {"+": maze.target - n, "-": maze.target + n, "*": maze.target // n}[op]
        if before >= 0 and move(before, text) == maze.target:
            found.append(f"{before}{text}")
    return found


def written(split: list[SubQuestion]) -> str:
    lines = [f"{k}. {q.text} ({q.difficulty})" for k, q in enumerate(split, 1)]
    return "\n".join([*lines, TOTAL + " ".join(str(q.credits) for q in split)])


def parse(text: str) -> list[SubQuestion] | None:
    """The sub-questions that a text lists; None unless every line has its form, and credits add up."""
    *lines, last = text.strip().split("\n")
    found = [LINE.match(line) for line in lines]
    credits = last.removeprefix(TOTAL).split()
    if not lines or not last.startswith(TOTAL) or len(credits) != len(lines):
        return None
    if not all(c.isdecimal() for c in credits) or sum(map(int, credits)) != 100:
        return None
    split = []
    for k, (match, credit) in enumerate(zip(found, credits, strict=True), 1):
        if match is None or int(match[1]) != k:
            return None
        split.append(SubQuestion(match[2], float(match[3]), int(credit)))
    return split


def usable(world: Calculation | Maze, text: str) -> bool:
    """Whether each sub-question can be answered in order and the answers suffice for the question."""
    split = parse(text)
    if split is None:
        return False
    if isinstance(world, Maze):
        return [q.text for q in split] == [text for text, _ in _of_maze(world)]
    results: list[int] = []
    for question in split:
        calculation = CALCULATION.fullmatch(question.text)
        if calculation is None:
            return False
        left, op, right = calculation.groups()
        numbers = []
        for part in (left, right):
            known = part.startswith("#")
            index = int(part.removeprefix("#"))
            if known and not 1 <= index <= len(results):
                return False
            numbers.append(results[index - 1] if known else index)
        results.append(OPERATIONS[op](*numbers))
    return results[-1] == int(world.answer)
