"""Methods of other packages: each names its modules under the entry point group `ttscale.methods`.

A package that cannot be loaded takes nothing else with it: it is named, and left out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

GROUP = "ttscale.methods"


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A module that could not be loaded.

    Attributes:
        distribution: name and version of the package it came with.
        entry_point: as the package has written it, `name = module`.
        error: why.
    """

    distribution: str
    entry_point: str
    error: str


def load() -> Iterator[BrokenPlugin | None]:
    """Load one module after the other; None for each that could be."""
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        try:
            point.load()
        except (Exception, SystemExit) as error:  # whatever a stranger's module does
            package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
            why = f"{type(error).__name__}: {error}"
            broken = BrokenPlugin(package, f"{point.name} = {point.value}", why)
            logging.getLogger("ttscale").warning(
                "methods of %s are left out: %s cannot be loaded (%s); see ttscale doctor",
                broken.distribution,
                broken.entry_point,
                broken.error,
            )
            yield broken
        else:
            yield None
