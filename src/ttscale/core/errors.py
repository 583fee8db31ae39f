"""Every error a user can meet, each with the fact, the fix and an exit code of its own.

    TTScaleError                      exit
    ├── UsageError                       2   the call was wrong
    │   ├── UnknownName                  2   no such method, model, parameter (names the nearest)
    │   ├── CapabilityError              5   an engine lacks what a method needs
    │   ├── RecordError                  6   a malformed row or file (names file and line)
    │   └── BudgetTooSmall               7   nothing can be done within the budget
    ├── EngineError                      1   one sample could not be drawn
    │   ├── Unreachable                  3   no answer from the server
    │   ├── AuthError                    4   key missing, wrong or not allowed
    │   ├── ModelNotFound                4   the server does not have the model
    │   ├── ContextOverflow              1   the prompt does not fit the model's context
    │   ├── RateLimited                  1   still refused after every retry
    │   └── PoolExhausted                6   a replay pool holds no further sample
    ├── StoreError                       8   a store is corrupt, locked or the disk is full
    └── Stalled                          1   token time stands still: nothing can ever happen

An `EngineError` normally fails one sample, which is kept and counted. One with `fatal` set would
fail every sample alike and ends the run.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None if no name is near."""
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=0.5)), None)


class TTScaleError(Exception):
    """Base of all errors meant for the user; `str()` is one line that names cause and fix."""

    exit_code = 1

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message if fix is None else f"{message}: {fix}")
        self.fact = message
        self.fix = fix


class UsageError(TTScaleError):
    """The call itself was wrong: a bad value, flag, specification or combination.

    `place` says where the wrong value stands (`models.qwen.price`), "" if that is not known.
    """

    exit_code = 2
    place = ""


class UnknownName(UsageError):
    """A name that is not known, `where` it was looked for; the message offers the nearest one that is."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        known = sorted(known)
        near = nearest(name, known)
        fix = f"did you mean {near!r}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"{where}{': ' if where else ''}unknown {kind} {name!r}", fix=fix)
        self.name, self.nearest = name, near


class CapabilityError(UsageError):
    """An engine cannot give what a method needs; raised before any token is spent."""

    exit_code = 5


class RecordError(UsageError):
    """A file of records is malformed; the message names file and line."""

    exit_code = 6


class BudgetTooSmall(UsageError):
    """The budget ended before anything could be answered."""

    exit_code = 7


class EngineError(TTScaleError):
    """A sample could not be drawn.

    Attributes:
        status: of the server's reply, None if there was none that says it.
        advice: header fields of that reply that say when it is worth asking again.
    """

    fatal = False
    status: int | None = None
    advice: Mapping[str, str] = MappingProxyType({})


class Unreachable(EngineError):
    """The server cannot be reached, hung, or broke off, and retrying did not help."""

    exit_code = 3


class AuthError(EngineError):
    """The server refuses the key."""

    exit_code = 4
    fatal = True


class ModelNotFound(EngineError):
    """The server does not serve the model."""

    exit_code = 4
    fatal = True


class ContextOverflow(EngineError):
    """Prompt and answer do not fit the context window."""


class RateLimited(EngineError):
    """The server still refuses after every retry."""


class PoolExhausted(EngineError):
    """A replay pool has no further sample for a question."""

    exit_code = 6
    fatal = True


class StoreError(TTScaleError):
    """A store cannot be read or written: corrupt, locked, or the disk is full."""

    exit_code = 8


class Stalled(TTScaleError):
    """In token time every task waits and no event is due."""


class GivenUp(Exception):
    """A method waited for a branch that it had cancelled itself; no user sees this."""


class BudgetEnded(Exception):
    """A budget has ended: unwinds the method up to the scope that owns it; no user sees this."""

    def __init__(self, scope: object, kind: str) -> None:
        super().__init__(kind)
        self.scope, self.kind = scope, kind
