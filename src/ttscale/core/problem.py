"""A question, how its answer is found in a text, and when two answers are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .prompt import Prompt
from .trace import Trace


class AnswerRule(Protocol):
    """Finds answers in texts and says whether two are the same; see `ttscale.answers`."""

    name: str

    def extract(self, trace: Trace) -> str | None:
        """The answer a finished trace gives; None if none can be found."""
        ...

    def same(self, a: str, b: str) -> bool:
        """Whether two extracted answers are equivalent."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """One question.

    `reference` is the gold answer: only benches and methods named oracles may look at it.
    `meta["golds"]` are further answers that are right. `meta["grade"]`, if given, replaces the
    comparison with them (a task's own scorer); it returns None where it does not know.
    """

    id: str
    prompt: Prompt
    rule: AnswerRule
    reference: str | None = None
    choices: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def answer(self, trace: Trace) -> str | None:
        """The answer `trace` votes for; None if it abstains: cut short, failed or unparsable."""
        if trace.finish != "stop":
            return None
        return self.rule.extract(trace)

    def correct(self, answer: str | None) -> bool | None:
        """Whether `answer` is right; None without a reference. No answer is not right."""
        grade = self.meta.get("grade")
        if grade is not None:
            if answer is None:
                return False
            verdict = grade(answer)
            return None if verdict is None else bool(verdict)
        if self.reference is None:
            return None
        if answer is None:
            return False
        return any(self.rule.same(answer, gold) for gold in self.golds)

    @property
    def golds(self) -> tuple[str, ...]:
        """All answers that are right, the reference first; empty if none is known."""
        return () if self.reference is None else (self.reference, *self.meta.get("golds", ()))

    @property
    def has_gold(self) -> bool:
        """Whether anything is known that tells right from wrong."""
        return self.reference is not None or "grade" in self.meta
