"""Voting over equivalence classes of answers: the one place that counts votes.

Traces that abstain (cut short, failed, unparsable) never vote. A tie goes to the class that was
seen first, or, with tie="shortest", to the class that holds the shortest trace.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

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
    """Counts the answers of one problem.

    Attributes:
        ballots: classes of equivalent answers, in order of first appearance.
        total: votes cast.
        abstained: traces without a vote.
    """

    __slots__ = ("_index", "abstained", "ballots", "problem", "tie", "total")

    def __init__(self, problem: Problem, tie: Tie = "first") -> None:
        self.problem, self.tie = problem, tie
        self.ballots: list[Ballot] = []
        self.total = self.abstained = 0
        self._index: dict[str, Ballot] = {}  # every wording seen, to its class

    @classmethod
    def of(
        cls,
        problem: Problem,
        traces: Iterable[Trace],
        weights: Iterable[float] | None = None,
        tie: Tie = "first",
    ) -> Self:
        """The votes of `traces`, each counting 1 or its weight."""
        votes = cls(problem, tie)
        votes.extend(traces, weights)
        return votes

    def extend(self, traces: Iterable[Trace], weights: Iterable[float] | None = None) -> None:
        """Count several traces, each as 1 or with its weight."""
        if weights is None:
            for trace in traces:
                self.add(trace)
        else:
            for trace, weight in zip(traces, weights, strict=True):
                self.add(trace, weight)

    def add(self, trace: Trace, weight: float = 1.0) -> str | None:
        """The answer that was counted; None for an abstention."""
        answer = self.problem.answer(trace)
        if answer is None:
            self.abstained += 1
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

    @property
    def unanimous(self) -> bool:
        """Whether every trace has an answer and all answers are the same; False without traces."""
        return len(self.ballots) == 1 and not self.abstained

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
