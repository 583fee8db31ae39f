"""The settings in a model specification: a query at the very end, read by declared types."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args
from urllib.parse import unquote

from ..core import Sampling, UnknownName, UsageError

# the last "?" that name=value follows: file names and addresses may hold others
QUERY = re.compile(r"\?(?=[A-Za-z_][\w.%-]*=)(?!.*\?[A-Za-z_][\w.%-]*=)")
SAMPLING = {f.name for f in dataclasses.fields(Sampling)} - {"extra"}


def split(body: str) -> tuple[str, dict[str, str]]:
    """(what is named, the settings of a query at the very end)."""
    if "?" not in body or os.path.exists(body):  # unlike Path.exists, never raises
        return body, {}
    parts = QUERY.split(body, maxsplit=1)
    if len(parts) == 1:
        return body, {}
    pairs = [pair.partition("=") for pair in parts[1].split("&")]
    broken = next((key for key, equals, _ in pairs if not equals), None)
    if broken is not None:
        raise UsageError(f"setting {broken!r} in {body!r} has no value", fix="write name=value")
    return parts[0], {unquote(key): unquote(value) for key, _, value in pairs}


def typed(
    settings: Mapping[str, str], types: Mapping[str, Any], what: str, also: Iterable[str] = ()
) -> dict[str, Any]:
    """Settings by their declared types; unknown names and unreadable values are errors. `also` are
    further names that may have been meant."""
    values = {}
    for name, text in settings.items():
        if name not in types:
            if name in ("key", "api_key", "token"):
                raise UsageError(
                    f"{what}: a key does not belong on the command line or in a config",
                    fix="name the environment variable (key_env=NAME) or the file (key_file=PATH)",
                )
            raise UnknownName(f"setting of {what}", name, {*types, *also})
        try:
            read: Callable[[str, Any], Any] = _READERS.get(types[name]) or _read_choice
            values[name] = read(text, types[name])
        except ValueError:
            fix = f"give {_MEANT[types[name]]}"
            raise UsageError(f"{what}: {name}={text!r} cannot be read", fix=fix) from None
    return values


def _read_bool(text: str, _: Any) -> bool:
    if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
        raise ValueError(text)
    return text.lower() in ("true", "1", "yes")


def _read_choice(text: str, choices: Any) -> str:
    if text not in get_args(choices):
        raise UnknownName("value", text, get_args(choices))
    return text


_READERS: dict[Any, Callable[[str, Any], Any]] = {
    bool: _read_bool,
    int: lambda text, _: int(text),
    float: lambda text, _: float(text),
    str: lambda text, _: text,
    tuple: lambda text, _: (text,),
}
_MEANT = {bool: "true or false", int: "a whole number", float: "a number"}
_SAMPLING_TYPES: dict[str, Any] = {
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "min_p": float,
    "max_tokens": int,
    "min_tokens": int,
    "stop": tuple,
    "logprobs": int,
}


def apart(settings: dict[str, str]) -> tuple[dict[str, str], Sampling]:
    """(an engine's own settings, the sampling settings among them)."""
    own = {name: value for name, value in settings.items() if name not in SAMPLING}
    asked = {name: value for name, value in settings.items() if name in SAMPLING}
    return own, Sampling.of(typed(asked, _SAMPLING_TYPES, "sampling"))
