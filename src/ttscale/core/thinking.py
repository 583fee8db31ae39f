"""Thinking in a text: the tags around it, and how a text, whole or live, is divided by them.

Only this file knows what the tags look like. A text may begin inside the thinking, as it does where
the chat template or a prefix has opened it, and may end there, where its limit cut it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThinkTags:
    """A pair of tags around the thinking, and what can be asked of a text that uses them."""

    opening: str
    closing: str

    def thinking(self, text: str) -> str:
        """The text inside the first pair of tags, without line breaks around it; "" if none."""
        head, closing, _ = text.partition(self.closing)
        if not closing and self.opening not in head:
            return ""
        return head.split(self.opening, 1)[-1].strip("\n")

    def answer_text(self, text: str) -> str:
        """The text after the thinking; all of it without tags, "" where the thinking never ends."""
        if self.closing in text:
            return text.rsplit(self.closing, 1)[1].lstrip("\n")
        return "" if self.opening in text else text

    def closed(self, text: str) -> bool:
        """Whether thinking has ended in `text`."""
        return self.closing in text

    def unopened(self, text: str) -> bool:
        """Whether thinking ends in `text` that did not begin in it: the chat template opens it."""
        return self.closing in text and self.opening not in text

    def left_open(self, text: str) -> bool:
        """Whether `text` ends inside the thinking, so that what follows is thinking too."""
        _, opening, tail = text.rpartition(self.opening)
        return bool(opening) and self.closing not in tail

    def wrap(self, thinking: str, answer_text: str) -> str:
        """A whole reply as reasoners write it: the thinking between tags, a blank line, the rest."""
        return f"{self.opening}\n{thinking}\n{self.closing}\n\n{answer_text}"

    def removed(self, text: str) -> str:
        """The text without its tags; what stands between them stays."""
        return text.replace(self.opening, "").replace(self.closing, "")


THINK = ThinkTags("<think>", "</think>")
"""The tags that reasoners write, and that engines put around thinking a server takes out."""


class ThinkingSplitter:
    """Divides a live reply, piece by piece, into (thinking, answer text), without the tags.

    What may be the beginning of a tag is held back until it is decided. Thinking comes first or not
    at all: a tag in the middle of an answer text is text.

    Args:
        thinking: whether the reply begins inside the thinking.
    """

    def __init__(self, thinking: bool = False, tags: ThinkTags = THINK) -> None:
        self.thinking, self._tags = thinking, tags
        self._pending = ""
        self._begun = thinking
        self._after_tag = thinking  # line breaks that follow belong to neither side

    def feed(self, piece: str) -> tuple[str, str]:
        """What `piece` adds to (thinking, answer text)."""
        text, self._pending = self._pending + piece, ""
        if self._after_tag:
            text = text.lstrip("\n")
            self._after_tag = not text
        thinking = answer = ""
        while text:
            if not self.thinking and self._begun:
                return thinking, answer + text
            tag = self._tags.closing if self.thinking else self._tags.opening
            at = text.find(tag)
            if at >= 0 and (self.thinking or not text[:at].strip()):
                if self.thinking:
                    thinking += text[:at]
                    self.thinking, self._begun = False, True
                else:
                    self.thinking = True
                text = text[at + len(tag) :].lstrip("\n")
                self._after_tag = not text
                continue
            keep = _beginning(text, tag)
            if self.thinking:
                decided = len(text) - keep
                thinking, self._pending = thinking + text[:decided], text[decided:]
            elif keep == len(text.lstrip()) or not text.strip():
                self._pending = text
            else:
                self._begun = True
                answer += text
            break
        return thinking, answer

    def rest(self) -> tuple[str, str]:
        """What was held back when the reply has ended."""
        pending, self._pending = self._pending, ""
        return (pending, "") if self.thinking else ("", pending)


def _beginning(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag[:n] == text[-n:]), 0)
