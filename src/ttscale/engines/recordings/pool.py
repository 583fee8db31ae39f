"""A pool of recorded samples, from which the replay engine serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...core import Problem, Prompt, Trace


@dataclass(slots=True)
class Pool:
    """Recorded samples of one model on one task.

    Attributes:
        records: (problem id, role, prompt key) -> traces in recorded order. The prompt key ""
            stands for the problem's own prompt, for records that do not tell what was asked.
        problems: the questions, in recorded order.
        columns: what a row of the file tells -> the column it was read from.
    """

    model: str
    task: str
    problems: list[Problem]
    records: Mapping[tuple[str, str, str], Sequence[Trace]]
    source: str = ""
    capabilities: frozenset[str] = field(default_factory=lambda: frozenset({"text"}))
    columns: Mapping[str, str] = field(default_factory=dict)

    def find(self, problem: Problem, role: str, prompt: Prompt) -> Sequence[Trace]:
        """What was recorded for a request; empty if nothing was."""
        found = self.records.get((problem.id, role, ""))
        if found is not None and (prompt is problem.prompt or prompt == problem.prompt):
            return found
        return self.records.get((problem.id, role, prompt.key), ())

    def size(self) -> int:
        """The smallest number of samples recorded for any question's own prompt."""
        sizes = [len(self.find(p, "main", p.prompt)) for p in self.problems]
        return min(sizes, default=0)
