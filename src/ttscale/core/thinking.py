"""Thinking in a text: how a text, whole or live, is divided into thinking and answer text.

Where an engine tells thinking apart, it is believed (`Spans`). Otherwise tags tell: they count at the
beginning of a text only, so that a reply may speak of them, and a text may begin inside the thinking
where its prompt has opened it. Only this file knows what the tags look like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

Spans = Sequence[tuple[int, int]]
"""Where thinking stands in a text: (begin, end) in characters, in order, without the tags. A tag opens
it unless the text begins with it; one closes it unless the text ends with it."""


class Divided(NamedTuple):
    """A text, or a piece of one, without its tags."""

    thinking: str
    answer_text: str


@dataclass(frozen=True, slots=True)
class ThinkTags:
    """A pair of tags around the thinking, and what can be asked of a text that uses them."""

    opening: str
    closing: str

    def divided(self, text: str, spans: Spans | None = None, *, opened: bool = False) -> Divided:
        """A whole text: by the spans that an engine told, else by its tags. `opened`: it begins inside
        the thinking."""
        return ThinkingSplitter(opened, self).whole(text, spans)

    def thinking(self, text: str) -> str:
        """The text inside the tags that a text begins with, without line breaks around it; "" if none."""
        return self.divided(text).thinking

    def answer_text(self, text: str) -> str:
        """The text after the thinking; all of it without tags, "" where the thinking never ends."""
        return self.divided(text).answer_text

    def closed(self, text: str) -> bool:
        """Whether thinking has ended in `text`."""
        return self.closing in text

    def left_open(self, text: str) -> bool:
        """Whether `text` ends inside the thinking, so that what follows is thinking too."""
        _, opening, tail = text.rpartition(self.opening)
        return bool(opening) and self.closing not in tail

    def ended(self, text: str) -> str:
        """A text that is all thinking, ended, so that what follows is the answer text."""
        if text.rstrip().endswith(self.closing):
            return text
        return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{self.closing}\n\n"

    def wrap(self, thinking: str, answer_text: str) -> str:
        """A whole reply as reasoners write it: the thinking between tags, a blank line, the rest."""
        return f"{self.opening}\n{thinking}\n{self.closing}\n\n{answer_text}"

    def removed(self, text: str) -> str:
        """The text without its tags; what stands between them stays."""
        return text.replace(self.opening, "").replace(self.closing, "")


THINK = ThinkTags("<think>", "</think>")
"""The tags that reasoners write, and that engines put around thinking a server takes out."""


def within(spans: Spans | None, begin: int, end: int) -> Spans | None:
    """The spans of a piece of a text: characters [begin, end), without half a tag. None before the first
    of them, where nothing has been told apart yet. One that ends where the piece begins stays, empty, for
    the sake of the tag that follows."""
    if not spans or end < spans[0][0]:
        return None
    return [
        (max(0, first - begin), min(end, last) - begin)
        for first, last in spans
        if first <= end and last >= begin
    ]


class ThinkingSplitter:
    """Divides a live reply, piece by piece, however it comes in pieces.

    What may be the beginning of a tag, and line breaks that may be those around the thinking, are held
    back until it is decided. Thinking comes first or not at all: a tag in the middle of an answer text
    is text. Several blocks that follow one another are joined by a line break.

    Args:
        opened: whether the reply begins inside the thinking.
    """

    __slots__ = ("_answering", "_fresh", "_inside", "_joint", "_pending", "_some", "_tags")

    def __init__(self, opened: bool = False, tags: ThinkTags = THINK) -> None:
        self._tags, self._pending, self._joint = tags, "", ""
        self._inside, self._answering, self._some = opened, False, False
        self._fresh = opened  # just past a tag: line breaks that follow belong to neither side

    def feed(self, piece: str, spans: Spans | None = None) -> Divided:
        """What `piece` adds. From the first spans on the engine is believed, not the tags."""
        if spans is not None:
            return self._believed(piece, spans)
        if self._answering:
            return Divided("", piece)
        text, self._pending, thinking = self._pending + piece, "", ""
        while True:
            if self._inside:
                begun = text.lstrip("\n") if self._fresh else text
                if not begun:
                    break
                self._fresh = False
                inside, closing, text = begun.partition(self._tags.closing)
                if not closing:
                    decided = inside[: len(inside) - _beginning(inside, self._tags.closing)].rstrip("\n")
                    self._pending = inside[len(decided) :]
                    thinking += self._joined(decided)
                    break
                thinking += self._joined(inside.rstrip("\n"))
                self._inside, self._fresh = False, True
            bare = text.lstrip()
            if bare.startswith(self._tags.opening):
                text = bare[len(self._tags.opening) :]
                self._inside = self._fresh = True
                self._joint = "\n" if self._some else ""
            elif self._tags.opening.startswith(bare):
                self._pending = text
                break
            else:
                self._answering = True
                return Divided(thinking, text.lstrip("\n") if self._fresh else text)
        return Divided(thinking, "")

    def rest(self) -> Divided:
        """What was held back when the reply has ended, or its thinking is told apart from now on."""
        pending, self._pending, self._answering = self._pending, "", True
        if self._inside:
            return Divided(pending.rstrip("\n"), "")
        return Divided("", pending.lstrip("\n") if self._fresh else pending)

    def whole(self, text: str, spans: Spans | None = None) -> Divided:
        """A reply that is there."""
        thinking, answer = self.feed(text, spans)
        more, rest = self.rest()
        return Divided(thinking + more, answer + rest)

    def _believed(self, piece: str, spans: Spans) -> Divided:
        opening, closing = len(self._tags.opening), len(self._tags.closing)
        begins = [max(0, begin - opening) for begin, _ in spans]  # of the tags
        thinking, answer = self.whole(piece[: begins[0]] if begins else "")
        at = begins[0] if begins else 0
        for (begin, end), tag in zip(spans, begins, strict=True):
            answer += piece[at:tag]
            thinking += piece[begin:end]
            at = end + closing
        return Divided(thinking, answer + piece[at:])

    def _joined(self, thinking: str) -> str:
        if not thinking:
            return ""
        joint, self._joint, self._some = self._joint, "", True
        return joint + thinking


def _beginning(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag[:n] == text[-n:]), 0)
