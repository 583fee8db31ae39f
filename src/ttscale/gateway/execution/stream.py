"""A method's reply as a stream: never silent for long, never losing a word, never ahead of itself.

What methods tell is collected synchronously, without bound but the reply's own length, and written
by the request's task at the client's pace. Signs of progress are made when there is time for them.
"""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from ...core import SampleCount, ThinkingSplitter
from ...core.thinking import Divided, Spans
from ..api.chat_and_completions import Shape
from ..api.choice import Choice
from ..api.event_stream import STREAM_HEADERS
from ..errors import of
from ..logs import LOG

_GRACE = 0.25  # seconds in which a failure still gets a status of its own
_PROGRESS = 1.0  # seconds between two reports of progress


class ReplyEvents:
    """What was told of each choice and not written yet, and what was written."""

    def __init__(self, shape: Shape) -> None:
        self.shape, choices = shape, shape.request.choices
        self._unwritten: list[list[tuple[str, Spans | None]]] = [[] for _ in range(choices)]
        self._split = [ThinkingSplitter() for _ in range(choices)]
        self._thinking, self._answered = [""] * choices, [""] * choices
        self.news = asyncio.Event()

    def show(self, choice: int, delta: str, thinking_at: Spans | None = None) -> None:
        """Called by the method's side, at any time."""
        self._unwritten[choice].append((delta, thinking_at))
        self.news.set()

    def take(self) -> list[bytes]:
        """Events for what was told since."""
        events: list[bytes] = []
        for choice, unwritten in enumerate(self._unwritten):
            if unwritten:
                if self.shape.splits:
                    divided = [self._split[choice].feed(*piece) for piece in unwritten]
                else:
                    divided = [Divided("", text) for text, _ in unwritten]
                unwritten.clear()
                thinking, answer = ("".join(column) for column in zip(*divided, strict=True))
                events += self._written(choice, thinking, answer)
        return events

    def rest(self, choices: list[Choice]) -> list[bytes]:
        """Events for what of the replies has not been told."""
        events = self.take()
        for choice, found in enumerate(choices):
            trace = found.trace
            if not self.shape.splits:
                events += self._written(choice, "", _beyond(self._answered[choice], trace.text))
                continue
            if self._thinking[choice] or self._answered[choice]:
                events += self._written(choice, *self._split[choice].rest())
            thinking = _beyond(self._thinking[choice], trace.thinking)
            answer = _beyond(self._answered[choice], trace.answer_text)
            events += self._written(choice, thinking if not self._answered[choice] else "", answer)
        return events

    def _written(self, choice: int, thinking: str, answer: str) -> list[bytes]:
        if not (thinking or answer):
            return []
        self._thinking[choice] += thinking
        self._answered[choice] += answer
        return self.shape.delta(choice, thinking, answer)


def _beyond(written: str, whole: str) -> str:
    """What of the whole has not been told."""
    return whole[len(written) :] if whole.startswith(written) else ""


async def stream(
    request: web.Request,
    reply: ReplyEvents,
    task: asyncio.Task[list[Choice]],
    count: SampleCount,
    heartbeat: float,
) -> tuple[web.StreamResponse, list[Choice] | None]:
    """Answer with the stream of what `task` tells `reply` and comes to; (response, what was found,
    or None if it failed on the way). The task does not outlive the call.

    Raises:
        ApiError: a failure before the stream has begun.
    """
    shape = reply.shape
    task.add_done_callback(lambda _: reply.news.set())
    try:
        await _news(reply, _GRACE)
        if task.done():
            task.result()  # a failure is raised while there is a status to tell it with
        response = web.StreamResponse(headers=STREAM_HEADERS)
        await response.prepare(request)
        await response.write(b"".join(shape.begin()))
        progress = _Progress(shape, count, min(heartbeat, _PROGRESS), heartbeat)
        while not task.done():
            events = reply.take()
            await response.write(b"".join(events) if events else progress.report())
            await _news(reply, progress.pause)
        try:
            choices = task.result()
        except Exception as error:
            failure = of(error)
            if failure.status == 500:
                LOG.exception("failed in mid-stream")
            await response.write(shape.failed(failure))
            await response.write_eof()
            return response, None
        await response.write(b"".join((*reply.rest(choices), *shape.end(choices))))
        await response.write_eof()
        return response, choices
    finally:
        task.cancel()
        # a client may go away just when it has failed: its failure is taken here
        await asyncio.gather(task, return_exceptions=True)


async def _news(reply: ReplyEvents, seconds: float) -> None:
    """Wait until there is something to write, but no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await reply.news.wait()
    reply.news.clear()


class _Progress:
    """Signs of life: a comment, or what happens as reasoning if that was asked for."""

    def __init__(self, shape: Shape, count: SampleCount, pause: float, heartbeat: float) -> None:
        self._shape, self._count, self._last = shape, count, (-1, -1)
        self._kind = shape.request.options.progress
        self.pause = heartbeat if self._kind == "none" else pause

    def report(self) -> bytes:
        count = self._count
        now = (count.ended, count.tokens)
        if self._kind == "none" or now == self._last:
            return b": \n"
        self._last = now
        text = f"{count.ended} of {count.begun} samples finished, {count.tokens} tokens"
        if self._kind == "reasoning" and self._shape.splits:
            return b"".join(self._shape.delta(0, f"{text}\n", ""))
        return f": {text}\n".encode()
