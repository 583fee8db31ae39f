"""What is solved: a task is a name and its problems.

rg:chain_sum?min_terms=4        generators of reasoning-gym, graded by their own scorers
lab:arith?level=3               the bundled world: arith, word or search, levels 1 to 5
file:questions.jsonl            question, answer, optional choices and images
questions.csv?question=prompt   the same; settings name columns
hf:gsm8k                        published benchmarks, and data sets of the Hugging Face hub
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from ...core import Problem, UnknownName, UsageError
from . import files, generators, hub
from .prompt_templates import TEMPLATES


@dataclass(frozen=True, slots=True)
class Task:
    """A set of problems with a name; of a file also where it is, and what its columns tell."""

    name: str
    problems: list[Problem]
    source: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


Loader = Callable[[str, dict[str, str], int | None, int, str | None], list[Problem]]
LOADERS: dict[str, Loader] = {
    "rg": generators.reasoning_gym,
    "reasoning-gym": generators.reasoning_gym,
    "lab": generators.lab,
    "file": files.questions,
    "hf": hub.questions,
}


def load_task(spec: str, n: int | None = None, seed: int = 0, *, template: str | None = None) -> Task:
    """The task a specification names.

    Args:
        spec: as above.
        n: problems at most: the first ones of a file; generators make 100 if it is None.
        seed: of generated problems.
        template: how questions are asked, with {question} in it; None takes the one that suits the
            answers (of the lab, the form its model knows).

    Raises:
        UnknownName: for an unknown kind, generator, family or setting, naming the nearest.
        UsageError: for a bad value, a missing file or a task without problems.
        RecordError: naming file and line of what cannot be read.
    """
    if n is not None and n < 1:
        raise UsageError(f"n={n} problems", fix="give at least 1")
    kind, colon, rest = spec.partition(":")
    if not colon or kind not in LOADERS:
        if colon and "/" not in kind and "." not in kind and len(kind) > 1:
            raise UnknownName("kind of task", kind, LOADERS)
        kind, rest = "file", spec
    body, _, query = rest.partition("?")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    problems = LOADERS[kind](body, settings, n, seed, template or settings.pop("template", None))
    if not problems:
        raise UsageError(f"task {spec!r} has no problems", fix="check the file or its settings")
    if kind != "file":
        return Task(spec, problems)
    return Task(files.name_of(body), problems, body, files.columns_of(body, settings))


__all__ = ["LOADERS", "TEMPLATES", "Task", "load_task"]
