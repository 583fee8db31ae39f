"""ATTS (arXiv 2509.15148): a small model drafts, a large one takes over what ranks badly in a bank.

The conformal guarantee and what waiting for each other costs are measured in closed form and in a world of
segments with known scores; acceptance, accuracy and drift on two sizes of the bundled reasoner, in torch,
which reads log-probabilities of given texts. A reply of the reasoner is one paragraph of some forty tokens,
so segments have 16 tokens and are joined by nothing, where the paper's have 500 and a blank line.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import GenerationRequest, Outcome, Prompt, Score, Trace
from ..engines.catalogue.bundled import FOLDER
from ..methods.routing.conformal import Bank, rejection_rate
from .protocol import Above, Below, Claim, Comparison, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.scripted import Scripted, questions

ALPHA = 0.6  # about 40% of the segments are taken over
ALPHAS = (0.0, 0.3, 0.6, 0.9, 1.0)
LAST = 6  # segments of a solution in the world
SPREADS = (0.2, 0.6, 1.2)  # of the logarithm of a segment's tokens
CHAINS = (1, 2, 4, 8, 16)
TRIALS = {"quick": 12, "full": 60}
MANY = {"quick": 20_000, "full": 400_000}
BANKS = (16, 99, 400)
SPEEDS = ((1, 1), (1, 5), (7, 1))  # ticks a token of target and draft

TASK = "lab:word?level=2"
QUESTIONS = {"quick": 5, "full": 20}
CALIBRATION = 8  # first segments in a question's bank
LIVE = (
    "chains=4, turns=4, draft_tokens=16, target_tokens=16, joiner='', "
    f"calibration={CALIBRATION}, alpha={ALPHA}"
)
ROUTED, ALONE = f"atts({LIVE})", "sc(n=4)"


# -- the guarantee


def rejection(lab: Laboratory) -> Figure:
    """Largest distance of the share of rejected scores from 1 - floor(alpha (N + 1)) / (N + 1), in
    standard errors, over distributions, levels and sizes of a bank; every score meets its own bank."""
    rng, far, cases = np.random.default_rng(lab.seed), 0.0, 0
    shapes: dict[str, Callable[..., Any]] = {
        "normal": rng.normal,
        "Cauchy": rng.standard_cauchy,
        "log-normal": rng.lognormal,
    }
    for shape in shapes.values():
        for size in BANKS:
            count = lab.size(*MANY.values()) // size
            banks, scores = shape(size=(count, size)), shape(size=count)
            p = np.array([Bank.of(bank, 1, None).p_value(s) for bank, s in zip(banks, scores, strict=True)])
            for alpha in (0.1, 0.6, 0.85):
                expected = rejection_rate(alpha, size)
                error = np.sqrt(expected * (1 - expected) / count)
                far = max(far, abs(float(np.mean(p > alpha)) - expected) / error)
                cases += 1
    return Figure.exact(far, f"{cases} settings")


# -- a world of segments


class Target(Scripted):
    """Writes segments that lead to the right answer, and scores any by what is written on it, as in
    "d(-1.25)"; `scored` are the texts it was given to score."""

    capabilities = frozenset({"text", "prefix", "score"})

    def __init__(self, spread: float, *, ticks_per_token: int = 1) -> None:
        super().__init__(lambda request: _segment(request, spread, "right"), ticks_per_token=ticks_per_token)
        self.scored = list[str]()

    async def score(self, prompt: Prompt, text: str) -> Score:
        self.scored.append(text)
        return Score(np.full(2, float(text.split("(")[1].split(")")[0]), np.float32), 2)


def _segment(request: GenerationRequest, spread: float, answer: str) -> Trace:
    """One segment: a random score and log-normal tokens; the LAST holds the answer."""
    rng = random.Random(request.seed)
    text = f"{request.role[0]}({-rng.expovariate(1.0):.6f})"
    if request.prompt.prefix.count("(") + 1 >= LAST:
        text += f"\\boxed{{{answer}}}"
    return Trace(text, max(1, round(rng.lognormvariate(5, spread))), prompt_tokens=5)


def _engines(spread: float = 0.6, speeds: tuple[int, int] = (1, 1)) -> dict[str, Scripted]:
    target = Target(spread, ticks_per_token=speeds[0])
    draft = Scripted(lambda request: _segment(request, spread, "wrong"), ticks_per_token=speeds[1])
    return {"main": target, "target": target, "draft": draft}


def _turns(outcome: Outcome) -> list[list[int]]:
    """Tokens of the drafts' segments by turn, calibration left out."""
    by_turn: dict[int, list[int]] = {}
    for trace in outcome.traces:
        if trace.part != "calibration":
            by_turn.setdefault(trace.meta["turn"], []).append(trace.tokens)
    return [by_turn[turn] for turn in sorted(by_turn)]


def _waiting(lab: Laboratory, chains: int, spread: float) -> NDArray[np.float64]:
    """Tokens one after the other if every turn waits for its slowest chain, over those of the slowest
    chain alone; no segment is rejected, so that a chain is LAST drafts. (questions,)"""

    def script(request: GenerationRequest) -> Trace:
        trace = _segment(request, spread, "wrong")
        trace.meta["turn"] = request.prompt.prefix.count("(")
        return trace

    engines = {**_engines(spread), "draft": Scripted(script)}
    spec = f"atts(chains={chains}, turns={LAST}, calibration=1, alpha=1.0)"
    ratios = []
    for outcome in lab.answer(spec, engines, questions(lab.size(*TRIALS.values()))):
        calibrated = sum(t.tokens for t in outcome.traces if t.part == "calibration")
        together = sum(max(turn) for turn in _turns(outcome))
        ratios.append(together / (outcome.usage.sequential_tokens - calibrated))
    return np.array(ratios)


def _ratios(lab: Laboratory) -> dict[float, dict[int, NDArray[np.float64]]]:
    return {spread: {m: _waiting(lab, m, spread) for m in CHAINS} for spread in SPREADS}


def waiting_costs(lab: Laboratory) -> Figure:
    found = lab.once(_ratios)
    lab.plot(
        Curve(
            title=f"Time with a barrier after each of {LAST} turns over time without",
            x_name="chains",
            y_name="ratio",
            x=CHAINS,
            lines=[
                Line(name=f"spread {spread}", y=[float(by[m].mean()) for m in CHAINS])
                for spread, by in found.items()
            ],
            vanishes_at=1.0,
        )
    )
    return Figure.mean(found[0.6][16], f"{len(found[0.6][16])} questions, 16 chains, spread 0.6")


def more_chains_wait_more(lab: Laboratory) -> Figure:
    found = lab.once(_ratios)[0.6]
    return Figure.mean(found[16] - found[2], f"{len(found[16])} questions")


def one_chain_never_waits(lab: Laboratory) -> Figure:
    found = lab.once(_ratios)
    return Figure.exact(float(max(np.abs(by[1] - 1).max() for by in found.values())), "one chain")


def order_of_arrival(lab: Laboratory) -> Figure:
    """Questions on which rejections, votes or shares differ when one of the models is slower."""
    problems = questions(lab.size(*TRIALS.values()))
    spec = f"atts(chains=8, turns={LAST}, alpha={ALPHA})"
    first, *others = (
        [o.extra for o in lab.answer(spec, _engines(speeds=speeds), problems)] for speeds in SPEEDS
    )
    return Figure.exact(
        sum(a != b for other in others for a, b in zip(first, other, strict=True)),
        f"{len(problems)} questions, {len(SPEEDS)} pairs of speeds",
    )


def scored_history(lab: Laboratory) -> Figure:
    """Scored texts that hold more than the last segment."""
    engines = _engines()
    lab.answer(f"atts(chains=8, turns={LAST}, alpha={ALPHA})", engines, questions(10))
    target = engines["target"]
    assert isinstance(target, Target)
    return Figure.exact(sum(text.count("(") != 1 for text in target.scored), f"{len(target.scored)} texts")


def share_follows_alpha(lab: Laboratory) -> Figure:
    """Levels at which the target's share of the tokens does not fall as alpha rises."""
    problems, shares, right = questions(lab.size(*TRIALS.values())), [], []
    for alpha in ALPHAS:
        outcomes = lab.answer(f"atts(chains=8, turns={LAST}, alpha={alpha})", _engines(), problems)
        shares.append(float(np.mean([o.extra["target_share"] for o in outcomes])))
        right.append(float(np.mean([o.answer == "right" for o in outcomes])))
    lab.plot(
        Curve(
            title="The target's share of the tokens and the accuracy, by alpha (only the target is right)",
            x_name="alpha",
            y_name="share",
            x=ALPHAS,
            lines=[Line(name="target's tokens", y=shares), Line(name="accuracy", y=right)],
            vanishes_at=1.0,
        )
    )
    return Figure.exact(float(_risings(shares)), f"{len(ALPHAS)} levels")


def _risings(values: Sequence[float]) -> int:
    return sum(b >= a for a, b in pairwise(values))


# -- two sizes of the bundled reasoner


def _live(lab: Laboratory) -> Comparison:
    large, small = (f"transformers:{FOLDER / size}" for size in ("base", "small"))
    n = lab.size(*QUESTIONS.values())
    return lab.bench([ROUTED, ALONE], large, [TASK], n=n, roles={"draft": small})


def accuracy_of_the_target(lab: Laboratory) -> Figure:
    return Figure.paired(lab.once(_live).difference(ROUTED, ALONE))


def _rates(lab: Laboratory, turn: int) -> Figure:
    """Distance from the nominal share of the mean, over questions, of a turn's segments taken over."""
    rates = [
        result.extra["rejected"][turn]
        for result in lab.once(_live).results[ROUTED]
        if len(result.extra["rejected"]) > turn
    ]
    nominal = rejection_rate(ALPHA, CALIBRATION)
    return Figure.resampled(
        lambda found: abs(found.mean() - nominal), rates, of=f"{len(rates)} questions, {np.mean(rates):.3f}"
    )


def first_turn(lab: Laboratory) -> Figure:
    return _rates(lab, 0)


def later_turn(lab: Laboratory) -> Figure:
    return _rates(lab, 1)


SYSTEM = System(
    name="atts",
    methods=("atts", "atts-marginal"),
    parameters={
        "alphas": ALPHAS,
        "last": LAST,
        "spreads": SPREADS,
        "chains": CHAINS,
        "trials": TRIALS,
        "draws": MANY,
        "banks": BANKS,
        "speeds": SPEEDS,
        "task": TASK,
        "questions": QUESTIONS,
        "methods": [ROUTED, ALONE],
    },
    claims=(
        Claim(
            name="accuracy",
            text="Draft and target together are as accurate as the target alone.",
            number="96.0 and 96.0, Qwen2.5-7B to QwQ-32B, MATH100 (any of 16 chains right)",
            source="tables",
            effect="accuracy of atts with 4 chains minus the vote of 4 of the target, bundled, level 2",
            criterion=Above(-0.05),
            measure=accuracy_of_the_target,
        ),
        Claim(
            name="rejection-rate",
            text="The share of rejected segments is controlled, whatever the scores' distribution.",
            number="1 - floor(alpha (N + 1)) / (N + 1)",
            source="conformal guarantee",
            effect="share of rejected scores from the formula, in standard errors, at most",
            criterion=Below(4.0),
            measure=rejection,
        ),
        Claim(
            name="first-turn",
            text="The target takes over the nominal share.",
            number="0.402 at turn 1 against 0.40, in the authors' recorded run",
            source="released data",
            effect="distance from .444 of the share taken over at turn 1, banks of 8, bundled reasoner",
            criterion=Below(0.1),
            measure=first_turn,
        ),
        Claim(
            name="later-turns",
            text="The target takes over the nominal share at every turn.",
            number="0.30 at turn 2 and 0.61 at turn 15, in the authors' recorded run",
            source="the guarantee needs exchangeable scores, which only turn 1 has",
            effect="distance from .444 of the share taken over at turn 2, banks of 8, bundled reasoner",
            criterion=Below(0.1),
            measure=later_turn,
        ),
        Claim(
            name="asynchrony",
            text="Chains that do not wait for each other end sooner.",
            number="up to 56.7 times, 4.14 times the throughput",
            source="abstract",
            effect="time with a barrier after each turn over time without, 16 chains, log-normal segments",
            criterion=Above(1.0),
            measure=waiting_costs,
        ),
        Claim(
            name="more-chains",
            text="The more chains, the more they wait for each other.",
            source="asynchronous arithmetic intensity",
            effect="the same ratio, 16 chains minus 2",
            criterion=Above(0.0),
            measure=more_chains_wait_more,
        ),
        Claim(
            name="one-chain",
            text="One chain never waits.",
            source="definition",
            effect="largest distance of the ratio from 1",
            criterion=Equals(0.0, 1e-12),
            measure=one_chain_never_waits,
        ),
        Claim(
            name="order",
            text="What is taken over does not depend on who arrives first.",
            source="per-candidate p-values",
            effect="questions with other rejections, votes or shares when either model is slower",
            criterion=Equals(0.0, 0.0),
            measure=order_of_arrival,
        ),
        Claim(
            name="last-segment",
            text="The target scores the last segment only.",
            source="score",
            effect="scored texts with more in them",
            criterion=Equals(0.0, 0.0),
            measure=scored_history,
        ),
        Claim(
            name="share",
            text="alpha sets how much the target writes.",
            source="budget of interventions",
            effect="steps of alpha, 0 to 1, at which the target's share does not fall",
            criterion=Equals(0.0, 0.0),
            measure=share_follows_alpha,
        ),
        Claim(
            name="speed",
            text="Faster than scaling the target alone.",
            number="7.19 times on MATH100, 14.5 on AIME25",
            source="tables",
            criterion=Needs("a GPU with a 7B draft and a 32B target that scores prompts"),
        ),
    ),
)
