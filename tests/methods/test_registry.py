"""Methods are registered and written the same way, whoever wrote them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import pytest

from ttscale.core import Card, UnknownName, UsageError
from ttscale.methods.index import MODULES
from ttscale.methods.registry import get, method, methods, parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    n: int = 1


def card(**fields):
    return Card(**{"name": "mine", "title": "Mine", "what": "parallel", "stops": "x", **fields})


async def good(problem, ctx, cfg: Config): ...


async def other_arguments(question, ctx, cfg: Config): ...


def not_async(problem, ctx, cfg: Config): ...


async def no_config(problem, ctx, cfg): ...


@pytest.mark.parametrize(
    ("fn", "fields", "says"),
    [
        (other_arguments, {}, "async def"),
        (not_async, {}, "async def"),
        (no_config, {}, "config dataclass"),
        (good, {"knob": "m"}, "knob='m'"),
        (good, {"draws": "m"}, "draws='m'"),
        (good, {"name": "esc"}, "taken"),
        (good, {"scope": "set"}, "problems"),
    ],
)
def test_a_method_of_another_shape_is_refused_at_once(fn, fields, says):
    before = methods()
    with pytest.raises(UsageError, match=says):
        method(card=card(**fields))(fn)
    assert methods() == before


def test_specifications_are_read_as_they_are_written():
    found = parse(" ffs(n=16, k=4, mode=sync, valid_only=false) ")
    assert (found.cfg.n, found.cfg.k, found.cfg.mode, found.cfg.valid_only) == (16, 4, "sync", False)
    assert found.label == "ffs(n=16, k=4, mode=sync, valid_only=False)"
    assert parse("budget-forcing(wait='Hmm', max_thinking=none)").cfg.max_thinking is None
    assert parse("esc").cfg == get("esc").config()
    assert parse("sc").method is get("self-consistency")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("self-consistancy", "did you mean 'self-consistency'"),
        ("ffs(valid=true)", "did you mean 'valid_only'"),
        ("ffs(3)", "name"),
        ("ffs(n=", "cannot read"),
        ("ffs(n=1+x)", "cannot read"),
        ("ffs(n=0)", "n=0"),
        ("ffs(**x)", "cannot read"),
        ("ffs(n='8')", "whole number"),
        ("", "unknown method"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_fix(spec, says):
    with pytest.raises((UsageError, UnknownName), match=says):
        parse(spec)


@pytest.mark.parametrize("name", ["esc", "sc"])
def test_a_name_is_taken_before_its_method_is_loaded(name):
    program = f"""
from ttscale.core import Card, UsageError
from ttscale.methods import registry
from ttscale.methods.baselines.simple import Config

async def mine(problem, ctx, cfg: Config): ...

card = Card(name="mine", title="Mine", what="parallel", stops="x", aliases=({name!r},))
try:
    registry.method(card=card)(mine)
except UsageError as error:
    print(error)
"""
    assert f"{name!r} is taken by ttscale.methods.voting" in run(program)


def test_the_index_says_where_every_method_is():
    cards = {n: m.fn.__module__ for m in methods().values() for n in (m.name, *m.card.aliases)}
    built_in = {n: module for n, module in cards.items() if module.startswith("ttscale.")}
    missing = {n: module for n, module in built_in.items() if MODULES.get(n) != module}
    assert not missing, f"add it to methods/index.py: {missing}"
    gone = MODULES.keys() - built_in.keys()
    assert not gone, f"take it out of methods/index.py: {gone}"


def test_a_method_loads_what_it_needs_and_nothing_else():
    program = """
import sys
from ttscale.methods.registry import parse
parse("sc(n=8)")
print(*sys.modules)
"""
    loaded = set(run(program).split())
    assert not loaded & {"numpy", "scipy", "sympy", "torch", "transformers"}
    others = {m for m in loaded if m in MODULES.values()}
    assert others == {"ttscale.methods.voting.self_consistency"}


def test_importing_methods_verifiers_and_planner_loads_no_torch():
    program = """
import importlib, pkgutil, sys
import ttscale.methods, ttscale.planner, ttscale.verifiers
for package in (ttscale.methods, ttscale.planner, ttscale.verifiers):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
print(*sys.modules)
"""
    loaded = set(run(program).split())
    assert {"ttscale.methods.routing.atts", "ttscale.planner.fitting"} <= loaded
    assert not loaded & {"torch", "transformers", "tokenizers"}


def run(program: str) -> str:
    """What a program prints in a process of its own."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_names_and_aliases_are_unique():
    names = [n for m in methods().values() for n in (m.name, *m.card.aliases)]
    assert len(names) == len(set(names))
