"""ParaThinker (arXiv 2509.04475): independent paths and a summary that sees them all, emulated.

Measured in a world of early commitments: a path guesses at its beginning, is right with probability p, and
shows on its way whether it was. A summary notices a right path, where there is one, with probability v,
and else repeats any of the paths. So it is right with v (1 - (1 - p)^P) + (1 - v) p, a vote of P paths with
the binomial tail, and one path, however long, with p. On the bundled reasoner, which learned to merge up to
three solutions, the summary is compared with the vote and with one sample.
"""

from __future__ import annotations

import math
import random
import re

import numpy as np

from ..core import GenerationRequest, Trace
from .protocol import Above, Below, Claim, Comparison, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.scripted import Scripted, questions

P, V = 0.4, 0.8  # a path is right; a summary notices a right one
PATHS = (1, 2, 4, 8)
MANY = 8
NOTICES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SHORTEST, LONGEST = 50, 450  # tokens of a path, uniform
SUMMARY = 20
TRIALS = {"quick": 150, "full": 400}
TASK = "lab:word?level=3"
QUESTIONS = {"quick": 16, "full": 60}
MERGED, VOTED, ALONE = "parathinker(paths=3, finish=last, temperature=none)", "sc(n=3)", "simple"


def world(v: float = V) -> Scripted:
    """Paths commit, summaries notice; texts have the answers that paths were cut before."""

    def reply(request: GenerationRequest) -> Trace:
        rng, shown = random.Random(request.seed), request.prompt.text
        if "Path 1:" in shown:
            answers = re.findall(r"\((right|wrong)\)", shown)
            notices = "right" in answers and rng.random() < v
            return Trace(f"\\boxed{{{'right' if notices else rng.choice(answers)}}}", SUMMARY)
        answer = "right" if rng.random() < P else "wrong"
        words = ["(", answer, ")", *[" step"] * (rng.randint(SHORTEST, LONGEST) - 6)]
        words += [" \\", f"boxed{{{answer}", "}"]
        ends = np.cumsum([len(word) for word in words]).tolist()
        return Trace("".join(words), len(words), ends=ends)

    return Scripted(reply)


def summarised(paths: int, v: float) -> float:
    """Accuracy of the summary."""
    return v * (1 - (1 - P) ** paths) + (1 - v) * P


def voted(paths: int) -> float:
    """Accuracy of the vote; a tie goes to the answer drawn first, which either is as often."""
    chances = [math.comb(paths, k) * P**k * (1 - P) ** (paths - k) for k in range(paths + 1)]
    more = sum(chance for k, chance in enumerate(chances) if 2 * k > paths)
    return more + (chances[paths // 2] / 2 if paths % 2 == 0 else 0.0)


def _spec(paths: int, finish: str = "first") -> str:
    return f"parathinker(paths={paths}, finish={finish})"


def _right(lab: Laboratory, spec: str, v: float = V) -> np.ndarray:
    outcomes = lab.answer(spec, world(v), questions(lab.size(*TRIALS.values())))
    return np.array([outcome.answer == "right" for outcome in outcomes], float)


def above_one_path(lab: Laboratory) -> Figure:
    gains = _right(lab, _spec(MANY)) - _right(lab, "simple")
    return Figure.mean(gains, f"{len(gains)} questions, {MANY} paths")


def above_vote(lab: Laboratory) -> Figure:
    """Paired by question at V; the curve has the closed forms."""
    vote = voted(MANY)
    lab.plot(
        Curve(
            title=f"{MANY} paths, each right with {P:g}: their summary and their vote",
            x_name="chance that the summary notices a right path",
            y_name="accuracy",
            x=NOTICES,
            lines=[
                Line(name="summary", y=[summarised(MANY, v) for v in NOTICES]),
                Line(name="vote", y=[vote] * len(NOTICES)),
                Line(name="one path", y=[P] * len(NOTICES)),
            ],
            vanishes_at=max(0.0, (vote - P) / (1 - (1 - P) ** MANY - P)),
        )
    )
    gains = _right(lab, _spec(MANY)) - _right(lab, f"sc(n={MANY})")
    return Figure.mean(gains, f"{len(gains)} questions")


def closed_form(lab: Laboratory) -> Figure:
    """Largest distance of simulated accuracies from the formulas, in standard errors."""
    far = 0.0
    for paths in PATHS:
        for spec, expected in (
            (_spec(paths), summarised(paths, V)),
            (_spec(paths, "last"), summarised(paths, V)),
            (f"sc(n={paths})", voted(paths)),
        ):
            right = _right(lab, spec)
            error = math.sqrt(expected * (1 - expected) / len(right))
            far = max(far, abs(float(right.mean()) - expected) / error)
    return Figure.exact(far, f"{3 * len(PATHS)} settings")


def steps_of_the_first(lab: Laboratory) -> Figure:
    """Distance of the mean steps before the summary from E[min], in standard errors."""
    far = 0.0
    for paths in PATHS:
        outcomes = lab.answer(_spec(paths), world(), questions(lab.size(*TRIALS.values())))
        steps = np.array([outcome.usage.sequential_tokens - SUMMARY for outcome in outcomes], float)
        # E[min] = sum over t of P(all paths are longer than t)
        width = LONGEST - SHORTEST + 1
        expected = SHORTEST + sum((k / width) ** paths for k in range(1, width))
        far = max(far, abs(steps.mean() - expected) / (steps.std(ddof=1) / math.sqrt(len(steps))))
    return Figure.exact(float(far), f"{len(PATHS)} numbers of paths")


def latency_and_cost(lab: Laboratory) -> Figure:
    """Questions on which the tokens are not P times the steps before the summary, plus the summary."""
    outcomes = lab.answer(_spec(MANY), world(), questions(100))
    differ = sum(
        o.usage.completion_tokens != MANY * (o.usage.sequential_tokens - SUMMARY) + SUMMARY for o in outcomes
    )
    lab.plot(
        Curve(
            title="First-finish: steps and tokens, by paths",
            x_name="paths",
            y_name="tokens",
            x=PATHS,
            lines=[
                Line(name=name, y=[_mean_usage(lab, paths, name) for paths in PATHS])
                for name in ("sequential_tokens", "completion_tokens")
            ],
        )
    )
    return Figure.exact(differ, f"{len(outcomes)} questions")


def _mean_usage(lab: Laboratory, paths: int, name: str) -> float:
    outcomes = lab.answer(_spec(paths), world(), questions(100))
    return float(np.mean([getattr(outcome.usage, name) for outcome in outcomes]))


# -- the bundled reasoner


def _live(lab: Laboratory) -> Comparison:
    return lab.bench([MERGED, VOTED, ALONE], "tiny", [TASK], n=lab.size(*QUESTIONS.values()))


def reasoner_above_vote(lab: Laboratory) -> Figure:
    return Figure.paired(lab.once(_live).difference(MERGED, VOTED))


def reasoner_above_one(lab: Laboratory) -> Figure:
    return Figure.paired(lab.once(_live).difference(MERGED, ALONE))


SYSTEM = System(
    name="parathinker",
    methods=("parathinker",),
    parameters={
        "world": [P, V, SHORTEST, LONGEST, SUMMARY],
        "paths": PATHS,
        "many": MANY,
        "notices": NOTICES,
        "trials": TRIALS,
        "task": TASK,
        "questions": QUESTIONS,
        "methods": [MERGED, VOTED, ALONE],
    },
    claims=(
        Claim(
            name="above-one-path",
            text="Independent paths with a summary beat one path: early tokens lock a path in.",
            number="+12.3 points (1.5B), +7.5 (7B), 8 paths",
            source="abstract",
            effect="accuracy of 8 paths with a summary minus one, world of early commitments",
            criterion=Above(0.0),
            measure=above_one_path,
        ),
        Claim(
            name="above-vote",
            text="A summary that sees all paths beats their vote.",
            number="+4.3 points (1.5B), +2.0 (7B), 8 paths",
            source="secondary summary",
            effect="accuracy of 8 paths with a summary minus their vote, summary that notices in 80%",
            criterion=Above(0.0),
            measure=above_vote,
        ),
        Claim(
            name="closed-form",
            text="Summary and vote are right as often as early commitments allow.",
            source="derived from the procedure",
            effect="simulated accuracies from the formulas, in standard errors",
            criterion=Below(4.0),
            measure=closed_form,
        ),
        Claim(
            name="first-finish",
            text="Under first-finish the paths take as long as the shortest.",
            source="termination",
            effect="mean steps before the summary from E[min], in standard errors",
            criterion=Below(4.0),
            measure=steps_of_the_first,
        ),
        Claim(
            name="latency-and-cost",
            text="More paths cost tokens, not steps.",
            number="16 paths take less than twice the time of one",
            source="latency",
            effect="questions on which tokens are not P times the steps, and the summary",
            criterion=Equals(0.0, 0.0),
            measure=latency_and_cost,
        ),
        Claim(
            name="above-vote-reasoner",
            text="A summary that sees all paths beats their vote.",
            number="+4.3 points (1.5B), 8 paths",
            source="secondary summary",
            effect="accuracy of 3 whole paths with a summary minus sc(n=3), bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=reasoner_above_vote,
        ),
        Claim(
            name="above-one-reasoner",
            text="Independent paths with a summary beat one path.",
            number="+12.3 points (1.5B), 8 paths",
            source="abstract",
            effect="accuracy of 3 whole paths with a summary minus one sample, bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=reasoner_above_one,
        ),
        Claim(
            name="joined-caches",
            text="The summary goes on from the paths' joined caches; nothing is read again.",
            number="latency overhead of 7.1%",
            source="latency",
            criterion=Needs("a decoder that joins caches, and a model trained with thought embeddings"),
        ),
    ),
)
