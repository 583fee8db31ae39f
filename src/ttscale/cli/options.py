"""How options are written that several commands share: `name=value` lists and budgets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..core import Budget


def assignments(given: Iterable[str], option: str) -> dict[str, str]:
    """`name=value` texts as a mapping.

    Raises:
        UsageError: if one has no name or no value, or a name comes twice.
    """
    from ..core import UsageError

    found: dict[str, str] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise UsageError(f"cannot read {option} {text!r}", fix="write NAME=VALUE")
        if name in found:
            raise UsageError(f"{option} {name!r} is given twice", fix="give it once")
        found[name] = value
    return found


def budget_of(given: Iterable[str]) -> Budget | None:
    """`tokens=2000,seconds=10` as a budget; None if nothing is given. Suffixes k and M count.

    Raises:
        UsageError: for an unknown kind (with the nearest) or a limit that is not a positive number.
    """
    from ..core import Budget, UsageError

    pairs = assignments((part for text in given for part in text.split(",")), "--budget")
    limits: dict[str, float] = {}
    for kind, text in pairs.items():
        scale = {"k": 1e3, "M": 1e6}.get(text[-1], 1)
        try:
            number = float(text[:-1] if scale > 1 else text) * scale
        except ValueError:
            raise UsageError(
                f"budget {kind}={text!r} is not a number", fix=f"write {kind}=2000 or {kind}=2k"
            ) from None
        whole = kind in ("tokens", "sequential", "samples") and number.is_integer()
        limits[kind] = int(number) if whole else number
    return Budget.of(limits) if limits else None


def _fields(ctx: click.Context, param: click.Parameter, written: str | None) -> dict[str, Any] | None:
    from ..core import UsageError

    if written is None:
        return None
    try:
        read = json.loads(written)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise UsageError(f"--extra-body {written!r} is not a JSON object", fix="""write '{"field": 1}'""")
    return read


def request_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options for what a server is told beside the usual sampling settings; fields of `Sampling`."""
    command = click.option(
        "--extra-body",
        "extra",
        metavar="JSON",
        callback=_fields,
        help="Further fields of every request, as an object.",
    )(command)
    return click.option(
        "--reasoning-effort",
        metavar="EFFORT",
        help="How hard a model that thinks is to think: none, minimal, low, medium, high.",
    )(command)
