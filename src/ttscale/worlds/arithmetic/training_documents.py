"""Training documents for every role, generated without end.

Solvers see only traces whose last word is right, with mistakes made and repaired on the way;
judges, raters and revisers also see traces with mistakes that were not noticed.
"""

import random
from collections.abc import Iterator, Sequence

from ...core.thinking import THINK
from .calculations import Calculation
from .checker import as_number, extract_answer, is_right
from .document import Document
from .paths import Maze
from .problems import FAMILIES, Split, generate
from .skills import SOLVE_VARIANTS, SYSTEM, Skill, user_prompt
from .solutions import CLEAN, Noise, boxed, compare, hardness, reason, render, walk

CAREFUL = Noise()
CARELESS = Noise(slip=0.35, notice=0.25, doubt=0.04, repair=False)

SHAPES = ((1, 2), (1, 3), (2, 2), (2, 3), (3, 2), (3, 3))  # depth, moves of `search`

# Shares of documents at the beginning and at the end of training, in between linear.
EARLY: dict[Skill, float] = {"solve": 74, "quick": 12, "judge": 4, "plan": 3, "execute": 4, "facts": 3}
LATE: dict[Skill, float] = {
    "solve": 58,
    "quick": 10,
    "judge": 13,
    "rate": 5,
    "revise": 3,
    "merge": 3,
    "plan": 2,
    "execute": 4,
    "facts": 2,
}


def random_world(rng: random.Random, split: Split = "train") -> Calculation | Maze:
    """A world of any family and size: wider than the levels, easy ones more often."""
    family = rng.choices(FAMILIES, (40, 32, 28))[0]
    if family == "search":
        depth, moves = rng.choices(SHAPES, (1, 2, 4, 4, 3, 3))[0]
        knobs = {"depth": depth, "moves": moves, "largest": rng.choice((9, 15, 20))}
        return generate(family, knobs, rng, split)
    operations = rng.choices(range(1, 8), (28, 24, 20, 13, 8, 5, 2))[0]
    knobs = {"operations": operations, "largest": rng.choice((9, 20, 30, 50))}
    if family == "word":
        knobs["idle"] = rng.randint(0, 3)
    return generate(family, knobs, rng, split)


def solution(world: Calculation | Maze, rng: random.Random, right: bool) -> str:
    """A reply that ends right or wrong, as asked."""
    for _ in range(60):
        steps, answer = reason(world, rng, CARELESS if not right or rng.random() < 0.3 else CAREFUL)
        if is_right(world, answer) == right:
            return render(steps, answer)
    return render(*reason(world, rng, CAREFUL))  # a world too easy to get wrong


def ends_right(world: Calculation | Maze, reply: str) -> bool:
    return is_right(world, reply.rpartition("\\boxed{")[2].removesuffix("}"))


def plan(world: Calculation | Maze) -> str:
    """Numbered sub-questions with credits from 1 (easy) to 5 in brackets; #1 is the result of 1."""
    if isinstance(world, Maze):
        before = []
        for text in world.moves:
            op, n, t = text[0], int(text[1:]), world.target
            if op == "+" and t >= n:
                before.append(f"{t - n}{text}")
            elif op == "-":
                before.append(f"{t + n}{text}")
            elif op == "*" and t % n == 0:
                before.append(f"{t // n}{text}")
        lines = [f"1. Last move: {' or '.join(before)} (2)"]
        if world.depth > 1:
            lines.append(f"2. First {world.depth - 1} from {world.start} ({min(5, 1 + world.depth)})")
        return "\n".join(lines)
    values, first = world.evaluate(), len(world.leaves)

    def name(index: int) -> str:
        return str(values[index]) if index < first else f"#{index - first + 1}"

    lines = []
    for k, node in enumerate(world.nodes, 1):
        credits = min(5, 1 + round(2 * hardness(node.op, values[node.left], values[node.right])))
        lines.append(f"{k}. {name(node.left)}{node.op}{name(node.right)} ({credits})")
    return "\n".join(lines)


def verification(world: Calculation | Maze, replies: Sequence[str], rng: random.Random) -> str:
    """How a judge or rater thinks: it works the problem out (walks the path that is claimed, for
    `search`) and holds every claimed answer against it."""
    answers = [extract_answer(reply) or "nothing" for reply in replies]
    if isinstance(world, Maze):
        return "\n\n".join(walk(world, answer) for answer in answers)
    steps, true = reason(world, rng, CLEAN)
    return "\n\n".join([*steps, "\n".join(_compared_with(answer, int(true)) for answer in answers)])


def _compared_with(answer: str, true: int) -> str:
    number = as_number(answer)
    return f"{answer}: No" if number is None else compare(number, true)


def verdict(right: Sequence[bool]) -> str:
    """What a judge says of one solution, or a rater of two: 9 for right, 2 for wrong."""
    if len(right) == 1:
        return "Yes" if right[0] else "No"
    return "\n".join(f"{name}: {9 if ok else 2}" for name, ok in zip("AB", right, strict=True))


def judgement(
    role: Skill,
    system: str,
    user: str,
    world: Calculation | Maze,
    replies: Sequence[str],
    rng: random.Random,
    at_once: float = 0.25,
) -> Document:
    """What a judge or rater of these replies writes; a share `at_once` does not think first."""
    verdicts = verdict([ends_right(world, reply) for reply in replies])
    if rng.random() < at_once:
        return Document(role, system, user, verdicts, NO_THINKING)
    thinking = verification(world, replies, rng)
    return Document(role, system, user, THINK.wrap(thinking, verdicts))


def merged(world: Calculation | Maze, replies: Sequence[str], rng: random.Random) -> str:
    """How several replies are merged: their answers first, worked out only where these differ."""
    answers = [extract_answer(reply) or "nothing" for reply in replies]
    seen = ", ".join(answers)
    if len(set(answers)) == 1 and is_right(world, answers[0]):
        return render([seen], answers[0])
    others = [boxed(answer) for answer in dict.fromkeys(answers)]
    right = next((answer for answer in answers if is_right(world, answer)), None)
    thinking = [seen, verification(world, others, rng)]
    if right is None and isinstance(world, Maze):
        steps, right = reason(world, rng, CLEAN)
        thinking += steps
    return render(thinking, right or world.answer)


def document(rng: random.Random, progress: float = 1.0, role: Skill | None = None) -> Document:
    """One training document; `progress` in [0, 1] moves the mix of roles from EARLY to LATE."""
    if role is None:
        shares = {r: (1 - progress) * EARLY.get(r, 0) + progress * LATE.get(r, 0) for r in SYSTEM}
        role = rng.choices(list(shares), list(shares.values()))[0]
    world = random_world(rng)
    question, system = world.question, SYSTEM[role]

    def careful() -> str:
        return render(*reason(world, rng, CAREFUL))

    match role:
        case "solve":
            if rng.random() < 0.06:
                system = rng.choice(SOLVE_VARIANTS)
            return Document(role, system, question, careful())
        case "quick":
            if rng.random() < 0.25:  # thinking switched off from outside
                return Document(
                    role, SYSTEM["solve"], question, render([], world.answer).split("\n\n")[-1], NO_THINKING
                )
            return Document(role, system, question, render([], world.answer))
        case "plan":
            return Document(role, system, question, plan(world))
        case "facts":
            return Document(role, system, question, "\n".join(world.facts))
        case "execute":
            user = (
                user_prompt(role, question, plan=plan(world))
                if rng.random() < 0.6
                else user_prompt(role, question, facts="\n".join(world.facts))
            )
            return Document(role, system, user, careful())
        case "judge":
            shown = [solution(world, rng, rng.random() < 0.5)]
            user = user_prompt(role, question, solutions=shown)
            return judgement(role, system, user, world, shown, rng)
        case "rate":
            right = rng.random() < 0.5
            pair = [
                solution(world, rng, right),
                solution(world, rng, not right if rng.random() < 0.8 else right),
            ]
            user = user_prompt(role, question, solutions=pair)
            return judgement(role, system, user, world, pair, rng)
        case "revise":
            shown = [solution(world, rng, rng.random() < 0.3) for _ in range(rng.choice((1, 1, 2)))]
            return Document(role, system, user_prompt(role, question, solutions=shown), careful())
        case "merge":
            shown = [solution(world, rng, rng.random() < 0.5) for _ in range(rng.choice((2, 2, 3)))]
            return Document(
                role, system, user_prompt(role, question, solutions=shown), merged(world, shown, rng)
            )
    raise ValueError(f"role {role!r} is of the verbose model: see verbose.documents")


NO_THINKING = THINK.wrap("", "")


def documents(seed: int, progress: float = 1.0) -> Iterator[Document]:
    """An endless stream of training documents."""
    rng = random.Random(seed)
    while True:
        yield document(rng, progress)
