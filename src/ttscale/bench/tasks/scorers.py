"""A scorer of one's own: `rule=package:function` or `rule=FILE.py:function`.

`function(answer, golds)` is given the answer as it was extracted, a text, and the gold answers of the row,
and returns whether it is right: True, False, or None where it does not know.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...core import UnknownName, UsageError
from ...methods.own_file import module_of

Function = Callable[[str, Sequence[str]], bool | None]


def scorer(written: str) -> Function:
    """The function that is named.

    Raises:
        UsageError: if its module cannot be loaded.
        UnknownName: if there is no such function.
    """
    where, _, name = written.rpartition(":")
    if where.endswith(".py"):
        module = module_of(Path(where))
    else:
        try:
            module = importlib.import_module(where)
        except Exception as error:
            raise UsageError(
                f"the scorer's module {where!r} cannot be loaded: {type(error).__name__}: {error}",
                fix="install it, or write rule=FILE.py:FUNCTION",
            ) from None
    found = getattr(module, name, None)
    if not callable(found):
        known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise UnknownName("scorer", name, known, where)
    function: Function = found
    return function


def grade(function: Function, golds: Sequence[str]) -> Callable[[str], Any]:
    """What a problem keeps of it."""
    return partial(_graded, function, tuple(golds))


def _graded(function: Function, golds: Sequence[str], answer: str) -> bool | None:
    return function(answer, golds)
