"""ThoughtMani (arXiv 2504.13626): another model's key points in place of the reasoner's own thinking.

Measured on a reasoner that follows the thought it is given, or opens its thinking again with a chance that
depends on whether it is right, and a generator that is right, and refuses, with known chances. Accuracy and
tokens then have closed forms. Two kinds of reasoner are compared: one rethinks, wrong thoughts more often
(trained by reinforcement), and one hardly does (distilled). On the bundled reasoner, which is its own
generator, key points are compared with an empty thought.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..core import THINK, GenerationRequest, Outcome, Trace
from .protocol import Above, Below, Claim, Comparison, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.scripted import Scripted, questions
from .worlds.thinker import RIGHT, spoken

OWN, AGAIN, POINTS = 120, 60, 8  # words of own thinking, of thinking again, of the external thought
OWN_RIGHT = 0.9  # accuracy of own thinking
REINFORCED, DISTILLED = (0.2, 0.7), (0.02, 0.02)  # chance to think again after a right, a wrong thought
REFUSES = (0.05, 0.5)  # chance that the generator refuses what it would get right, wrong
QUALITIES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
GOOD, BAD = 0.8, 0.3  # quality of thoughts that single figures are of
QUESTIONS = {"quick": 150, "full": 1_500}
TASK = "lab:arith?level=3"
LIVE = ("thoughtmani", "thoughtmani(thought=empty)")
LIVE_QUESTIONS = {"quick": 16, "full": 120}


@dataclass(frozen=True, slots=True)
class Pair:
    """A reasoner and a generator.

    Attributes:
        q: chance that a thought is right.
        again: chance that the reasoner thinks again, after a right and a wrong thought.
        refuses: chance that the generator refuses a question it would get right, wrong.
    """

    q: float
    again: tuple[float, float]
    refuses: tuple[float, float] = REFUSES

    @property
    def refused(self) -> float:
        return self.q * self.refuses[0] + (1 - self.q) * self.refuses[1]

    @property
    def rethought(self) -> float:
        """Chance that a thought is given, and thinking is opened again."""
        right, wrong = self.q * (1 - self.refuses[0]), (1 - self.q) * (1 - self.refuses[1])
        return right * self.again[0] + wrong * self.again[1]

    @property
    def accuracy(self) -> float:
        followed_right = self.q * (1 - self.refuses[0]) * (1 - self.again[0])
        return followed_right + (self.refused + self.rethought) * OWN_RIGHT

    @property
    def tokens(self) -> float:
        """Of both models, with a token for each tag, mark and answer."""
        given = (1 - self.refused) * (POINTS + 1) + self.refused
        return given + self.refused * (OWN + 2) + self.rethought * (AGAIN + 2) + 1

    def engines(self) -> dict[str, Scripted]:
        return {"main": Scripted(self._reasoner), "generator": Scripted(self._generator)}

    def _generator(self, request: GenerationRequest) -> Trace:
        rng = random.Random(request.seed)
        right = rng.random() < self.q
        if rng.random() < self.refuses[0 if right else 1]:
            return spoken(["<STOP>"])
        way = "right " if right else "wrong "
        return spoken([way, *(f"point{n} " for n in range(POINTS - 1)), "<STOP>"])

    def _reasoner(self, request: GenerationRequest) -> Trace:
        rng, given = random.Random(request.seed), request.prompt.prefix
        if not given:
            return _thinking(rng, OWN)
        right = given.startswith(f"{THINK.opening}\nright")
        if rng.random() < self.again[0 if right else 1]:
            return _thinking(rng, AGAIN)
        return spoken([_box(right)])


def _thinking(rng: random.Random, length: int) -> Trace:
    words = (f"w{rng.randrange(10**6)} " for _ in range(length))
    return spoken([THINK.opening, *words, THINK.closing, _box(rng.random() < OWN_RIGHT)])


def _box(right: bool) -> str:
    return f"\\boxed{{{RIGHT if right else 'wrong'}}}"


def _right(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Whether each answer is right, (questions,)."""
    return np.array([outcome.answer == RIGHT for outcome in outcomes], float)


def _tokens(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Tokens of both models for each question, (questions,)."""
    return np.array([outcome.usage.completion_tokens for outcome in outcomes], float)


def _answered(lab: Laboratory, pair: Pair, method: str = "thoughtmani") -> list[Outcome]:
    return lab.answer(method, pair.engines(), questions(lab.size(*QUESTIONS.values())))


def _plain(lab: Laboratory) -> list[Outcome]:
    return _answered(lab, Pair(0.0, REINFORCED), "simple")


def _sweep(lab: Laboratory) -> dict[str, list[list[Outcome]]]:
    """Both kinds of reasoner over QUALITIES."""
    kinds = {"reinforced": REINFORCED, "distilled": DISTILLED}
    return {kind: [_answered(lab, Pair(q, again)) for q in QUALITIES] for kind, again in kinds.items()}


def _at(lab: Laboratory, kind: str, q: float) -> list[Outcome]:
    return lab.once(_sweep)[kind][QUALITIES.index(q)]


def tokens_saved(lab: Laboratory, kind: str) -> Figure:
    """At GOOD thoughts, the generator's tokens counted."""
    if kind == "reinforced":
        _plot(lab)
    spent, plain = _tokens(_at(lab, kind, GOOD)), _tokens(lab.once(_plain))
    return Figure.mean(1 - spent / plain, f"{len(plain)} questions")


def _plot(lab: Laboratory) -> None:
    plain = lab.once(_plain)
    level = float(_right(plain).mean())
    for name, of, own in (("accuracy", _right, level), ("tokens", _tokens, float(_tokens(plain).mean()))):
        found = {kind: [float(of(o).mean()) for o in each] for kind, each in lab.once(_sweep).items()}
        lab.plot(
            Curve(
                title=f"Quality of the external thought: {name}",
                x_name="share of right thoughts",
                y_name=name,
                x=QUALITIES,
                lines=[
                    *(Line(name=kind, y=y) for kind, y in found.items()),
                    Line(name="own thinking", y=[own] * len(QUALITIES)),
                ],
                vanishes_at=OWN_RIGHT if name == "accuracy" else None,
            )
        )


def accuracy_lost(lab: Laboratory, kind: str, q: float) -> Figure:
    lost = _right(_at(lab, kind, q)) - _right(lab.once(_plain))
    return Figure.mean(lost, f"{len(lost)} questions")


def distilled_lose_more(lab: Laboratory) -> Figure:
    lost = _right(_at(lab, "distilled", GOOD)) - _right(_at(lab, "reinforced", GOOD))
    return Figure.mean(lost, f"{len(lost)} questions")


def gate_helps(lab: Laboratory) -> Figure:
    """At BAD thoughts, a generator that may refuse minus one that may not; both followed blindly."""
    gated = _at(lab, "distilled", BAD)
    always = _answered(lab, Pair(BAD, DISTILLED, refuses=(0.0, 0.0)))
    return Figure.mean(_right(gated) - _right(always), f"{len(gated)} questions")


def simulation_is_the_mixture(lab: Laboratory) -> Figure:
    """Largest distance of mean accuracy or tokens from the closed forms, in standard errors."""
    far = 0.0
    for kind, again in (("reinforced", REINFORCED), ("distilled", DISTILLED)):
        for q in QUALITIES:
            pair, outcomes = Pair(q, again), _at(lab, kind, q)
            for seen, expected in ((_right(outcomes), pair.accuracy), (_tokens(outcomes), pair.tokens)):
                error = float(seen.std(ddof=1)) / math.sqrt(len(seen))
                far = max(far, abs(float(seen.mean()) - expected) / error)
    return Figure.exact(far, f"{2 * len(QUALITIES)} pairs of models")


def everything_is_counted(lab: Laboratory) -> Figure:
    """Questions whose tokens are not those of the generator, the thinking and the answer."""
    wrong, outcomes = 0, [o for each in lab.once(_sweep).values() for found in each for o in found]
    for outcome in outcomes:
        own = OWN + 2 if outcome.extra["fallback"] else 0
        parts = outcome.extra["generator_tokens"] + outcome.extra["rethinking_tokens"] + own + 1
        wrong += parts != outcome.usage.completion_tokens
    return Figure.exact(wrong, f"{len(outcomes)} questions")


def refused_is_plain(lab: Laboratory) -> Figure:
    """Questions whose reply differs from plain thinking where the generator refuses all."""
    refusing = replace(Pair(0.0, REINFORCED), refuses=(1.0, 1.0))
    outcomes, plain = _answered(lab, refusing), lab.once(_plain)
    texts = [[o.winner.text if o.winner else None for o in each] for each in (outcomes, plain)]
    return Figure.exact(sum(a != b for a, b in zip(*texts, strict=True)), f"{len(plain)} questions")


# -- the bundled reasoner


def _live(lab: Laboratory) -> Comparison:
    return lab.bench(LIVE, "tiny", [TASK], n=lab.size(*LIVE_QUESTIONS.values()))


def points_over_nothing(lab: Laboratory) -> Figure:
    return Figure.paired(lab.once(_live).difference(*LIVE))


SYSTEM = System(
    name="thoughtmani",
    methods=("thoughtmani",),
    parameters={
        "lengths": [OWN, AGAIN, POINTS],
        "own_right": OWN_RIGHT,
        "again": [REINFORCED, DISTILLED],
        "refuses": REFUSES,
        "qualities": QUALITIES,
        "looked_at": [GOOD, BAD],
        "questions": QUESTIONS,
        "task": TASK,
        "live": [LIVE, LIVE_QUESTIONS],
    },
    claims=(
        Claim(
            name="tokens-saved",
            text="A reasoner given a smaller model's key points generates fewer tokens.",
            number="1 to 37% of the tokens, QwQ-32B, over data sets and generators",
            source="main table",
            effect="share of both models' tokens saved, right thoughts .8, a reasoner that rethinks",
            criterion=Above(0.0),
            measure=partial(tokens_saved, kind="reinforced"),
        ),
        Claim(
            name="accuracy-kept",
            text="It mostly keeps its accuracy.",
            number="0.8 to 7.2 points lost, QwQ-32B",
            source="main table",
            effect="accuracy minus own thinking, right thoughts .8, a reasoner that rethinks",
            criterion=Above(-0.072),
            measure=partial(accuracy_lost, kind="reinforced", q=GOOD),
        ),
        Claim(
            name="distilled-save",
            text="A distilled reasoner saves most of its tokens.",
            number="up to 86%, R1-Distill-Qwen 14B and 32B",
            source="main table",
            effect="share of both models' tokens saved, right thoughts .8, one that hardly rethinks",
            criterion=Above(0.5),
            measure=partial(tokens_saved, kind="distilled"),
        ),
        Claim(
            name="distilled-lose-more",
            text="A distilled reasoner loses more accuracy.",
            number="4.5 to 20.4 points against 0.8 to 7.2",
            source="main table",
            effect="accuracy of one that hardly rethinks minus one that does, right thoughts .8",
            criterion=Below(0.0),
            measure=distilled_lose_more,
        ),
        Claim(
            name="blind-following",
            text="A flawed thought drags a reasoner to a wrong answer.",
            source="failure modes, v2",
            effect="accuracy minus own thinking, right thoughts .3, one that hardly rethinks",
            criterion=Below(-0.1),
            measure=partial(accuracy_lost, kind="distilled", q=BAD),
        ),
        Claim(
            name="fallback",
            text="A generator that says when it is unable prevents blind following.",
            source="difficulty-aware fallback, v2",
            effect="accuracy with refusals of half the wrong minus without, right thoughts .3",
            criterion=Above(0.0),
            measure=gate_helps,
        ),
        Claim(
            name="mixture",
            text="Accuracy and tokens are a mixture of thoughts followed, rethought and refused.",
            source="derived from the procedure",
            effect="largest distance of both from it, two reasoners and seven qualities, standard errors",
            criterion=Below(4.0),
            measure=simulation_is_the_mixture,
        ),
        Claim(
            name="accounting",
            text="What is saved is own thinking less rethinking less the generator's tokens.",
            source="derived from the procedure",
            effect="questions whose parts do not add up to what was counted",
            criterion=Equals(0.0, 0.0),
            measure=everything_is_counted,
        ),
        Claim(
            name="refused-is-plain",
            text="Without an external thought the reasoner thinks as if nothing had been tried.",
            source="procedure",
            effect="replies that differ from plain thinking where the generator refuses all",
            criterion=Equals(0.0, 0.0),
            measure=refused_is_plain,
        ),
        Claim(
            name="reasoner",
            text="Key points are worth more than an empty thought.",
            source="pilot study",
            effect="accuracy with its own key points minus an empty thought, bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=points_over_nothing,
        ),
        Claim(
            name="published",
            text="About 30% fewer tokens at the performance kept.",
            number="QwQ-32B, LiveBench/Coding",
            source="main table",
            criterion=Needs("a reasoner of 14 to 32 billion parameters, a generator of 3 or more and a GPU"),
        ),
        Claim(
            name="good-thoughts-rest",
            text="The better the thought, the rarer the rethinking; distilled reasoners hardly rethink.",
            source="observed mechanism",
            criterion=Needs("reasoners of both kinds; the world of this file assumes it"),
        ),
        Claim(
            name="safety",
            text="It makes replies safer, where fine-tuned compression makes them less so.",
            number="+10% on average against -7%, WildJailbreak",
            source="safety table",
            criterion=Needs("aligned models, WildJailbreak and a judge of refusals"),
        ),
    ),
)
