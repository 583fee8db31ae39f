"""What a model name asks for: `NAME` passes through, `METHOD/NAME` runs a method on it.

A name that is served as it stands wins, slashes and all: `Qwen/Qwen3-8B` is a model, and
`ffs/Qwen/Qwen3-8B` a method in front of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..core import Configured, Method, UnknownName, UsageError
from ..methods import registry
from .access.api_keys import Client
from .api.options import Options
from .errors import ApiError, wrong
from .upstreams.upstream import Upstream

PLAIN = ("", "plain", "none")
_LONGEST = 300  # characters of a method with its parameters


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. Without a method it is passed through."""

    upstream: Upstream
    method: Configured | None


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
        method = chosen(options.method, options.params, "ttscale.method", upstream)
    elif spec is not None:
        method = chosen(spec, options.params, "model", upstream)
    else:
        own = client.account.method
        method = chosen(own, options.params, "ttscale", upstream, trusted=True)
    if method is None and (options.runs or upstream.server is None):
        method = chosen("simple", {}, "ttscale")  # what was asked for needs a run to hold it
    return Target(upstream, method)


def chosen(
    spec: str,
    params: Mapping[str, Any],
    param: str,
    upstream: Upstream | None = None,
    *,
    trusted: bool = False,
) -> Configured | None:
    """A method as written, with further parameters, over what is configured for the upstream; None
    for passing through. `trusted` says that `spec` comes from the configuration.

    Raises:
        ApiError: 400, naming the nearest method or parameter.
    """
    if spec in PLAIN:
        if params:
            raise wrong("parameters are given, but no method", "ttscale.params")
        return None
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
        preset = {} if upstream is None else upstream.presets.get(method.name, {})
        return Configured(method, method.configure({**preset, **own, **params}), label)
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
    if at is not None and model[:at].partition("(")[0].strip() in _method_names():
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


def _method_names() -> set[str]:
    known = registry.methods()
    return set(known) | {alias for m in known.values() for alias in m.card.aliases}
