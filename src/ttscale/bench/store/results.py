"""What a bench run is made of: cells, and the items in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...answers import unread
from ...core import Outcome, PartTally, Problem, Tally, Usage
from ...core.verdict import outcome_is_right
from .codec import dumps, part_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One method on one model, task and repeat, as it stands in a store.

    Attributes:
        skip: recorded samples per question passed over; with the ordinal it names the recorded row.
        recorded: whether the samples come from a recording.
        knobs: the method's config field that scales compute, and its value, if it has one.
        seconds, sequential_tokens: of the whole set, for a method that takes sets.
    """

    id: int
    method: str
    model: str
    task: str
    repeat: int
    skip: int = 0
    recorded: bool = False
    knobs: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    sequential_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One answered question.

    Attributes:
        correct: None if there is nothing to compare with, or the item failed.
        extra: what the method shows, and how many samples were `unread`, if any.
        seconds: None if it is not known, as for an item finished after an interruption.
        winner: (role, prompt key, ordinal) of the sample that speaks for the answer.
        error: why there is no outcome; such an item is not a wrong answer, and is tried again.
    """

    problem: str
    answer: str | None
    correct: bool | None
    stopped_by: str
    usage: Usage
    seconds: float | None
    extra: Mapping[str, Any] = field(default_factory=dict)
    winner: tuple[str, str, int] | None = None
    error: str | None = None

    @classmethod
    def of(cls, problem: Problem, outcome: Outcome, *, timed: bool = True) -> Result:
        """What is kept of an outcome."""
        error, winner, missed = outcome.error, outcome.winner, unread(problem, outcome.traces)
        return cls(
            problem=problem.id,
            answer=outcome.answer,
            correct=outcome_is_right(problem, outcome),
            stopped_by=outcome.stopped_by,
            usage=outcome.usage,
            seconds=outcome.usage.seconds if timed else None,
            extra=outcome.extra | ({"unread": missed} if missed else {}),
            winner=None if winner is None else (winner.role, winner.prompt_key, winner.index),
            error=None if error is None else f"{type(error).__name__}: {error}",
        )


_ZERO = Tally()
_COUNTERS = Tally.__slots__


def usage_json(usage: Usage) -> str:
    """Counters that are not zero; totals are derived when it is read."""
    return dumps(
        {
            "by": {
                role: {
                    name: value
                    for name in _COUNTERS
                    if (value := getattr(tally, name)) != getattr(_ZERO, name)
                }
                for role, tally in usage.by.items()
            },
            "parts": usage.parts,
            "units": usage.units,
            "sequential_tokens": usage.sequential_tokens,
            "sequential_units": usage.sequential_units,
            "seconds": usage.seconds,
        }
    ).decode()


def usage_of(data: Mapping[str, Any]) -> Usage:
    """The inverse of `usage_json`, once the JSON is read; also of one from before parts and chains
    of units were kept."""
    usage = Usage.from_dict({"parts": {}, "sequential_units": {}, **data})
    if "parts" not in data:
        for role, tally in usage.by.items():
            if (part := part_of(role)) != "answer" and (sampled := tally.calls - tally.scored_calls):
                counted = usage.parts.setdefault(part, PartTally())
                lost = tally.cancelled_tokens + tally.cut_tokens
                counted.add(PartTally(sampled, tally.completion_tokens, lost))
    return usage
