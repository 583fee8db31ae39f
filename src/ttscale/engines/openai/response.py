"""What a streamed reply has said so far: text, tokens, log-probabilities, tool calls, its end.

What a server sends is JSON of unknown make: every value goes through `json_values`, and reading never
raises, whatever comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from ...core import THINK, Chunk, Finish, FloatArray
from ...core.thinking import Spans, within
from ..http.sse import json_lines
from .reading.carried_fields import TOTALS, UNCARRIED, CarriedFields
from .reading.content import content_of
from .reading.finish_reasons import finish_of, word_of
from .reading.json_values import Joiner, count, load, mapping, string
from .reading.log_probabilities import LogProbabilities
from .reading.token_count import TokenCount
from .reading.tool_calls import ToolCalls, numbered

DONE = b"[DONE]"
_NO_PIECES: list[str] = []


class ResponseReader:
    """Takes the data of events, and gives what has come of them as chunks or whole.

    Attributes:
        finish: how the model ended, once it has said so.
        reason: its server's word for that, where it is not one of OpenAI's.
        stopped_at: the stop text that ended it, "" if the model did, None if that is not known.
        done: the stream says that nothing follows.
        settled: the count is final.
        error: an error object that came in the stream, or "" and what was wrong with it.
        refusal: the words in which the model declined.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prompt_tokens: int | None = None
        self.cached_tokens: int | None = None
        self.finish: Finish | None = None
        self.reason = ""
        self.stopped_at: str | None = None
        self.done = self.settled = False
        self.error: Any = None
        self.malformed = ""
        self.model = ""
        self.refusal = ""
        self.calls = ToolCalls()
        self.carried = CarriedFields()
        self._prefix = prefix
        self._parts: list[str] = []
        self._length = 0
        self._given = (0, 0, 0, 0)  # parts, characters, tokens and log-probabilities, in chunks
        self._count = TokenCount()
        self._scores = LogProbabilities()
        self._thinking: list[tuple[int, int]] = []  # spans of it, where the server tells it apart
        self._inside = False  # the last of them may go on
        self._sloppy = False  # some of it is not JSON by the rules, and may hold half a letter
        self._content_joiner, self._thinking_joiner = Joiner(), Joiner()

    # -- taking in

    def feed(self, events: Iterable[bytes]) -> None:
        """Take in events, up to the end of the stream or to what is wrong with it."""
        for data in events:
            if data == DONE:
                self.done = self.settled = True
                return
            try:
                try:
                    event = orjson.loads(data)
                except orjson.JSONDecodeError:
                    event, self._sloppy = load(data), True
                self._event(event)
            except Exception:  # whatever is in it: a reply that cannot be read is not one that hangs
                self.error = _glued_error(data)
                self.malformed = "" if self.error else "an event that cannot be read"
            if self.malformed or self.error is not None:
                return

    def feed_whole(self, body: bytes) -> None:
        """Take in a reply that was not streamed although that was wanted, or line by line."""
        self.feed([*json_lines(body), DONE])

    def _event(self, event: Any) -> None:
        if type(event) is not dict:
            raise ValueError("not an object")
        if event.get("error"):
            self.error = event["error"]
            return
        choices, usage, part, begin = event.get("choices"), event.get("usage"), len(self._parts), self._length
        generated, pieces, counter = False, _NO_PIECES, None
        if choices:
            choice = choices[0]
            generated = self._choice(choice, event)
            if choice.get("logprobs"):
                pieces = self._scores.read(choice["logprobs"])
            usage = usage or choice.get("usage")
        elif not usage and type(event.get("message", event.get("detail"))) is str:
            self.error = event  # vLLM's error object, and others', is not wrapped
            return
        if not event.keys() <= UNCARRIED:
            self.carried.of_reply(event)
        if usage and type(usage) is dict:
            counter = self._used(usage)
        elif event.get("timings"):
            counter = self._timed(mapping(event["timings"]))
        text = "".join(self._parts[part:]) if pieces else ""
        self._count.add(counter, generated, begin, self._length, pieces, text)
        if not self.model and event.get("model"):
            self.model = string(event["model"])

    def _choice(self, choice: dict[str, Any], event: dict[str, Any]) -> bool:
        """Take in what the model has said; whether that is anything."""
        delta = choice.get("delta")
        generated = False
        if type(delta) is dict:
            generated = self._message(delta)
        elif type(delta) is str:
            generated = self._show(delta)
        elif delta is not None:
            pass  # nothing that says anything
        elif choice.get("message") is None:
            generated = self._show(string(choice.get("text")))
        elif not (self._length and event.get("object") == "chat.completion"):
            # some repeat at the end what they have streamed
            generated = self._message(self._without_prefix(mapping(choice["message"])))
        reason = choice.get("finish_reason")
        if reason is not None and (word := word_of(reason)) is not None:
            if "stop_reason" in choice:  # vLLM: the stop text that matched, None at the end
                matched = choice["stop_reason"]
                self.stopped_at = matched if isinstance(matched, str) else ""
            self.finish, self.reason = finish_of(word, text=bool(self._length or self.calls.begun)), word
        return generated

    def _message(self, message: Mapping[str, Any]) -> bool:
        """Take in a message or a piece of one."""
        if len(message) == 1 and type(words := message.get("content")) is str:  # most are no more
            return self._show(words)
        thinking, words, refusal = content_of(message)
        called = self.calls.feed(message)
        self.carried.of_message(message)
        if refusal:
            self.refusal += refusal
        if self._sloppy:
            thinking = self._thinking_joiner.feed(thinking)
        if thinking:
            self._think(thinking)
        return self._show(words) or bool(thinking or called or refusal)

    def _without_prefix(self, message: dict[str, Any]) -> Mapping[str, Any]:
        """A whole message: it repeats the beginning it was given, a streamed one does not."""
        content = message.get("content")
        if self._prefix and type(content) is str:
            message["content"] = content.removeprefix(self._prefix)
        return numbered(message)

    # -- the text

    def _think(self, thinking: str) -> None:
        """Thinking is put back between its tags; where it stands is kept as well."""
        if not self._inside:
            if self._length or not THINK.left_open(self._prefix):
                self._append(THINK.opening)
            self._thinking.append((self._length, self._length))
            self._inside = True
        self._append(thinking)
        self._thinking[-1] = (self._thinking[-1][0], self._length)

    def _show(self, words: str) -> bool:
        if self._sloppy:
            words = self._content_joiner.feed(words)
        if not words:
            return False
        if self._inside:
            self._append(THINK.closing)
            self._inside = False
        self._parts.append(words)
        self._length += len(words)
        return True

    def _append(self, part: str) -> None:
        self._parts.append(part)
        self._length += len(part)

    # -- the counters

    def _used(self, usage: dict[str, Any]) -> int | None:
        """Take in the counts; all tokens generated so far, None if they do not tell."""
        generated = count(usage.get("completion_tokens", usage.get("output_tokens")))
        prompt = count(usage.get("prompt_tokens", usage.get("input_tokens")))
        cached = None
        if not usage.keys() <= TOTALS:
            self.carried.of_usage(usage)
            cached = count(mapping(usage.get("prompt_tokens_details")).get("cached_tokens"))
            thought = count(mapping(usage.get("completion_tokens_details")).get("reasoning_tokens"))
            total = count(usage.get("total_tokens"))
            if thought and generated is not None and total == (prompt or 0) + generated + thought:
                generated += thought  # counted beside the rest
        self.settled = self.finish is not None
        self._prompted(prompt, cached)
        return generated

    def _timed(self, timings: dict[str, Any]) -> int | None:
        """The same of llama.cpp's, which come with every event."""
        prompt, cached = count(timings.get("prompt_n")), count(timings.get("cache_n"))
        if prompt is not None:
            prompt += cached or self.cached_tokens or 0
        self._prompted(prompt, cached)
        return count(timings.get("predicted_n"))

    def _prompted(self, tokens: int | None, cached: int | None) -> None:
        if tokens:  # no prompt is empty
            self.prompt_tokens = tokens
        if cached is not None and cached <= (self.prompt_tokens or cached):
            self.cached_tokens = cached

    # -- giving out

    def chunk(self) -> Chunk | None:
        """What has come since the chunk before; None if that is neither text nor tokens."""
        (part, begin, tokens, scored), counted, scores = self._given, self._count, self._scores
        if counted.tokens == tokens and self._length == begin:
            return None
        ends = counted.ends
        self._given = len(self._parts), self._length, counted.tokens, len(scores.logprobs)
        return Chunk(
            "".join(self._parts[part:]),
            counted.tokens - tokens,
            *(scores.arrays(scored) if scored < len(scores.logprobs) else (None, None)),
            None if ends is None or len(ends) != counted.tokens else [e - begin for e in ends[tokens:]],
            within(self._thinking, begin, self._length) if self._thinking else None,
        )

    @property
    def tokens(self) -> int:
        """Generated so far."""
        return self._count.tokens

    @property
    def estimated(self) -> int:
        """How many of them are guessed."""
        return self._count.estimated

    @property
    def ending(self) -> Finish | None:
        """How the reply has ended if nothing follows; None if it broke off."""
        if self.refusal:
            return "refused"
        return "stop" if self.finish is None and self.done and self.begun else self.finish

    @property
    def begun(self) -> bool:
        """Whether anything has come of the reply that would come again if it were asked again."""
        return bool(self.tokens or self._length)

    def settle(self, kept: int | None) -> None:
        """Nothing more is read; a cut keeps so many tokens."""
        self._count.settle(max(kept or 0, len(self._scores.logprobs)))

    def text(self, kept: int | None = None) -> str:
        """What was shown; if a cut keeps so many tokens, up to the end of the last of them."""
        whole, ends = "".join(self._parts), self._count.ends
        if kept is None or ends is None or kept >= len(ends):
            return whole
        return whole[: ends[kept - 1] if kept else 0]

    def thinking_at(self, length: int) -> Spans | None:
        """Where thinking stands in so many characters; None if the server does not tell it apart."""
        return within(self._thinking, 0, length)

    def ends(self, kept: int) -> list[int] | None:
        """Characters up to the end of each of the first `kept` tokens; None if not known."""
        return self._count.exact_ends(kept)

    def arrays(self, kept: int | None) -> tuple[FloatArray | None, FloatArray | None]:
        """(log-probabilities, confidences) of the first `kept` tokens, as far as reported."""
        return self._scores.arrays(0, kept)


def _glued_error(data: bytes) -> Any:
    """The error that a server wrote behind half an event; None if there is none."""
    at = max(data.rfind(b'{"error"'), data.rfind(b'{ "error"'))
    if at <= 0:
        return None
    try:
        return orjson.loads(data[at:])["error"]
    except (ValueError, TypeError, KeyError):
        return None
