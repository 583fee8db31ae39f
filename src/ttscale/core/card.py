"""What a method is: one card per method, from which docs, lists and checks are made.

The fields follow the four questions of the survey arXiv:2503.24235 (what is scaled, how, where, how
well), plus the two that efficiency lives in: the knob that scales compute and the rule that stops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from . import roles
from .errors import UnknownName, UsageError

What = Literal["parallel", "sequential", "hybrid", "internal"]
Status = Literal["faithful", "reconstruction", "oracle"]
Scope = Literal["problem", "set"]
Capability = Literal[
    "text",  # plain sampling
    "logprobs",  # log-probabilities of generated tokens, with alternatives
    "prefix",  # continues a reply whose beginning is given
    "score",  # log-probabilities of a given text
    "reward",  # a verifier's score of a (partial) solution
    "embed",  # sentence embeddings
    "images",
    "tools",
    "hidden",  # hidden states
    "use",  # a metered resource other than a language model
]
CAPABILITIES = frozenset(get_args(Capability))
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
KINDS: Mapping[str, frozenset[str]] = {
    "what": frozenset(get_args(What)),
    "status": frozenset(get_args(Status)),
    "scope": frozenset(get_args(Scope)),
    "stimulation": frozenset({"", "prompt", "decode", "latent", "self-repetition", "mixture"}),
    "verification": frozenset({"", "outcome", "process", "agreement", "confidence", "length"}),
    "search": frozenset(
        {"", "tree", "graph", "beam", "look-ahead", "mcts", "reward-balanced", "particle"}
    ),
    "aggregation": frozenset(
        {"", "vote", "weighted-vote", "best-of-n", "first", "last", "selection", "fusion"}
    ),
    "cost_unit": frozenset({"tokens", "samples", "network evaluations", "renders", "tool calls"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A method's card.

    Attributes:
        name: kebab-case, as written on the command line.
        paper: arXiv id and title words, or "" for a plain baseline.
        what: what is scaled (one primary value).
        stimulation, verification, search, aggregation: how; "" if absent.
        needs: role -> its kind and capabilities. The role "main" is always there; a role that is
            not configured falls back to "main" if that has the capabilities.
        knob: the config field that scales compute, or "" if there is none.
        draws: the config field that bounds the draws per problem, or "" if unbounded or one.
        files: config fields that name files. A server takes them from whoever runs it, never from
            a client.
        stops: when it stops drawing.
        status: faithful, reconstruction (core details are inferred) or oracle (looks at the gold
            answer: an upper bound, not a method to deploy).
        deviations: where it departs from paper or public code, one sentence each.
        aliases: other names it answers to.
        streams: whether its draws, one after the other, are the reply, which may then be shown
            while it is generated.
    """

    name: str
    title: str
    what: What
    stops: str
    paper: str = ""
    stimulation: str = ""
    verification: str = ""
    search: str = ""
    aggregation: str = ""
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
        for name, allowed in KINDS.items():
            value = getattr(self, name)
            if value not in allowed:
                raise UnknownName(f"{name} on card {self.name!r}", value, allowed - {""})
        for role, needed in self.needs.items():
            for capability in needed.capabilities:
                if capability not in CAPABILITIES:
                    raise UnknownName(f"capability of role {role!r}", capability, CAPABILITIES)
        if not self.stops or not self.title:
            raise UsageError(f"card {self.name!r} must say its title and when it stops")

    def as_dict(self) -> dict[str, Any]:
        """The card, ready for JSON."""
        return {
            **asdict(self),
            "needs": {role: sorted(needed.capabilities) for role, needed in self.needs.items()},
            "kinds": {role: needed.kind for role, needed in self.needs.items()},
            "deviations": list(self.deviations),
            "aliases": list(self.aliases),
            "files": list(self.files),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Card:
        """The inverse of `as_dict`."""
        fields = dict(data)
        kinds = fields.pop("kinds")
        fields["needs"] = {
            role: roles.Role(kinds[role], frozenset(capabilities))
            for role, capabilities in data["needs"].items()
        }
        for name in ("deviations", "aliases", "files"):
            if name in data:
                fields[name] = tuple(data[name])
        return cls(**fields)
