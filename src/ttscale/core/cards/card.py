"""What a method is: one card per method, from which docs, lists and checks are made.

The fields follow the four questions of the survey arXiv:2503.24235 (what is scaled, how, where, how
well), plus the two that efficiency lives in: the knob that scales compute and the rule that stops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from ..errors import UnknownName, UsageError
from . import roles, vocabulary
from .vocabulary import CAPABILITIES, Vocabulary

What = Literal["parallel", "sequential", "hybrid", "internal"]
Status = Literal["faithful", "reconstruction", "oracle", "yours"]
Scope = Literal["problem", "set"]
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
CLOSED: Mapping[str, tuple[str, ...]] = {
    "what": get_args(What),
    "status": get_args(Status),
    "scope": get_args(Scope),
}
"""Fields that the machinery itself tells apart."""
OPEN: Mapping[str, Vocabulary] = {
    "stimulation": vocabulary.STIMULATION,
    "verification": vocabulary.VERIFICATION,
    "verification_source": vocabulary.VERIFICATION_SOURCE,
    "verification_use": vocabulary.VERIFICATION_USE,
    "search": vocabulary.SEARCH,
    "aggregation": vocabulary.AGGREGATION,
    "domain": vocabulary.DOMAIN,
    "modality": vocabulary.MODALITY,
    "cost_unit": vocabulary.COST_UNIT,
}
"""Fields whose terms describe a method: a new family adds its own."""
SEVERAL = ("verification_use", "domain", "modality")
"""Those that take a tuple of terms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A method's card.

    Attributes:
        name: kebab-case, as written on the command line.
        paper: arXiv id and title words, or "" for a plain baseline.
        what: what is scaled (one primary value).
        stimulation, verification, search, aggregation: how; "" if absent.
        verification_source: who or what judges, where `verification` does not say it.
        verification_use: what verdicts are for.
        domain: what kinds of questions it is made for.
        modality: what it reads and makes.
        needs: role -> its kind and capabilities. The role "main" is always there; a role that is
            not configured falls back to "main" if that has the capabilities.
        knob: the config field that scales compute, or "" if there is none.
        draws: the config field that bounds the samples per problem, or "" if unbounded or one.
        files: config fields that name files. A server takes them from its operator, never from
            a client.
        stops: when it stops drawing.
        status: faithful, reconstruction (core details are inferred), oracle (looks at the gold
            answer: an upper bound, not a method to deploy) or yours (of a file, which only its user
            answers for).
        deviations: where it departs from paper or public code, one sentence each.
        aliases: other names it answers to.
        streams: whether its samples, one after the other, are the reply, which may then be shown
            while it is generated.
    """

    name: str
    title: str = ""
    what: What
    stops: str = ""
    paper: str = ""
    stimulation: str = ""
    verification: str = ""
    verification_source: str = ""
    verification_use: tuple[str, ...] = ()
    search: str = ""
    aggregation: str = ""
    domain: tuple[str, ...] = ("general",)
    modality: tuple[str, ...] = ("text",)
    needs: Mapping[str, roles.Role] = field(
        default_factory=lambda: {"main": roles.answers("text")}, hash=False
    )
    knob: str = ""
    draws: str = ""
    files: tuple[str, ...] = ()
    cost_unit: str = "tokens"
    scope: Scope = "problem"
    status: Status = "faithful"
    deviations: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    streams: bool = False

    def __post_init__(self) -> None:
        for name in (self.name, *self.aliases):
            if not _NAME.fullmatch(name):
                raise UsageError(
                    f"card {self.name!r}: {name!r} cannot be typed as a method's name",
                    fix="use small letters, digits and hyphens",
                )
        where = f"card {self.name!r}"
        for name, allowed in CLOSED.items():
            if (value := getattr(self, name)) not in allowed:
                raise UnknownName(name, value, allowed, where)
        for name, known in OPEN.items():
            value = getattr(self, name)
            if isinstance(value, tuple) != (name in SEVERAL):
                number = "a tuple of terms" if name in SEVERAL else "one term"
                raise UsageError(f"{name}={value!r} {where}", fix=f"give {number}")
            for term in value if name in SEVERAL else (value,):
                if term or name == "cost_unit":  # "" is absent, but every method costs something
                    known.check(term, where)
        for role, needed in self.needs.items():
            for capability in needed.capabilities:
                CAPABILITIES.check(capability, f"{where}, role {role!r}")
        if not self.stops or not self.title:
            raise UsageError(f"card {self.name!r} must say its title and when it stops")

    def as_dict(self) -> dict[str, Any]:
        """The card, ready for JSON."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        return {
            **values,
            "needs": {role: sorted(needed.capabilities) for role, needed in self.needs.items()},
            "kinds": {role: needed.kind for role, needed in self.needs.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Card:
        """The inverse of `as_dict`."""
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in data.items()}
        kinds = values.pop("kinds")
        values["needs"] = {
            role: roles.Role(kinds[role], frozenset(capabilities))
            for role, capabilities in data["needs"].items()
        }
        return cls(**values)
