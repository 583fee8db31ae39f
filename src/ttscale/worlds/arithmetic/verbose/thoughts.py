"""What a long trace is made of: its thoughts, the answers they state, and what the looks changed."""

import re
from dataclasses import dataclass
from itertools import pairwise

from ....core.thinking import THINK
from .overthinking import OPENINGS

BREAK = re.compile(rf"\n\n(?=(?:{'|'.join(OPENINGS)})\b)(?!Wait, is \d)")
STATED = re.compile(r"^Answer: (.+)$", re.MULTILINE)
REFLECTION = re.compile(
    r"\b(?:wait|alternatively|hold on|another thought|verify|think again|but|however|alternative|double-check"
    r"|check|oh|hmm)\b",
    re.IGNORECASE,
)
"""The words that ARLCP (arXiv:2602.12113) counts."""
LOOP = 5  # times that a thought is said in a row, from which on it is a loop


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of thinking up to the next word that announces a new one.

    `answer`: what it states as the answer, None if it states none. `begins`, `ends`: characters of
    the whole thinking.
    """

    text: str
    answer: str | None
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class TraceStatistics:
    """What one trace shows; shares are None where there is nothing to share out."""

    first_stated: float | None  # share of the thinking after which the last stated answer is there
    rechecks: int  # thoughts that state an answer after one was stated
    useful: int  # of these, the ones that state another than the one before
    reflections: int  # words that announce doubt
    unfinished: int  # thoughts with calculations that state no answer, before one is stated
    loops: bool  # it says the same thought LOOP times in a row and more
    reopened: bool  # a second thinking section follows a closed one


def whole_thinking(text: str) -> str:
    """All that is thought, in every section, closed or not."""
    sections = text.split(THINK.opening)[1:] or [text]
    return "\n\n".join(section.split(THINK.closing)[0].strip("\n") for section in sections)


def thoughts(text: str) -> list[Thought]:
    """The thoughts of a reply, in order; their texts are the thinking but for the blank lines between."""
    body = whole_thinking(text)
    edges = [0, *(m.end() for m in BREAK.finditer(body)), len(body)]
    found = []
    for begins, ends in pairwise(edges):
        piece = body[begins:ends].strip("\n")
        stated = STATED.findall(piece)
        if piece:
            found.append(Thought(piece, stated[-1].strip() if stated else None, begins, begins + len(piece)))
    return found


def trace_statistics(text: str) -> TraceStatistics:
    """The statistics of one reply."""
    found = thoughts(text)
    stated = [t for t in found if t.answer is not None]
    first = next((t for t in stated if t.answer == stated[-1].answer), None)
    answers = [t.answer for t in stated]
    begun = found.index(stated[0]) if stated else len(found)
    return TraceStatistics(
        first_stated=first.ends / found[-1].ends if first else None,
        rechecks=max(0, len(stated) - 1),
        useful=sum(a != b for a, b in pairwise(answers)),
        reflections=len(REFLECTION.findall(text)),
        unfinished=sum("=" in t.text for t in found[:begun]),
        loops=any(len({t.text for t in found[k : k + LOOP]}) == 1 for k in range(len(found) - LOOP + 1)),
        reopened=text.count(THINK.opening) > 1,
    )
