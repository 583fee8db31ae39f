"""Published benchmarks by name: where each is on the Hugging Face hub, and how its rows are read.

`hf:gsm8k` reads the data set itself, `hf:gsm8k?file=gsm8k.jsonl` a local copy. Of the columns those that are
not named here are found as in any file of questions. A benchmark that a user misses is one more line.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import program_tests

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One benchmark.

    Attributes:
        dataset, config, split: its place on the hub; config "" for the only one.
        columns: what a row tells (question, answer, id, choices, level) -> its column.
        rule: how answers are compared; "" for what suits the golds.
        first: the position of the first choice, 0 or 1, where golds are positions.
        template: how a question is asked; "" for the usual words.
        prepare: makes the row that is read of the published one, with a generator of its own.
        grade: makes the scorer of a row, or None where the gold is compared.
    """

    dataset: str
    config: str = ""
    split: str = "test"
    columns: Mapping[str, str] = field(default_factory=dict)
    rule: str = ""
    first: str = ""
    template: str = ""
    prepare: Callable[[Row, random.Random], Row] | None = None
    grade: Callable[[Row], Callable[[str], bool | None] | None] | None = None


def _gpqa(row: Row, rng: random.Random) -> Row:
    """The four answers in an order of their own: the published one begins with the right one."""
    right = str(row["Correct Answer"]).strip()
    choices = [right, *(str(row[f"Incorrect Answer {i}"]).strip() for i in (1, 2, 3))]
    rng.shuffle(choices)
    return {"question": row["Question"], "choices": choices, "answer": "ABCD"[choices.index(right)]}


_AIME: Mapping[str, str] = {"question": "problem", "answer": "answer", "id": "id"}

PUBLISHED: Mapping[str, Published] = {
    "gsm8k": Published(dataset="openai/gsm8k", config="main", rule="number"),
    "math500": Published(
        dataset="HuggingFaceH4/MATH-500",
        columns={"question": "problem", "answer": "answer", "id": "unique_id", "level": "level"},
        rule="math",
    ),
    "aime24": Published(dataset="HuggingFaceH4/aime_2024", split="train", columns=_AIME, rule="integer"),
    "aime25": Published(dataset="math-ai/aime25", columns=_AIME, rule="integer"),
    "gpqa": Published(dataset="Idavidrein/gpqa", config="gpqa_diamond", split="train", prepare=_gpqa),
    "mmlu": Published(dataset="cais/mmlu", config="all", first="0"),
    "mmlu-pro": Published(
        dataset="TIGER-Lab/MMLU-Pro",
        columns={"question": "question", "answer": "answer", "id": "question_id", "choices": "options"},
    ),
    "arc-challenge": Published(
        dataset="allenai/ai2_arc",
        config="ARC-Challenge",
        columns={"question": "question", "answer": "answerKey", "id": "id", "choices": "choices"},
    ),
    "humaneval": Published(
        dataset="openai/openai_humaneval",
        columns={"question": "prompt", "answer": "canonical_solution", "id": "task_id"},
        rule="code",
        template=(
            "Complete this function.\n\n```python\n{question}```\n\nPlease reason step by step, and end with "
            "one fenced code block that holds the whole function with its imports."
        ),
        grade=program_tests.scorer,
    ),
}
