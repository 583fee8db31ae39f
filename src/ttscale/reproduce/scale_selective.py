"""SCALE (arXiv 2512.00466): thinking for the hard steps only.

Measured on steps of known difficulty (`worlds/steps.py`), where accuracy and cost over the threshold have a
closed form, with noise in the ratings, and on the bundled reasoner, which has no second system: there it
shows what splitting costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from ..core import Outcome
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.scripted import questions
from .worlds.steps import RATED_LAST, Steps

D = (0.05, 0.15, 0.3, 0.55, 0.65, 0.68)
LAST, RHO = 0.3, 0.1
C1, C2 = 20, 200  # tokens of a step of either system
DECOMPOSITIONS = 8
TAUS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
TAU = 0.5
NOISES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
SIMULATED = (0.0, 0.5, 0.9)
TRIALS = {"quick": 150, "full": 1_200}
QUESTIONS = {"quick": 16, "full": 120}
TASK = "lab:arith?level=3"


def _world(noise: float = 0.0) -> Steps:
    return Steps(d=D, last=LAST, rho=RHO, c1=C1, c2=C2, noise=noise)


def _hard(noise: float, tau: float = TAU) -> list[float]:
    """The chance of each step to be System 2, under noise in the ratings."""
    if not noise:
        return [float(hard) for hard in _world().hard(tau)]
    normal = NormalDist(0, noise)
    return [*(1 - normal.cdf(tau - d) for d in D), float(tau < RATED_LAST)]


def selective_over_random(lab: Laboratory) -> Figure:
    """Expected accuracy at TAU minus that of as many slow steps taken at random, at equal expected tokens;
    exact. The last step is slow in both."""
    world, hard = _world(), _hard(0.0)
    selective = [world.accuracy(_hard(noise)) for noise in NOISES]
    at_random = [world.accuracy(_at_random(_hard(noise))) for noise in NOISES]
    gone = next((n for n, a, b in zip(NOISES, selective, at_random, strict=True) if a - b < 0.01), None)
    lab.plot(
        Curve(
            title="Routing by rated difficulty and at random, at equal tokens, over the noise of the rating",
            x_name="standard deviation of a rating",
            y_name="accuracy",
            x=NOISES,
            lines=[Line(name="selective", y=selective), Line(name="random routing", y=at_random)],
            vanishes_at=gone,
        )
    )
    return Figure.exact(world.accuracy(hard) - world.accuracy(_at_random(hard)), f"{len(D) + 1} steps")


def _at_random(hard: Sequence[float]) -> list[float]:
    """The same number of slow steps, none favoured but the last."""
    share = math.fsum(hard[:-1]) / len(D)
    return [*([share] * len(D)), hard[-1]]


def noise_degrades(lab: Laboratory) -> Figure:
    """The gain over random routing at the widest noise, as a share of that without noise."""
    world = _world()
    gains = [world.accuracy(_hard(n)) - world.accuracy(_at_random(_hard(n))) for n in (NOISES[-1], 0.0)]
    return Figure.exact(gains[0] / gains[1], f"noise of {NOISES[-1]:g}")


def _played(lab: Laboratory, tau: float) -> list[Outcome]:
    spec = f"scale-selective(threshold={tau}, decompositions={DECOMPOSITIONS})"
    return lab.answer(spec, _world().engine(), questions(lab.size(*TRIALS.values())))


def simulation_is_the_closed_form(lab: Laboratory) -> Figure:
    """Largest distance of the method's accuracy from the closed form, in standard errors; a token that is
    not as computed counts as 100."""
    far, world = 0.0, _world()
    for tau in SIMULATED:
        outcomes, hard = _played(lab, tau), world.hard(tau)
        expected = world.accuracy(hard)
        error = math.sqrt(expected * (1 - expected) / len(outcomes))
        far = max(far, abs(float(np.mean([o.answer == "right" for o in outcomes])) - expected) / error)
        tokens = world.tokens(hard) + world.overhead(DECOMPOSITIONS)
        far += 100 * any(outcome.usage.completion_tokens != tokens for outcome in outcomes)
    return Figure.exact(far, f"{len(SIMULATED)} thresholds")


def shape_of_the_sweep(lab: Laboratory) -> Figure:
    """Pairs of neighbouring thresholds at which accuracy, cost or the share of slow steps rises; plus the
    slow steps from 0.9 on."""
    world = _world()
    hard = [world.hard(tau) for tau in TAUS]
    accuracy = [world.accuracy(h) for h in hard]
    tokens = [world.tokens(h) + world.overhead(DECOMPOSITIONS) for h in hard]
    share = [sum(h) / len(h) for h in hard]
    lab.plot(
        Curve(
            title="The threshold: accuracy, slow steps and cost",
            x_name="threshold",
            y_name="accuracy, share, share of the largest cost",
            x=TAUS,
            lines=[
                Line(name="accuracy", y=accuracy),
                Line(name="share of slow steps", y=share),
                Line(name="tokens", y=[t / max(tokens) for t in tokens]),
            ],
            vanishes_at=RATED_LAST,
        )
    )
    rises = sum(b > a + 1e-12 for line in (accuracy, tokens, share) for a, b in pairwise(line))
    late = sum(sum(h) for tau, h in zip(TAUS, hard, strict=True) if tau >= RATED_LAST)
    return Figure.exact(rises + late, f"{len(TAUS)} thresholds")


def selective_over_all_fast(lab: Laboratory) -> Figure:
    world = _world()
    fast = world.accuracy([0.0] * (len(D) + 1))
    return Figure.exact(world.accuracy(_hard(0.0)) - fast, f"{len(D) + 1} steps")


def cheaper_than_all_slow(lab: Laboratory) -> Figure:
    """Tokens at TAU minus those of thinking about every step, splitting and rating counted; a vote of 8
    stands beside it."""
    world = _world()
    everything = world.tokens([1.0] * (len(D) + 1))
    return Figure.exact(
        world.tokens(_hard(0.0)) + world.overhead(DECOMPOSITIONS) - everything, "expected tokens"
    )


# -- the bundled reasoner


def against_plain_thinking(lab: Laboratory) -> Figure:
    specs = ("scale-selective(decompositions=2, prepare=false)", "simple")
    from ..bench import Settings
    from ..core import Sampling

    alike = Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=200)  # else it would win by these
    settings = Settings(request=alike)
    seen = lab.bench(specs, "tiny", [TASK], n=lab.size(*QUESTIONS.values()), settings=settings)
    return Figure.paired(seen.difference(*specs))


SYSTEM = System(
    name="scale-selective",
    methods=("scale-selective",),
    parameters={
        "difficulties": D,
        "last": LAST,
        "rho": RHO,
        "costs": [C1, C2],
        "decompositions": DECOMPOSITIONS,
        "taus": TAUS,
        "tau": TAU,
        "noises": NOISES,
        "simulated": SIMULATED,
        "trials": TRIALS,
        "questions": QUESTIONS,
        "task": TASK,
    },
    claims=(
        Claim(
            name="over-random-routing",
            text="Thinking where it is hard beats thinking as often anywhere.",
            source="motivation; the paper has no such baseline",
            effect="accuracy at threshold 0.5 minus random routing at equal tokens, world of seven steps",
            criterion=Above(0.0),
            measure=selective_over_random,
        ),
        Claim(
            name="sweep",
            text="Accuracy, cost and slow steps fall with the threshold; from 0.9 on no step is slow.",
            number="Qwen3-32B, AIME24: 78.75% and 75.6% slow at 0.2, 27.5% and 0% at 0.9",
            source="threshold sweep",
            effect="rises along the sweep, and slow steps from 0.9 on, world of seven steps",
            criterion=Equals(0.0, 0.0),
            measure=shape_of_the_sweep,
        ),
        Claim(
            name="closed-form",
            text="A chain is right if every step is, by the system that took it.",
            source="derived from the procedure",
            effect="accuracy at three thresholds from the product, standard errors; every token as computed",
            criterion=Below(4.0),
            measure=simulation_is_the_closed_form,
        ),
        Claim(
            name="over-fast",
            text="It is more accurate than answering every step at once.",
            number="82.9% against 27.5% at threshold 0.9, AIME24, Qwen3-32B",
            source="main table and sweep",
            effect="accuracy at threshold 0.5 minus that of System 1 alone, world of seven steps",
            criterion=Above(0.0),
            measure=selective_over_all_fast,
        ),
        Claim(
            name="cheaper-than-slow",
            text="It costs less than thinking about every step.",
            number="33-53% less than InftyThink; 2-4 times plain thinking",
            source="main table",
            effect="tokens at threshold 0.5 minus those of System 2 alone, splitting and rating counted",
            criterion=Below(0.0),
            measure=cheaper_than_all_slow,
        ),
        Claim(
            name="noise",
            text="The gain rests on the ratings.",
            source="derived from the procedure",
            effect="gain over random routing at a noise of 0.8, as a share of that without noise",
            criterion=Below(0.5),
            measure=noise_degrades,
        ),
        Claim(
            name="reasoner",
            text="Splitting and solving step by step is more accurate than one chain of thought.",
            number="AIME24: 73.3% to 82.9%, Qwen3-32B",
            source="main table",
            effect="accuracy minus one plain sample at the same sampling settings, bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=against_plain_thinking,
        ),
        Claim(
            name="trained",
            text="Its traces teach models that do not reason.",
            number="Llama-3.3-70B on AIME24: 24.6% to 63.5%",
            source="fine-tuning table",
            criterion=Needs("a model of 70B parameters, its fine-tuning and a GPU"),
        ),
    ),
)
