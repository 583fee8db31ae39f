"""The `ttscale` object of a request: method, parameters, budget, and what to tell.

{"method": "ffs", "params": {"n": 8}, "budget": {"tokens": 4000}, "answer": "math",
 "candidates": true, "progress": "reasoning"}
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..answers import RULES
from ..core import Budget, TTScaleError, UnknownName
from .errors import wrong

Progress = Literal["comments", "reasoning", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a request wants to be answered.

    Attributes:
        method: "plain" passes through; None leaves it to the model name and the key.
        answer: how answers are found and compared; "" finds out from the texts.
        candidates: return every sample. card: return the method's card.
        progress: how a stream shows that samples are under way.
    """

    method: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    answer: str = ""
    candidates: bool = False
    card: bool = False
    progress: Progress = "comments"

    @property
    def runs(self) -> bool:
        """Whether anything is asked for that passing through could not give."""
        return bool(self.budget.given() or self.answer or self.candidates or self.card)


NONE = Options()
_NAMES = [f.name for f in dataclasses.fields(Options)]
_KINDS = {"method": str, "params": dict, "answer": str, "candidates": bool, "card": bool}


def options(given: Any) -> Options:
    """The options of a request.

    Raises:
        ApiError: 400 for what is unknown (naming the nearest) or of the wrong kind.
    """
    if given is None:
        return NONE
    if not isinstance(given, dict):
        raise wrong("'ttscale' must be an object", "ttscale")
    for name in given:
        if name not in _NAMES:
            raise wrong(str(UnknownName("field of 'ttscale'", name, _NAMES)), f"ttscale.{name}")
    values = {name: value for name, value in given.items() if value is not None}
    for name, kind in _KINDS.items():
        if name in values and not isinstance(values[name], kind):
            raise wrong(f"'ttscale.{name}' must be a {kind.__name__}", f"ttscale.{name}")
    if "budget" in values:
        values["budget"] = budget(values["budget"])
    if values.get("answer") and values["answer"] not in RULES:
        raise wrong(str(UnknownName("answer rule", values["answer"], RULES)), "ttscale.answer")
    if values.get("progress", "comments") not in ("comments", "reasoning", "none"):
        raise wrong("'ttscale.progress' must be comments, reasoning or none", "ttscale.progress")
    return Options(**values)


def budget(given: Any) -> Budget:
    """A budget of a request."""
    where = "ttscale.budget"
    if not isinstance(given, dict):
        raise wrong(f"'{where}' must be an object", where)
    for kind, limit in given.items():
        if kind == "units" or isinstance(limit, bool) or not isinstance(limit, int | float):
            raise wrong(f"'{where}.{kind}' must be a number", where)
    try:
        return Budget.of(given)
    except (TTScaleError, TypeError) as error:
        raise wrong(str(error), where) from None
