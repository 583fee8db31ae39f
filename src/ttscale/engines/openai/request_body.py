"""How a sample is written as an OpenAI request, in the dialect of the server it goes to."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import orjson

from ...core import CapabilityError, GenerationRequest, Prompt, Sampling
from .dialect import Dialect


class RequestBody:
    """The request of samples that differ only in their seeds, encoded once for all of them.

    Attributes:
        path: below /v1.
        shared: the bytes without a seed.
        prefix: a hash of model and beginning of the prompt.
    """

    __slots__ = ("_seeds", "_written_for", "path", "prefix", "shared")

    def __init__(
        self, request: GenerationRequest, dialect: Dialect, model: str, *, seeds: bool, server: str
    ) -> None:
        prompt, sampling, limit = self._written_for = (request.prompt, request.sampling, request.limit)
        bound = dialect.bound(limit)
        self.path, body = body_of(prompt, sampling, dialect, model, limit=bound, server=server)
        self.shared = orjson.dumps(body)
        self._seeds = seeds and "seed" not in body
        self.prefix = zlib.crc32(self.shared[:1024])

    def fits(self, request: GenerationRequest) -> bool:
        """Whether it is what this sample asks as well."""
        prompt, sampling, limit = self._written_for
        return request.prompt is prompt and request.sampling is sampling and request.limit == limit

    def encoded(self, request: GenerationRequest) -> bytes:
        """The bytes, with the seed of this sample."""
        return b'%s,"seed":%d}' % (self.shared[:-1], request.seed) if self._seeds else self.shared


def body_of(
    prompt: Prompt,
    sampling: Sampling,
    dialect: Dialect,
    model: str,
    *,
    limit: int | None = None,
    server: str = "the server",
) -> tuple[str, dict[str, Any]]:
    """(path, body) of a streamed sample, without its seed; `limit` is a further bound on its tokens.

    Raises `CapabilityError` for what the server is known not to do: dropped in silence, it would
    be a different experiment.
    """
    body: dict[str, Any] = {"model": model} if model else {}
    path = _write_prompt(body, prompt, dialect, server)
    _settings(body, sampling, dialect, server)
    limits = [n for n in (sampling.max_tokens, limit) if n is not None]
    if limits:
        body[dialect.limit] = min(limits)
    if sampling.logprobs is not None:
        if "logprobs" not in dialect.capabilities:
            raise CapabilityError(f"{server} reports no log-probabilities", fix="use llama.cpp or vLLM")
        # llama.cpp takes 0 alternatives for none at all
        count = max(1, sampling.logprobs) if dialect.kind == "llamacpp" else sampling.logprobs
        if prompt.raw is None:
            body["logprobs"], body["top_logprobs"] = True, count
        else:
            body["logprobs"] = count
    body.update(sampling.extra)
    body["stream"] = True
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
        if dialect.counting == "usage":
            body["stream_options"]["continuous_usage_stats"] = True
    if dialect.counting == "timings":
        body["timings_per_token"] = True
    return path, body


def conversation(prompt: Prompt, dialect: Dialect, server: str = "the server") -> dict[str, Any]:
    """The fields of a chat request that hold the prompt."""
    messages = [message.as_openai() for message in prompt.messages]
    if not prompt.prefix:
        return {"messages": messages}
    if not dialect.prefix:
        raise CapabilityError(
            f"{server} does not continue a reply whose beginning is given",
            fix="use llama.cpp or vLLM, or another method",
        )
    messages.append({"role": "assistant", "content": prompt.prefix})
    if dialect.prefix == "last":
        return {"messages": messages}
    return {"messages": messages, "add_generation_prompt": False, "continue_final_message": True}


def _write_prompt(body: dict[str, Any], prompt: Prompt, dialect: Dialect, server: str) -> str:
    if prompt.raw is not None:
        body["prompt"] = prompt.raw + prompt.prefix
        return "/completions"
    body.update(conversation(prompt, dialect, server))
    return "/chat/completions"


def _settings(body: dict[str, Any], sampling: Sampling, dialect: Dialect, server: str) -> None:
    if dialect.kind == "llamacpp":
        # its own defaults (top-k 40, top-p 0.95, min-p 0.05) would bend every distribution
        body.update(top_k=0, top_p=1.0, min_p=0.0)
        if sampling.min_tokens:
            raise CapabilityError(
                f"{server} (llama.cpp) knows no least number of tokens", fix="leave min_tokens out"
            )
    elif sampling.min_tokens is not None:
        body["min_tokens"] = sampling.min_tokens
    for name in ("temperature", "top_p", "top_k", "min_p"):
        value = getattr(sampling, name)
        if value is not None:
            body[name] = value
    if not dialect.greedy and sampling.temperature == 0:
        del body["temperature"]
    if sampling.stop:
        body["stop"] = list(sampling.stop)


def plainer_dialect(dialect: Dialect, sampling: Sampling, status: int, refusal: bytes) -> Dialect | None:
    """How to ask a server again that refused something a sample can do without; None if it was something
    else. Servers word it in many ways, but name it."""
    if status not in (400, 422):
        return None
    words = refusal.lower()
    if b"max_completion_tokens" in words and dialect.limit == "max_tokens":
        return replace(dialect, limit="max_completion_tokens")
    for field in (b"timings_per_token", b"continuous_usage_stats"):
        if field in words and dialect.counting:
            return replace(dialect, counting="")
    if (b"stream_options" in words or b"include_usage" in words) and dialect.usage:
        return replace(dialect, usage=False, counting="")
    if b"temperature" in words and sampling.temperature == 0 and dialect.greedy:
        return replace(dialect, greedy=False)
    return None
