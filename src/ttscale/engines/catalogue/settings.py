"""The settings in a model specification: a query at the very end, read by declared types."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import unquote

from ...core import Sampling, UsageError
from ...core.settings.declared import Inline, fields_of, read, read_values

# the last "?" that name=value follows: file names and addresses may hold others
QUERY = re.compile(r"\?(?=[A-Za-z_][\w.%-]*=)(?!.*\?[A-Za-z_][\w.%-]*=)")


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


def read_query(body: str, types: Mapping[str, Any], of: str) -> tuple[str, dict[str, Any], Sampling]:
    """(what is named, an engine's own settings that are given, sampling settings among them).

    Raises:
        UsageError: for a setting that is not known or cannot be.
    """
    named, settings = split(body)
    for family in (name for name in types if name.endswith(".*")):  # of any name behind the dot
        types = {**types, **{k: types[family] for k in settings if k.startswith(family[:-1])}}
    values = read_values({**types, **_SAMPLING}, settings, of, entry="setting")
    return named, values, values.pop("sampling", Sampling())


def sampling_of(body: str) -> Sampling:
    """The sampling settings among those of a query; the others are not looked at."""
    settings = {k: v for k, v in split(body)[1].items() if k in fields_of(Sampling)}
    return read(Sampling, settings, of="sampling", entry="setting", written=True)


_SAMPLING = {"sampling": Annotated[Sampling, Inline()]}
