"""Putting a run together: by role, an engine, its price and its sampling.

Every way in (the library, the command line, a bench, the gateway, the planner) makes its runs here,
so that a model behaves alike wherever it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .core import Engine, Price, Run, Sampling

if TYPE_CHECKING:
    from .core import Journal, Observer
    from .engines import ModelSource


@dataclass(frozen=True, slots=True)
class Assembly:
    """What runs are made of; one may make many.

    Attributes:
        engines: role -> engine; "main" is among them.
        prices: role -> price, where it is known.
        defaults: role -> sampling used where neither the user nor the method asks for anything.
    """

    engines: Mapping[str, Engine]
    prices: Mapping[str, Price] = field(default_factory=dict)
    defaults: Mapping[str, Sampling] = field(default_factory=dict)

    @classmethod
    def of(
        cls, sources: Mapping[str, ModelSource], defaults: Sampling | None = None, **settings: Any
    ) -> Assembly:
        """Engines for the sources, not yet opened; sources of one specification share an engine.

        `defaults` stand below each model's own; `settings` override those of the main model's
        specification.
        """
        made: dict[tuple[str, str], Engine] = {}
        engines = {}
        for role, source in sources.items():
            key = (source.name, source.spec)
            if key not in made:
                made[key] = source.make(**(settings if role == "main" else {}))
            engines[role] = made[key]
        below = defaults or Sampling()
        return cls(
            engines,
            {role: source.price for role, source in sources.items() if source.price is not None},
            {role: source.sampling.over(below) for role, source in sources.items()},
        )

    def with_main(self, engine: Engine) -> Assembly:
        """The same with another engine for the main role."""
        return Assembly({**self.engines, "main": engine}, self.prices, self.defaults)

    def wrapped(self, wrap: Callable[[str, Engine], Engine]) -> Assembly:
        """The same with every engine inside another: `wrap(role, engine)`."""
        engines = {role: wrap(role, engine) for role, engine in self.engines.items()}
        return Assembly(engines, self.prices, self.defaults)

    def run(
        self,
        *,
        seed: int = 0,
        request: Sampling | None = None,
        observers: Sequence[Observer] = (),
        journal: Journal | None = None,
        rescue: bool = False,
    ) -> Run:
        """A run on these engines; see `Run` for the parameters."""
        return Run(
            self.engines,
            seed=seed,
            request=request,
            defaults=self.defaults,
            prices=self.prices,
            observers=observers,
            journal=journal,
            rescue=rescue,
        )
