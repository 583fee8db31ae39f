"""What a passed request has used, as its upstream tells it: in one object, in several, or not at all.

Servers differ where a reply has several choices. Most tell the whole at the end of a stream; some tell
in every event, of the whole so far or of that event's choice; llama.cpp tells of every choice by
itself, and in a reply that is not streamed of the first one only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import orjson

from ..engines.openai.reading.json_values import count, items, mapping

_BYTES = 3  # of a request per token of its prompt, where the upstream does not tell


@dataclass(slots=True)
class PassedUsage:
    """What a passed request is known to have used.

    Attributes:
        choices: replies asked for.
        prompt_tokens: None if the upstream does not tell; cached_tokens: of these, from its cache.
        completion_tokens: of all choices, as the upstream tells them, else the events of the stream.
        estimated: whether some of them were not counted by the upstream.
        hedged: whether a second replica was asked.
        served: whether there was a reply, and so a prompt was read.
    """

    choices: int = 1
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    hedged: bool = False
    served: bool = False

    def prompt_of(self, request: bytes) -> int:
        """Tokens of the prompt; estimated from the request's length where the upstream was silent."""
        if self.prompt_tokens is not None:
            return self.prompt_tokens
        return self.estimated_prompt(request) if self.served else 0

    @staticmethod
    def estimated_prompt(request: bytes) -> int:
        """Tokens of the prompt, by the request's length."""
        return len(request) // _BYTES

    def read(self, document: Mapping[str, Any]) -> None:
        """Take in a reply that was not streamed."""
        self.served = True
        usage = document.get("usage")
        if not isinstance(usage, dict):
            return
        self._read(usage)
        predicted = mapping(document.get("timings")).get("predicted_n")
        choices = list(map(mapping, items(document.get("choices"))))
        if len(choices) > 1 and predicted == self.completion_tokens:  # of one choice, not of all
            self._extend(self.completion_tokens, choices)

    def read_events(self, stream: bytes, events: int) -> None:
        """Take in what a stream of so many events tells in those that speak of usage."""
        self.served = True
        # [DONE] and the role of every choice hold no token; its finish is the one that ends it
        self.completion_tokens, self.estimated = max(0, events - self.choices - 1), True
        ends, steps = list[dict[str, Any]](), list[tuple[int, dict[str, Any]]]()
        apart = False  # whether every choice has its own
        # of a single choice the last event says all
        for event in _with_usage(stream) if self.choices > 1 else [*islice(_with_usage(stream, -1), 1)]:
            usage, choices = event["usage"], event.get("choices")
            if choices:
                first = mapping(choices[0] if isinstance(choices, list) else None)
                steps.append((count(first.get("index")) or 0, usage))
            else:
                ends.append(usage)
                apart = apart or "timings" in event
        if ends:
            reported = ends if apart and self.choices > 1 else ends[-1:]
        elif _of_the_whole([_completion(usage) for _, usage in steps]):
            reported = [usage for _, usage in steps[-1:]]
        else:
            reported = list(dict(steps).values())
        completion = sum(_completion(usage) for usage in reported)
        for usage in reported:
            self._read(usage)
        if reported:
            self.completion_tokens = completion

    def _read(self, usage: Mapping[str, Any]) -> None:
        """Take in one `usage` object, of any of the APIs."""
        prompt = count(usage.get("prompt_tokens", usage.get("input_tokens")))
        if prompt is not None:
            self.prompt_tokens = prompt
        details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
        cached = count(mapping(details).get("cached_tokens"))
        if cached is not None:
            self.cached_tokens = cached
        if _reported(usage) is not None:
            self.completion_tokens, self.estimated = _completion(usage), False

    def _extend(self, first: int, choices: Sequence[Mapping[str, Any]]) -> None:
        """Only the first choice's tokens are reported: the others have theirs in proportion to what they
        say, at least one."""
        lengths = [len(orjson.dumps(c.get("message") or c.get("text") or "")) for c in choices]
        others = sum(max(1, round(first * length / max(1, lengths[0]))) for length in lengths[1:])
        self.completion_tokens, self.estimated = first + others, True


def _with_usage(stream: bytes, step: int = 1) -> Iterator[dict[str, Any]]:
    """The events that tell of usage, in order, or backwards with a step of -1."""
    for line in stream.split(b"\n")[::step]:
        if b'"usage"' in line and line.startswith(b"data:"):
            with contextlib.suppress(orjson.JSONDecodeError, AttributeError):
                event = orjson.loads(line[5:])
                usage = event.get("usage") or (event.get("response") or {}).get("usage")
                if isinstance(usage, dict):
                    yield {**event, "usage": usage}


def _reported(usage: Mapping[str, Any]) -> int | None:
    return count(usage.get("completion_tokens", usage.get("output_tokens")))


def _completion(usage: Mapping[str, Any]) -> int:
    return _reported(usage) or 0


def _of_the_whole(counts: list[int]) -> bool:
    """Whether counts reported one after the other are of all choices together: those of each by itself
    begin anew or go side by side."""
    return all(before < after for before, after in pairwise(counts))
