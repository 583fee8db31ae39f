"""What a model name asks for: `NAME` passes through, `METHOD/NAME` runs a method on it.

A name that is served as it stands wins, slashes and all: `Qwen/Qwen3-8B` is a model, and
`ffs/Qwen/Qwen3-8B` a method in front of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from ..core import Configured, Method, UnknownName, UsageError
from ..methods import registry
from .access.api_keys import Client
from .api.options import Options
from .config import Limits
from .errors import ApiError, wrong
from .upstreams.upstream import Upstream

PLAIN = ("", "plain", "none")
_LONGEST = 300  # characters of a method with its parameters


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. Without a method it is passed through.

    Attributes:
        requested: the method's parameters that the client has given.
    """

    upstream: Upstream
    method: Configured | None
    requested: Mapping[str, Any] = field(default_factory=dict)


def target(model: Any, options: Options, client: Client, upstreams: Mapping[str, Upstream]) -> Target:
    """Where a request goes; its `ttscale` object overrides the name, the name the key's default.

    Raises:
        ApiError: 400 for a wrong method (naming the nearest), 404 for an unknown model, 403 for one
            the key may not use.
    """
    if not isinstance(model, str) or not model:
        raise wrong("'model' must be the name of a model", "model")
    if len(model) > 2 * _LONGEST:
        raise wrong("'model' is too long to be the name of a model", "model")
    spec, upstream = _split(model, upstreams)
    allowed = client.account.models
    if allowed and upstream.name not in allowed:
        raise ApiError(
            403, f"this key may not use model {upstream.name!r}", code="model_not_allowed", param="model"
        )
    if options.method is not None:
        found = chosen(options.method, options.params, "ttscale.method", upstream)
    elif spec is not None:
        found = chosen(spec, options.params, "model", upstream)
    else:
        found = chosen(client.account.method, options.params, "ttscale", upstream, trusted=True)
    if found.method is None and (options.runs or upstream.server is None):
        return chosen("simple", {}, "ttscale", upstream)  # what was asked for needs a run to hold it
    return found


def within(target: Target, choices: int, limits: Limits) -> Configured:
    """The method of a request, which may draw at most so many samples for all of its choices.

    A maximum is lowered to that, and so is a number that the client has not asked for.

    Raises:
        ApiError: 400 if the client has asked for more.
    """
    method, most = target.method, limits.max_samples // choices
    assert method is not None
    samples, name = method.max_samples(), method.card.draws
    if samples is None or samples <= most:
        return method
    if most < 1 or (name in target.requested and not name.startswith("max_")):
        raise wrong(
            f"{samples * choices} samples are more than {limits.max_samples} per request",
            "ttscale.params",
            "too_many_samples",
        )
    try:
        return replace(method, cfg=replace(method.cfg, **{name: most}))
    except UsageError:  # another parameter needs more: the budget of samples ends it there
        return method


def chosen(
    spec: str, params: Mapping[str, Any], param: str, upstream: Upstream, *, trusted: bool = False
) -> Target:
    """A method as written, with further parameters, over what is configured for the upstream.
    `trusted` says that `spec` comes from the configuration.

    Raises:
        ApiError: 400, naming the nearest method or parameter.
    """
    if spec in PLAIN:
        if params:
            raise wrong("parameters are given, but no method", "ttscale.params")
        return Target(upstream, None)
    if len(spec) > _LONGEST:
        raise wrong("the method is too long to be read", param)
    try:
        method, own, label = _written(spec)
        requested = params if trusted else {**own, **params}
        for name in method.card.files:
            if name in requested:  # a client must not make the gateway read files
                raise wrong(
                    f"{name!r} of method {method.name!r} names a file, which only the gateway's "
                    "configuration may do",
                    param,
                    "parameter_not_allowed",
                )
        preset = upstream.presets.get(method.name, {})
        cfg = method.configure({**preset, **own, **params})
        return Target(upstream, Configured(method, cfg, label), requested)
    except (UsageError, RecursionError, MemoryError) as error:
        message = str(error) or "the method cannot be read"
        code = "unknown_method" if isinstance(error, UnknownName) else "invalid_method"
        raise wrong(message, param, code) from None


@lru_cache(1024)
def _written(spec: str) -> tuple[Method, Mapping[str, Any], str]:
    """A method as written; the same few are asked for again and again."""
    return registry.written(spec)


def _split(model: str, upstreams: Mapping[str, Upstream]) -> tuple[str | None, Upstream]:
    """(method or None, upstream) of a model name."""
    if model in upstreams:
        return None, upstreams[model]
    at = _slash(model)
    if at is not None and model[at + 1 :] in upstreams:
        return model[:at], upstreams[model[at + 1 :]]
    name = model
    if at is not None and _is_method(model[:at].partition("(")[0].strip()):
        name = model[at + 1 :]
    unknown = UnknownName("model", name, upstreams)
    raise ApiError(404, str(unknown), code="model_not_found", param="model")


def _slash(model: str) -> int | None:
    """Where the method ends: at the first slash outside brackets and quotes."""
    depth, quote = 0, ""
    for at, char in enumerate(model):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "/" and depth <= 0:
            return at
    return None


def _is_method(name: str) -> bool:
    try:
        registry.get(name)
    except UnknownName:
        return False
    return True
