"""The register of methods, and how they are written: `name` or `name(n=8, k=4)`.

Built-in methods and those of other packages enter the same way: the `method` decorator, checked at
once. Those on a higher floor are listed by name in `ELSEWHERE`; another package names its modules
under the entry point group `ttscale.methods`.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..core import Card, Configured, Method, UnknownName, UsageError

ELSEWHERE = ("ttscale.planner.auto",)
"""Modules outside this package that define methods: what chooses among them stands above them."""

_METHODS: dict[str, Method] = {}
_loaded = False


def method(*, card: Card) -> Callable[[Callable[..., Awaitable[Any]]], Method]:
    """Register `async def fn(problem, ctx, cfg: Config)` (or `problems` for a set method).

    Raises:
        UsageError: if the name is taken, the function has another shape, the config is no frozen
            dataclass, or the card names a config field that does not exist.
    """

    def register(fn: Callable[..., Awaitable[Any]]) -> Method:
        where = f"method {card.name!r} ({fn.__module__}.{fn.__qualname__})"
        first = "problems" if card.scope == "set" else "problem"
        parameters = list(inspect.signature(fn).parameters)
        if not inspect.iscoroutinefunction(fn) or parameters != [first, "ctx", "cfg"]:
            raise UsageError(f"{where} must be `async def ({first}, ctx, cfg)`")
        config = typing.get_type_hints(fn).get("cfg")
        if config is None or not dataclasses.is_dataclass(config) or not isinstance(config, type):
            raise UsageError(f"{where} must annotate cfg with its config dataclass")
        names = {f.name for f in dataclasses.fields(config)}
        named = [("knob", card.knob), ("draws", card.draws), *(("files", f) for f in card.files)]
        for role, name in named:
            if name and name not in names:
                raise UsageError(f"{where}: card.{role}={name!r} is no field of {config.__name__}")
        if card.name in _METHODS:
            raise UsageError(f"{where}: the name is taken by {_METHODS[card.name].fn.__module__}")
        registered = Method(card, fn, config)
        _METHODS[card.name] = registered
        return registered

    return register


def methods() -> dict[str, Method]:
    """All registered methods, by name, in alphabetical order."""
    global _loaded
    if not _loaded:
        _loaded = True
        from importlib.metadata import entry_points

        package = importlib.import_module(__package__ or "ttscale.methods")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
        for name in ELSEWHERE:
            importlib.import_module(name)
        for point in entry_points(group="ttscale.methods"):
            point.load()
    return dict(sorted(_METHODS.items()))


def get(name: str) -> Method:
    """The method of that name.

    Raises:
        UnknownName: with the nearest name.
    """
    known = methods()
    named = known | {alias: m for m in known.values() for alias in m.card.aliases}
    if name not in named:
        raise UnknownName("method", name, named)
    return named[name]


def parse(spec: str) -> Configured:
    """Read `name` or `name(n=8, k=4)`; values are Python literals, bare words are strings.

    Raises:
        UsageError: if the text cannot be read, or a parameter is unknown or out of range.
    """
    found, params, label = written(spec)
    return Configured(found, found.configure(params), label)


def written(spec: str) -> tuple[Method, Mapping[str, Any], str]:
    """(method, its parameters, label) as written: the parameters have not been looked at.

    Raises:
        UsageError: if the text cannot be read.
    """
    text = spec.strip()
    name, bracket, rest = text.partition("(")
    name = name.strip()
    params: dict[str, Any] = {}
    if bracket:
        try:
            call = ast.parse(f"f({rest}", mode="eval").body
        except SyntaxError:
            call = None
        if (
            not isinstance(call, ast.Call)
            or not isinstance(call.func, ast.Name)  # as in name(n=8)(k=4)
            or call.args
            or any(k.arg is None for k in call.keywords)
        ):
            raise UsageError(f"cannot read method {spec!r}", fix="write it as name(n=8, k=4)")
        params = {str(k.arg): _value(k.value, spec) for k in call.keywords}
        if len(params) < len(call.keywords):
            raise UsageError(f"method {spec!r} sets a parameter twice", fix="set it once")
    found = get(name)
    shown = ", ".join(f"{k}={v}" for k, v in params.items())
    return found, params, f"{name}({shown})" if shown else name


def _value(node: ast.expr, spec: str) -> Any:
    if isinstance(node, ast.Name):
        return {"true": True, "false": False, "none": None}.get(node.id, node.id)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):  # no literal, or an unhashable key
        raise UsageError(
            f"cannot read {ast.unparse(node)!r} in method {spec!r}",
            fix="give a number, a word or a quoted text",
        ) from None
