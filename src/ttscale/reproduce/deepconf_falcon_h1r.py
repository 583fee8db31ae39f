"""DeepConf (arXiv 2508.15260), the test-time part of Falcon-H1R (arXiv 2601.02346): the most confident vote.

Measured on samples of the bundled reasoner with its own token log-probabilities, recorded once and replayed,
and in worlds in which confidence tells right from wrong with a known area under the curve. Traces of the
reasoner have some forty tokens, so windows have 16 where the paper's have 2048.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ..engines import ModelSource
from ..engines.synthetic import Synthetic, World, binary
from ..signals.confidence import lowest_group, threshold, token_confidence
from .protocol import Above, Below, Claim, Comparison, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.scripted import questions

TASK = "lab:word?level=3"
QUESTIONS = {"quick": 20, "full": 60}
N, WINDOW, WARM_UP = 16, 16, 8
REPEATS = {"quick": 2, "full": 4}
VOTE = f"sc(n={N})"
BEST = f"deepconf(n={N}, measure=bottom, window={WINDOW}, keep=10)"
ONLINE = {
    variant: f"deepconf-online(variant={variant}, warm_up={WARM_UP}, max_samples={N}, window={WINDOW})"
    for variant in ("low", "high")
}

SEPARATIONS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)  # of means, in standard deviations
APART, WORSE = 3.0, -2.0
RIGHT = 0.6  # share of samples
TRIALS = {"quick": 50, "full": 400}
IN_WORLD = {"vote": f"sc(n={N})", "top": f"deepconf(n={N}, measure=mean, keep=10)"}
WARM_UPS = 16  # the paper's
SURVIVORS = {"quick": 20_000, "full": 100_000}
VOCABULARIES = (32, 4_096, 151_936)


# -- the bundled reasoner


def _recorded(lab: Laboratory) -> ModelSource:
    """Samples of the reasoner with the confidence of every token."""
    return lab.record("tiny", TASK, n=lab.size(*QUESTIONS.values()), samples=N, logprobs=20)


def _compared(lab: Laboratory) -> Comparison:
    """All methods on the same samples, in several orders."""
    source = lab.once(_recorded)
    return lab.bench([VOTE, BEST, *ONLINE.values()], source, repeats=lab.size(*REPEATS.values()))


def _gain(lab: Laboratory, label: str) -> Figure:
    return Figure.paired(lab.once(_compared).difference(label, VOTE))


def offline_gain(lab: Laboratory) -> Figure:
    return _gain(lab, BEST)


def low_gain(lab: Laboratory) -> Figure:
    return _gain(lab, ONLINE["low"])


def high_gain(lab: Laboratory) -> Figure:
    return _gain(lab, ONLINE["high"])


def _tokens(lab: Laboratory, label: str) -> NDArray[np.float64]:
    """Per question, over repeats, of those that all methods answered: a sample that failed ends a replay."""
    found: dict[str, dict[str, list[int]]] = {}
    for name, results in lab.once(_compared).results.items():
        for result in results:
            found.setdefault(name, {}).setdefault(result.problem, []).append(result.usage.completion_tokens)
    common = set.intersection(*map(set, found.values()))
    return np.array([np.mean(found[label][problem]) for problem in sorted(common)])


def _saved(lab: Laboratory, variant: str) -> Figure:
    return Figure.resampled(
        lambda ours, vote: 1 - ours.sum() / vote.sum(),
        _tokens(lab, ONLINE[variant]),
        _tokens(lab, VOTE),
        of=f"{len(_tokens(lab, VOTE))} questions",
    )


def low_saves(lab: Laboratory) -> Figure:
    return _saved(lab, "low")


def high_saves(lab: Laboratory) -> Figure:
    return _saved(lab, "high")


# -- worlds of known separation


def _world(by: float, tokens: int = 40) -> World:
    """Mean confidences of right and wrong traces differ by `by` standard deviations between traces."""
    return binary(
        RIGHT,
        length=tokens,
        wrong_length=tokens,
        spread=5,
        wrong_spread=5,
        confidence=10 + by,
        wrong_confidence=10,
        noise=0.5,
        between=1,
    )


def _accuracies(lab: Laboratory) -> dict[float, dict[str, NDArray[np.float64]]]:
    """Separation -> method -> right or not, the same samples for both."""
    problems = questions(lab.size(*TRIALS.values()))
    return {
        by: {
            name: np.array(
                [o.answer == "right" for o in lab.answer(spec, Synthetic(_world(by)), problems)], float
            )
            for name, spec in IN_WORLD.items()
        }
        for by in SEPARATIONS
    }


def _difference(lab: Laboratory, by: float) -> Figure:
    found = lab.once(_accuracies)[by]
    return Figure.mean(found["top"] - found["vote"], f"{len(found['top'])} questions")


def apart(lab: Laboratory) -> Figure:
    areas = [NormalDist().cdf(by / math.sqrt(2)) for by in SEPARATIONS]
    gains = [_difference(lab, by) for by in SEPARATIONS]
    signs = [i for i in range(1, len(gains)) if gains[i - 1].value <= 0 < gains[i].value]
    lab.plot(
        Curve(
            title=f"Of {N} samples the surest tenth votes, minus the vote of all",
            x_name="area under the curve of confidence",
            y_name="accuracy gained",
            x=areas,
            lines=[
                Line(
                    name="gain",
                    y=[g.value for g in gains],
                    low=[g.low for g in gains],
                    high=[g.high for g in gains],
                )
            ],
            vanishes_at=_zero(areas, [g.value for g in gains], signs[0]) if signs else None,
        )
    )
    return _difference(lab, APART)


def _zero(x: list[float], y: list[float], after: int) -> float:
    """Where the line from the point before `after` crosses zero."""
    return x[after - 1] - y[after - 1] * (x[after] - x[after - 1]) / (y[after] - y[after - 1])


def useless(lab: Laboratory) -> Figure:
    return _difference(lab, 0.0)


def misleading(lab: Laboratory) -> Figure:
    return _difference(lab, WORSE)


# -- identities


def online_pool(lab: Laboratory) -> Figure:
    """Questions on which the online rule lets other traces vote than those whose lowest group, seen whole,
    reaches the threshold."""
    window, samples = 8, 60
    engine, problems = Synthetic(replace(_world(2.0), noise=2.0)), questions(lab.size(10, 40))
    online = f"deepconf-online(max_samples={samples}, window={window}, consensus=2.0)"
    differ = 0
    for live, whole in zip(
        lab.answer(online, engine, problems), lab.answer(f"sc(n={samples})", engine, problems), strict=True
    ):
        complete = sorted(whole.traces, key=lambda trace: trace.index)
        lowest = [lowest_group(t.conf, window) for t in complete if t.conf is not None]
        level = threshold(lowest[:WARM_UPS], 10)
        above = sum(value >= level for value in lowest)
        differ += (live.extra["threshold"], sum(live.extra["votes"])) != (level, above)
    return Figure.exact(differ, f"{len(problems)} questions of {samples}")


def uniform_tokens(lab: Laboratory) -> Figure:
    """Largest distance of the confidence of a uniform distribution over V tokens from ln V."""
    off = [abs(float(token_confidence(np.full(20, -math.log(v)))) - math.log(v)) for v in VOCABULARIES]
    return Figure.exact(max(off), f"{len(VOCABULARIES)} vocabularies")


def survivors(lab: Laboratory) -> Figure:
    """Share of new traces that reach the 90th percentile of sixteen others of the same kind."""
    rng = np.random.default_rng(lab.seed)
    count = lab.size(*SURVIVORS.values())
    levels = np.percentile(rng.normal(size=(count, WARM_UPS)), 90, axis=1)
    return Figure.share((rng.normal(size=count) >= levels).tolist(), f"{count:,} traces")


SYSTEM = System(
    name="deepconf-falcon-h1r",
    methods=("deepconf", "deepconf-online"),
    parameters={
        "task": TASK,
        "questions": QUESTIONS,
        "methods": [VOTE, BEST, *ONLINE.values()],
        "repeats": REPEATS,
        "separations": SEPARATIONS,
        "apart": APART,
        "worse": WORSE,
        "right": RIGHT,
        "trials": TRIALS,
        "in_world": IN_WORLD,
        "survivors": SURVIVORS,
        "vocabularies": VOCABULARIES,
    },
    claims=(
        Claim(
            name="offline-gain",
            text="A vote among the most confident tenth is more accurate than the vote of all.",
            number="99.9 against 97.0, GPT-OSS-120B on AIME25; 87.5 against 82.3, R1-8B",
            source="offline results; two of its tasks lose",
            effect="accuracy of deepconf(n=16, bottom, keep=10) minus sc(n=16), bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=offline_gain,
        ),
        Claim(
            name="low-keeps-accuracy",
            text="DeepConf-low is as accurate as majority voting.",
            number="97.9 against 97.1, GPT-OSS-120B on AIME25",
            source="online results",
            effect="accuracy of deepconf-online low minus sc(n=16), bundled reasoner, level 3",
            criterion=Above(-0.03),
            measure=low_gain,
        ),
        Claim(
            name="low-saves",
            text="DeepConf-low saves most tokens.",
            number="43 to 85%; 84.7% for GPT-OSS-120B on AIME25",
            source="online results",
            effect="share of the tokens of sc(n=16) saved by deepconf-online low, bundled reasoner",
            criterion=Above(0.0),
            measure=low_saves,
        ),
        Claim(
            name="high-keeps-accuracy",
            text="DeepConf-high is as accurate as majority voting.",
            number="97.0 against 97.1, GPT-OSS-120B on AIME25",
            source="online results",
            effect="accuracy of deepconf-online high minus sc(n=16), bundled reasoner, level 3",
            criterion=Above(-0.03),
            measure=high_gain,
        ),
        Claim(
            name="high-saves",
            text="DeepConf-high saves tokens.",
            number="18 to 59%",
            source="online results",
            effect="share of the tokens of sc(n=16) saved by deepconf-online high, bundled reasoner",
            criterion=Above(0.0),
            measure=high_saves,
        ),
        Claim(
            name="separation",
            text="Where confidence tells right from wrong, the surest tenth beats the vote.",
            source="Sec. 2",
            effect="accuracy gained in a world with an area under the curve of .98",
            criterion=Above(0.0),
            measure=apart,
        ),
        Claim(
            name="no-separation",
            text="Dropping nine of ten votes costs nothing where confidence tells nothing.",
            source="implied by a gain nearly everywhere",
            effect="accuracy gained in a world with an area of .5",
            criterion=Above(-0.03),
            measure=useless,
        ),
        Claim(
            name="misleading",
            text="Where confidence misleads, filtering hurts.",
            number="82.9 against 86.7, GPT-OSS-120B on BRUMO25",
            source="offline results",
            effect="accuracy gained in a world with an area of .08",
            criterion=Below(0.0),
            measure=misleading,
        ),
        Claim(
            name="online-is-the-filter",
            text="A trace survives exactly if its lowest group reaches the threshold.",
            source="Algorithm 2",
            effect="questions on which the online pool differs from the filter on whole traces",
            criterion=Equals(0.0, 0.0),
            measure=online_pool,
        ),
        Claim(
            name="uniform",
            text="The confidence of a uniform distribution over V tokens is ln V.",
            source="definition",
            effect="largest distance",
            criterion=Equals(0.0, 1e-9),
            measure=uniform_tokens,
        ),
        Claim(
            name="survivors",
            text="About a tenth of the traces survives DeepConf-low.",
            number="top 10%",
            source="Sec. 3.2",
            effect="share of exchangeable traces above the threshold of sixteen warm-up traces",
            criterion=Equals(0.1, 0.02),
            measure=survivors,
        ),
        Claim(
            name="falcon",
            text="Falcon-H1R-7B with DeepConf@512: AIME25 at fewer tokens than larger models.",
            number="96.7%, 95.1M tokens, 38% fewer than R1-0528-Qwen3-8B",
            source="Falcon-H1R, abstract and tables",
            criterion=Needs("Falcon-H1R-7B with log-probabilities, and a GPU for 512 long traces a question"),
        ),
    ),
)
