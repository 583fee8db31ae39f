"""A model that thinks at length, with known answers in its thoughts, and a verifier that knows them.

Its thinking is a row of thoughts; each ends with the answer that is held by then, and the reply is the last
one. A thought is `LENGTH` words, each a token, so that what is saved can be counted in thoughts.

*Searching*: thoughts are right with probability p, independently, and else wrong each in a way of its own.
A run of L equal answers comes after (1 - p^L) / ((1 - p) p^L) thoughts on average.

*Solving*: until it is solved, which happens in each thought with probability s, a thought repeats the wrong
answer before it with probability c, or has a new one; afterwards all are right. A run of L wrong answers
comes first with the probability that `stopped_wrong` works out.

The verifier is right with probability a, whatever it is asked. Asked for its answer in the middle of the
thinking, the model gives that of the last complete thought (a guess, another each time, if there is none),
and is as sure of it as `sure` says.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...core import THINK, GenerationRequest, Trace
from .scripted import Scripted

LENGTH = 20  # words of a thought
RIGHT = "right"
_STATED = re.compile(r"so it is (\w+)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinker:
    """The model and its verifier.

    Attributes:
        thoughts: thoughts of the whole thinking.
        p: chance that a thought is right (searching); 0 where it solves.
        s, c: chance that a thought solves it, and that a wrong one repeats the one before (solving).
        a: chance that a verdict is right.
        sure: probability of the answer it gives when it is interrupted: (right, wrong).
        silent: share of thoughts that state no answer.
        verdict_ticks: tokens of a verdict.
    """

    thoughts: int
    p: float = 0.0
    s: float = 0.0
    c: float = 0.0
    a: float = 1.0
    sure: tuple[float, float] = (0.99, 0.5)
    silent: float = 0.0
    verdict_ticks: int = 1

    def engine(self) -> Scripted:
        """The model, also as its own verifier."""
        engine = Scripted(self._reply)
        engine.capabilities = frozenset({"text", "prefix", "logprobs"})
        return engine

    def answers(self, name: str) -> list[str]:
        """The answers its thoughts hold, for a problem of this name."""
        rng, held, found = random.Random(f"{name}|answers"), list[str](), False
        for k in range(self.thoughts):
            found = found or (self.s > 0 and rng.random() < self.s)
            if found or (self.p > 0 and rng.random() < self.p):
                held.append(RIGHT)
            elif held and held[-1] != RIGHT and rng.random() < self.c:
                held.append(held[-1])
            else:
                held.append(f"wrong{k}")
        return held

    def stopped_wrong(self, run: int) -> float:
        """Chance that `run` equal wrong answers come before as many right ones (solving, no end)."""
        stays = (1 - self.s) * self.c  # the next thought repeats the wrong answer
        renews = (1 - self.s) * (1 - self.c)
        # w_j: chance of a wrong run from j equal wrong answers; w_run = 1, w_j = stays w_{j+1} + renews w_1
        reached, left = 1.0, 0.0
        for _ in range(run - 1):
            left += reached * renews
            reached *= stays
        from_one = reached / (1 - left)
        return (1 - self.s) * from_one

    def words(self, name: str) -> list[str]:
        """The whole thinking, word by word."""
        rng, held = random.Random(f"{name}|words"), self.answers(name)
        words = list[str]()
        for k, answer in enumerate(held):
            speaks = rng.random() >= self.silent
            ending = (
                ["so ", "it ", "is ", f"{answer}.\n\n"] if speaks else ["and ", "so ", "on ", "then.\n\n"]
            )
            opening = "Wait, " if k else "Let "
            words += [opening, *(f"w{rng.randrange(10**6)} " for _ in range(LENGTH - 5)), *ending]
        return words

    def _reply(self, request: GenerationRequest) -> Trace:
        rng, name, prefix = random.Random(request.seed), request.problem.id, request.prompt.prefix
        if request.role == "verifier":
            stated = _STATED.findall(request.prompt.text.rpartition("Question:")[2])
            truth = bool(stated) if "First:" not in request.prompt.text else len(set(stated)) == 1
            says = truth if rng.random() < self.a else not truth
            return spoken(["Yes" if says else "No"], ticks=self.verdict_ticks)
        begun = prefix.partition(THINK.opening)[2].lstrip("\n")
        words = self.words(name)
        if THINK.closed(prefix) or (begun and not "".join(words).startswith(begun)):
            return self._interrupted(begun)
        rest = [*remaining(words, len(begun)), THINK.closing, "\n\n", f"\\boxed{{{self.answers(name)[-1]}}}"]
        return stopped(rest, request.sampling.stop)

    def _interrupted(self, begun: str) -> Trace:
        """The answer it holds, put where the text before asks for it."""
        held = _STATED.findall(begun)
        answer = held[-1] if held else f"guess{len(begun.split())}"
        sure = self.sure[0 if answer == RIGHT else 1]
        words = [f"{answer}}}"] if begun.endswith("\\boxed{") else [f"\\boxed{{{answer}}}"]
        if not THINK.closed(begun) and not begun.endswith("\\boxed{"):
            words = [THINK.closing, "\n\n", *words]
        trace = spoken(words)
        import numpy as np

        trace.logprobs = np.full(len(words), math.log(sure), np.float32)
        return trace


def remaining(words: Sequence[str], done: int) -> list[str]:
    """The words after the first `done` characters; one that has been begun goes on."""
    rest, at = list[str](), 0
    for word in words:
        at += len(word)
        if at > done:
            rest.append(word[done - at :] if at - len(word) < done else word)
    return rest


def spoken(words: Sequence[str], ticks: int | None = None) -> Trace:
    """A trace in which every word is a token."""
    ends, total = [], 0
    for word in words:
        total += len(word)
        ends.append(total)
    count = ticks or len(words)
    ends += [total] * (count - len(words))
    return Trace("".join(words), count, ends=ends, prompt_tokens=10)


def stopped(words: Sequence[str], stop: Sequence[str]) -> Trace:
    """What there is up to the first stop text, which is generated and not shown."""
    text = "".join(words)
    places = [(at, s) for s in stop if (at := text.find(s)) >= 0]
    if not places:
        return spoken(words)
    at, marker = min(places)
    kept, total = list[str](), 0
    for word in words:
        if total + len(word) > at:
            kept.append(word[: at - total])
            break
        kept.append(word)
        total += len(word)
    trace = spoken(kept)
    trace.meta["stopped_at"] = marker
    return trace
