"""The `ttscale` object of a request: method, parameters, budget, and what to tell.

{"method": "ffs", "params": {"n": 8}, "budget": {"tokens": 4000}, "answer": "math",
 "candidates": true, "progress": "reasoning"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from ...answers import RULES
from ...core import Budget, OneOf, UsageError, declared
from ...core.settings.declared import read
from ..errors import wrong

Progress = Literal["comments", "reasoning", "none"]


@declared
class Options:
    """How a request wants to be answered.

    Attributes:
        method: "plain" passes through; None leaves it to the model name and the key.
        answer: how answers are found and compared; "" finds out from the texts.
        candidates: return every sample. card: return the method's card.
        progress: how a stream shows that samples are under way.
        rescue: whether a reply that is all thinking is worth one more sample; None leaves it to the
            configuration.
    """

    method: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    answer: Annotated[str, OneOf(("", *RULES))] = ""
    candidates: bool = False
    card: bool = False
    progress: Progress = "comments"
    rescue: bool | None = None

    def __post_init__(self) -> None:
        if self.budget.units:
            raise UsageError("a request cannot limit units", fix="leave out budget.units")

    @property
    def runs(self) -> bool:
        """Whether anything is asked for that passing through could not give."""
        return bool(self.budget != NONE.budget or self.answer or self.candidates or self.card or self.rescue)


NONE = Options()


def options(body: Mapping[str, Any]) -> Options:
    """The options of a request; null leaves one out.

    Raises:
        ApiError: 400 for what is unknown (naming the nearest) or cannot be.
    """
    given = body.get("ttscale")
    if given is None:
        return NONE
    if not isinstance(given, dict):
        raise wrong("'ttscale' must be an object", "ttscale")
    try:
        values = {name: value for name, value in given.items() if value is not None}
        return read(Options, values, "ttscale", entry="field")
    except UsageError as error:
        raise wrong(str(error), error.place) from None
