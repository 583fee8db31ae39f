"""Roles and parts: who does something in a run, and what it is that was done.

A method declares the roles it needs, each with its kind and what an engine in that role must be able
to do: `needs={"main": roles.answers("text"), "prm": roles.judges("reward")}`. The role of a sample
says who pays for it. Its part says what it is, and from its part everything else follows: whether it
may become the answer, and whether its tokens went into answering, judging or planning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["answers", "judges", "plans", "acts"]

VOTING = frozenset({"answer", "pilot"})
"""The parts that may become the answer: a whole attempt at the question, also one whose first use
is to plan. A step, a verdict or a reflection never is, whatever can be read in it."""

NO_SAMPLES = ("verdict", "plan", "probe")
"""The parts that can hold neither an answer nor a piece of one: a call each, and no sample."""

_DEFAULT: Mapping[Kind, str] = {"answers": "answer", "judges": "verdict", "plans": "plan", "acts": "action"}
# parts that serve something else than answering; a part that is not listed serves the answer
_SERVES: Mapping[str, Kind] = {
    "verdict": "judges",
    "plan": "plans",
    "calibration": "plans",
    "pilot": "plans",
    "probe": "plans",
    "action": "acts",
}


@dataclass(frozen=True, slots=True)
class Role:
    """What a method needs of a role: its kind, and what its engine must be able to do."""

    kind: Kind
    capabilities: frozenset[str]

    def joined(self, other: Role) -> Role:
        """What both need together, in one role."""
        return Role(self.kind, self.capabilities | other.capabilities)


def answers(*capabilities: str) -> Role:
    """A role that works on the answer itself."""
    return Role("answers", frozenset(capabilities))


def judges(*capabilities: str) -> Role:
    """A role that says how good something is."""
    return Role("judges", frozenset(capabilities))


def plans(*capabilities: str) -> Role:
    """A role that decides what is to be done."""
    return Role("plans", frozenset(capabilities))


def acts(*capabilities: str) -> Role:
    """A role that does something in a world: an environment, a renderer, a denoiser."""
    return Role("acts", frozenset(capabilities))


def default_part(kind: Kind) -> str:
    """What a sample of such a role is, where the method does not say."""
    return _DEFAULT[kind]


def kind_of(part: str) -> Kind:
    """What a part serves."""
    return _SERVES.get(part, "answers")


def may_answer(part: str) -> bool:
    """Whether its text may hold an answer, or a piece of one."""
    return part in VOTING or kind_of(part) not in ("judges", "plans")
