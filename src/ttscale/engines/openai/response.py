"""What a streamed reply has said so far: text, tokens, log-probabilities, tool calls, its end.

Tokens, chunks and log-probabilities are three different things: a chunk may hold several tokens or
none, the end token has neither text nor log-probability, and a server holds text back while it may
still become a stop text. Tokens are therefore counted by the server's own counter where it reports
one, else by log-probabilities, else one per chunk, and that is marked as an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ...core import THINK, Chunk, Finish, FloatArray
from .carried_fields import CarriedFields
from .tool_calls import ToolCalls, numbered

_FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "eos": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    "length": "length",
    "content_filter": "refused",
}


class ResponseReader:
    """Takes the data of events and gives chunks.

    Attributes:
        tokens: generated so far, `estimated` of them guessed.
        finish: how the model ended, once it has said so; "error" for an unknown reason.
        stopped_at: the stop text that ended it, "" if the model did, None if that is not known.
        done: the stream says that nothing follows.
        settled: the count is final.
        error: an error object that came in the stream, or "" and what was wrong with it.
    """

    def __init__(self, prefix: str = "") -> None:
        self.tokens = self.estimated = 0
        self.prompt_tokens: int | None = None
        self.cached_tokens: int | None = None
        self.finish: Finish | None = None
        self.stopped_at: str | None = None
        self.done = self.settled = False
        self.error: Any = None
        self.malformed = ""
        self.model = ""
        self.refusal = ""
        self.calls = ToolCalls()
        self.carried = CarriedFields()
        self._parts: list[str] = []
        self._length = 0
        self._ends: list[int] = []  # characters shown up to each token
        self._exact = True  # whether these belong to real tokens
        self._logprobs: list[float] = []
        self._confs: list[float] = []
        self._thinking = THINK.left_open(prefix)

    # -- taking in

    def feed(self, events: Sequence[bytes]) -> Chunk | None:
        """Take in events; the chunk they make, or None if they bring neither text nor tokens."""
        part, begin, tokens = len(self._parts), self._length, self.tokens
        known, confs = len(self._logprobs), len(self._confs)
        for data in events:
            if data == b"[DONE]":
                self.done = self.settled = True
                break
            try:
                self._event(orjson.loads(data))
            except (ValueError, TypeError, KeyError, IndexError, AttributeError):
                self.malformed = "an event that cannot be read"
            if self.malformed or self.error is not None:
                break
        if self.tokens == tokens and self._length == begin:
            return None
        return Chunk(
            "".join(self._parts[part:]),
            max(0, self.tokens - tokens),
            _array(self._logprobs[known:]),
            _array(self._confs[confs:]),
            [e - begin for e in self._ends[tokens:]] if self._ends_fit() else None,
        )

    def plain(self, body: bytes, prefix: str) -> Chunk | None:
        """Take in a reply that was not streamed although that was asked for."""
        try:
            document = orjson.loads(body)
            if document.get("error") is not None:
                self.error = document["error"]
                return None
            choice = document["choices"][0]
            message = choice.get("message")
            if message is not None:
                # a plain reply repeats the beginning it was given, a streamed one does not
                content = message.get("content") or ""
                message["content"] = content.removeprefix(prefix) if prefix else content
                choice["delta"] = numbered(message)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            self.malformed = "a reply that cannot be read"
            return None
        return self.feed([orjson.dumps(document), b"[DONE]"])

    def _event(self, event: dict[str, Any]) -> None:
        if event.get("error") is not None:
            self.error = event["error"]
            return
        choices = event.get("choices")
        begin, shown, entries = self._length, "", None
        called = False
        if choices:
            choice = choices[0]
            delta = choice.get("delta")
            if delta is None:
                shown = choice.get("text") or ""
            else:
                shown = self._shown(delta)
                called = self.calls.feed(delta)
            entries = choice.get("logprobs")
            reason = choice.get("finish_reason")
            if reason is not None:
                if "stop_reason" in choice:  # vLLM: the stop text that matched, None at the end
                    matched = choice["stop_reason"]
                    self.stopped_at = matched if isinstance(matched, str) else ""
                self.finish = "refused" if self.refusal else _FINISHES.get(reason, "error")
                if self.finish == "error":
                    self.malformed = f"finish reason {reason!r}"
        elif event.get("message") is not None and "object" in event:
            self.error = event  # vLLM's error object is not wrapped
            return
        self.carried.feed(event, choices[0].get("delta") if choices else None)
        if shown:
            self._parts.append(shown)
            self._length += len(shown)
        pieces = self._read_logprobs(entries) if entries else []
        self._count(event, pieces, bool(shown) or called, begin, shown)
        if not self.model and event.get("model"):
            self.model = str(event["model"])

    def _shown(self, delta: Mapping[str, Any]) -> str:
        """The text of a chat delta, thinking put back between its tags."""
        if delta.get("refusal"):
            self.refusal += delta["refusal"]
        content = delta.get("content") or ""
        thinking = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if not thinking:
            if content and self._thinking and self._split:
                self._thinking = False
                return THINK.closing + str(content)
            return str(content)
        self._split = True
        if not self._thinking:
            self._thinking = True
            thinking = THINK.opening + thinking
        if content:
            self._thinking = False
            return f"{thinking}{THINK.closing}{content}"
        return str(thinking)

    _split = False  # whether the server takes the thinking out of the text

    def _count(
        self, event: Mapping[str, Any], pieces: list[str], something: bool, begin: int, shown: str
    ) -> None:
        """Count the event's tokens, and note how much text each of them shows."""
        before, counter = self.tokens, None
        usage, timings = event.get("usage"), event.get("timings")
        if usage:
            counter = usage.get("completion_tokens")
            self.prompt_tokens = usage.get("prompt_tokens", self.prompt_tokens)
            details = usage.get("prompt_tokens_details")
            if details:
                self.cached_tokens = details.get("cached_tokens", self.cached_tokens)
            self.settled = self.finish is not None
        elif timings:
            counter = timings.get("predicted_n")
            self.cached_tokens = timings.get("cache_n", self.cached_tokens)
            if "prompt_n" in timings:
                self.prompt_tokens = timings["prompt_n"] + (self.cached_tokens or 0)
        if counter is not None:
            if self.estimated:
                self.estimated, self._exact = 0, False
            self.tokens = int(counter)
        elif pieces:
            self.tokens += len(pieces)
        elif something:
            self.tokens += 1
            self.estimated += 1
        new = self.tokens - before
        ends = self._ends
        if new > 0:
            if new == len(pieces) and "".join(pieces) == shown:
                for piece in pieces:
                    begin += len(piece)
                    ends.append(begin)
            else:  # the text was held back until the last of these tokens
                ends.extend([begin] * (new - 1))
                ends.append(self._length)
        elif ends:
            ends[-1] = self._length

    def _read_logprobs(self, entries: Mapping[str, Any]) -> list[str]:
        """Note one log-probability and one confidence per token; the tokens' texts."""
        content = entries.get("content")
        if content is None:
            return self._read_columns(entries)
        pieces = []
        for entry in content:
            self._logprobs.append(entry["logprob"])
            top = entry.get("top_logprobs")
            if top:
                self._confs.append(-sum(t["logprob"] for t in top) / len(top))
            pieces.append(entry["token"])
        return pieces

    def _read_columns(self, entries: Mapping[str, Any]) -> list[str]:
        """The older shape of raw completions: one list per quantity."""
        pieces = entries.get("tokens") or []
        tops = entries.get("top_logprobs") or [None] * len(pieces)
        for logprob, top in zip(entries.get("token_logprobs") or (), tops):
            self._logprobs.append(0.0 if logprob is None else logprob)
            if top:
                self._confs.append(-sum(top.values()) / len(top))
        return list(pieces)

    # -- giving out

    def text(self, tokens: int | None = None) -> str:
        """What was shown, up to the end of the given token."""
        whole = "".join(self._parts)
        if tokens is None or tokens >= len(self._ends):
            return whole
        return whole[: self._ends[tokens - 1] if tokens else 0]

    def ends(self, kept: int) -> list[int] | None:
        """Characters up to the end of each of the first `kept` tokens; None if not known."""
        if self.estimated or not self._exact or not self._ends_fit():
            return None
        return self._ends[:kept]

    def arrays(self, kept: int | None) -> tuple[FloatArray | None, FloatArray | None]:
        """(log-probabilities, confidences) of the first `kept` tokens, as far as reported."""
        return _array(self._logprobs[:kept]), _array(self._confs[:kept])

    def _ends_fit(self) -> bool:
        return len(self._ends) == self.tokens


def _array(values: list[float]) -> FloatArray | None:
    if not values:
        return None
    import numpy as np  # here: a gateway without log-probabilities never needs it

    return np.array(values, dtype=np.float32)
