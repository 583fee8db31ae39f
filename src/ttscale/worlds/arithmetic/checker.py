"""Exact truth: is an answer right, and is each step of a trace right.

A step is right when everything it says is true *and* it leaves the reasoning where the right
answer can still follow from it: after a mistake every step that builds on it is wrong too, until
the mistake is repaired.
"""

import re
from collections.abc import Sequence

from ...core.thinking import THINK
from .calculations import OPERATIONS, Calculation
from .paths import Maze, move
from .problems import WorldProblem
from .solutions import compare

BOX = re.compile(r"\\boxed\{([^{}]*)\}")
CALCULATION = re.compile(r"(\d+)([+\-*])(\d+)=(\d+)")
DOUBT = re.compile(r"^Wait, is ([^?\n]*)\? (Yes|No)")
EXPRESSION = re.compile(r"[\d+\-*()]+")


def extract_answer(text: str) -> str | None:
    """Content of the last box, or the bare answer itself; None where a longer text has no box."""
    boxes: list[str] = BOX.findall(text)
    if boxes:
        return boxes[-1].strip()
    bare = text.strip()
    return bare if bare and "\n" not in bare and len(bare) <= 40 else None


def check_answer(problem: WorldProblem, text_or_answer: str) -> bool:
    """True if the last box (or the bare answer) solves the problem; any path that works counts."""
    answer = extract_answer(text_or_answer)
    if answer is None:
        return False
    return is_right(problem.world, answer.replace(",", " ") if isinstance(problem.world, Maze) else answer)


def as_number(answer: str) -> int | None:
    """The number that an answer is; None if it is none."""
    digits = answer.strip().removeprefix("+")
    return int(digits) if digits.isdecimal() else None


def is_right(world: Calculation | Maze, answer: str) -> bool:
    """Whether an answer, without a box, solves the world; any path that works counts."""
    if isinstance(world, Calculation):
        return as_number(answer) == int(world.answer)
    return _reaches(world, answer.split())


def _reaches(maze: Maze, path: list[str]) -> bool:
    if len(path) != maze.depth or any(text not in maze.moves for text in path):
        return False
    value = maze.start
    for text in path:
        value = move(value, text)
    return value == maze.target


def split_steps(text: str) -> list[str]:
    """The steps of a reply: paragraphs of its thinking section (of all where it has none)."""
    body = THINK.thinking(text)
    if not THINK.closed(text):
        body = BOX.sub("", body or text)
    return [step.strip("\n") for step in body.split("\n\n") if step.strip()]


def check_steps(problem: WorldProblem, text: str) -> list[bool]:
    """One verdict per step of `split_steps(text)`."""
    world = problem.world
    if isinstance(world, Maze):
        return [_maze_step(world, step) for step in split_steps(text)]
    judge = _arith_step if world.shows_rest else _word_step
    return [judge(world, step) for step in split_steps(text)]


def true(calculation: Sequence[str]) -> bool:
    """Whether the groups of CALCULATION, (a, operation, b, result), hold."""
    a, op, b, result = calculation
    return OPERATIONS[op](int(a), int(b)) == int(result)


def _verdict(step: str) -> tuple[str, str, str]:
    """(claim in doubt, verdict, what is said after it); ("", "", step) without a doubt."""
    match = DOUBT.match(step)
    return (match[1], match[2], step[match.end() :].lstrip(", ")) if match else ("", "", step)


def _arith_step(calculation: Calculation, step: str) -> bool:
    claim, verdict, statement = _verdict(step)
    doubted = CALCULATION.fullmatch(claim)
    if verdict and (doubted is None or true(doubted.groups()) != (verdict == "Yes")):
        return False
    if verdict == "Yes" and not statement.strip():
        return True
    calculations = CALCULATION.findall(statement)
    if not all(map(true, calculations)):
        return False
    last = statement.removeprefix("Wait, the rest is ").split("\n")[-1]
    if EXPRESSION.fullmatch(last):
        return value_of(last) == int(calculation.answer)
    return bool(calculations) and calculations[-1][3] == calculation.answer


def value_of(expression: str) -> int | None:
    """Exact value of an expression of + - * and parentheses; None if it is malformed."""
    tokens = re.findall(r"\d+|[+\-*()]", expression)

    def atom() -> int:
        token = tokens.pop(0)
        if token == "(":
            inner = total()
            if tokens.pop(0) != ")":
                raise ValueError
            return inner
        return int(token)

    def term() -> int:
        value = atom()
        while tokens and tokens[0] == "*":
            tokens.pop(0)
            value *= atom()
        return value

    def total() -> int:
        value = term()
        while tokens and tokens[0] in "+-":
            value = OPERATIONS[tokens.pop(0)](value, term())
        return value

    try:
        value = total()
    except (ValueError, IndexError):
        return None
    return None if tokens else value


def _word_step(calculation: Calculation, step: str) -> bool:
    values = calculation.evaluate()
    first = len(calculation.leaves)
    truth = set()
    for k, node in enumerate(calculation.nodes):
        a, b, result = str(values[node.left]), str(values[node.right]), str(values[first + k])
        truth.add((a, node.op, b, result))
        if node.op in "+*":
            truth.add((b, node.op, a, result))
    claim, verdict, statement = _verdict(step)
    doubted = CALCULATION.fullmatch(claim)
    if verdict and (doubted is None or (doubted.groups() in truth) != (verdict == "Yes")):
        return False
    if verdict == "Yes" and not statement.strip():
        return True
    calculations = CALCULATION.findall(statement)
    return bool(calculations) and all(c in truth for c in calculations)


def _maze_step(maze: Maze, step: str) -> bool:
    claim, verdict, statement = _verdict(step)
    if verdict:
        doubted = CALCULATION.fullmatch(claim)
        if doubted is None or true(doubted.groups()) != (verdict == "Yes"):
            return False
        corrections = CALCULATION.findall(statement)
        return all(map(true, corrections)) and bool(corrections) == (verdict == "No")
    *lines, comparison = step.split("\n")
    value = maze.start
    for line in lines:
        parts = CALCULATION.fullmatch(line)
        if parts is None or not true(parts.groups()) or int(parts[1]) != value:
            return False
        if f"{parts[2]}{parts[3]}" not in maze.moves:
            return False
        value = int(parts[4])
    return len(lines) == maze.depth and comparison == compare(value, maze.target)
