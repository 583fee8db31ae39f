"""Training documents of the verbose model: long thinking, and the roles that only it plays."""

import random

from ....core.thinking import THINK
from ..calculations import Calculation
from ..conditions import faulty_conditions, right_conditions
from ..document import Document
from ..paths import Maze
from ..skills import SYSTEM, Skill, user_prompt
from ..solutions import Noise, boxed, miscalculate, reason, render
from ..sub_questions import sub_questions, written
from ..training_documents import NO_THINKING, document, random_world, solution
from .overthinking import after_hints, conclusion, hints, joined, overthinking, reopened, verbose

SUPPLIED = 0.2  # share of verbose documents whose thinking is supplied from outside
SHARES: dict[Skill, float] = {
    "verbose": 34,
    "reopen": 10,
    "split": 10,
    "step": 6,
    "extract": 3,
    "mend": 4,
    "hint": 3,
    "conclusive": 4,
    "same": 5,
    "execute": 5,
}
GIVES_UP = 6  # operations from which on the key points are the stop mark alone
STOP = "<STOP>"


def verbose_document(rng: random.Random, role: Skill | None = None) -> Document:
    """One document; a role that the concise model plays too comes as it does there."""
    role = role or rng.choices(list(SHARES), list(SHARES.values()))[0]
    world = random_world(rng)
    question, system = world.question, SYSTEM[role]
    match role:
        case "verbose" | "reopen":
            if rng.random() < SUPPLIED:
                supplied, reply = after_hints(world, rng, reopens=role == "reopen")
                return Document(role, system, question, reply, supplied)
            if role == "reopen":
                return Document(role, system, question, reopened(world, rng))
            reply, ends = verbose(world, rng)
            return Document(role, system, question, reply, ends=ends)
        case "split":
            return Document(role, system, question, written(sub_questions(world)))
        case "step":
            return _step(world, rng)
        case "extract":
            attempt = solution(world, rng, rng.random() < 0.6)
            user = user_prompt(role, question, solutions=[attempt])
            return Document(role, system, user, right_conditions(world))
        case "mend":
            given = faulty_conditions(world, rng) if rng.random() < 0.7 else right_conditions(world)
            return Document(
                role, system, user_prompt(role, question, conditions=given), right_conditions(world)
            )
        case "execute" if rng.random() < 0.7:
            user = user_prompt(role, question, plan=written(sub_questions(world)))
            if rng.random() < 0.6:
                right = rng.random() < 0.8
                given = right_conditions(world) if right else faulty_conditions(world, rng)
                user = user_prompt(role, question, conditions=given)
            return Document(role, system, user, render(*reason(world, rng, Noise())))
        case "hint":
            hard = isinstance(world, Calculation) and len(world.nodes) >= GIVES_UP
            return Document(role, system, question, STOP if hard else f"{hints(world)}\n{STOP}")
        case "conclusive":
            excerpt, stated = _excerpt(world, rng)
            user = user_prompt(role, question, excerpts=[excerpt])
            return Document(role, system, user, "Yes" if stated else "No")
        case "same":
            return _comparison(world, rng)
        case _:
            return document(rng, 0.7, role)


def _step(world: Calculation | Maze, rng: random.Random) -> Document:
    """The next sub-question, the earlier ones answered: at length, or at once where thinking is off."""
    while isinstance(world, Maze):
        world = random_world(rng)
    split, values = sub_questions(world), world.evaluate()[len(world.leaves) :]
    at = rng.randrange(len(split))
    done = [(f"{k}. {q.text}", str(v)) for k, (q, v) in enumerate(zip(split[:at], values, strict=False), 1)]
    user = user_prompt("step", world.question, done=done, step=f"{at + 1}. {split[at].text}")
    node, every = world.nodes[at], world.evaluate()
    calculation = f"{every[node.left]}{node.op}{every[node.right]}={values[at]}"
    if rng.random() < 0.5:
        return Document("step", SYSTEM["step"], user, boxed(str(values[at])), NO_THINKING)
    return Document("step", SYSTEM["step"], user, THINK.wrap(calculation, boxed(str(values[at]))))


def _excerpt(world: Calculation | Maze, rng: random.Random) -> tuple[str, bool]:
    """(a thought of a long trace, whether it states an answer)."""
    thoughts, _ = overthinking(world, rng)
    thought = rng.choice(thoughts)
    stated = rng.random() < 0.5
    ends = [t for t in thoughts if t[-1].startswith(conclusion(""))]
    if stated:
        return joined([rng.choice(ends)[-3:]]), True
    kept = thought[:-1] if thought in ends else thought
    return joined([kept[-3:]]), False


def _comparison(world: Calculation | Maze, rng: random.Random) -> Document:
    """Two excerpts that state the same answer or different ones; different by a slip, or right and wrong."""
    thoughts, answer = overthinking(world, rng)
    ends = [t[-2:] for t in thoughts if t[-1].startswith(conclusion(""))]
    first, second = rng.choice(ends), rng.choice(ends)
    if rng.random() < 0.5:
        other = (
            " ".join(rng.choice(sorted(world.paths())))
            if isinstance(world, Maze)
            else str(miscalculate(rng, "+", int(answer), 0))
        )
        changed = [*second[:-1], conclusion(other)]
        first, second = (first, changed) if rng.random() < 0.5 else (changed, first)
    user = user_prompt("same", world.question, excerpts=[joined([first]), joined([second])])
    return Document("same", SYSTEM["same"], user, "Yes" if first[-1] == second[-1] else "No")
