"""What, How, Where, and How Well? (arXiv 2503.24235): a survey's scheme as a check on this library.

Nothing in it runs, so what is measured is whether the scheme holds: every method has a card in its terms
and behaves as its card says, the survey's metrics have the values they must have on known traces, and two
of its general statements come out on recorded samples of real models.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..core import Card, GenerationRequest, Trace
from ..core.cards.card import OPEN, SEVERAL
from ..methods import methods, parse
from ..metrics import cons_at_k, control, pass_at_k, scaling
from ..metrics.cost.eflops import ELEMENT_BYTES, kv_bytes
from ..metrics.cost.model_sizes import Shape
from ..metrics.cost.thoughts import Reasoning, Thought, outcome_efficiency, process_efficiency, underthinking
from .protocol import Above, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.scripted import Scripted, questions

# one method of each kind that needs no more than a model of texts, small enough to be looked at whole
LOOKED_AT = (
    "sc(n=6)",
    "ffs(n=6)",
    "lfs(n=6)",
    "esc(window=2, max_samples=6)",
    "adaptive-consistency(max_samples=6)",
    "pets(average=4, max_samples=6)",
    "turns(turns=4)",
    "turns(turns=4, carry=solution)",
    "three-d(batch=3, turns=2)",
)
ANSWERS = ("a", "b", "c")
BATCHES = (1, 2, 4, 8, 16)
STRATEGIES = ("ffs(n=8)", "ffs(n=8, k=4)", "sc(n=8)", "simple")
TASKS = [
    (model, task)
    for model in ("DeepSeek-R1", "GPT-OSS-120B", "Qwen3-32B")
    for task in ("aime2024", "gpqa-diamond")
]


# -- the scheme


def incomplete_cards(lab: Laboratory) -> Figure:
    """Methods whose card lacks what the scheme demands, or does not survive JSON."""
    lacking = 0
    for method in methods().values():
        card = method.card
        terms = [
            (known, term)
            for name, known in OPEN.items()
            for term in (getattr(card, name) if name in SEVERAL else [getattr(card, name)])
            if term
        ]
        known = all(term in known for known, term in terms)
        lacking += not (card.what and card.stops and known and Card.from_dict(card.as_dict()) == card)
    return Figure.exact(lacking, f"{len(methods())} methods")


def _answers(request: GenerationRequest) -> Trace:
    rng = random.Random(request.seed)
    return Trace(f"\\boxed{{{rng.choice(ANSWERS)}}}", rng.randint(4, 40))


def misdescribed_methods(lab: Laboratory) -> Figure:
    """Methods whose requests contradict their card: samples of a parallel method see the question only,
    a sequential one's later samples see more, a hybrid one's first and later ones do both."""
    wrong = 0
    for spec in LOOKED_AT:
        alone: list[bool] = []  # whether a request is the question alone

        def script(request: GenerationRequest, alone: list[bool] = alone) -> Trace:
            alone.append(request.prompt == request.problem.prompt)
            return _answers(request)

        lab.answer(spec, Scripted(script), questions(4))
        what = parse(spec).card.what
        wrong += not {
            "parallel": all(alone),
            "sequential": alone.count(True) == 4,
            "hybrid": 4 < alone.count(True) < len(alone),
        }[what]
    return Figure.exact(wrong, f"{len(LOOKED_AT)} methods")


# -- its metrics


def pass_and_cons(lab: Laboratory) -> Figure:
    """Largest distance of Pass@k and Cons@k from going through all subsets, ties shared."""
    off, cases = 0.0, 0
    for right, first, second, k in itertools.product(range(4), range(3), range(3), range(1, 5)):
        votes = "r" * right + "a" * first + "b" * second
        if len(votes) < k:
            continue
        subsets = list(itertools.combinations(votes, k))
        some = sum("r" in s for s in subsets) / len(subsets)
        won = sum(_share_of_vote(s) for s in subsets) / len(subsets)
        counts: dict[Hashable, int] = {
            name: n for name, n in (("r", right), ("a", first), ("b", second)) if n
        }
        off = max(off, abs(pass_at_k(len(votes), right, k) - some), abs(cons_at_k(counts, "r", k) - won))
        cases += 1
    return Figure.exact(off, f"{cases} cases")


def _share_of_vote(votes: Sequence[str]) -> float:
    most = max(votes.count(v) for v in votes)
    leaders = {v for v in votes if votes.count(v) == most}
    return ("r" in leaders) / len(leaders)


def curves_and_traces(lab: Laboratory) -> Figure:
    """Largest miss of what must hold of Control, Scaling, the thought metrics and the size of a cache."""
    rng = np.random.default_rng(lab.seed)
    amounts = rng.uniform(1, 9000, 40)
    spots = sorted(rng.uniform(0, 50, 7).tolist())
    line = scaling(spots, [0.1 + 0.013 * x for x in spots])
    lost = Reasoning((Thought(30, False, "x"), Thought(20, False, "y")), correct=False)
    found = Reasoning((Thought(30, True, "x"),), correct=True)
    again = Reasoning((Thought(30, True, "x"), Thought(10, True, "x")), correct=True)
    late = Reasoning((Thought(10, True, "x"), Thought(30, False, "y")), correct=False)
    size = Shape(hidden=64, layers=2, heads=4, kv_heads=2, head_dim=16, intermediate=1, vocab=1)
    shared = kv_bytes(size, 100, [10, 20, 30]) / ELEMENT_BYTES / size.kv_elements
    misses = [
        control(amounts) - 1,
        line - 0.013,
        underthinking([lost]),
        underthinking([late]) - 0.75,
        outcome_efficiency([found]) - 1,
        process_efficiency([again]) - 0.75,
        shared - 160,
    ]
    return Figure.exact(max(map(abs, misses)), f"{len(misses)} values")


# -- two statements


def _votes(lab: Laboratory) -> dict[int, np.ndarray]:
    """Samples -> per question, share of repeats that were right, on recorded GSM8K."""
    file = lab.recording("gsm8k_qwen2.5-0.5b.csv")
    found = lab.bench([f"sc(n={n})" for n in BATCHES], f"replay:{file}")
    return {n: _shares(found.grades(f"sc(n={n})")) for n in BATCHES}


def _shares(grades: dict[str, tuple[int, int]]) -> np.ndarray:
    return np.array([right / graded for _, (right, graded) in sorted(grades.items())])


def more_is_better(lab: Laboratory) -> Figure:
    """Scaling per doubling of samples: the mean slope over all pairs of settings."""
    shares = lab.once(_votes)
    doublings = [math.log2(n) for n in BATCHES]
    table = np.transpose([shares[n] for n in BATCHES])  # (questions, settings)

    def slope(rows: NDArray[np.float64]) -> float:
        return scaling(doublings, rows.mean(axis=0).tolist())

    lab.plot(
        Curve(
            title="Vote of n samples, Qwen2.5-0.5B on GSM8K, recorded",
            x_name="log2 of samples",
            y_name="accuracy",
            x=doublings,
            lines=[Line(name="vote", y=table.mean(axis=0).tolist())],
        )
    )
    return Figure.resampled(slope, table, of=f"{len(table)} questions")


def coverage_above_vote(lab: Laboratory) -> Figure:
    file = lab.recording("gsm8k_qwen2.5-0.5b.csv")
    found = lab.bench(["bon(n=16, verifier=oracle)", "sc(n=16)"], f"replay:{file}")
    return Figure.paired(found.difference("bon(n=16, verifier=oracle)", "sc(n=16)"))


def _order(lab: Laboratory) -> dict[tuple[str, str], dict[str, np.ndarray]]:
    """Model and task -> method -> share right of each question."""
    file, found = lab.recording("recorded_reasoning.csv"), {}
    for model, task in TASKS:
        seen = lab.bench(STRATEGIES, f"replay:{file}?where.model={model}&where.dataset={task}")
        found[model, task] = {label: _shares(seen.grades(label)) for label in STRATEGIES}
    return found


def none_wins_everywhere(lab: Laboratory) -> Figure:
    """First-finish minus the vote where it does best, minus the same where it does worst, the two chosen
    on every other question and measured on the rest."""
    gaps = {cell: by["ffs(n=8)"] - by["sc(n=8)"] for cell, by in lab.once(_order).items()}
    chosen = {cell: float(gap[::2].mean()) for cell, gap in gaps.items()}
    best, worst = max(chosen, key=lambda c: chosen[c]), min(chosen, key=lambda c: chosen[c])
    up, down = (Figure.mean(gaps[cell][1::2]) for cell in (best, worst))
    value = up.value - down.value
    below = math.hypot(up.value - up.low, down.high - down.value)
    above = math.hypot(up.high - up.value, down.value - down.low)
    return Figure(value, value - below, value + above, f"{best[0]} {best[1]}, {worst[0]} {worst[1]}")


SYSTEM = System(
    name="survey-what-how-where",
    metrics=("control", "scaling", "thoughts", "pass_at_k", "cons_at_k"),
    parameters={"methods": LOOKED_AT, "batches": BATCHES, "strategies": STRATEGIES, "tasks": TASKS},
    claims=(
        Claim(
            name="scheme",
            text="Every method of test-time scaling can be described by what, how, where and how well.",
            source="abstract, Sec. 2 to 5",
            effect="registered methods whose card is incomplete, uses unknown terms or is lost in JSON",
            criterion=Equals(0.0, 0.0),
            measure=incomplete_cards,
        ),
        Claim(
            name="behaviour",
            text="Parallel samples do not depend on each other, sequential ones do, hybrids do both.",
            source="Sec. 2, definitions",
            effect="methods whose requests contradict their card",
            criterion=Equals(0.0, 0.0),
            measure=misdescribed_methods,
        ),
        Claim(
            name="pass-cons",
            text="Pass@k = 1 - C(n-c, k)/C(n, k), and Cons@k is the majority's.",
            source="Sec. 6",
            effect="largest distance from counting all subsets",
            criterion=Equals(0.0, 1e-12),
            measure=pass_and_cons,
        ),
        Claim(
            name="other-metrics",
            text="Control, Scaling, under- and overthinking, and shared caches, as defined.",
            source="Sec. 6",
            effect="largest distance from values that must hold",
            criterion=Equals(0.0, 1e-9),
            measure=curves_and_traces,
        ),
        Claim(
            name="accuracy-rises",
            text="Accuracy rises with test-time compute.",
            source="introduction",
            effect="accuracy per doubling of votes, Qwen2.5-0.5B on GSM8K, recorded",
            criterion=Above(0.0),
            measure=more_is_better,
        ),
        Claim(
            name="coverage",
            text="Parallel scaling is coverage times the quality of aggregation, which loses some of it.",
            source="Sec. 2.1",
            effect="any of 16 right minus the vote of 16, Qwen2.5-0.5B on GSM8K, recorded",
            criterion=Above(0.0),
            measure=coverage_above_vote,
        ),
        Claim(
            name="no-winner",
            text="No single strategy wins everywhere.",
            source="trends",
            effect="ffs(n=8) minus sc(n=8) where it is best, minus where it is worst, held-out questions",
            criterion=Above(0.0),
            measure=none_wins_everywhere,
        ),
        Claim(
            name="internal",
            text="Trained models decide themselves how much to think.",
            source="Sec. 2.4",
            criterion=Needs("a model trained to reason, before and after, behind a server"),
        ),
    ),
)
