"""A request's body as the library's terms: prompts, sampling, and what the reply must hold.

Every field that means nothing to us goes to the upstream as it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

import orjson

from ...core import Image, Message, Prompt, Sampling, UsageError
from ...core.prompt import MessageRole
from ..config import Limits
from ..errors import wrong
from .options import Options

_SETTINGS = {f.name for f in fields(Sampling)} - {"logprobs", "extra"}
_OURS = {"model", "messages", "prompt", "stream", "stream_options", "n", "seed", "ttscale"}
LIMITS = ("max_completion_tokens", "max_tokens")
"""The fields that limit a reply's tokens; the smaller one holds."""
_OURS |= {"logprobs", "top_logprobs", *LIMITS} | _SETTINGS
_MOST = 1 << 31
_ALL = -1  # how servers are told "as many as there are"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """One request.

    Attributes:
        prompts: several only for completions, which take lists.
        n: choices per prompt, each an independent run of the method.
        seed: of the first choice. logprobs: whether the reply shall hold them.
    """

    model: Any
    prompts: tuple[Prompt, ...]
    sampling: Sampling
    options: Options
    n: int = 1
    seed: int = 0
    stream: bool = False
    include_usage: bool = False
    logprobs: bool = False
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def choices(self) -> int:
        return self.n * len(self.prompts)


def document(raw: bytes) -> dict[str, Any]:
    """The body of a request.

    Raises:
        ApiError: 400 if it is not a JSON object.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise wrong(f"the body is not valid JSON: {error}", code="invalid_json") from None
    if not isinstance(body, dict):
        raise wrong("the body must be a JSON object", code="invalid_json")
    return body


def naming(body: Mapping[str, Any], model: str) -> tuple[dict[str, Any], bytes]:
    """(body, its bytes) of a request whose address names the model."""
    named = {**body, "model": model}
    try:
        return named, orjson.dumps(named)
    except TypeError:
        raise wrong("the body is nested too deeply", code="invalid_json") from None


def chat(body: Mapping[str, Any], limits: Limits, options: Options) -> ApiRequest:
    """A body of /v1/chat/completions."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise wrong("'messages' must be a list with at least one message", "messages")
    prompt = Prompt(tuple(message(m, i) for i, m in enumerate(messages)))
    logprobs = body.get("logprobs")
    if logprobs not in (None, False, True):
        raise wrong("'logprobs' must be true or false", "logprobs")
    alternatives = count(body, "top_logprobs") or 0
    return _request(body, (prompt,), limits, options, alternatives if logprobs else None)


def completion(body: Mapping[str, Any], limits: Limits, options: Options) -> ApiRequest:
    """A body of /v1/completions."""
    given = body.get("prompt")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise wrong("'prompt' must be a text or a list of texts under a method", "prompt")
    if body.get("echo"):
        raise wrong("'echo' is not available under a method", "echo")
    prompts = tuple(Prompt(raw=text) for text in texts)
    return _request(body, prompts, limits, options, count(body, "logprobs"))


def message(given: Any, number: int) -> Message:
    """One message; whatever the core has no word for travels in `extra`."""
    where = f"messages[{number}]"
    if not isinstance(given, dict) or not isinstance(given.get("role"), str):
        raise wrong(f"'{where}' must be an object with a role", where)
    extra = {k: v for k, v in given.items() if k not in ("role", "content")}
    content = given.get("content")
    seen: str | tuple[str | Image, ...]
    if isinstance(content, str):
        seen = content
    elif content is None:
        seen, extra["content"] = "", None
    elif isinstance(content, list):
        seen, extra["content"] = tuple(_part(p, where) for p in content), content
    else:
        raise wrong(f"'{where}.content' must be a text or a list of parts", where)
    return Message(cast(MessageRole, given["role"]), seen, extra)


def _part(given: Any, where: str) -> str | Image:
    """What a method sees of a part: text, or an image; anything else looks like no text."""
    if isinstance(given, str):
        return given
    if not isinstance(given, dict):
        raise wrong(f"every part of '{where}.content' must be an object or a text", where)
    image = given.get("image_url")
    if isinstance(image, dict) and isinstance(image.get("url"), str):
        return Image(image["url"])
    text = given.get("text")
    return text if isinstance(text, str) else ""


def _request(
    body: Mapping[str, Any],
    prompts: tuple[Prompt, ...],
    limits: Limits,
    options: Options,
    logprobs: int | None,
) -> ApiRequest:
    n = count(body, "n", least=1) or 1
    if n * len(prompts) > limits.max_choices:
        raise wrong(f"{n * len(prompts)} choices are more than {limits.max_choices} under a method", "n")
    seed = body.get("seed")
    if seed is None or seed == -1:  # as llama.cpp and vLLM take -1: none in particular
        seed = secrets.randbits(31)
    elif (seed := whole(seed)) is None:
        raise wrong("'seed' must be a whole number", "seed")
    stream, wanted = body.get("stream"), body.get("stream_options")
    if stream not in (None, False, True):
        raise wrong("'stream' must be true or false", "stream")
    if wanted is not None and not isinstance(wanted, dict):
        raise wrong("'stream_options' must be an object", "stream_options")
    return ApiRequest(
        model=body.get("model"),
        prompts=prompts,
        sampling=sampling(body, logprobs),
        options=options,
        n=n,
        seed=seed,
        stream=bool(stream),
        include_usage=bool(wanted and wanted.get("include_usage")),
        logprobs=logprobs is not None,
        body=body,
    )


def sampling(body: Mapping[str, Any], logprobs: int | None) -> Sampling:
    """The settings of a body, unknown fields among them.

    Raises:
        ApiError: 400 for a value that cannot be, or for a body nested too deeply.
    """
    extra = {name: value for name, value in body.items() if name not in _OURS}
    given = {name: body[name] for name in _SETTINGS if body.get(name) is not None}
    given["max_tokens"] = limit(body)
    if given.get("top_k") == _ALL:
        given["top_k"] = 0
    if isinstance(given.get("stop"), str | list):  # an empty text would end a reply before it begins
        stop = given["stop"]
        given["stop"] = [text for text in ([stop] if isinstance(stop, str) else stop) if text != ""]
    try:
        orjson.dumps(body)  # what cannot be written again cannot be sent on
        return Sampling.of({**given, "logprobs": logprobs, "extra": extra})
    except UsageError as error:
        raise wrong(str(error), error.place) from None
    except TypeError:
        raise wrong("the body is nested too deeply", code="invalid_json") from None


def whole(value: Any) -> int | None:
    """A whole number as clients write it, 256 or 256.0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        return None
    return int(value)


def count(body: Mapping[str, Any], name: str, least: int = 0) -> int | None:
    """A whole number of the body, or None.

    Raises:
        ApiError: 400 for anything else.
    """
    given = body.get(name)
    if given is None:
        return None
    value = whole(given)
    if value is None or not least <= value < _MOST:
        raise wrong(f"{name!r} must be a whole number from {least}", name)
    return value


def limit(body: Mapping[str, Any], names: Sequence[str] = LIMITS) -> int | None:
    """The most tokens that a reply may have; None if that is left open: by -1, or by more than any
    reply has.

    Raises:
        ApiError: 400 for what cannot be a number of tokens.
    """
    bounds = []
    for name in names:
        value = body.get(name)
        if value is None or value == _ALL:
            continue
        tokens = whole(value)
        if tokens is None or tokens < 1:
            raise wrong(f"{name!r} must be a whole number from 1", name)
        bounds.append(tokens)
    most = min(bounds, default=_MOST)
    return most if most < _MOST else None
