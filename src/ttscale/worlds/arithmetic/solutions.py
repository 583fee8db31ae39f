"""Worked traces of a fallible reasoner: what the model learns from.

Steps are separated by a blank line. A slip is a mistake of a kind people make: a carry forgotten,
a number miscopied, the wrong fact used. Reflection is a step of its own, "Wait, is 7*8=54? No,
7*8=56": it may come at once or some steps later, may confirm what was right and may, rarely, spoil
it.
"""

import random
from dataclasses import dataclass

from ...core.thinking import THINK
from .calculations import LARGEST, OPERATIONS, Calculation, Node
from .paths import Maze, move


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """`slip` scales the chance of a mistake per calculation (about 1x for a sum with a carry).

    `notice` is the chance, after each step, that an open mistake is repaired; `doubt` the chance
    that a right step is re-checked, `spoil` that such a check ends wrong. With `repair` nothing
    ends unrepaired.
    """

    slip: float = 0.05
    notice: float = 0.75
    doubt: float = 0.04
    spoil: float = 0.1
    repair: bool = True


CLEAN = Noise(slip=0.0, doubt=0.0)


def hardness(op: str, a: int, b: int) -> float:
    """How likely a slip is, relative to a two-digit sum with a carry."""
    if op == "*":
        return 0.5 if max(a, b) <= 5 else 1.0 if max(a, b) <= 12 else 1.8
    carry = a % 10 + b % 10 > 9 if op == "+" else a % 10 < b % 10
    return 0.2 + 0.3 * (max(a, b) > 9) + 0.5 * carry + 0.5 * (max(a, b) > 99)


def miscalculate(rng: random.Random, op: str, a: int, b: int) -> int:
    """A wrong result of the kinds that people write down."""
    right = max(0, OPERATIONS[op](a, b))
    near = [right + 1, right - 1, right + 10, right - 10, right + 2, right - 2]
    if op == "*":
        near += [a * (b + 1), a * (b - 1), (a + 1) * b, (a - 1) * b, right + 20, right - 20]
    return rng.choice([w for w in near if w >= 0 and w != right])


def compare(value: int, target: int, misjudged: bool = False) -> str:
    """Whether two numbers are the same, the larger first, as in "13-8=5: No".

    A difference is something that a small model learns; whether two numbers are the same, asked
    outright, it does not. `misjudged`: a wrong difference, and the verdict that goes with it.
    """
    difference = abs(value - target)
    if misjudged:
        difference = 0 if difference else 1
    verdict = "No" if difference else "Yes"
    return f"{max(value, target)}-{min(value, target)}={difference}: {verdict}"


def walk(maze: Maze, answer: str) -> str:
    """A path, as answers give it, gone once more and its end held against the target."""
    path = tuple(answer.split())
    if path not in maze.paths():
        return f"{answer}: No"
    value, lines = maze.start, []
    for text in path:
        lines.append(f"{value}{text}={move(value, text)}")
        value = move(value, text)
    return "\n".join([*lines, compare(value, maze.target)])


def boxed(answer: str) -> str:
    return f"\\boxed{{{answer}}}"


def render(steps: list[str], answer: str) -> str:
    """The whole reply: thinking between tags, then the box. No steps: the no-think form."""
    return THINK.wrap("\n\n".join(steps), boxed(answer))


def reason(world: Calculation | Maze, rng: random.Random, noise: Noise) -> tuple[list[str], str]:
    """Steps of one attempt and the answer it ends with (always right with `noise.repair`)."""
    if isinstance(world, Calculation):
        return _walk(world, rng, noise)
    return _explore(world, rng, noise)


@dataclass(slots=True)
class _Slip:
    """An open mistake: what was believed before the step, and how the right step would read."""

    at: int
    beliefs: list[int]
    claim: str
    copying: bool = False


def _walk(calculation: Calculation, rng: random.Random, noise: Noise) -> tuple[list[str], str]:
    first, n = len(calculation.leaves), len(calculation.nodes)
    beliefs = list(calculation.leaves)
    steps = [calculation.rest(beliefs, 0)] if calculation.shows_rest else []
    done, slip, claim = 0, None, ""

    def tail() -> str:
        return f"\n{calculation.rest(beliefs, done)}" if calculation.shows_rest and done < n else ""

    def worked(node: Node, result: int | None = None) -> str:
        a, b = beliefs[node.left], beliefs[node.right]
        value = OPERATIONS[node.op](a, b) if result is None else result
        beliefs.append(value)
        return f"{a}{node.op}{b}={value}"

    def label(node: Node) -> str:
        return f"{node.label}: " if node.label else ""

    while True:
        if done < n:
            node, before = calculation.nodes[done], list(beliefs)
            a, b = beliefs[node.left], beliefs[node.right]
            kind = _kind_of_slip(rng, noise.slip * hardness(node.op, a, b), calculation, node, done)
            if kind == "pick":
                claim = _misread(rng, calculation, node, beliefs)
            else:
                claim = worked(node, miscalculate(rng, node.op, a, b) if kind == "calculate" else None)
            if beliefs[-1] < 0:  # consequences of a mistake may leave the world: stop at zero
                beliefs[-1] = 0
                claim = f"{claim.split('=')[0]}=0"
            done += 1
            if kind == "copy":
                _miscopy(rng, calculation, beliefs, done)
            if kind and slip is None:
                slip = _Slip(done - 1, before, claim, kind == "copy")
            steps.append(f"{label(node)}{claim}{tail()}")
        if slip and ((done == n and noise.repair) or rng.random() < noise.notice):
            beliefs, done = slip.beliefs, slip.at + 1
            right = worked(calculation.nodes[slip.at])
            if slip.copying:
                steps.append(f"Wait, the rest is {calculation.rest(beliefs, done)}")
            else:
                steps.append(f"Wait, is {slip.claim}? No, {right}{tail()}")
            slip = None
        elif not slip and rng.random() < noise.doubt:
            node = calculation.nodes[done - 1]
            if rng.random() >= noise.spoil:
                steps.append(f"Wait, is {claim}? Yes")
            else:
                before = beliefs[:-1]
                wrong = miscalculate(rng, node.op, before[node.left], before[node.right])
                beliefs = list(before)
                spoiled = worked(node, wrong)
                steps.append(f"Wait, is {claim}? No, {spoiled}{tail()}")
                slip, claim = _Slip(done - 1, before, spoiled), spoiled
        if done == n and not (slip and noise.repair):
            return steps, str(beliefs[first + n - 1])


def _kind_of_slip(rng: random.Random, chance: float, calculation: Calculation, node: Node, done: int) -> str:
    """'', 'calculate', 'copy' (a number in the rest changes) or 'pick' (another fact is used)."""
    if rng.random() >= chance:
        return ""
    used = max(node.left, node.right)
    copyable = calculation.shows_rest and any(
        i < len(calculation.leaves)
        for later in calculation.nodes[done + 1 :]
        for i in (later.left, later.right)
    )
    if copyable and rng.random() < 0.2:
        return "copy"
    readable = not calculation.shows_rest and used < len(calculation.leaves)
    return "pick" if readable and rng.random() < 0.4 else "calculate"


def _misread(rng: random.Random, calculation: Calculation, node: Node, beliefs: list[int]) -> str:
    """Use a number that does not matter, or the wrong operation; appends the result."""
    a, b = beliefs[node.left], beliefs[node.right]
    choices = [(node.op, d) for d in calculation.distractors if d != b]
    choices += [(op, b) for op in OPERATIONS if op != node.op]
    choices = [(op, d) for op, d in choices if 0 <= OPERATIONS[op](a, d) <= LARGEST] or [("+", a)]
    op, other = rng.choice(choices)
    beliefs.append(OPERATIONS[op](a, other))
    return f"{a}{op}{other}={beliefs[-1]}"


def _miscopy(rng: random.Random, calculation: Calculation, beliefs: list[int], done: int) -> None:
    """Change one number that is still to be used."""
    later = {
        i for node in calculation.nodes[done:] for i in (node.left, node.right) if i < len(calculation.leaves)
    }
    index = rng.choice(sorted(later))
    shift = rng.choice((1, -1, 10, -10, 2))
    beliefs[index] = beliefs[index] + shift if beliefs[index] + shift > 0 else beliefs[index] + 1


def _explore(maze: Maze, rng: random.Random, noise: Noise) -> tuple[list[str], str]:
    """Try whole paths, near misses sooner, until one reaches the target or is believed to.

    Which path comes next does not depend on whether it works: a trace that knew would teach to
    make the numbers fit.
    """
    paths = maze.paths()
    untried = {p: 1 / (3 + abs(v[-1] - maze.target)) for p, v in paths.items()}

    def next_path() -> tuple[str, ...]:
        path = rng.choices(list(untried), list(untried.values()))[0]
        del untried[path]
        return path

    path, steps = next_path(), []
    while True:
        value, lines, slips = maze.start, [], []
        for text in path:
            a, b = value, int(text[1:])
            right = max(0, move(a, text))
            slipped = rng.random() < noise.slip * hardness(text[0], a, b)
            value = miscalculate(rng, text[0], a, b) if slipped else right
            if slipped:
                slips.append((f"{a}{text}={value}", f"{a}{text}={right}"))
            lines.append(f"{a}{text}={value}")
        misjudged = not noise.repair and rng.random() < noise.slip / 2
        claimed = (value == maze.target) != misjudged
        steps.append("\n".join([*lines, compare(value, maze.target, misjudged)]))
        noticed = slips and (rng.random() < noise.notice or (claimed and noise.repair))
        if noticed or (slips and noise.repair and paths[path][-1] == maze.target):
            mistake, corrected = slips[0]
            steps.append(f"Wait, is {mistake}? No, {corrected}")
            continue
        if claimed or not untried:
            return steps, " ".join(path)
        if not slips and rng.random() < noise.doubt:
            steps.append(f"Wait, is {rng.choice(lines)}? Yes")
        path = next_path()
