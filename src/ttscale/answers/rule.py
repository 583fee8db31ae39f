"""What all answer rules share: where an answer is looked for, and how two are compared.

Most rules reduce an answer to a key, and two answers are the same if their keys are equal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable

from ..core import Problem, Trace
from .formulas.forms import is_unread
from .thinking import reply_of


class KeyedRule(ABC):
    """Base of the rules. Neither `extract` nor `same` raises, whatever the text."""

    name: str

    def extract(self, trace: Trace) -> str | None:
        """The answer of a trace: the one recorded with it, else the one in its reply.

        Thinking is not searched; a trace that never closed its thinking has no reply.
        """
        if trace.answer is not None:
            return self.read(trace.answer)
        return self.find(reply_of(trace))

    def same(self, a: str, b: str) -> bool:
        """Whether two answers are equivalent."""
        return a == b or self.key(a) == self.key(b)

    @abstractmethod
    def find(self, text: str) -> str | None:
        """The answer a reply gives; None if there is none."""

    @abstractmethod
    def read(self, written: str) -> str | None:
        """An answer that stands alone (recorded, or a reference), cleaned; None if it is none."""

    @abstractmethod
    def key(self, answer: str) -> Hashable:
        """What the answer says, however it is written."""


def unread(problem: Problem, traces: Iterable[Trace]) -> int:
    """How many samples gave an answer that was out of reach, and is compared as it is written."""
    found = [answer for trace in traces if (answer := problem.answer(trace)) is not None]
    if isinstance(problem.rule, KeyedRule):
        for answer in found:
            problem.rule.key(answer)  # a sample that nothing was compared with is not read yet
    return sum(map(is_unread, found))


def is_blank(written: str) -> bool:
    """Whether a recorded answer says that there is none."""
    return not written or written.strip().casefold() in _BLANKS


_BLANKS = frozenset({"", "no_answer", "no answer", "none", "null", "nan", "n/a", "[invalid]"})
