"""How a reasoning trace spends its tokens, where its thoughts (solutions) are known one by one.

The survey of test-time scaling (arXiv:2503.24235, Sec. 6), after the papers on under- and
overthinking. With T the tokens of an answer:
    underthinking xi_UT = mean over wrong answers of 1 - That / T,  That = tokens up to the end of
        the first correct thought; an answer without one counts 0,
    outcome efficiency xi_O = mean over all of sigma That / T, sigma = 1 if a correct one exists,
    process efficiency xi_P = mean of D / T, D = tokens of distinct solutions.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thought:
    """One solution inside an answer: its tokens, whether it is right, and what tells it from
    others (its answer, say, or the class of its approach)."""

    tokens: int
    correct: bool
    kind: Hashable = None


@dataclass(frozen=True, slots=True)
class Reasoning:
    """An answer as its thoughts in order; `tail` are tokens after the last of them."""

    thoughts: tuple[Thought, ...]
    correct: bool
    tail: int = 0

    @property
    def tokens(self) -> int:
        """T."""
        return sum(t.tokens for t in self.thoughts) + self.tail

    @property
    def first_correct(self) -> int | None:
        """That; None if no thought is correct."""
        read = 0
        for thought in self.thoughts:
            read += thought.tokens
            if thought.correct:
                return read
        return None

    @property
    def distinct(self) -> int:
        """D: tokens of thoughts that are the first of their kind."""
        seen: set[Hashable] = set()
        kept = 0
        for thought in self.thoughts:
            if thought.kind not in seen:
                seen.add(thought.kind)
                kept += thought.tokens
        return kept


def underthinking(answers: Sequence[Reasoning]) -> float:
    """xi_UT in [0, 1]: how much of the wrong answers came after a correct thought. NaN if all are
    right."""
    wrong = [a for a in answers if not a.correct and a.tokens]
    return _mean([1 - (a.first_correct or a.tokens) / a.tokens for a in wrong])


def outcome_efficiency(answers: Sequence[Reasoning]) -> float:
    """xi_O in [0, 1]: 1 where every answer ends at its first correct solution. NaN without any."""
    return _mean([(a.first_correct or 0) / a.tokens for a in answers if a.tokens])


def process_efficiency(answers: Sequence[Reasoning]) -> float:
    """xi_P in [0, 1]: share of the tokens in solutions that differ from those before."""
    return _mean([a.distinct / a.tokens for a in answers if a.tokens])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
