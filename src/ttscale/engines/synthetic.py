"""Engines with known truth, in token time, for closed-form checks and for trying things out.

`Synthetic` draws independent answers: what a trace answers, how long it is and how confident come
from given distributions. `StepWorld` draws solutions step by step, so that a verifier's exact value
of any beginning is known.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np

from ..core import AtLeast, Generation, GenerationRequest, Problem, Rewards, Trace, UsageError, declared
from ..core.known_generation import KnownGeneration, check_speed

Amount = Annotated[float, AtLeast(0)]


@declared
class World:
    """How a synthetic model answers one problem.

    Attributes:
        answers: answer -> probability; what is left to 1 gives no parsable answer.
        length, wrong_length: mean tokens of right and of wrong traces.
        spread, wrong_spread: their standard deviations; at least 1 token is drawn.
        confidence, wrong_confidence: mean confidence of a token, as in `Trace.conf`.
        noise: standard deviation of a token's confidence within a trace.
        between: standard deviation of a trace's mean confidence.
    """

    answers: Mapping[str, Amount]
    length: Amount = 200.0
    wrong_length: Amount = 300.0
    spread: Amount = 40.0
    wrong_spread: Amount = 60.0
    confidence: float | None = None
    wrong_confidence: float | None = None
    noise: Amount = 1.0
    between: Amount = 1.0

    def __post_init__(self) -> None:
        if math.fsum(self.answers.values()) > 1 + 1e-9:
            raise UsageError(
                f"answer probabilities {dict(self.answers)} are not a distribution",
                fix="give numbers of at least 0 that sum to at most 1",
            )


def binary(p: float, **settings: float) -> World:
    """A world with the right answer "right" (probability p) and one wrong answer."""
    return World(answers={"right": p, "wrong": 1 - p}, **settings)


class Synthetic:
    """Draws from `worlds[problem.id]`, or from one world for every problem."""

    time: Literal["wall", "tokens"] = "tokens"

    def __init__(
        self,
        worlds: World | Mapping[str, World],
        *,
        ticks_per_token: int = 1,
        prompt_tokens: int = 20,
        name: str = "synthetic",
    ) -> None:
        check_speed(ticks_per_token)
        if prompt_tokens < 0:
            raise UsageError(f"prompt_tokens={prompt_tokens}", fix="give at least 0")
        self.worlds, self.ticks_per_token, self.name = worlds, ticks_per_token, name
        self.prompt_tokens = prompt_tokens
        some = worlds if isinstance(worlds, World) else next(iter(worlds.values()), None)
        has_conf = some is not None and some.confidence is not None
        self.capabilities = frozenset({"text", "logprobs"} if has_conf else {"text"})

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to give back."""

    def start(self, request: GenerationRequest) -> Generation:
        world = self.worlds if isinstance(self.worlds, World) else self.worlds[request.problem.id]
        return KnownGeneration(
            request, self.sample_trace(world, request.problem, request.seed), self.ticks_per_token
        )

    def sample_trace(self, world: World, problem: Problem, seed: int) -> Trace:
        """The trace that a seed gives."""
        rng = random.Random(seed)
        point, answer = rng.random(), None
        for candidate, probability in world.answers.items():
            point -= probability
            if point < 0:
                answer = candidate
                break
        right = answer is not None and answer == problem.reference
        mean, spread = (world.length, world.spread) if right else (world.wrong_length, world.wrong_spread)
        tokens = max(1, round(rng.gauss(mean, spread)))
        trace = Trace(
            text="" if answer is None else f"\\boxed{{{answer}}}",
            tokens=tokens,
            prompt_tokens=self.prompt_tokens,
            model=self.name,
        )
        level = world.confidence if right else world.wrong_confidence
        if level is not None:
            centre = rng.gauss(level, world.between)
            noise = np.random.default_rng(seed).normal(0.0, world.noise, tokens)
            trace.conf = (centre + noise).astype(np.float32)
            trace.logprobs = -np.exp(-trace.conf / 4).astype(np.float32)
        return trace


class StepWorld:
    """Solutions of `steps` steps, each right with probability `q`; right if all steps are.

    A step is the line "ok" or "bad" followed by a blank line; the last is followed by the answer,
    "right" or "wrong". Beginnings given as a prefix are continued. As a verifier it gives the exact
    probability that a beginning ends right, q to the number of steps left, or 0 after a bad step.

    Args:
        noise: standard deviation of an error added to every reward.
        short_bias: reward added per step that is missing: a verifier that likes short beginnings.
    """

    time: Literal["wall", "tokens"] = "tokens"
    capabilities = frozenset({"text", "prefix", "reward"})

    def __init__(
        self,
        q: float,
        steps: int,
        *,
        noise: float = 0.0,
        short_bias: float = 0.0,
        skip_probability: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.q, self.steps, self.noise, self.short_bias = q, steps, noise, short_bias
        self.skip_probability, self.seed = skip_probability, seed
        self.name = f"steps(q={q}, steps={steps})"

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to give back."""

    def start(self, request: GenerationRequest) -> Generation:
        rng = random.Random(request.seed)
        done = [line for line in request.prompt.prefix.split("\n\n") if line]
        stop_at_step = "\n\n" in request.sampling.stop
        text, ends, ok = "", [], "bad" not in done and "skipped" not in done
        number = len(done)
        finish = "stop"
        while number < self.steps:
            if rng.random() < self.skip_probability:
                # gives up early with a guess: what a verifier with a short bias falls for
                text, ok, number = text + "skipped\n\n", False, self.steps
                ends.append(len(text))
                break
            step = "ok" if rng.random() < self.q else "bad"
            ok = ok and step == "ok"
            number += 1
            text += step
            if not (stop_at_step and number < self.steps):
                text += "\n\n"
            ends.append(len(text))
            if stop_at_step and number < self.steps:
                break
        if number >= self.steps:
            text += f"\\boxed{{{'right' if ok else 'wrong'}}}"
            ends = [*ends[:-1], len(text)] if ends else [len(text)]
        trace = Trace(text, len(ends), finish, ends=ends, prompt_tokens=10, model=self.name)  # type: ignore[arg-type]
        return KnownGeneration(request, trace)

    async def reward(self, problem: Problem, traces: Sequence[Trace]) -> Rewards:
        """Exact values of the beginnings, with this verifier's errors added."""
        return Rewards([self._value(t.text) for t in traces], tokens=0)

    def _value(self, text: str) -> float:
        done = [s for s in text.replace("\\boxed", "\n\n\\boxed").split("\n\n") if s]
        steps = [s for s in done if not s.startswith("\\boxed")]
        left = max(0, self.steps - len(steps)) if "skipped" not in steps else 0
        value = 0.0 if {"bad", "skipped"} & set(steps) else self.q**left
        rng = random.Random(f"{self.seed}|{text}")
        return value + rng.gauss(0.0, self.noise) + self.short_bias * (self.steps - len(steps))
