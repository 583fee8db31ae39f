"""ARISE (arXiv 2510.06014): how well a model uses extra thinking, item by item.

The metric's identities and what it sees that a slope of averages does not, in closed form; its noise and
its adaptive sampler on Bernoulli items of known rates; and the bundled reasoner at three limits of tokens.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from ..metrics import arise
from ..metrics.curves.arise_sampling import Rule, Sampled, sample
from ..metrics.curves.scaling import end_to_end_slope
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System

WORKED = [  # accuracy and tokens by level, the item's score
    ((0, 1), (1000, 2000), 0.5),
    ((1, 0), (1000, 2000), -2.0),
    ((0, 1, 0), (1000, 2000, 4000), -1.5),
    ((0, 1, 1), (1000, 2000, 4000), 0.5),
    ((1, 1, 1), (1000, 2000, 4000), 0.0),
    ((0, 1), (1000, 500), 2.0),
    ((1, 0), (1000, 500), -0.5),
]
ITEMS = 100
LOST = (0, 5, 10, 15, 20, 25, 30)  # items model B loses beside those it gains
DOUBLED = (1000.0, 2000.0)
RATES = np.column_stack([np.linspace(0.02, 0.9, 24), np.linspace(0.5, 0.98, 24)])  # rises everywhere
REPEATS = {"quick": 60, "full": 300}
MANY = {"quick": 1_500, "full": 10_000}
LIMITS = (16, 32, 64)  # tokens of the bundled reasoner's replies
QUESTIONS = {"quick": 40, "full": 200}


# -- identities


def worked_values(lab: Laboratory) -> Figure:
    off = max(abs(arise([a], [t]).value - score) for a, t, score in WORKED)
    return Figure.exact(off, f"{len(WORKED)} paths")


def symmetries(lab: Laboratory) -> Figure:
    """Largest miss of: equal tokens telescope, other units change nothing, a path that doubles its tokens
    played backwards has the opposite score, and a repeated level adds nothing."""
    rng = np.random.default_rng(lab.seed)
    a, t = rng.random((50, 4)), rng.uniform(100, 9000, (50, 4))
    score = arise(a, t).items
    flat = arise(a, np.ones_like(t)).items - (a[:, -1] - a[:, 0])
    scaled = arise(a, 7.5 * t).items - score
    backwards = arise(a[:, ::-1], t[:, ::-1]).items + score
    repeated = arise(np.insert(a, 2, a[:, 1], axis=1), np.insert(t, 2, t[:, 1], axis=1)).items - score
    return Figure.exact(float(np.abs([flat, scaled, backwards, repeated]).max()), "50 random paths")


def _flows(lost: int) -> tuple[float, float]:
    """(ARISE, slope) of a model that gains 10 + lost items and loses `lost`, of ITEMS."""
    a = np.zeros((ITEMS, 2))
    a[: 10 + lost, 1] = 1
    a[ITEMS - lost :, 0] = 1
    t = np.tile(DOUBLED, (ITEMS, 1))
    slope = end_to_end_slope(t.mean(axis=0).tolist(), a.mean(axis=0).tolist())
    return arise(a, t).value, slope * DOUBLED[0]


def sees_losses(lab: Laboratory) -> Figure:
    found = [_flows(lost) for lost in LOST]
    lab.plot(
        Curve(
            title="Models that gain ten items net, by the items they lose",
            x_name="items lost, of 100",
            y_name="score",
            x=LOST,
            lines=[
                Line(name="ARISE", y=[value for value, _ in found]),
                Line(name="slope, per 1,000 tokens", y=[slope for _, slope in found]),
            ],
            vanishes_at=0.0,
        )
    )
    return Figure.exact(_flows(0)[0] - _flows(10)[0], "two models, 100 items")


def slope_does_not(lab: Laboratory) -> Figure:
    return Figure.exact(_flows(0)[1] - _flows(10)[1], "two models, 100 items")


# -- noise and the adaptive sampler


def noise_is_penalised(lab: Laboratory) -> Figure:
    """Distance of the mean score of pure symmetric noise, tokens doubling, from -(2 - 1/2)/2 E|delta|, in
    standard errors."""
    rng = np.random.default_rng(lab.seed)
    count = lab.size(*MANY.values())
    a = rng.binomial(5, 0.5, (count, 2)) / 5
    scores = arise(a, np.tile(DOUBLED, (count, 1))).items
    shifts = scores + 0.75 * np.abs(a[:, 1] - a[:, 0])
    return Figure.exact(abs(shifts.mean()) / (shifts.std() / math.sqrt(count)), f"{count:,} items")


def _expected_runs(p: float, rule: Rule) -> float:
    """Runs of a Bernoulli item with steady tokens, over all its courses."""

    @cache
    def after(right: int, runs: int) -> float:
        outcome = [1.0] * right + [0.0] * (runs - right)
        if runs >= rule.m_max or rule.spread(outcome, [1.0] * runs) <= rule.tau:
            return runs
        return p * after(right + 1, runs + 1) + (1 - p) * after(right, runs + 1)

    n = rule.m_min
    return sum(math.comb(n, c) * p**c * (1 - p) ** (n - c) * after(c, n) for c in range(n + 1))


def runs_are_the_chain(lab: Laboratory) -> Figure:
    """Largest distance of mean runs from the exact chain, in standard errors, over rates."""
    rates = [0.02, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.97]
    rng, count, rule = np.random.default_rng(lab.seed), lab.size(*MANY.values()) // 3, Rule()
    sampled = {p: np.array([_item(rng, p, rule).runs for _ in range(count)]) for p in rates}
    expected = [_expected_runs(p, rule) for p in rates]
    means = [float(runs.mean()) for runs in sampled.values()]
    lab.plot(
        Curve(
            title="Runs of an item, by how often it is right (3 at least, 10 at most)",
            x_name="rate",
            y_name="runs",
            x=rates,
            lines=[Line(name="sampled", y=means), Line(name="chain", y=expected)],
        )
    )
    errors = [runs.std() / math.sqrt(count) for runs in sampled.values()]
    far = max(abs(m - e) / s for m, e, s in zip(means, expected, errors, strict=True))
    return Figure.exact(far, f"{len(rates)} rates")


def _item(rng: np.random.Generator, p: float, rule: Rule) -> Sampled:
    """An item that is right with p, with steady tokens."""
    return sample(lambda _: (float(rng.random() < p), 1000.0), rule)


@lru_cache
def _scores(repeats: int, seed: int, least: int, most: int) -> tuple[NDArray[np.float64], float]:
    """(ARISE of every repeat, mean runs) of items of RATES whose tokens double."""
    rng, rule = np.random.default_rng(seed), Rule(m_min=least, m_max=most)
    tokens, scores, runs = np.tile(DOUBLED, (len(RATES), 1)), [], []
    for _ in range(repeats):
        sampled = [[_item(rng, p, rule) for p in row] for row in RATES]
        scores.append(arise([[d.accuracy for d in row] for row in sampled], tokens).value)
        runs += [d.runs for row in sampled for d in row]
    return np.array(scores), float(np.mean(runs))


def _spread(lab: Laboratory, least: int, most: int) -> tuple[NDArray[np.float64], float]:
    return _scores(lab.size(*REPEATS.values()), lab.seed, least, most)


def steadier_than_single(lab: Laboratory) -> Figure:
    adaptive, single = _spread(lab, 3, 10)[0], _spread(lab, 1, 1)[0]
    return Figure.resampled(
        lambda a, b: a.std() / b.std(), adaptive, single, of=f"{len(adaptive)} evaluations"
    )


def steadier_at_equal_runs(lab: Laboratory) -> Figure:
    """Spread of adaptive over that of as many runs of every item, rounded up."""
    adaptive, runs = _spread(lab, 3, 10)
    fixed, _ = _spread(lab, math.ceil(runs), math.ceil(runs))
    return Figure.resampled(
        lambda a, b: a.std() / b.std(), adaptive, fixed, of=f"{len(adaptive)} evaluations"
    )


# -- a model


def bundled(lab: Laboratory) -> Figure:
    """ARISE of the bundled reasoner as its limit of tokens rises, over questions."""
    from ..bench import Settings
    from ..core import Sampling

    right, tokens = [], []
    for limit in LIMITS:
        settings = Settings(request=Sampling(max_tokens=limit))
        n = lab.size(*QUESTIONS.values())
        found = lab.bench(["simple"], "tiny", ["lab:word?level=3"], n=n, settings=settings).results["simple"]
        by_question = {r.problem: r for r in found}
        right.append([float(bool(by_question[q].correct)) for q in sorted(by_question)])
        tokens.append([float(by_question[q].usage.completion_tokens) for q in sorted(by_question)])
    scores = arise(np.transpose(right), np.transpose(tokens)).items
    return Figure.mean(scores, f"{len(scores)} questions")


SYSTEM = System(
    name="arise",
    metrics=("arise",),
    parameters={
        "worked": WORKED,
        "lost": LOST,
        "rates": RATES.tolist(),
        "repeats": REPEATS,
        "courses": MANY,
        "limits": LIMITS,
        "questions": QUESTIONS,
    },
    claims=(
        Claim(
            name="sees-losses",
            text="ARISE tells apart models that gain and lose items from models that only gain.",
            source="abstract",
            effect="ARISE of a model that gains 10 items minus that of one that gains 20 and loses 10",
            criterion=Above(0.0),
            measure=sees_losses,
        ),
        Claim(
            name="slope-is-blind",
            text="The slope of average accuracy over average tokens does not see them.",
            source="abstract",
            effect="slope of the same two models, difference",
            criterion=Equals(0.0, 1e-12),
            measure=slope_does_not,
        ),
        Claim(
            name="worked-values",
            text="A gain counts by the ratio of tokens, a loss by its inverse.",
            number="seven paths, such as right then wrong at twice the tokens: -2",
            source="definition",
            effect="largest distance from the worked values",
            criterion=Equals(0.0, 1e-12),
            measure=worked_values,
        ),
        Claim(
            name="symmetries",
            text="Equal tokens telescope; units, repeated levels do not matter; time reversal negates.",
            source="definition",
            effect="largest miss over random paths of four levels",
            criterion=Equals(0.0, 1e-9),
            measure=symmetries,
        ),
        Claim(
            name="noise",
            text="Noise of a mean over few runs counts against a model, by a closed form.",
            source="derived from the definition",
            effect="mean score of symmetric noise from -(2 - 1/2)/2 E|delta|, in standard errors",
            criterion=Below(4.0),
            measure=noise_is_penalised,
        ),
        Claim(
            name="adaptive-runs",
            text="Runs go where they vary: from 3 to 10, settled by the coefficient of variation.",
            source="adaptive sampling",
            effect="mean runs of Bernoulli items from the exact chain, in standard errors, at most",
            criterion=Below(4.0),
            measure=runs_are_the_chain,
        ),
        Claim(
            name="steadier-than-single",
            text="With adaptive sampling the score is more stable than with single runs.",
            source="results",
            effect="standard deviation over evaluations, adaptive over single, Bernoulli items",
            criterion=Below(1.0),
            measure=steadier_than_single,
        ),
        Claim(
            name="steadier-at-equal-runs",
            text="Adaptive sampling puts runs where they pay.",
            source="the reason given for it; the paper compares with single runs only",
            effect="standard deviation, adaptive over as many runs of every item (rounded up)",
            criterion=Below(1.0),
            measure=steadier_at_equal_runs,
        ),
        Claim(
            name="bundled-reasoner",
            text="Models turn more thinking into right answers.",
            source="results, ARISE above 0 for most families",
            effect="ARISE of the bundled reasoner on stories, limits of 16, 32 and 64 tokens",
            criterion=Above(0.0),
            measure=bundled,
        ),
        Claim(
            name="families",
            text="Claude Opus scales best overall; GPT-OSS loses items with more compute.",
            source="results",
            criterion=Needs("the models of seven families, with effort levels"),
        ),
    ),
)
