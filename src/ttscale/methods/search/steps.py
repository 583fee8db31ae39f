"""Solutions that grow step by step: what the searches share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ...core import Context, Outcome, Problem, Trace, Votes

Select = Literal["best", "weighted", "vote"]


@dataclass(slots=True)
class Beam:
    """The beginning of a solution, or a whole one once `ended`.

    Attributes:
        text: all steps so far.
        score: the verifier's last word on it.
        parts: the samples it is made of.
    """

    text: str = ""
    score: float = 0.0
    ended: bool = False
    parts: tuple[Trace, ...] = field(default_factory=tuple)

    def whole(self) -> Trace:
        """The solution as one trace, with all its tokens."""
        trace = Trace.joined(self.parts, self.text)
        if not self.ended:
            trace.finish = "length"
        return trace


async def extend(
    ctx: Context,
    problem: Problem,
    beams: Sequence[Beam],
    *,
    separator: str,
    temperature: float | None,
    to_the_end: bool,
    part: str = "step",
) -> list[Beam]:
    """Every beam with one more step (or, `to_the_end`, with all that is missing), in order. A step
    that turns out to end its solution is an answer; a `part` other than a step stays what it is."""
    stop = () if to_the_end else (separator,)
    parts = await ctx.sample_all(
        [problem.prompt.then(beam.text) for beam in beams], part=part, stop=stop, temperature=temperature
    )
    return [
        _extended(problem, beam, part, separator, to_the_end) for beam, part in zip(beams, parts, strict=True)
    ]


def _extended(problem: Problem, beam: Beam, part: Trace, separator: str, to_the_end: bool) -> Beam:
    text = beam.text + part.text
    ended = to_the_end or part.finish != "stop" or _model_ended(problem, part, text)
    if ended and part.part == "step":
        part.part = "answer"
    return Beam(text if ended else text + separator, beam.score, ended, (*beam.parts, part))


def _model_ended(problem: Problem, part: Trace, text: str) -> bool:
    """Whether the model itself ended, rather than the stop text between two steps.

    Servers that tell say so in `meta["stopped_at"]`: the stop text, or "" at the model's own end.
    With others, a solution has ended when it holds an answer or adds nothing.
    """
    stopped_at = part.meta.get("stopped_at")
    if stopped_at is not None:
        return not stopped_at
    return not part.text or problem.rule.extract(replace(part, text=text)) is not None


def conclude(problem: Problem, beams: Sequence[Beam], select: Select, stopped_by: str) -> Outcome:
    """Choose among finished solutions: the best score, the best-scored answer, or the vote. Where
    every one broke off in a failed sample, the outcome is that failure and no wrong answer."""
    votes, scored = Votes(problem), list[tuple[float, str, Trace]]()
    for beam in beams:
        trace = beam.whole()
        answer = votes.add(trace, 1.0 if select == "vote" else beam.score)
        if answer is not None:
            scored.append((beam.score, answer, trace))
    extra = {"scores": [beam.score for beam in beams], "steps": [len(b.parts) for b in beams]}
    if select == "best" and scored:
        _, answer, trace = max(scored, key=lambda entry: entry[0])
        return Outcome(answer, trace, stopped_by, extra)
    outcome = Outcome(votes.top(), votes.winner(), stopped_by, extra)
    failures = [beam.parts[-1].error for beam in beams if beam.parts[-1].finish == "error"]
    if failures and len(failures) == len(beams):
        outcome.error = failures[0]
    return outcome
