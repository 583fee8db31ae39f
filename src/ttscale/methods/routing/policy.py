"""A policy as a small JSON file: how to judge a question, and what to run for it.

    {"kind": "ttscale-policy", "version": 1, "model": ..., "task": ..., "questions": 200,
     "unit": "samples", "difficulty": {"kind": "agreement", "pilot": 4, "cuts": [1.0, 0.5]},
     "levels": [{"limit": 8, "strategies": ["pilot(n=4)", "pilot(n=8)", "ffs(n=8, k=4)"], ...}],
     "saturation": {...}}

A strategy is a method as the command line writes it, or `pilot(n=N)`: the vote of the pilot and of
as many further samples as make N in all (N = pilot samples no more). With reward difficulty that vote is
weighted by the rewards. `pilot(n=N, select=vote)`, `select=weighted` and `select=best` say which it is;
`pilot(n=N, sure=0.95)` stops early, as Adaptive-Consistency does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ...core import SavedFile, UsageError
from .difficulty import Difficulty, Kind

Unit = Literal["samples", "tokens"]
Spend = Literal["bin", "mean"]  # whether every bin keeps to a limit, or the mean of all questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What to run within one budget.

    Attributes:
        limit: mean cost of a question, of any bin or over all as the policy spends, in its unit, the
            pilot included.
        strategies: of each bin, easiest first, (bins,).
        figures: how it did: accuracy and cost in sample, two-fold, and of the best single strategy.
    """

    limit: float
    strategies: tuple[str, ...]
    figures: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What was learned about a model on a task.

    Attributes:
        unit: what limits count.
        levels: by rising limit.
        questions: how many it was fitted on.
        saturation: how many samples are worth buying; see `saturation`.
        spend: whether every bin keeps to a limit ("bin", as in the paper), or their mean does.
    """

    model: str
    task: str
    questions: int
    unit: Unit
    difficulty: Difficulty
    levels: tuple[Level, ...]
    saturation: Mapping[str, Any] = field(default_factory=dict, hash=False)
    spend: Spend = "bin"

    def __post_init__(self) -> None:
        if not self.levels:
            raise UsageError("a policy without budgets", fix="fit it for at least one")
        for level in self.levels:
            if len(level.strategies) != self.difficulty.bins:
                raise UsageError(
                    f"the level at {level.limit:g} has {len(level.strategies)} strategies for "
                    f"{self.difficulty.bins} bins"
                )

    def level(self, budget: float | None) -> Level:
        """The highest level within a budget; the lowest if none is, the last without a budget."""
        if budget is None:
            return self.levels[-1]
        within = [level for level in self.levels if level.limit <= budget + 1e-9]
        return within[-1] if within else self.levels[0]

    @property
    def strategies(self) -> list[str]:
        """All it may choose, each once."""
        return list(dict.fromkeys(s for level in self.levels for s in level.strategies))

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**POLICY_FILE.head(), **asdict(self)}

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        POLICY_FILE.save(path, asdict(self))

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read what `save` wrote.

        Raises:
            RecordError: if it cannot be read or is not a policy of this version.
        """
        return POLICY_FILE.load(path)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Policy:
        """The inverse of `as_dict`."""
        described = data["difficulty"]
        if described["kind"] not in get_args(Kind) or data["unit"] not in get_args(Unit):
            raise UsageError(f"difficulty {described['kind']!r} in {data['unit']!r} is not known")
        levels = [
            Level(
                limit=float(level["limit"]),
                strategies=tuple(level["strategies"]),
                figures=level.get("figures", {}),
            )
            for level in data["levels"]
        ]
        return cls(
            model=data["model"],
            task=data["task"],
            questions=int(data["questions"]),
            unit=data["unit"],
            levels=tuple(sorted(levels, key=lambda level: level.limit)),
            difficulty=Difficulty(
                kind=described["kind"],
                pilot=int(described["pilot"]),
                cuts=tuple(float(c) for c in described["cuts"]),
            ),
            saturation=data.get("saturation", {}),
            spend=data.get("spend", "bin"),
        )


POLICY_FILE = SavedFile(
    "policy", 1, Policy.from_dict, kind="ttscale-policy", fix="make one with ttscale plan fit"
)
