"""How options are written that several commands share: `name=value` lists, budgets, models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core import Budget
    from ..engines.spec import ModelSource
    from .config import Config

FALLBACK = "smollm2-135m"


def assignments(given: Iterable[str], option: str) -> dict[str, str]:
    """`name=value` texts as a mapping.

    Raises:
        UsageError: if one has no name or no value, or a name comes twice.
    """
    from ..core import UsageError

    found: dict[str, str] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise UsageError(f"cannot read {option} {text!r}", fix="write NAME=VALUE")
        if name in found:
            raise UsageError(f"{option} {name!r} is given twice", fix="give it once")
        found[name] = value
    return found


def budget_of(given: Iterable[str]) -> Budget | None:
    """`tokens=2000,seconds=10` as a budget; None if nothing is given. Suffixes k and M count.

    Raises:
        UsageError: for an unknown kind (with the nearest) or a limit that is no positive number.
    """
    from ..core import Budget, UsageError

    pairs = assignments((part for text in given for part in text.split(",")), "--budget")
    limits: dict[str, float] = {}
    for kind, text in pairs.items():
        scale = {"k": 1e3, "M": 1e6}.get(text[-1], 1)
        try:
            number = float(text[:-1] if scale > 1 else text) * scale
        except ValueError:
            raise UsageError(
                f"budget {kind}={text!r} is no number", fix=f"write {kind}=2000 or {kind}=2k"
            ) from None
        whole = kind in ("tokens", "sequential", "samples") and number.is_integer()
        limits[kind] = int(number) if whole else number
    return Budget.of(limits) if limits else None


def seed_of(seed: int | None, config: Config) -> int:
    """The seed asked for, else the configured one.

    Raises:
        UsageError: if it is larger than JSON and a store can hold.
    """
    from ..core import UsageError

    if seed is not None and seed.bit_length() > 63:
        raise UsageError(f"--seed {seed}", fix="give a whole number of at most 63 bits")
    return config.seed if seed is None else seed


def opened(spec: str | None, config: Config, option: str) -> ModelSource:
    """The one model a specification stands for; without one, the default model.

    Raises:
        UsageError: if a recording holds several models or tasks and none is chosen.
    """
    from ..core import UsageError
    from ..engines.spec import open_model

    sources = open_model(spec or config.model or default_model(), config)
    if len(sources) > 1:
        there = "; ".join(f"where.model={s.name}&where.dataset={s.pools[0].task}" for s in sources)
        raise UsageError(
            f"{option} {spec!r} holds {len(sources)} recordings", fix=f"add one of: ?{there}"
        )
    return sources[0]


def default_model() -> str:
    """The bundled reasoner, or else the small general model if it has been fetched.

    Raises:
        UsageError: if there is neither; says how to get one.
    """
    from ..core import UsageError
    from ..engines import models
    from ..engines.bundled import bundled_models

    if bundled := list(bundled_models()):
        return bundled[0]
    if models.is_cached(FALLBACK):
        return FALLBACK
    raise UsageError(
        "no model is given and none is here",
        fix=f"run ttscale models pull {FALLBACK}, or give --model",
    )
