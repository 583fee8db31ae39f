"""The register of methods, and how they are written: `name`, `name(n=8, k=4)` or `FILE.py:name(n=8)`.

Built-in methods and those of other packages enter the same way: the `method` decorator, checked at
once. A built-in method is loaded when it is asked for (`index` says where it is), so that one method
costs what it imports itself; those of other packages (`plugins`) are loaded once a name is asked for
that is not built in. In a name `_` is as good as `-`.
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
from . import own_file, plugins
from .index import MODULES
from .plugins import BrokenPlugin

_METHODS: dict[str, Method] = {}  # those loaded so far
_BROKEN: list[BrokenPlugin] = []
_all_loaded = False


def method(*, card: Card) -> Callable[[Callable[..., Awaitable[Any]]], Method]:
    """Register `async def fn(problem, ctx, cfg: Config)` (or `problems` for a set method).

    Raises:
        UsageError: if the name is taken, the function has another shape, the config is not a frozen
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
                raise UsageError(f"{where}: card.{role}={name!r} is not a field of {config.__name__}")
        for name in (card.name, *card.aliases):
            other = _registered(name)
            if other is not None and other.fn.__module__ == fn.__module__ and own_file.is_own(fn.__module__):
                del _METHODS[other.name]  # the file is run again
                other = None
            taken_by = other.fn.__module__ if other else MODULES.get(name, fn.__module__)
            if other or taken_by != fn.__module__:
                raise UsageError(f"{where}: the name {name!r} is taken by {taken_by}")
        registered = Method(card, fn, config)
        _METHODS[card.name] = registered
        return registered

    return register


def methods() -> dict[str, Method]:
    """All methods, by name, in alphabetical order. Loads every module that defines one."""
    global _all_loaded
    if not _all_loaded:
        _all_loaded = True
        package = importlib.import_module(__package__ or "ttscale.methods")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
        before = dict(_METHODS)
        for broken in plugins.load():
            if broken is not None:  # nor is what it has registered so far of use
                _METHODS.clear()
                _METHODS.update(before)
                _BROKEN.append(broken)
            before = dict(_METHODS)
    return dict(sorted(_METHODS.items()))


def broken_plugins() -> list[BrokenPlugin]:
    """The packages whose methods are left out, because they cannot be loaded."""
    methods()
    return list(_BROKEN)


def get(name: str) -> Method:
    """The method of that name; only its own module is loaded if it is built in.

    Raises:
        UnknownName: with the nearest name.
    """
    own = name.replace("_", "-")
    if own in MODULES:
        importlib.import_module(MODULES[own])
    found = _registered(own)
    if found is None:
        known = methods()
        found = _registered(own)
    if found is None:
        names = (n for m in known.values() for n in (m.name, *m.card.aliases))
        raise UnknownName("method", name, names)
    return found


def _registered(name: str) -> Method | None:
    """The method of that name, if its module has been loaded."""
    return next((m for m in _METHODS.values() if name in (m.name, *m.card.aliases)), None)


def parse(spec: str) -> Configured:
    """Read `name`, `name(n=8, k=4)` or `FILE.py:name(n=8)`, which runs the file; values are Python
    literals, bare words are strings.

    Raises:
        UsageError: if the text cannot be read, or a parameter is unknown or out of range.
    """
    params: Mapping[str, Any]
    if (own := own_file.divided(spec)) is not None:
        path, name, rest = own
        found = own_file.method_in(path, name)
        params = _parameters(rest, spec)
        _METHODS[found.name] = found
        label = _label(f"{path}:{name}", params)
    else:
        found, params, label = written(spec)
    return Configured(found, found.configure(params), label)


def written(spec: str) -> tuple[Method, Mapping[str, Any], str]:
    """(method, its parameters, label) as written: the parameters have not been looked at.

    Raises:
        UsageError: if the text cannot be read.
    """
    name, bracket, rest = spec.strip().partition("(")
    params = _parameters(bracket + rest, spec)
    return get(name.strip()), params, _label(name.strip(), params)


def _parameters(rest: str, spec: str) -> dict[str, Any]:
    """What stands in the brackets after a method's name; nothing without them."""
    if not rest:
        return {}
    try:
        call = ast.parse(f"f{rest}", mode="eval").body
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
    return params


def _label(name: str, params: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{k}={v}" for k, v in params.items())
    return f"{name}({shown})" if shown else name


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
