"""Voting over equivalence classes of answers: the one place that counts votes.

Traces that abstain (cut short, failed, unparsable) never vote. A tie goes to the class that was
seen first, or, with tie="shortest", to the class that holds the shortest trace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .problem import Problem
from .trace import Trace

Tie = Literal["first", "shortest"]


@dataclass(slots=True)
class Ballot:
    """One class of equivalent answers: its first wording, its votes and who cast them."""

    answer: str
    weight: float
    traces: list[Trace]

    @property
    def count(self) -> int:
        return len(self.traces)


class Votes:
    """Counts answers of one problem. `add` returns the answer, or None for an abstention."""

    __slots__ = ("_index", "ballots", "problem", "tie", "total")

    def __init__(self, problem: Problem, tie: Tie = "first") -> None:
        self.problem, self.tie = problem, tie
        self.ballots: list[Ballot] = []  # in order of first appearance
        self.total = 0  # votes cast, abstentions not counted
        self._index: dict[str, Ballot] = {}  # every wording seen, to its class

    def add(self, trace: Trace, weight: float = 1.0) -> str | None:
        answer = self.problem.answer(trace)
        if answer is None:
            return None
        ballot = self._index.get(answer) or self.ballot(answer)
        if ballot is None:
            ballot = self._index[answer] = Ballot(answer, 0.0, [])
            self.ballots.append(ballot)
        ballot.weight += weight
        ballot.traces.append(trace)
        self.total += 1
        return answer

    def ballot(self, answer: str) -> Ballot | None:
        """The class `answer` belongs to, if it has votes."""
        found = self._index.get(answer)
        if found is None:
            same = self.problem.rule.same
            found = next((b for b in self.ballots if same(b.answer, answer)), None)
            if found is not None:
                self._index[answer] = found
        return found

    @property
    def counts(self) -> list[int]:
        """Votes per class, largest first."""
        return sorted((b.count for b in self.ballots), reverse=True)

    def leader(self) -> Ballot | None:
        """The class with the largest weight; None without votes."""
        if not self.ballots:
            return None
        if self.tie == "shortest":
            return max(self.ballots, key=lambda b: (b.weight, -min(t.tokens for t in b.traces)))
        return max(self.ballots, key=lambda b: b.weight)  # max keeps the first of equals

    def top(self) -> str | None:
        """The winning answer; None without votes."""
        leader = self.leader()
        return leader.answer if leader else None

    def winner(self) -> Trace | None:
        """The trace that speaks for the winning answer: the first that gave it."""
        leader = self.leader()
        return leader.traces[0] if leader else None
