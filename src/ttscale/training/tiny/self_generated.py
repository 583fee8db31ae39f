"""The model's own attempts as training data: what it gets wrong is what its judge must recognise.

A pool holds, per train problem, several sampled replies; whether each ends right the exact checker
says.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer

from ...methods.refinement.revision import REANSWER, REVISE
from ...verifiers.judge import QUESTION
from ...worlds.arithmetic.calculations import Calculation
from ...worlds.arithmetic.checker import extract_answer
from ...worlds.arithmetic.document import Document
from ...worlds.arithmetic.paths import Maze
from ...worlds.arithmetic.problems import FAMILIES, LEVELS, generate
from ...worlds.arithmetic.skills import SYSTEM, Skill, plain_solution, user_prompt
from ...worlds.arithmetic.solutions import reason, render
from ...worlds.arithmetic.training_documents import (
    CAREFUL,
    document,
    ends_right,
    judgement,
    merged,
    random_world,
)
from ..keeping import kept_lines
from .model import Reasoner
from .sampling import sample
from .tokenizer import chat

CHUNK = 40  # worlds whose replies are sampled, and kept, together
SHARES: dict[Skill | Literal["world"], float] = {
    "judge": 22,
    "rate": 10,
    "revise": 5,
    "merge": 5,
    "world": 58,
}


@dataclass(frozen=True)
class Attempts:
    world: Calculation | Maze
    replies: list[str]

    @cached_property
    def right(self) -> list[bool]:
        return [ends_right(self.world, reply) for reply in self.replies]


def contested_worlds(questions: int, seed: int) -> list[Calculation | Maze]:
    """Train worlds, two of three from the levels where replies differ: neither all right nor all wrong."""
    rng = random.Random(f"pairs/{seed}")
    made = []
    for k in range(questions):
        if k % 3 == 0:
            made.append(random_world(rng))
        else:
            family = rng.choices(FAMILIES, (30, 50, 20))[0]
            made.append(generate(family, LEVELS[family][rng.choice((2, 3, 3, 3, 4))], rng, "train"))
    return made


def collect(
    model: Reasoner, tokenizer: Tokenizer, path: Path, worlds: list[Calculation | Maze], samples: int
) -> list[Attempts]:
    """`samples` replies to each world, kept in `path`, a line a world; what is there is not sampled again."""

    def replies(chunk: Sequence[Calculation | Maze]) -> list[list[str]]:
        prompts = [chat(SYSTEM["solve"], world.question) for world in chunk for _ in range(samples)]
        texts = sample(model, tokenizer, prompts)
        return [texts[k * samples : (k + 1) * samples] for k in range(len(chunk))]

    made = kept_lines(path, worlds, CHUNK, replies)
    return [Attempts(world, found) for world, found in zip(worlds, made, strict=True)]


def own_documents(
    pool: list[Attempts],
    rng: random.Random,
    shares: Mapping[Skill | Literal["world"], float] = SHARES,
    at_once: float = 0.25,
) -> Iterator[Document]:
    """Endless documents: roles that look at solutions see sampled ones, the rest is as before.

    `at_once`: share of the judges and raters that do not think first.

    Every other judgement and revision is asked for as this library's own methods ask, so that they
    work on the model without a role.
    """
    ever_right = [a for a in pool if any(a.right)]
    ever_wrong = [a for a in pool if not all(a.right)]
    mixed = [a for a in ever_right if not all(a.right)]

    def pick(attempts: Attempts, right: bool) -> str:
        return rng.choice([r for r, ok in zip(attempts.replies, attempts.right, strict=True) if ok == right])

    while True:
        kind = rng.choices(list(shares), list(shares.values()))[0]
        right = rng.random() < 0.5
        if kind == "judge" and rng.random() < 0.4:
            seen = ever_right if right else ever_wrong
        else:
            seen = mixed if kind in ("judge", "rate") else pool
        if kind == "world" or not seen:
            yield document(rng, 0.7)
            continue
        role: Skill = kind
        attempts = rng.choice(seen)
        question, world = attempts.world.question, attempts.world
        if role == "judge":
            shown = [pick(attempts, right)]
        elif role == "rate":
            shown = [pick(attempts, right), pick(attempts, not right)]
        else:
            count = rng.choice((1, 1, 2) if role == "revise" else (2, 2, 3))
            shown = rng.sample(attempts.replies, min(count, len(attempts.replies)))
        system, user = SYSTEM[role], user_prompt(role, question, solutions=shown)
        if role in ("judge", "revise") and rng.random() < 0.5:
            system, user = SYSTEM["solve"], as_methods_prompt(role, question, shown[0], rng)
        if role in ("judge", "rate"):
            yield judgement(role, system, user, world, shown, rng, at_once)
        elif role == "merge":
            yield Document(role, system, user, merged(world, shown, rng))
        else:
            yield Document(role, system, user, render(*reason(world, rng, CAREFUL)))


def as_methods_prompt(role: Skill, question: str, solution: str, rng: random.Random) -> str:
    """The user message of the verifier `judge`, or of the method `turns` in its two forms."""
    if role == "judge":
        return QUESTION.format(question=question, solution=solution)
    answer = extract_answer(solution)
    if answer is not None and rng.random() < 0.5:
        return f"{question}\n\n{REANSWER.format(answer=answer)}"
    return f"{question}\n\n{REVISE.format(solution=plain_solution(solution), notes='')}"
