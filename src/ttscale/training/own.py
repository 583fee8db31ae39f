"""The model's own attempts as training data: what it gets wrong is what its judge must recognise.

A pool holds, per train problem, several sampled replies and whether each ends right (the exact
checker says so), and two worked traces as targets for the roles that repair or merge.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..lab.check import extract_answer
from ..lab.data import CAREFUL, Document, document, ends_right, random_world
from ..lab.roles import SYSTEM, Role, plain_solution, user_prompt
from ..lab.traces import CLEAN, reason, render
from ..methods.sequential.revision import REANSWER, REVISE
from ..verifiers.judge import QUESTION
from .model import Reasoner
from .sample import sample
from .tokenizer import chat

SHARES: dict[str, float] = {"judge": 22, "rate": 10, "revise": 5, "merge": 5, "world": 58}


@dataclass(frozen=True, slots=True)
class Attempts:
    question: str
    replies: list[str]
    right: list[bool]
    worked: str  # a careful trace, mistakes repaired
    clean: str  # a trace without mistakes


def collect(
    model: Reasoner, tokenizer, path: Path, *, questions: int, samples: int, seed: int
) -> list[Attempts]:
    """`samples` replies to each of `questions` train problems, kept in `path`, a line each."""
    if path.exists():
        return [Attempts(**json.loads(line)) for line in path.read_text().splitlines()]
    rng = random.Random(f"own/{seed}")
    worlds = [random_world(rng) for _ in range(questions)]
    prompts = [chat(SYSTEM["solve"], world.question) for world in worlds for _ in range(samples)]
    replies = sample(model, tokenizer, prompts)
    pool = []
    for k, world in enumerate(worlds):
        own = replies[k * samples : (k + 1) * samples]
        worked, clean = (render(*reason(world, rng, noise)) for noise in (CAREFUL, CLEAN))
        pool.append(
            Attempts(world.question, own, [ends_right(world, r) for r in own], worked, clean)
        )
    path.write_text("".join(json.dumps(asdict(item)) + "\n" for item in pool))
    return pool


def own_documents(pool: list[Attempts], rng: random.Random) -> Iterator[Document]:
    """Endless documents: roles that look at solutions see sampled ones, the rest is as before.

    Every other judgement and revision is asked for as this library's own methods ask, so that they
    work on the model without a role.
    """
    ever_right = [a for a in pool if any(a.right)]
    ever_wrong = [a for a in pool if not all(a.right)]
    mixed = [a for a in ever_right if not all(a.right)]

    def pick(attempts: Attempts, right: bool) -> str:
        return rng.choice(
            [r for r, ok in zip(attempts.replies, attempts.right, strict=True) if ok == right]
        )

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
        role: Role = kind
        attempts = rng.choice(seen)
        if role == "judge":
            shown, reply = [pick(attempts, right)], "Yes" if right else "No"
        elif role == "rate":
            shown = [pick(attempts, right), pick(attempts, not right)]
            reply = "A: 9\nB: 2" if right else "A: 2\nB: 9"
        else:
            count = rng.choice((1, 1, 2) if role == "revise" else (2, 2, 3))
            shown = rng.sample(attempts.replies, min(count, len(attempts.replies)))
            reply = attempts.worked if role == "revise" else attempts.clean
        if role in ("judge", "revise") and rng.random() < 0.5:
            yield Document(
                role, SYSTEM["solve"], as_methods_ask(role, attempts.question, shown[0], rng), reply
            )
        else:
            yield Document(
                role, SYSTEM[role], user_prompt(role, attempts.question, solutions=shown), reply
            )


def as_methods_ask(role: Role, question: str, solution: str, rng: random.Random) -> str:
    """The user message of the verifier `judge`, or of the method `turns` in its two forms."""
    if role == "judge":
        return QUESTION.format(question=question, solution=solution)
    answer = extract_answer(solution)
    if answer is not None and rng.random() < 0.5:
        return f"{question}\n\n{REANSWER.format(answer=answer)}"
    return f"{question}\n\n{REVISE.format(solution=plain_solution(solution), notes='')}"
