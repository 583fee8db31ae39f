"""How a model is asked to sample. None leaves a setting to the engine's own default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .errors import UnknownName, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Sampling settings of one call.

    Attributes:
        temperature: >= 0; 0 is greedy decoding.
        top_p, min_p: in [0, 1].
        top_k: most probable tokens kept; 0 keeps all.
        max_tokens: generated tokens at most, prompt excluded.
        min_tokens: generated tokens at least.
        stop: texts that end the reply; they are generated but not returned.
        logprobs: how many alternatives per token to report; 0 reports the drawn token only.
        extra: further fields of the request body, passed through untouched.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    min_tokens: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        _check(self, "temperature", 0, 100)
        _check(self, "top_p", 0, 1)
        _check(self, "min_p", 0, 1)
        _check(self, "top_k", 0, 1 << 31, whole=True)
        _check(self, "max_tokens", 1, 1 << 31, whole=True)
        _check(self, "min_tokens", 0, 1 << 31, whole=True)
        _check(self, "logprobs", 0, 100, whole=True)
        if isinstance(self.stop, str):
            object.__setattr__(self, "stop", (self.stop,))
        elif isinstance(self.stop, Iterable):
            object.__setattr__(self, "stop", tuple(self.stop))
        if not isinstance(self.stop, tuple) or not all(isinstance(s, str) for s in self.stop):
            raise UsageError(f"stop={self.stop!r} is no list of texts", fix='write ["text", ...]')
        if not isinstance(self.extra, Mapping):
            raise UsageError(f"extra={self.extra!r} is no table", fix="write { name = value }")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Sampling:
        """Settings from a mapping; a name that is none of them is an error naming the nearest."""
        for name in settings:
            if name not in _NAMES:
                raise UnknownName("sampling setting", name, _NAMES)
        return cls(**settings)

    def over(self, lower: Sampling) -> Sampling:
        """These settings, with `lower` filling what is left open."""
        given = {f: v for f in _NAMES if (v := getattr(self, f)) not in (None, ())}
        given["extra"] = {**lower.extra, **self.extra}
        return replace(lower, **given)

    def asked_by(self, request: Sampling) -> Sampling:
        """These settings of a method under the user's explicit ones.

        The user's taste wins (temperature, top-p and the like), a method's structure stays: greedy
        decoding, stop texts (both apply) and phase limits (the smaller applies).
        """
        merged = request.over(self)
        limits = [n for n in (self.max_tokens, request.max_tokens) if n is not None]
        counts = [n for n in (self.logprobs, request.logprobs) if n is not None]
        return replace(
            merged,
            temperature=0.0 if self.temperature == 0 else merged.temperature,
            max_tokens=min(limits, default=None),
            logprobs=max(counts, default=None),
            min_tokens=self.min_tokens if self.min_tokens is not None else request.min_tokens,
            stop=tuple(dict.fromkeys((*self.stop, *request.stop))),
        )

    def given(self) -> dict[str, Any]:
        """The settings that are not left to the engine."""
        return {f: v for f in _NAMES if (v := getattr(self, f)) not in (None, (), {})}


_NAMES = tuple(f.name for f in fields(Sampling))


def _check(sampling: Sampling, name: str, low: float, high: float, *, whole: bool = False) -> None:
    value = getattr(sampling, name)
    if value is None:
        return
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        what = "a whole number from " if whole else ""
        raise UsageError(f"{name}={value!r} is out of range", fix=f"give {what}{low} to {high}")
