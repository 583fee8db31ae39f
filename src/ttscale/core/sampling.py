"""How a model is asked to sample. None leaves a setting to the engine's own default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Annotated, Any

from .settings.declared import NotEmpty, Within, declared, read, with_checked

_MOST = 1 << 31


@declared
class Sampling:
    """Sampling settings of one call.

    Attributes:
        temperature: >= 0; 0 is greedy decoding.
        top_p, min_p: in [0, 1].
        top_k: most probable tokens kept; 0 keeps all.
        max_tokens: generated tokens at most, prompt excluded.
        min_tokens: generated tokens at least.
        stop: texts that end the reply; they are generated but not returned.
        reasoning_effort: how hard a model that thinks is to think, in its server's words: none, minimal, low,
            medium, high, xhigh.
        logprobs: how many alternatives per token to report; 0 reports the sampled token only.
        extra: further fields of the request body, passed through untouched.
    """

    temperature: Annotated[float, Within(0, 100)] | None = None
    top_p: Annotated[float, Within(0, 1)] | None = None
    top_k: Annotated[int, Within(0, _MOST)] | None = None
    min_p: Annotated[float, Within(0, 1)] | None = None
    max_tokens: Annotated[int, Within(1, _MOST)] | None = None
    min_tokens: Annotated[int, Within(0, _MOST)] | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: Annotated[str, NotEmpty()] | None = None
    logprobs: Annotated[int, Within(0, 100)] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Sampling:
        """Settings from a mapping; a name that is none of them is an error naming the nearest."""
        return read(cls, settings, of="sampling", entry="setting")

    def over(self, lower: Sampling) -> Sampling:
        """These settings, with `lower` filling what is left open."""
        given = self.given()
        if not given:
            return lower
        if self.extra:
            given["extra"] = {**lower.extra, **self.extra}
        return with_checked(lower, given)

    def requested_by(self, request: Sampling) -> Sampling:
        """These settings of a method under the user's explicit ones.

        The user's taste wins (temperature, top-p and the like), a method's structure stays: greedy
        decoding, stop texts (both apply) and phase limits (the smaller applies).
        """
        merged = request.over(self)
        if merged is self or not self.given():
            return merged
        limits = [n for n in (self.max_tokens, request.max_tokens) if n is not None]
        counts = [n for n in (self.logprobs, request.logprobs) if n is not None]
        values = {
            "temperature": 0.0 if self.temperature == 0 else merged.temperature,
            "max_tokens": min(limits, default=None),
            "logprobs": max(counts, default=None),
            "min_tokens": self.min_tokens if self.min_tokens is not None else request.min_tokens,
            "stop": tuple(dict.fromkeys((*self.stop, *request.stop))),
        }
        return with_checked(merged, values)

    def given(self) -> dict[str, Any]:
        """The settings that are not left to the engine."""
        return {f: v for f in _NAMES if (v := getattr(self, f)) not in (None, (), {})}


_NAMES = tuple(f.name for f in fields(Sampling))
