"""ttscale: efficient test-time scaling.

    import ttscale

    outcome = ttscale.solve("Find the value of 17+7*6.", method="self-consistency(n=8)", tokens=4000)
    print(outcome.answer, outcome.usage.completion_tokens)

Names are loaded when they are first used: `import ttscale` itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .assembly import Assembly
    from .bench import Comparison
    from .core import (
        Budget,
        Context,
        Message,
        Outcome,
        Price,
        Problem,
        Prompt,
        Run,
        Sampling,
        Trace,
        TTScaleError,
        Usage,
        execute,
    )
    from .methods import method, parse
    from .session import Session, asolve, solve
    from .session import open_session as open

_HOME = {
    "assembly": ("Assembly",),
    "bench": ("Comparison",),
    "core": (
        "Budget",
        "Context",
        "Message",
        "Outcome",
        "Price",
        "Problem",
        "Prompt",
        "Run",
        "Sampling",
        "TTScaleError",
        "Trace",
        "Usage",
        "execute",
    ),
    "session": ("Session", "asolve", "open", "solve"),
    "methods": ("method", "parse"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Assembly",
    "Budget",
    "Comparison",
    "Context",
    "Message",
    "Outcome",
    "Price",
    "Problem",
    "Prompt",
    "Run",
    "Sampling",
    "Session",
    "TTScaleError",
    "Trace",
    "Usage",
    "asolve",
    "execute",
    "method",
    "open",
    "parse",
    "solve",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_MODULE[name]}", __name__)
    value = getattr(module, "open_session" if name == "open" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
