"""PETS (arXiv 2602.16745): samples go to the questions whose vote they are most likely to settle.

Measured on recorded samples of a small model (GSM8K, 16 a question), where agreement is with the majority
of all sixteen, and in a world of questions of three kinds whose likeliest answer is known: clear, middling,
nearly tied. The two integrals behind the method are compared with other ways to them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..answers import TextRule
from ..core import Outcome, Problem, Prompt
from ..engines import ModelSource
from ..engines.synthetic import Synthetic, World
from ..methods.allocation.pets_curves import agreement_curve
from ..methods.allocation.pets_table import fit_table
from ..methods.voting.dirichlet import probability_largest
from ..planner.consensus import agreed
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System

KINDS = ((30, 1, 1, 1), (6, 3, 1, 1), (3, 2.4, 1.5, 1))  # Dirichlet parameters of four options
QUESTIONS = 60  # of a world, a third of each kind
WORLDS = {"quick": 4, "full": 20}
AVERAGES = (2, 4, 6, 8, 12)
EVEN = 8  # samples of the even split whose agreement is to be reached
REPEATS = {"quick": 2, "full": 8}
RECORDED = "gsm8k_qwen2.5-0.5b.csv"
MANY = {"quick": 20_000, "full": 200_000}
THETA = (0.45, 0.3, 0.15, 0.1)
KS = (1, 2, 3, 5, 9, 16)


# -- recorded samples


def _agreed(lab: Laboratory) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Method -> per question, over repeats: agreement with the pool's majority, accuracy, samples."""
    source = lab.model(f"replay:{lab.recording(RECORDED)}")
    return _replayed(lab, source, [f"pets(average={a}, max_samples=16)" for a in AVERAGES]) | _replayed(
        lab, source, [f"sc(n={a})" for a in AVERAGES]
    )


def _replayed(
    lab: Laboratory, source: ModelSource, specs: list[str]
) -> dict[str, dict[str, NDArray[np.float64]]]:
    (pool,) = source.pools
    goals, by_id = agreed(pool).problems, {p.id: p for p in pool.problems}
    majority = {goal.id: goal.reference for goal in goals}
    seen = lab.bench(specs, source, repeats=lab.size(*REPEATS.values()))
    found = {}
    for label, results in seen.results.items():
        values: dict[str, list[tuple[float, float, float]]] = {name: [] for name in by_id}
        for result in results:
            problem, goal = by_id[result.problem], majority[result.problem]
            same = result.answer is not None and goal is not None and problem.rule.same(result.answer, goal)
            values[result.problem].append((same, bool(result.correct), result.usage.samples))
        means = np.array([np.mean(rows, axis=0) for rows in values.values()]).T
        found[label] = dict(zip(("agreed", "right", "samples"), means, strict=True))
    return found


def _gap(lab: Laboratory, what: str, average: int) -> Figure:
    seen = lab.once(_agreed)
    ours, even = (seen[label][what] for label in _labels(average))
    return Figure.mean(ours - even, f"{len(ours)} questions")


def _labels(average: int) -> tuple[str, str]:
    return f"pets(average={average}, max_samples=16)", f"sc(n={average})"


def consistency(lab: Laboratory) -> Figure:
    return _gap(lab, "agreed", 4)


def accuracy(lab: Laboratory) -> Figure:
    return _gap(lab, "right", 4)


def samples_saved(lab: Laboratory) -> Figure:
    """1 - (the average at which PETS, its curve interpolated, agrees as often as EVEN samples of every
    question) / EVEN; 0 if it never does."""
    seen = lab.once(_agreed)
    ours = np.transpose([seen[_labels(a)[0]]["agreed"] for a in AVERAGES])  # (questions, averages)
    even = np.transpose([seen[_labels(a)[1]]["agreed"] for a in AVERAGES])
    lab.plot(
        Curve(
            title="Agreement with the majority of 16, Qwen2.5-0.5B on GSM8K, recorded",
            x_name="samples a question, on average",
            y_name="agreement",
            x=AVERAGES,
            lines=[
                Line(name="PETS offline", y=ours.mean(axis=0).tolist()),
                Line(name="even split", y=even.mean(axis=0).tolist()),
            ],
        )
    )

    def saved(mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
        curve = np.maximum.accumulate(mine.mean(axis=0))
        goal = theirs.mean(axis=0)[AVERAGES.index(EVEN)]
        if curve[-1] < goal:
            return 0.0
        return float(1 - np.interp(goal, curve, AVERAGES) / EVEN)

    return Figure.resampled(saved, ours, even, of=f"{len(ours)} questions")


# -- a world with known truth


def _truths(lab: Laboratory, first: int = 0) -> list[NDArray[np.float64]]:
    """Answer probabilities of every question of every world, (questions, options) each."""
    found = []
    for number in range(first, first + lab.size(*WORLDS.values())):
        rng = np.random.default_rng([lab.seed, number])
        found.append(np.array([rng.dirichlet(KINDS[i % len(KINDS)]) for i in range(QUESTIONS)]))
    return found


def _agreement(lab: Laboratory, spec: str) -> NDArray[np.float64]:
    """Share of questions whose vote is the likeliest answer, (worlds,)."""
    shares = []
    for number, truth in enumerate(_truths(lab)):
        names = [f"w{number}-q{i}" for i in range(QUESTIONS)]
        worlds = {
            name: World(
                answers={str(o): float(p) * (1 - 1e-12) for o, p in enumerate(theta)},
                length=5,
                wrong_length=5,
            )
            for name, theta in zip(names, truth, strict=True)
        }
        problems = [
            Problem(name, Prompt.user("?"), TextRule(), str(int(theta.argmax())))
            for name, theta in zip(names, truth, strict=True)
        ]
        outcomes: list[Outcome] = lab.answer(spec, Synthetic(worlds), problems)
        shares.append(
            float(np.mean([o.answer == p.reference for o, p in zip(outcomes, problems, strict=True)]))
        )
    return np.array(shares)


def offline_in_the_world(lab: Laboratory) -> Figure:
    gaps = _agreement(lab, "pets(average=8, options=4)") - _agreement(lab, "sc(n=8)")
    return Figure.mean(gaps, f"{len(gaps)} worlds of {QUESTIONS}")


def online_in_the_world(lab: Laboratory) -> Figure:
    """PETS online, its table fitted on thirty questions of another world, 64 answers each, minus an even
    split of the same average."""
    rng = np.random.default_rng([lab.seed, 10_000])
    learned = _truths(lab, first=20_000)[0][:30]
    pools = [rng.choice(len(theta), 64, p=theta).tolist() for theta in learned]
    with tempfile.TemporaryDirectory(prefix="ttscale-reproduce-") as folder:
        path = Path(folder) / "table.json"
        fit_table(pools, 16, kind="choice").save(path)
        gaps = _agreement(lab, f"pets-online(table='{path}')") - _agreement(lab, "sc(n=16)")
    return Figure.mean(gaps, f"{len(gaps)} worlds of {QUESTIONS}")


# -- its integrals


def largest_of_two(lab: Laboratory) -> Figure:
    """Largest distance of I_1 from P(Beta(a, b) > 1/2)."""
    from scipy.special import betainc

    pairs = [(a, b) for a in (1, 2, 5, 17, 60) for b in (1, 3, 16, 64)]
    off = [abs(probability_largest([a, b])[0] - (1 - betainc(a, b, 0.5))) for a, b in pairs]
    return Figure.exact(float(max(off)), f"{len(pairs)} pairs")


def curve_is_the_vote(lab: Laboratory) -> Figure:
    """Largest distance of A(k) from voting over multinomial draws, ties at random, in standard errors."""
    rng, count = np.random.default_rng(lab.seed), lab.size(*MANY.values())
    exact, far = agreement_curve(THETA, max(KS)), 0.0
    for k in KS:
        votes = rng.multinomial(k, THETA, count)
        leading = votes == votes.max(axis=1, keepdims=True)
        won = leading[:, 0] / leading.sum(axis=1)
        far = max(far, abs(won.mean() - exact[k - 1]) / (won.std() / np.sqrt(count)))
    return Figure.exact(float(far), f"{len(KS)} sizes of a vote")


SYSTEM = System(
    name="pets",
    methods=("pets", "pets-online"),
    parameters={
        "kinds": KINDS,
        "questions": QUESTIONS,
        "worlds": WORLDS,
        "averages": AVERAGES,
        "even": EVEN,
        "repeats": REPEATS,
        "recorded": RECORDED,
        "draws": MANY,
        "theta": THETA,
        "ks": KS,
    },
    claims=(
        Claim(
            name="samples-saved",
            text="PETS offline is as consistent as an even split with fewer samples.",
            number="up to 75% fewer, GPQA, consistency 1.0",
            source="abstract",
            effect="share of samples saved at the agreement of sc(n=8), Qwen2.5-0.5B on GSM8K, recorded",
            criterion=Above(0.0),
            measure=samples_saved,
        ),
        Claim(
            name="consistency",
            text="At the same samples its votes agree more often with the majority of all.",
            source="results, consistency over budget",
            effect="agreement of pets(average=4) minus sc(n=4), Qwen2.5-0.5B on GSM8K, recorded",
            criterion=Above(0.0),
            measure=consistency,
        ),
        Claim(
            name="accuracy",
            text="Accuracy rises with consistency.",
            source="results, accuracy over budget; not guaranteed by the objective",
            effect="accuracy of pets(average=4) minus sc(n=4), Qwen2.5-0.5B on GSM8K, recorded",
            criterion=Above(0.0),
            measure=accuracy,
        ),
        Claim(
            name="offline-world",
            text="The optimistic knowledge gradient beats an even split.",
            number=".788 against .754, recomputed once in the same world",
            source="method",
            effect="agreement of pets(average=8) minus sc(n=8) with the likeliest answer, generated worlds",
            criterion=Above(0.0),
            measure=offline_in_the_world,
        ),
        Claim(
            name="online-world",
            text="Four samples tell how many more a question needs.",
            number="up to 55% fewer samples, GPQA",
            source="abstract",
            effect="agreement of pets-online at 16 on average minus sc(n=16), generated worlds",
            criterion=Above(0.0),
            measure=online_in_the_world,
        ),
        Claim(
            name="two-answers",
            text="With two answers the probability of being the likelier is a Beta tail.",
            source="definition of I",
            effect="largest distance of the quadrature from the Beta tail",
            criterion=Equals(0.0, 1e-6),
            measure=largest_of_two,
        ),
        Claim(
            name="agreement-curve",
            text="A(k) is the chance that the majority of k samples is the likeliest answer.",
            source="online training, step 1",
            effect="distance of the exact curve from simulated votes, in standard errors, at most",
            criterion=Below(4.0),
            measure=curve_is_the_vote,
        ),
        Claim(
            name="large-models",
            text="Consistency 1.0 on GPQA with 75% (offline) and 55% (online) fewer samples.",
            source="abstract",
            criterion=Needs("64 samples a question of Qwen3-30B or GPT-OSS-120B on GPQA"),
        ),
    ),
)
