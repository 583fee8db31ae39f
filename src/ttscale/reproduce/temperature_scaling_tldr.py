"""Stop-token scaling and TLDR (arXiv 2505.07961): small models that learn when to stop thinking.

The forms of the scaled logit are measured on logits, against their closed forms and under a constant that
changes no model. What the scaling is worth is measured on a thinker that stops with one chance per token
before it has the answer and another after: accuracy and length have closed forms, with the scaling and with
a cap (budget forcing), and both methods are held to them. On the bundled reasoner the bias is its engine's.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import get_args

import numpy as np

from ..core import THINK, GenerationRequest, Outcome, Trace, install_command
from .protocol import (
    Above,
    Below,
    Claim,
    Comparison,
    Curve,
    Equals,
    Figure,
    Laboratory,
    Lacking,
    Line,
    Needs,
    System,
)
from .worlds.scripted import Scripted, questions
from .worlds.thinker import RIGHT, spoken

FINDS = 0.02  # chance that a word of the thinking finds the answer
BEFORE, AFTER = 1e-4, 0.01  # chance to stop at a token, before and after that
BLIND = 0.005  # the same, of a thinker that does not know which
KAPPAS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
KAPPA, CAP = 3.0, 100
KNOWS = (1.0, 3.0, 10.0, 30.0, 100.0)  # AFTER over the chance before
T = 0.5
STOP, WORDS, ROWS = 0, 12, 200  # the stop token, vocabulary and number of the logits that are scaled
SHIFTS = (-8.0, -4.0, -2.0, 0.0, 2.0, 4.0, 8.0)
QUESTIONS = {"quick": 200, "full": 2_000}
TASK = "lab:arith?level=3"
LIVE_KAPPAS = (1.0, 1e2, 1e4, 1e6, 1e8)
LIVE_KAPPA = 1e4
LIVE_QUESTIONS = {"quick": 12, "full": 100}


@dataclass(frozen=True, slots=True)
class Stopper:
    """A thinker that stops at each token with a chance, else says a word, which may find the answer.

    Attributes:
        before, after: chance to stop at a token, before and after the answer was found.
    """

    before: float = BEFORE
    after: float = AFTER

    def scaled(self, kappa: float) -> Stopper:
        """The same with the odds of stopping times kappa."""
        return Stopper(*(kappa * h / (1 - h + kappa * h) for h in (self.before, self.after)))

    @property
    def accuracy(self) -> float:
        found = (1 - self.before) * FINDS
        return found / (self.before + found)

    @property
    def tokens(self) -> float:
        """Of the thinking, the stop token included."""
        return 1 / (self.before + (1 - self.before) * FINDS) + self.accuracy / self.after

    def capped(self, cap: int) -> tuple[float, float]:
        """Accuracy and tokens of the thinking if it is ended after `cap` tokens."""
        searching, holding, right, tokens = 1.0, 0.0, 0.0, 0.0
        found = (1 - self.before) * FINDS
        for _ in range(cap):
            tokens += searching + holding
            right += searching * found
            holding = holding * (1 - self.after) + searching * found
            searching *= (1 - self.before) * (1 - FINDS)
        return right, tokens

    def capped_at(self, tokens: float) -> float:
        """Accuracy of the cap that takes as many tokens on average, between two caps in proportion."""
        cap = 1
        while (upper := self.capped(cap))[1] < tokens:
            cap += 1
        lower = self.capped(cap - 1)
        share = (tokens - lower[1]) / (upper[1] - lower[1])
        return lower[0] + share * (upper[0] - lower[0])

    def engine(self) -> Scripted:
        return Scripted(self._reply)

    def _reply(self, request: GenerationRequest) -> Trace:
        if THINK.closed(request.prompt.prefix):
            return spoken([f"\\boxed{{{RIGHT if 'found' in request.prompt.prefix else 'wrong'}}}"])
        rng, found, words = random.Random(request.seed), False, list[str]()
        bias = dict(request.sampling.extra.get("logit_bias", [])).get(THINK.closing, 0.0)
        scaled = self.scaled(math.exp(bias))
        while rng.random() >= (scaled.after if found else scaled.before):
            finds = not found and rng.random() < FINDS
            found = found or finds
            words.append("found " if finds else "so ")
        return spoken(words, ticks=len(words) + 1)  # the token that stops is generated, and not shown


# -- against a cap


def over_a_cap(lab: Laboratory) -> Figure:
    """Accuracy at KAPPA minus that of a cap with the same mean tokens; from the closed forms."""
    base = Stopper()
    scaled = [base.scaled(kappa) for kappa in KAPPAS]
    lab.plot(
        Curve(
            title="Stopping made likelier, and a cap, by what they spend",
            x_name="tokens of the thinking",
            y_name="accuracy",
            x=[s.tokens for s in reversed(scaled)],
            lines=[
                Line(name="stop-token scaling", y=[s.accuracy for s in reversed(scaled)]),
                Line(
                    name="cap", y=[base.capped_at(s.tokens) for s in reversed(scaled[1:])] + [base.accuracy]
                ),
            ],
        )
    )
    gains = [_gain(Stopper(AFTER / knows, AFTER)) for knows in KNOWS]
    lab.plot(
        Curve(
            title=f"Gain over a cap at equal tokens, odds times {KAPPA:g}",
            x_name="chance to stop with the answer over that without",
            y_name="accuracy",
            x=KNOWS,
            lines=[Line(name="gain", y=gains)],
            vanishes_at=max((k for k, gain in zip(KNOWS, gains, strict=True) if gain <= 0), default=None),
        )
    )
    return Figure.exact(_gain(base), "closed forms")


def _gain(base: Stopper) -> float:
    scaled = base.scaled(KAPPA)
    return scaled.accuracy - base.capped_at(scaled.tokens)


def over_a_cap_blindly(lab: Laboratory) -> Figure:
    """The same of a thinker that stops as often without the answer as with it."""
    return Figure.exact(_gain(Stopper(BLIND, BLIND)), "closed forms")


def half_the_length(lab: Laboratory) -> Figure:
    """Share of the tokens saved by the largest of KAPPAS that loses a point at most."""
    base = Stopper()
    kept = [base.scaled(k).tokens for k in KAPPAS if base.scaled(k).accuracy >= base.accuracy - 0.01]
    return Figure.exact(1 - kept[-1] / base.tokens, "closed forms")


def methods_are_the_closed_forms(lab: Laboratory) -> Figure:
    """Largest distance of accuracy or tokens of both methods from their closed forms, standard errors."""
    base, problems, far = Stopper(), questions(lab.size(*QUESTIONS.values())), 0.0
    scaled = base.scaled(KAPPA)
    expected = {
        "stop-scaling(kappa=1)": (base.accuracy, base.tokens),
        f"stop-scaling(kappa={KAPPA:g})": (scaled.accuracy, scaled.tokens),
        f"budget-forcing(max_thinking={CAP})": base.capped(CAP),
    }
    for spec, values in expected.items():
        outcomes = lab.answer(spec, base.engine(), problems)
        for seen, value in zip((_right(outcomes), _thinking(outcomes)), values, strict=True):
            # a share so near 1 that none is wrong has no spread of its own
            spread = max(float(seen.std(ddof=1)), math.sqrt(value * (1 - value)) if value < 1 else 0.0)
            far = max(far, abs(float(seen.mean()) - value) / (spread / math.sqrt(len(seen))))
    return Figure.exact(far, f"{len(problems)} questions each")


def _right(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Whether each answer is right, (questions,)."""
    return np.array([outcome.answer == RIGHT for outcome in outcomes], float)


def _thinking(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Tokens of each thinking, (questions,)."""
    return np.array([outcome.extra["thinking_tokens"] for outcome in outcomes], float)


# -- the forms


def _chances(lab: Laboratory, shift: float, temperature: float = T) -> dict[str, np.ndarray]:
    """Form -> chance to stop of each of the logits, all shifted by a constant, (ROWS,); "plain" is unscaled.

    Raises:
        Lacking: without torch.
    """
    if find_spec("torch") is None:
        raise Lacking(f"torch: {install_command('torch')}")
    import torch

    from ..engines.local.decoding.stop_scaling import Form, stop_logit

    source = torch.Generator().manual_seed(lab.seed)
    logits = torch.randn(ROWS, WORDS, generator=source, dtype=torch.float64) * 2 + shift
    found = {"plain": logits.softmax(-1)[:, STOP].numpy()}
    for form in get_args(Form):
        after = logits.clone()
        after[:, STOP] = stop_logit(logits, STOP, form, temperature)
        found[form] = after.softmax(-1)[:, STOP].numpy()
    return found


def division_makes_it_likelier(lab: Laboratory) -> Figure:
    """Least change of the chance to stop when the logit is divided by T."""
    found = [_chances(lab, shift) for shift in SHIFTS]
    forms = [form for form in found[0] if form != "plain"]
    lab.plot(
        Curve(
            title=f"Logits, all shifted by a constant: chance to stop at T = {T:g}",
            x_name="the constant",
            y_name="mean chance to stop",
            x=SHIFTS,
            lines=[Line(name=form, y=[float(f[form].mean()) for f in found]) for form in ("plain", *forms)],
        )
    )
    there = _chances(lab, 0.0)
    return Figure.exact(float((there["paper"] - there["plain"]).min()), f"{ROWS} rows of logits")


def safe_division_makes_it_likelier(lab: Laboratory) -> Figure:
    there = _chances(lab, 0.0)
    least = min(float((there[form] - there["plain"]).min()) for form in ("paper-safe", "odds"))
    return Figure.exact(least, f"{ROWS} rows of logits")


def a_constant_changes_division(lab: Laboratory) -> Figure:
    found = [_chances(lab, shift)["paper"] for shift in SHIFTS]
    return Figure.exact(float(np.ptp(found, axis=0).max()), f"{ROWS} rows of logits")


def a_constant_leaves_odds(lab: Laboratory) -> Figure:
    found = [_chances(lab, shift) for shift in SHIFTS]
    moved = [float(np.ptp([f[form] for f in found], axis=0).max()) for form in ("odds", "binary")]
    return Figure.exact(max(moved), f"{ROWS} rows of logits")


def odds_are_multiplied(lab: Laboratory) -> Figure:
    """Largest distance of the odds form from kappa h / (1 - h + kappa h), and of T = 1 from the model."""
    there, same = _chances(lab, 0.0), _chances(lab, 0.0, temperature=1.0)
    h, kappa = there["plain"], 1 / T
    far = float(np.abs(there["odds"] - kappa * h / (1 - h + kappa * h)).max())
    unchanged = max(float(np.abs(chances - h).max()) for chances in same.values())
    return Figure.exact(max(far, unchanged), f"{ROWS} rows of logits")


# -- the bundled reasoner


def _spec(kappa: float) -> str:
    return f"stop-scaling(kappa={kappa:.0f})"


def _live(lab: Laboratory) -> Comparison:
    specs = [_spec(kappa) for kappa in LIVE_KAPPAS]
    return lab.bench(specs, "tiny", [TASK], n=lab.size(*LIVE_QUESTIONS.values()))


def _live_tokens(seen: Comparison, kappa: float) -> np.ndarray:
    """Tokens of each thinking, (questions,)."""
    results = sorted(seen.results[_spec(kappa)], key=lambda result: result.problem)
    return np.array([result.extra["thinking_tokens"] for result in results], float)


def shorter_live(lab: Laboratory) -> Figure:
    """Share of the thinking saved at LIVE_KAPPA."""
    seen = lab.once(_live)
    plain = _live_tokens(seen, 1.0)
    spent = [float(_live_tokens(seen, kappa).mean() / plain.mean()) for kappa in LIVE_KAPPAS]
    right = [seen.grades(_spec(kappa)).values() for kappa in LIVE_KAPPAS]
    lab.plot(
        Curve(
            title="The bundled reasoner, its end of thinking made likelier",
            x_name="ln kappa",
            y_name="share",
            x=[math.log(kappa) for kappa in LIVE_KAPPAS],
            lines=[
                Line(name="tokens of thinking", y=spent),
                Line(name="accuracy", y=[sum(r for r, _ in g) / max(1, sum(n for _, n in g)) for g in right]),
            ],
            paper=0.5,
        )
    )
    return Figure.mean(1 - _live_tokens(seen, LIVE_KAPPA) / plain, f"{len(plain)} questions")


def kept_live(lab: Laboratory) -> Figure:
    return Figure.paired(lab.once(_live).difference(_spec(LIVE_KAPPA), _spec(1.0)))


SYSTEM = System(
    name="temperature-scaling-tldr",
    methods=("stop-scaling",),
    parameters={
        "finds": FINDS,
        "stops": [BEFORE, AFTER, BLIND],
        "kappas": KAPPAS,
        "looked_at": [KAPPA, CAP],
        "knows": KNOWS,
        "logits": [T, WORDS, ROWS, SHIFTS],
        "questions": QUESTIONS,
        "task": TASK,
        "live": [LIVE_KAPPAS, LIVE_KAPPA, LIVE_QUESTIONS],
    },
    claims=(
        Claim(
            name="over-a-cap",
            text="Making the stop likelier beats cutting at a budget.",
            source="TS against budget forcing, accuracy over tokens",
            effect="accuracy at odds times 3 minus a cap of equal mean tokens, a thinker that knows when",
            criterion=Above(0.0),
            measure=over_a_cap,
        ),
        Claim(
            name="over-a-cap-blindly",
            text="It takes a thinker that knows when: blind stops are worse than a cap.",
            source="derived: the chance to have found the answer is concave in the length",
            effect="the same, a thinker that stops as often without the answer as with it",
            criterion=Below(0.0),
            measure=over_a_cap_blindly,
        ),
        Claim(
            name="half-the-length",
            text="Length falls by up to a half at maintained accuracy.",
            number="up to 50%, models of 1.5 to 7 billion parameters, four sets of mathematics",
            source="abstract",
            effect="share of tokens saved at a point of accuracy at most, a thinker that knows when",
            criterion=Above(0.25),
            measure=half_the_length,
        ),
        Claim(
            name="closed-forms",
            text="Accuracy and length follow from the chance to stop, kappa h / (1 - h + kappa h).",
            source="derived from the procedure",
            effect="largest distance of both, scaled, unscaled and capped, in standard errors",
            criterion=Below(4.0),
            measure=methods_are_the_closed_forms,
        ),
        Claim(
            name="sign",
            text="Dividing the stop token's logit by T < 1 makes the stop likelier.",
            source="TS, its formula",
            effect="least change of the chance to stop, normal logits of either sign, T = .5",
            criterion=Above(0.0),
            measure=division_makes_it_likelier,
        ),
        Claim(
            name="sign-safe",
            text="Multiplying where the logit is negative, or scaling the odds, makes it likelier always.",
            source="derived from the formula",
            effect="least change of the chance to stop in both forms, the same logits",
            criterion=Above(0.0),
            measure=safe_division_makes_it_likelier,
        ),
        Claim(
            name="constant",
            text="A constant on all logits, which changes no model, changes what division does.",
            source="derived from the formula",
            effect="largest range of the chance to stop under constants of -8 to 8",
            criterion=Above(0.1),
            measure=a_constant_changes_division,
        ),
        Claim(
            name="constant-odds",
            text="It changes neither the odds form nor the binary one.",
            source="derived from the formula",
            effect="largest range of the chance to stop in both, the same constants",
            criterion=Below(1e-9),
            measure=a_constant_leaves_odds,
        ),
        Claim(
            name="odds",
            text="The odds form multiplies the odds by 1 / T; T = 1 is the model itself in all forms.",
            source="derived from the formula",
            effect="largest distance of the chances from that",
            criterion=Equals(0.0, 1e-9),
            measure=odds_are_multiplied,
        ),
        Claim(
            name="reasoner-shorter",
            text="A small reasoner thinks less with its stop made likelier.",
            number="up to 50% less",
            source="abstract",
            effect="share of the thinking saved at odds times 10^4, bundled reasoner, level 3",
            criterion=Above(0.0),
            measure=shorter_live,
        ),
        Claim(
            name="reasoner-kept",
            text="It keeps its accuracy.",
            number="up to 50% less at maintained accuracy",
            source="abstract",
            effect="accuracy at odds times 10^4 minus unscaled, bundled reasoner, level 3",
            criterion=Above(-0.05),
            measure=kept_live,
        ),
        Claim(
            name="tldr",
            text="Training with a penalty on length halves the length at minimal loss of accuracy.",
            number="about 50% fewer tokens than the fine-tuned model",
            source="main results",
            criterion=Needs("reinforcement learning with a length penalty on models of 1.5 to 7B and a GPU"),
        ),
        Claim(
            name="levels",
            text="One model then thinks short, moderate or long as its prompt says.",
            source="level control",
            criterion=Needs("the same training, with a penalty for each level"),
        ),
        Claim(
            name="l1",
            text="TLDR is on par with L1 under a limit of length.",
            source="comparison",
            criterion=Needs("the weights of both, models of 1.5 to 7B and a GPU"),
        ),
    ),
)
