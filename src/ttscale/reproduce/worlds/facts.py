"""Questions of n hidden facts, and three roles that find them, note them, and correct the notes.

Every fact is a slot that is true, false or empty. A plain attempt fills each with a true fact with
probability a and a false one with f. The extractor notes what is there, and turns a true fact false with x;
the modifier empties a false slot with m and, wrongly, a true one with e; the utiliser keeps what it is shown
and fills the empty slots as a plain attempt does. So each slot is a Markov chain of its own,

    T -> F with x;   F -> empty with m, T -> empty with e;   empty -> T with a, F with f,

and as a solution is right with a chance of u for every empty slot and v for every false one, the expected
accuracy after a round is (P(T) + u P(empty) + v P(F))^n.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from ...core import GenerationRequest, Trace
from .scripted import Scripted

SOLUTION, STICKER = 100, 10  # tokens of a solution, and of a sticker
_SLOT = re.compile(r"(true|false) (\d+)")
T, F, EMPTY = "true", "false", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The letters above; `broken` is the chance that an extractor's reply has no form."""

    n: int
    a: float
    f: float
    m: float
    e: float = 0.0
    x: float = 0.0
    u: float = 0.8
    v: float = 0.3
    broken: float = 0.0

    def engine(self) -> Scripted:
        return Scripted(self._reply)

    def states(self, rounds: int) -> tuple[float, float, float]:
        """The chances of a slot to be true, false and empty in the solution after so many rounds."""
        true, false = self.a, self.f
        for _ in range(rounds):
            noted_true, noted_false = true * (1 - self.x), false + true * self.x
            true, false = noted_true * (1 - self.e), noted_false * (1 - self.m)
            empty = 1 - true - false
            true, false = true + empty * self.a, false + empty * self.f
        return true, false, 1 - true - false

    def accuracy(self, rounds: int) -> float:
        true, false, empty = self.states(rounds)
        return float((true + self.u * empty + self.v * false) ** self.n)

    def _reply(self, request: GenerationRequest) -> Trace:
        rng, shown = random.Random(request.seed), request.prompt.text
        slots = {int(place): state for state, place in _SLOT.findall(shown)}
        if request.role == "extractor":
            if rng.random() < self.broken:
                return Trace("nothing to note", STICKER)
            noted = {k: F if s == T and rng.random() < self.x else s for k, s in slots.items()}
            return Trace(_sticker(noted), STICKER)
        if request.role == "modifier":
            gone = {T: self.e, F: self.m}
            return Trace(_sticker({k: s for k, s in slots.items() if rng.random() >= gone[s]}), STICKER)
        for place in range(self.n):
            if place not in slots:
                chance = rng.random()
                slots[place] = T if chance < self.a else F if chance < self.a + self.f else EMPTY
        right_with = {T: 1.0, EMPTY: self.u, F: self.v}
        right = all(rng.random() < right_with[state] for state in slots.values())
        listed = ", ".join(f"{state} {place}" for place, state in sorted(slots.items()) if state)
        return Trace(f"{listed}. \\boxed{{{'right' if right else 'wrong'}}}", SOLUTION)


def _sticker(slots: dict[int, str]) -> str:
    lines = [f"{number}. {state} {place}" for number, (place, state) in enumerate(sorted(slots.items()), 1)]
    return "\n".join(["**Conditions:**", *lines, "", "**Question:**", "which?"])
