"""Sticker-TTS (arXiv 2509.05007): attempts distilled into stickers, corrected, and used again.

Measured in a world of hidden facts (`worlds/facts.py`) in which a round's accuracy is known in closed form,
over the extractor's noise and the modifier's skill, and on the bundled reasoner that knows the three roles.
No numbers of the paper were to be had; its claims are taken from the abstract.
"""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np

from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.facts import Facts
from .worlds.scripted import questions

N, A, F, M, E, X = 6, 0.5, 0.2, 0.7, 0.05, 0.05
ROUNDS = 3
CALLS = 1 + 3 * ROUNDS
POISONED = Facts(n=N, a=A, f=0.4, m=0.0, x=0.2)
KNOWN = Facts(n=N, a=0.99, f=0.0, m=M)
NOISES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
TRIALS = {"quick": 200, "full": 2_000}
QUESTIONS = {"quick": 16, "full": 120}
TASK = "lab:word?level=3"


def _world(x: float = X) -> Facts:
    return Facts(n=N, a=A, f=F, m=M, e=E, x=x)


def _vote(accuracy: float, samples: int) -> float:
    """The chance that most of so many samples are right, all wrong ones alike; a tie is even."""
    return math.fsum(
        math.comb(samples, k)
        * accuracy**k
        * (1 - accuracy) ** (samples - k)
        * (1.0 if 2 * k > samples else 0.5 if 2 * k == samples else 0.0)
        for k in range(samples + 1)
    )


def over_vote(lab: Laboratory) -> Figure:
    """Expected accuracy after ROUNDS minus that of a vote of as many calls; exact."""
    vote = _vote(_world().accuracy(0), CALLS)
    stickers = [_world(x).accuracy(ROUNDS) for x in NOISES]
    gone = next((x for x, accuracy in zip(NOISES, stickers, strict=True) if accuracy <= vote), None)
    lab.plot(
        Curve(
            title=f"Accuracy after {ROUNDS} rounds over the extractor's noise",
            x_name="chance that the extractor turns a true fact false",
            y_name="accuracy",
            x=NOISES,
            lines=[
                Line(name="stickers", y=stickers),
                Line(name=f"vote of {CALLS} samples", y=[vote] * len(NOISES)),
                Line(name="one sample", y=[_world().accuracy(0)] * len(NOISES)),
            ],
            vanishes_at=gone,
        )
    )
    return Figure.exact(_world().accuracy(ROUNDS) - vote, f"{CALLS} calls each")


def rounds_help(lab: Laboratory) -> Figure:
    """Share of right answers after ROUNDS minus after none, the same questions."""
    last, first = (_played(lab, _world(), rounds) for rounds in (ROUNDS, 0))
    rounds = list(range(9))
    lab.plot(
        Curve(
            title="Accuracy by round, by the modifier's skill",
            x_name="rounds",
            y_name="accuracy",
            x=rounds,
            lines=[
                Line(name=f"m = {m}", y=[Facts(n=N, a=A, f=F, m=m, e=E, x=X).accuracy(r) for r in rounds])
                for m in (0.0, 0.3, 0.7, 1.0)
            ],
        )
    )
    return Figure.mean(last - first, f"{len(last)} questions")


def _played(lab: Laboratory, world: Facts, rounds: int) -> np.ndarray:
    outcomes = lab.answer(f"sticker(rounds={rounds})", world.engine(), questions(lab.size(*TRIALS.values())))
    return np.array([outcome.answer == "right" for outcome in outcomes], float)


def simulation_is_the_chain(lab: Laboratory) -> Figure:
    """Largest distance of a round's accuracy from the closed form, in standard errors."""
    far = 0.0
    for world in (_world(), POISONED):
        for rounds in (0, 1, ROUNDS):
            expected = world.accuracy(rounds)
            right = _played(lab, world, rounds)
            error = math.sqrt(expected * (1 - expected) / len(right))
            far = max(far, abs(float(np.mean(right)) - expected) / error)
    return Figure.exact(far, "2 worlds, 3 lengths")


def poisoned(lab: Laboratory) -> Figure:
    return Figure.exact(POISONED.accuracy(ROUNDS) - POISONED.accuracy(0), "expected accuracy")


def nothing_to_find(lab: Laboratory) -> Figure:
    return Figure.exact(KNOWN.accuracy(ROUNDS) - KNOWN.accuracy(0), "expected accuracy")


# -- the bundled reasoner


def on_the_reasoner(lab: Laboratory) -> Figure:
    specs = ("sticker(rounds=1, thinking=true)", "simple")
    seen = lab.bench(specs, "tiny-verbose", [TASK], n=lab.size(*QUESTIONS.values()))
    return Figure.paired(seen.difference(*specs))


SYSTEM = System(
    name="sticker-tts",
    methods=("sticker",),
    parameters={
        "facts": [N, A, F, M, E, X],
        "rounds": ROUNDS,
        "poisoned": asdict(POISONED),
        "known": asdict(KNOWN),
        "noises": NOISES,
        "trials": TRIALS,
        "questions": QUESTIONS,
        "task": TASK,
    },
    claims=(
        Claim(
            name="over-vote",
            text="It beats self-consistency at a comparable budget.",
            source="abstract",
            effect="expected accuracy after 3 rounds minus a vote of 10 samples, world of six facts",
            criterion=Above(0.0),
            measure=over_vote,
        ),
        Claim(
            name="rounds",
            text="Rounds of distilling, correcting and trying again raise accuracy.",
            source="abstract",
            effect="accuracy after 3 rounds minus after none, the same questions, world of six facts",
            criterion=Above(0.0),
            measure=rounds_help,
        ),
        Claim(
            name="closed-form",
            text="What is known is a Markov chain of facts.",
            source="derived from the procedure",
            effect="largest distance of simulated accuracy from it, standard errors",
            criterion=Below(4.0),
            measure=simulation_is_the_chain,
        ),
        Claim(
            name="poisoned",
            text="Without a modifier, what is noted falsely persists.",
            source="derived from the procedure",
            effect="expected accuracy after 3 rounds minus after none, no modifier, 0.4 false facts",
            criterion=Below(0.0),
            measure=poisoned,
        ),
        Claim(
            name="nothing-to-find",
            text="Where attempts find everything there is nothing to gain.",
            source="derived from the procedure",
            effect="the same difference where 0.99 of facts are found at once",
            criterion=Equals(0.0, 0.02),
            measure=nothing_to_find,
        ),
        Claim(
            name="reasoner",
            text="A second solution with a sticker is better than the first.",
            source="abstract",
            effect="accuracy after one round minus one sample, bundled reasoner with the three roles",
            criterion=Above(0.0),
            measure=on_the_reasoner,
        ),
        Claim(
            name="trained",
            text="Best on AIME-24, AIME-25 and OlymMATH, and better with both stages of training.",
            source="abstract; its tables were not to be had",
            criterion=Needs("a strong reasoner, fine-tuned for the three roles, and a GPU"),
        ),
    ),
)
