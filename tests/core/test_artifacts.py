"""What is made besides text travels with its trace, and aggregators other than votes choose by it."""

from __future__ import annotations

import json

import pytest
from fakes import Scripted, answer, method_of

from ttscale.core import Aggregator, Artifact, Outcome, RecordError, Trace, UnknownName, Votes
from ttscale.core.known_generation import head


def box(*corners: float, finish="stop") -> Trace:
    """A sample that marks a rectangle (x0, y0, x1, y1)."""
    data = json.dumps(corners).encode()
    return Trace("", 5, finish, artifacts=(Artifact.of("boxes", data, "application/json"),))


class Medoid:
    """Chooses the box whose corners are nearest to those of all others; unfinished ones abstain."""

    def __init__(self) -> None:
        self.boxes: list[tuple[Trace, list[float], float]] = []

    def add(self, trace: Trace, weight: float = 1.0) -> list[float] | None:
        if trace.finish != "stop" or not trace.artifacts:
            return None
        corners = json.loads(trace.artifacts[0].content)
        self.boxes.append((trace, corners, weight))
        return corners

    def winner(self) -> Trace | None:
        def far(corners: list[float]) -> float:
            return sum(
                weight * abs(a - b)
                for _, other, weight in self.boxes
                for a, b in zip(corners, other, strict=True)
            )

        chosen = min(self.boxes, key=lambda entry: far(entry[1]), default=None)
        return chosen and chosen[0]


async def consensus(problem, ctx, cfg, aggregator: Aggregator) -> Outcome:
    for trace in await ctx.sample_all(problem.prompt, 5):
        aggregator.add(trace)
    winner = aggregator.winner()
    return Outcome(winner and str(winner.index), winner, "n_samples")


SAMPLES = [
    box(0, 0, 90, 90),
    box(10, 10, 20, 20),
    box(11, 9, 21, 20),
    box(9, 12, 19, 24),
    box(10, 10, 20, 21, finish="length"),
]


def test_an_aggregator_that_is_no_vote_answers_with_an_artifact():
    async def medoid(problem, ctx, cfg):
        return await consensus(problem, ctx, cfg, Medoid())

    outcome = answer(Scripted(SAMPLES), method_of(medoid))
    assert outcome.answer == "1"
    (chosen,) = outcome.artifacts
    assert chosen == SAMPLES[1].artifacts[0]


def test_votes_stand_in_the_same_place():
    async def vote(problem, ctx, cfg):
        return await consensus(problem, ctx, cfg, Votes(problem))

    texts = [Trace(f"\\boxed{{{x}}}", 3) for x in "abbca"]
    assert answer(Scripted(texts), method_of(vote)).answer == "0"  # a and b tie, a was first
    nothing = answer(Scripted(SAMPLES), method_of(vote))
    assert (nothing.answer, nothing.artifacts) == (None, ())


def test_an_artifact_is_known_by_its_content():
    one, same = (Artifact.of("picture", b"abc", "image/png"), Artifact.of("picture", b"abc", "image/png"))
    assert (one, hash(one), one.size) == (same, hash(same), 3)
    assert one != Artifact.of("picture", b"abd", "image/png")
    assert one == one.without_data()
    with pytest.raises(RecordError, match="too large"):
        one.without_data().content  # noqa: B018
    with pytest.raises(UnknownName, match="did you mean 'picture'"):
        Artifact.of("pictures", b"abc")


def test_copies_and_joined_traces_keep_what_was_made_and_cut_ones_do_not():
    first, last = box(0, 0, 1, 1), box(0, 0, 2, 2)
    assert first.copy() == first
    assert Trace.joined([first, last], "").artifacts == (*first.artifacts, *last.artifacts)
    assert head(first, 3).artifacts == ()
