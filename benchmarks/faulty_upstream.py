"""A model server with the faults of real ones, for `soak.py`; the name of the model says which fault.

Some calls of a model suffer its fault, chosen by a seed, and the others are answered well. Calls that
are not of the soak, as the gateway's probing is, are always answered well. A reply is played as steps:
bytes to write, seconds to wait, or an end that is none.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

MARK = "soak"  # stands in every prompt of the soak
ANSWER = "The answer is \\boxed{4}"
_SHARE = 0.3  # of the calls suffer
_QUESTION = b"Is the proposed solution correct?"  # asked of a judge
_WORDS = {True: ["Yes"], False: ["The ", "answer ", "is ", "\\boxed{4}"]}
_USAGE = {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}
_ODD_COUNTS: tuple[Any, ...] = (0, 1, -3, "7", "many", [4], {}, None, 4.0, 2.5, 10**30, True)
_ERROR = {"error": {"message": "the server ran out of memory", "type": "server_error", "code": 500}}


class Ending(Enum):
    """How a connection ends without the end of a reply."""

    RESET = "reset"
    HANG = "hang"
    CLOSE = "close"


Step = bytes | float | Ending


@dataclass
class Reply:
    """A good reply to a call, in pieces that a fault can spoil."""

    chat: bool
    streamed: bool
    words: list[str]
    rng: random.Random
    usage: Any = None

    def whole(self) -> bytes:
        text = "".join(self.words)
        own = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        kind = "chat.completion" if self.chat else "text_completion"
        choices = [{"index": 0, "finish_reason": "stop", **own}]
        return json.dumps(self._document(kind, choices) | {"usage": self.usage or _USAGE}).encode()

    def events(self) -> list[bytes]:
        """The data of the events, but for the last word that nothing follows."""
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        pieces = [{"delta": {"content": w}} if self.chat else {"text": w} for w in self.words]
        end = {"delta": {}} if self.chat else {"text": ""}
        choices = [[{"index": 0, **piece, "finish_reason": None}] for piece in pieces]
        choices.append([{"index": 0, **end, "finish_reason": "stop"}])
        chunks = [self._document(kind, one) for one in choices]
        chunks.append(self._document(kind, []) | {"usage": self.usage or _USAGE})
        return [json.dumps(chunk).encode() for chunk in chunks]

    def _document(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        return {"id": "c", "object": kind, "created": 1, "model": "m", "choices": choices}

    def parts(self) -> list[bytes]:
        """The body in the shape that was asked for: an event each, or two halves of a document."""
        if self.streamed:
            return [_event(data) for data in (*self.events(), b"[DONE]")]
        body = self.whole()
        return [body[: len(body) // 2], body[len(body) // 2 :]]

    @property
    def kind(self) -> str:
        return "text/event-stream" if self.streamed else "application/json"


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _head(kind: str, status: str = "200 OK", *more: str) -> bytes:
    fields = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Transfer-Encoding: chunked", *more]
    return "\r\n".join(fields).encode() + b"\r\n\r\n"


def _chunk(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)


_END = b"0\r\n\r\n"


def _sent(kind: str, *parts: bytes) -> bytes:
    """A reply of status 200, all at once."""
    return _head(kind) + b"".join(map(_chunk, parts)) + _END


def _refused(status: str, *fields: str) -> bytes:
    body = json.dumps(_ERROR).encode()
    return _head("application/json", status, *fields) + _chunk(body) + _END


# -- what can be wrong


def well(reply: Reply) -> Iterator[Step]:
    yield _sent(reply.kind, *reply.parts())


def slow(reply: Reply) -> Iterator[Step]:
    """Nothing is wrong: a model that needs time for every word, so that a client can leave before its
    end."""
    yield _head(reply.kind)
    for part in reply.parts():
        yield 0.05
        yield _chunk(part)
    yield _END


def throttled(reply: Reply) -> Iterator[Step]:
    yield _refused("429 Too Many Requests", "Retry-After: 1")


def failing(reply: Reply) -> Iterator[Step]:
    yield _refused("500 Internal Server Error")


def full(reply: Reply) -> Iterator[Step]:
    yield _refused("503 Service Unavailable")


def reset_first(reply: Reply) -> Iterator[Step]:
    """Before the first byte; now and then after the head."""
    if reply.rng.random() < 0.3:
        yield _head(reply.kind)
    yield Ending.RESET


def reset_midway(reply: Reply) -> Iterator[Step]:
    parts = reply.parts()
    yield _head(reply.kind) + b"".join(map(_chunk, parts[: reply.rng.randrange(1, len(parts))]))
    yield 0.005
    yield reply.rng.choice((Ending.RESET, Ending.CLOSE))


def garbled_chunks(reply: Reply) -> Iterator[Step]:
    """What follows is no chunk."""
    garbage = reply.rng.choice(
        (b"zz\r\n\xff\x00", b"-5\r\nabcde\r\n", b"\r\n\r\n\r\n", b"fffffffff\r\nx", bytes(99))
    )
    yield _head(reply.kind) + _chunk(reply.parts()[0]) + garbage
    yield Ending.CLOSE


def half_events(reply: Reply) -> Iterator[Step]:
    """The reply ends in good order in the middle of a sentence of its protocol."""
    body = b"".join(reply.parts())
    yield _sent(reply.kind, body[: reply.rng.randrange(1, len(body) - 20)])


def hung(reply: Reply) -> Iterator[Step]:
    """Silence, before the head, after it, or midway."""
    parts = reply.parts()
    begun = reply.rng.randrange(len(parts) + 1)
    if begun:
        yield _head(reply.kind) + b"".join(map(_chunk, parts[: begun - 1]))
    yield Ending.HANG


def miscounted(reply: Reply) -> Iterator[Step]:
    reply.usage = {name: reply.rng.choice(_ODD_COUNTS) for name in _USAGE}
    if reply.rng.random() < 0.2:
        reply.usage = reply.rng.choice(_ODD_COUNTS)
    yield from well(reply)


def unreadable(reply: Reply) -> Iterator[Step]:
    """JSON that is none, or none of a reply."""
    bad = reply.rng.choice(
        (
            b'{"choices": [',
            b"<html>Bad gateway</html>",
            b"\xff\xfe",
            b"null",
            b"[]",
            b'"x"',
            b"{}",
            b'{"choices": 3}',
        )
    )
    parts = [_event(bad), _event(b"[DONE]")] if reply.streamed else [bad]
    yield _sent(reply.kind, *parts)


def error_events(reply: Reply) -> Iterator[Step]:
    """An error in a reply of status 200, at its beginning or midway."""
    error = json.dumps(_ERROR).encode()
    if not reply.streamed:
        yield _sent(reply.kind, error)
        return
    parts = reply.parts()
    told = _event(error) if reply.rng.random() < 0.5 else b"event: error\n" + _event(error)
    yield _sent(reply.kind, *parts[: reply.rng.randrange(len(parts) - 2)], told)


def slow_start(reply: Reply) -> Iterator[Step]:
    yield reply.rng.uniform(0.1, 1.0)
    yield from well(reply)


def other_shape(reply: Reply) -> Iterator[Step]:
    """A document for a stream or a stream for a document, JSON line by line, a wrong content type."""
    stream = [_event(data) for data in (*reply.events(), b"[DONE]")]
    lines = b"".join(data + b"\n" for data in reply.events())
    shapes = [
        _sent("application/json", reply.whole()),
        _sent("text/event-stream", *stream),
        _sent("application/json", *stream),
        _sent("application/x-ndjson", lines),
        _sent("text/event-stream", reply.whole()),
    ]
    yield reply.rng.choice(shapes)


FAULTS: dict[str, Callable[[Reply], Iterator[Step]]] = {
    play.__name__.replace("_", "-"): play
    for play in (
        throttled,
        failing,
        full,
        reset_first,
        reset_midway,
        garbled_chunks,
        half_events,
        hung,
        miscounted,
        unreadable,
        error_events,
        slow_start,
        other_shape,
    )
}
STEADY: dict[str, Callable[[Reply], Iterator[Step]]] = {"well": well, "slow": slow}


# -- the server


class Upstream:
    """Plays the faults; counts its calls, and those it is still working on."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.calls, self.working = 0, 0

    async def serve(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), host, port, backlog=1024)
        await server.serve_forever()

    def play(self, path: str, raw: bytes) -> Iterator[Step]:
        """The steps of a reply to a call."""
        self.calls += 1
        body = json.loads(raw)
        rng = random.Random(self.rng.getrandbits(64))
        words = _WORDS[_QUESTION in raw]
        reply = Reply(path.endswith("/chat/completions"), bool(body.get("stream")), words, rng)
        model = body.get("model")
        if MARK.encode() not in raw or (model not in STEADY and rng.random() > _SHARE):
            return well(reply)
        return (FAULTS | STEADY)[model](reply)


class _Connection(asyncio.Protocol):
    """One connection, which asks for one thing after the other."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream, self.buffer = upstream, b""
        self.steps: Iterator[Step] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self._done()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        length = int((head.lower() + b"\r\n").partition(b"content-length:")[2].split(b"\r")[0] or 0)
        if not end or len(body) < length or self.steps is not None:
            return
        self.buffer = body[length:]
        path = head.split(b" ", 2)[1].decode()
        if path == "/counts":
            counts = {"calls": self.upstream.calls, "working": self.upstream.working}
            self.transport.write(_sent("application/json", json.dumps(counts).encode()))
        elif path.endswith("/models"):
            listed = [{"id": name, "object": "model"} for name in FAULTS | STEADY]
            self.transport.write(_sent("application/json", json.dumps({"data": listed}).encode()))
        elif path.endswith("/completions"):
            self.steps = self.upstream.play(path, body[:length])
            self.upstream.working += 1
            self._go_on()
        else:
            self.transport.write(_refused("404 Not Found"))

    def _go_on(self) -> None:
        """Play steps up to the next wait."""
        assert self.steps is not None
        self.timer = None
        for step in self.steps:
            if isinstance(step, bytes):
                self.transport.write(step)
            elif isinstance(step, float):
                self.timer = asyncio.get_running_loop().call_later(step, self._go_on)
                return
            elif step is Ending.HANG:
                return
            else:
                self.transport.abort() if step is Ending.RESET else self.transport.close()
                return
        self._done()

    def _done(self) -> None:
        if self.steps is not None:
            self.steps = None
            self.upstream.working -= 1
