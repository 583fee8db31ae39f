"""Showing a reply while it is generated, for methods whose samples, in order, are the reply."""

from __future__ import annotations

from collections.abc import Callable

from ...core import Chunk, Engine, EngineWrapper, Generation, GenerationRequest
from ...core.thinking import Spans

Show = Callable[[str, "Spans | None"], None]
"""Takes a piece of text, and where thinking stands in it if the engine tells it apart."""


class ShownEngine(EngineWrapper):
    """An engine that tells what its main role generates, and is the engine otherwise."""

    def __init__(self, engine: Engine, live_text: LiveText) -> None:
        super().__init__(engine)
        self._live_text = live_text

    def start(self, request: GenerationRequest) -> Generation:
        if request.role == "main":
            self._live_text.begin(request.prompt.prefix)
            before = request.on_chunk

            def on_chunk(chunk: Chunk) -> None:
                if before is not None:
                    before(chunk)
                self._live_text.add(chunk.text, chunk.thinking_at)

            request.on_chunk = on_chunk
        return super().start(request)


class LiveText:
    """The reply so far. Each sample goes on where its prefix ends, and the prefix may hold text the
    method itself has put in ("Wait", a closed think tag): it belongs to the reply too.

    Attributes:
        text: everything that was told.
    """

    def __init__(self, show: Show) -> None:
        self._show, self.text = show, ""
        self._lost = False

    def begin(self, prefix: str) -> None:
        """A sample starts that continues `prefix`."""
        shown = self.text.rstrip()  # a method may trim what it continues
        if not prefix.startswith(shown):
            self._lost = True  # the method took another course: show no more before the end
            return
        added = prefix[len(shown) :]
        if len(shown) < len(self.text):
            added = added.lstrip()
        self._append(added)
        self.text = prefix

    def add(self, text: str, thinking_at: Spans | None) -> None:
        """A piece was generated."""
        if not self._lost:
            self._append(text, thinking_at)

    def _append(self, text: str, thinking_at: Spans | None = None) -> None:
        if text:
            self.text += text
            self._show(text, thinking_at)
