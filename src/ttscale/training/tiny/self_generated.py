"""The model's own attempts as training data: what it gets wrong is what its judge must recognise.

A pool holds, per train problem, several sampled replies; whether each ends right the exact checker
says.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer

from ...methods.refinement.revision import REANSWER, REVISE
from ...verifiers.judge import QUESTION
from ...worlds.arithmetic.calculations import Calculation
from ...worlds.arithmetic.checker import extract_answer
from ...worlds.arithmetic.paths import Maze
from ...worlds.arithmetic.skills import SYSTEM, Skill, plain_solution, user_prompt
from ...worlds.arithmetic.solutions import CLEAN, reason, render
from ...worlds.arithmetic.training_documents import (
    CAREFUL,
    Document,
    document,
    ends_right,
    judgement,
    random_world,
)
from .model import Reasoner
from .sampling import sample
from .tokenizer import chat

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


def collect(
    model: Reasoner, tokenizer: Tokenizer, path: Path, *, questions: int, samples: int, seed: int
) -> list[Attempts]:
    """`samples` replies to each of `questions` train problems, kept in `path`, a line each."""
    rng = random.Random(f"own/{seed}")
    worlds = [random_world(rng) for _ in range(questions)]
    if not path.exists():
        prompts = [chat(SYSTEM["solve"], world.question) for world in worlds for _ in range(samples)]
        texts = sample(model, tokenizer, prompts)
        path.write_text("".join(json.dumps(reply) + "\n" for reply in texts))
    replies = [json.loads(line) for line in path.read_text().splitlines()]
    return [Attempts(world, replies[k * samples : (k + 1) * samples]) for k, world in enumerate(worlds)]


def own_documents(pool: list[Attempts], rng: random.Random) -> Iterator[Document]:
    """Endless documents: roles that look at solutions see sampled ones, the rest is as before.

    Every other judgement and revision is asked for as this library's own methods ask, so that they
    work on the model without a role.
    """
    ever_right = [a for a in pool if any(a.right)]
    ever_wrong = [a for a in pool if not all(a.right)]
    mixed = [a for a in ever_right if not all(a.right)]

    def pick(attempts: Attempts, right: bool) -> str:
        return rng.choice([r for r, ok in zip(attempts.replies, attempts.right, strict=True) if ok == right])

    while True:
        kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
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
            yield judgement(role, system, user, world, shown, rng)
        else:
            noise = CAREFUL if role == "revise" else CLEAN
            yield Document(role, system, user, render(*reason(world, rng, noise)))


def as_methods_prompt(role: Skill, question: str, solution: str, rng: random.Random) -> str:
    """The user message of the verifier `judge`, or of the method `turns` in its two forms."""
    if role == "judge":
        return QUESTION.format(question=question, solution=solution)
    answer = extract_answer(solution)
    if answer is not None and rng.random() < 0.5:
        return f"{question}\n\n{REANSWER.format(answer=answer)}"
    return f"{question}\n\n{REVISE.format(solution=plain_solution(solution), notes='')}"
