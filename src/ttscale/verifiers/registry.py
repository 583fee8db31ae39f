"""The register of verifiers."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core import Context, Problem, Role, Trace, UnknownName

Judge = Callable[[Context, Problem, Sequence[Trace]], Awaitable[list[float]]]

_BUILT_IN = (
    "agreement",
    "confidence",
    "judge",
    "length",
    "oracle",
    "ratings.pairwise",
    "ratings.pointwise",
    "reward_model",
)
_VERIFIERS: dict[str, Verifier] = {}


@dataclass(frozen=True, slots=True)
class Verifier:
    """A named verifier.

    Attributes:
        judge: scores of the traces, one each.
        needs: role -> its kind and capabilities.
        partial: whether it can judge the beginning of a solution.
        oracle: whether it looks at the gold answer.
        probability: whether its scores lie in [0, 1].
        sampling: settings the samples it is to judge must be asked with.
    """

    name: str
    judge: Judge
    needs: Mapping[str, Role]
    partial: bool = False
    oracle: bool = False
    probability: bool = False
    sampling: Mapping[str, Any] = field(default_factory=dict)

    async def __call__(self, ctx: Context, problem: Problem, traces: Sequence[Trace]) -> list[float]:
        return await self.judge(ctx, problem, traces)


def register(
    name: str,
    *,
    needs: Mapping[str, Role] | None = None,
    partial: bool = False,
    oracle: bool = False,
    probability: bool = False,
    sampling: Mapping[str, Any] | None = None,
) -> Callable[[Judge], Judge]:
    """Register `async (ctx, problem, traces) -> list[float]` under a name."""

    def add(judge: Judge) -> Judge:
        _VERIFIERS[name] = Verifier(name, judge, needs or {}, partial, oracle, probability, sampling or {})
        return judge

    return add


def verifiers() -> dict[str, Verifier]:
    """All verifiers by name."""
    for module in _BUILT_IN:
        importlib.import_module(f".{module}", __package__)
    return dict(sorted(_VERIFIERS.items()))


def verifier(name: str) -> Verifier:
    """The verifier of that name.

    Raises:
        UnknownName: with the nearest name.
    """
    known = verifiers()
    if name not in known:
        raise UnknownName("verifier", name, known)
    return known[name]
