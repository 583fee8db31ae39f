"""Segments of a text: the thoughts of a long reasoning, its steps, its sentences.

A *thought* begins where a paragraph begins with a word of reflection ("Wait", "Alternatively"), and is
complete when the next one begins (TrimR, arXiv:2505.17155: such words are about 0.5% of all tokens). A
*step* is a paragraph. Which words announce a thought depends on the model: `MARKERS` has a set for
each family, and any method that cuts thoughts takes one of these or words of one's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

_PARAGRAPH = re.compile(r"[^\S\n]*\n[^\S\n]*\n\s*")
_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\]*]))[^\S\n]+(?=[^\W_a-z]|[\"'(\[$\\*])|\s*\n\s*")
_NOT_AN_END = re.compile(r"(?:\b(?:e\.g|i\.e|vs|cf|approx|[Ee]q|[Ff]ig|Mr|Mrs|Ms|Dr)|^\d+)\.$")
"""What a full stop does not end a sentence after: abbreviations, and the number of an entry in a list."""


@dataclass(frozen=True)
class Markers:
    """What announces a new thought at the beginning of a paragraph.

    Attributes:
        opening: words or phrases, compared without regard to case.
        except_for: how paragraphs begin that announce none although they begin alike.
    """

    opening: tuple[str, ...]
    except_for: tuple[str, ...] = ()

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        opening = _any_of(self.opening) + r"(?!\w)" if self.opening else "(?!)"
        exceptions = f"(?!{_any_of(self.except_for)})" if self.except_for else ""
        return re.compile(exceptions + opening, re.IGNORECASE)

    @cached_property
    def _longest(self) -> int:
        """Characters that decide whether a paragraph opens a thought: the next one shows a word's end."""
        return max((len(phrase) for phrase in (*self.opening, *self.except_for)), default=0) + 1

    def open(self, paragraph: str) -> bool:
        """Whether a paragraph opens a new thought."""
        return self._pattern.match(paragraph) is not None

    def undecided(self, beginning: str) -> bool:
        """Whether what follows may still decide it."""
        return len(beginning) < self._longest


GENERAL = Markers(
    (
        "Wait",
        "But",
        "Alternatively",
        "Hmm",
        "However",
        "Hold on",
        "Let me check",
        "Let me double-check",
        "Let me verify",
        "Let me re-check",
        "Let me think again",
        "Another way",
        "Another approach",
        "Actually",
        "Maybe",
        "Oh",
    )
)
"""Words that R1 and its relatives write (the paper's list is in its appendix; this one is inferred)."""

MARKERS: Mapping[str, Markers] = {
    "general": GENERAL,
    "r1": GENERAL,
    "qwen": Markers((*GENERAL.opening, "Okay, but", "Okay, so wait", "Let's double-check", "Let's verify")),
    "gpt-oss": Markers((*GENERAL.opening, "Let's check", "Let's double-check", "Now check", "Check:")),
    "tiny": Markers(
        ("Wait", "But", "Hmm", "Alternatively"),
        # a doubt about one line, settled in the next: part of the step it stands in
        tuple(f"Wait, is {digit}" for digit in range(10)),
    ),
}
"""Model family -> the words that announce a thought there."""


class ThoughtReader:
    """Cuts a live text into thoughts, however it comes in pieces: the last one stays open until the text
    has ended."""

    def __init__(self, markers: Markers = GENERAL) -> None:
        self._markers, self._text = markers, ""
        self._looked = 0  # paragraphs that begin before it have been decided

    def feed(self, piece: str) -> list[str]:
        """The thoughts that `piece` completes, without white space around them."""
        self._text += piece
        complete = []
        while (gap := _PARAGRAPH.search(self._text, self._looked)) is not None:
            paragraph = self._text[gap.end() : gap.end() + self._markers._longest]
            if self._markers.undecided(paragraph):
                break
            self._looked = gap.end()
            if self._markers.open(paragraph):
                complete.append(self._text[: gap.start()].strip())
                self._text, self._looked = self._text[gap.end() :], 0
        return [thought for thought in complete if thought]

    def rest(self) -> list[str]:
        """The thoughts that are complete because the text has ended."""
        text, self._text = self._text, ""
        gaps = _PARAGRAPH.finditer(text, self._looked)
        self._looked = 0
        edges = [0]
        found = []
        for gap in gaps:
            if self._markers.open(text[gap.end() :]):
                found.append(text[edges[-1] : gap.start()])
                edges.append(gap.end())
        found.append(text[edges[-1] :])
        return [thought for piece in found if (thought := piece.strip())]


def thoughts(text: str, markers: Markers = GENERAL) -> list[str]:
    """The thoughts of a whole text, in order."""
    reader = ThoughtReader(markers)
    return [*reader.feed(text), *reader.rest()]


def steps(text: str) -> list[str]:
    """The paragraphs of a text, in order."""
    return [step for piece in _PARAGRAPH.split(text) if (step := piece.strip())]


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order; the end of a line ends one too."""
    edges = [*_sentence_begins(text), len(text)]
    return [text[begin:end].strip() for begin, end in pairwise(edges)]


def last_sentences(text: str, count: int) -> str:
    """The text from its `count`-th last sentence on, with the line breaks it has; all of it if it has
    fewer."""
    begins = _sentence_begins(text)
    return text[begins[-min(count, len(begins))] :].strip() if begins and count > 0 else ""


def _any_of(phrases: Sequence[str]) -> str:
    """A pattern of literal phrases; the longest that fits is taken."""
    return f"(?:{'|'.join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))})"


def _sentence_begins(text: str) -> list[int]:
    if not text.strip():
        return []
    begins = [len(text) - len(text.lstrip())]
    for gap in _SENTENCE_END.finditer(text, begins[0]):
        ended = text[begins[-1] : gap.start()]
        if "\n" not in gap.group() and _NOT_AN_END.search(ended):
            continue
        if gap.end() < len(text):
            begins.append(gap.end())
    return begins
