"""Showing a reply while it is generated, for methods whose draws, in order, are the reply."""

from __future__ import annotations

from collections.abc import Callable

from ..core import Chunk, Engine, EngineWrapper, Generation, GenerationRequest


class Tapped(EngineWrapper):
    """An engine that tells what its main role generates, and is the engine otherwise."""

    def __init__(self, engine: Engine, course: Course) -> None:
        super().__init__(engine)
        self._course = course

    def start(self, request: GenerationRequest) -> Generation:
        if request.role == "main":
            self._course.begin(request.prompt.prefix)
            before = request.watch

            def watch(chunk: Chunk) -> None:
                if before is not None:
                    before(chunk)
                self._course.add(chunk.text)

            request.watch = watch
        return super().start(request)


class Course:
    """The reply so far. Each draw goes on where its prefix ends, and the prefix may hold text the
    method itself has put in ("Wait", a closed think tag): it belongs to the reply too.

    Attributes:
        text: everything that was told.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self.text = tell, ""
        self._lost = False

    def begin(self, prefix: str) -> None:
        """A draw starts that continues `prefix`."""
        told = self.text.rstrip()  # a method may trim what it continues
        if not prefix.startswith(told):
            self._lost = True  # another course than was told: say no more of it before the end
            return
        added = prefix[len(told) :]
        if len(told) < len(self.text):
            added = added.lstrip()
        self._say(added)
        self.text = prefix

    def add(self, text: str) -> None:
        """A piece was generated."""
        if not self._lost:
            self._say(text)

    def _say(self, text: str) -> None:
        if text:
            self.text += text
            self._tell(text)


class Splitter:
    """Divides a reply, piece by piece, into (thinking, answer), without the tags.

    What may be the beginning of a tag is held back until it is decided.
    """

    def __init__(self, thinking: bool = False) -> None:
        self.thinking = thinking
        self._held = ""
        self._begun = thinking
        self._after_tag = thinking  # line breaks that follow belong to nobody

    def feed(self, piece: str) -> tuple[str, str]:
        text, self._held = self._held + piece, ""
        if self._after_tag:
            text = text.lstrip("\n")
            self._after_tag = not text
        thought = answer = ""
        while text:
            tag = "</think>" if self.thinking else "<think>"
            if not self.thinking and self._begun:  # thinking comes first, or not at all
                return thought, answer + text
            at = text.find(tag)
            if at >= 0 and (self.thinking or not text[:at].strip()):
                if self.thinking:
                    thought += text[:at]
                    self.thinking, self._begun = False, True
                else:
                    self.thinking = True
                text = text[at + len(tag) :].lstrip("\n")
                self._after_tag = not text
                continue
            keep = _beginning(text, tag)
            if self.thinking:
                thought, self._held = thought + text[: len(text) - keep], text[len(text) - keep :]
            elif keep == len(text.lstrip()) or not text.strip():
                self._held = text
            else:
                self._begun = True
                answer += text
            break
        return thought, answer

    def rest(self) -> tuple[str, str]:
        """What was held back when the reply has ended."""
        held, self._held = self._held, ""
        return (held, "") if self.thinking else ("", held)


def _beginning(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag[:n] == text[-n:]), 0)
