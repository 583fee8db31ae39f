"""One training document."""

from dataclasses import dataclass

from .skills import Skill


@dataclass(frozen=True, slots=True)
class Document:
    """One exchange. `prefill` begins the reply but is given, not learned; a reply that never `ends`
    is learned without its end."""

    role: Skill
    system: str
    user: str
    reply: str
    prefill: str = ""
    ends: bool = True
