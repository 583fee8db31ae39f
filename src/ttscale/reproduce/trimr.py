"""TrimR (arXiv 2505.17155): thinking that has converged is ended by a small verifier that looks on.

Measured on thoughts with known answers and a verifier of known accuracy (`worlds/thinker.py`): what is saved
and lost over both, closed forms, the lag of verdicts, and two early exits that ask the model itself, DEER and
Dynasor, beside it. Tokens are all that is generated, verdicts and probes included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..core import Outcome
from .protocol import Above, Below, Claim, Curve, Equals, Figure, Laboratory, Line, Needs, System
from .worlds.scripted import questions
from .worlds.thinker import RIGHT, Thinker

THOUGHTS, S, C = (
    16,
    0.25,
    0.05,
)  # a model that solves: thoughts, chance to solve, chance to repeat a wrong one
MEASURED = 0.87  # accuracy of the paper's verifiers
ACCURACIES = (0.5, 0.7, MEASURED, 0.95, 1.0)
M = (0, 1, 2, 3)
REPEATS = (0.05, 0.4, 0.8)  # C, where the early exits are compared
OVERSURE = 0.97  # probability of a wrong trial answer, above DEER's threshold
LAGS = (1, 25, 50, 100)
SEARCH = (60, 0.6)  # a model that searches: thoughts, chance of a right one
WRONG_RUN = (40, 0.4, 2)  # thoughts, C and equal answers of the closed form of a wrong end
LOST = (40, 0.05, 900)  # thoughts, S and T_max of a search that is often lost
EXITS = {"trimr": "trimr", "dynasor": "dynasor", "deer": "deer(trials=100)"}
QUESTIONS = {"quick": 120, "full": 800}
FEW = {"quick": 60, "full": 300}
TRIALS = {"quick": 150, "full": 1_500}


def _world(**more: Any) -> Thinker:
    return Thinker(**{"thoughts": THOUGHTS, "s": S, "c": C, **more})


def _right(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Whether each answer is right, (questions,)."""
    return np.array([outcome.answer == RIGHT for outcome in outcomes], float)


def _tokens(outcomes: Sequence[Outcome]) -> np.ndarray:
    """Tokens generated for each question, (questions,)."""
    return np.array([outcome.usage.completion_tokens for outcome in outcomes], float)


def _saved(outcomes: Sequence[Outcome], plain: Sequence[Outcome]) -> np.ndarray:
    return np.asarray(1 - _tokens(outcomes) / _tokens(plain))


# -- over the verifier's accuracy


def _by_verifier(lab: Laboratory) -> tuple[list[Outcome], list[list[Outcome]]]:
    """Plain thinking, and TrimR with verifiers of ACCURACIES, on the same thoughts."""
    problems = questions(lab.size(*QUESTIONS.values()))
    plain = lab.answer("simple", _world().engine(), problems)
    return plain, [lab.answer("trimr", _world(a=a).engine(), problems) for a in ACCURACIES]


def tokens_saved(lab: Laboratory) -> Figure:
    """At the paper's verifier accuracy."""
    plain, trimmed = lab.once(_by_verifier)
    lost = [float((_right(t) - _right(plain)).mean()) for t in trimmed]
    lab.plot(
        Curve(
            title="Tokens saved and accuracy over the verifier's accuracy, M = 2",
            x_name="accuracy of a verdict",
            y_name="share",
            x=ACCURACIES,
            lines=[
                Line(name="tokens saved", y=[float(_saved(t, plain).mean()) for t in trimmed]),
                Line(name="accuracy", y=[float(_right(t).mean()) for t in trimmed]),
                Line(name="accuracy, untrimmed", y=[float(_right(plain).mean())] * len(ACCURACIES)),
            ],
            paper=0.401,
            vanishes_at=max((a for a, d in zip(ACCURACIES, lost, strict=True) if d < -0.03), default=None),
        )
    )
    at = ACCURACIES.index(MEASURED)
    return Figure.mean(_saved(trimmed[at], plain), f"{len(plain)} questions")


def accuracy_kept(lab: Laboratory) -> Figure:
    plain, trimmed = lab.once(_by_verifier)
    return Figure.mean(_right(trimmed[-1]) - _right(plain), f"{len(plain)} questions")


def accuracy_kept_as_measured(lab: Laboratory) -> Figure:
    plain, trimmed = lab.once(_by_verifier)
    at = ACCURACIES.index(MEASURED)
    return Figure.mean(_right(trimmed[at]) - _right(plain), f"{len(plain)} questions")


# -- over M, and against closed forms


def order_of_agreements(lab: Laboratory) -> Figure:
    """Steps of M, by a perfect verifier, at which mean tokens or accuracy fall."""
    problems = questions(lab.size(*FEW.values()))
    found = [lab.answer(f"trimr(agreements={m})", _world(c=0.4).engine(), problems) for m in M]
    right = [float(_right(outcomes).mean()) for outcomes in found]
    tokens = [float(_tokens(outcomes).mean()) for outcomes in found]
    plain = float(_tokens(lab.answer("simple", _world(c=0.4).engine(), problems)).mean())
    lab.plot(
        Curve(
            title="Agreements asked for, where wrong answers repeat with chance 0.4",
            x_name="M",
            y_name="share",
            x=M,
            lines=[
                Line(name="accuracy", y=right),
                Line(name="tokens, of untrimmed", y=[t / plain for t in tokens]),
            ],
        )
    )
    return Figure.exact(sum(b < a for line in (right, tokens) for a, b in pairwise(line)), f"M = {M}")


def thoughts_until_a_run(lab: Laboratory) -> Figure:
    """Distance of the thoughts until three agree from the closed form, in standard errors."""
    thoughts, p = SEARCH
    engine = Thinker(thoughts=thoughts, p=p).engine()
    outcomes = lab.answer("trimr(send_every=10)", engine, questions(lab.size(*TRIALS.values())))
    seen = np.array([outcome.extra["conclusive"] for outcome in outcomes], float)
    expected = (1 - p**3) / ((1 - p) * p**3)
    error = float(seen.std(ddof=1)) / math.sqrt(len(seen))
    return Figure.exact(abs(float(seen.mean()) - expected) / error, f"{len(seen)} questions")


def wrong_ends(lab: Laboratory) -> Figure:
    """Distance of the share of wrong answers from the closed form, in standard errors."""
    thoughts, c, run = WRONG_RUN
    world = _world(thoughts=thoughts, c=c)
    spec = f"trimr(agreements={run - 1}, send_every=10)"
    outcomes = lab.answer(spec, world.engine(), questions(lab.size(*TRIALS.values())))
    expected = world.stopped_wrong(run)
    error = math.sqrt(expected * (1 - expected) / len(outcomes))
    wrong = 1 - float(_right(outcomes).mean())
    return Figure.exact(abs(wrong - expected) / error, f"{len(outcomes)} questions")


def lag(lab: Laboratory) -> Figure:
    """Largest excess over N_send of the tokens by which a stop comes later than with N_send = 1."""
    problems = questions(max(4, lab.size(*FEW.values()) // 4))
    engine = _world(thoughts=THOUGHTS * 2).engine()
    found = [lab.answer(f"trimr(send_every={n})", engine, problems) for n in LAGS]
    thinking = [np.array([o.extra["thinking_tokens"] for o in outcomes]) for outcomes in found]
    late = [spent - thinking[0] for spent in thinking]
    lab.plot(
        Curve(
            title="What verification beside the thinking costs",
            x_name="N_send, tokens",
            y_name="tokens by which the stop is later",
            x=LAGS,
            lines=[
                Line(name="mean", y=[float(tokens.mean()) for tokens in late]),
                Line(name="most", y=[float(tokens.max()) for tokens in late]),
            ],
        )
    )
    excess = [float(tokens.max()) - n for tokens, n in zip(late, LAGS, strict=True)]
    return Figure.exact(max(excess), f"{len(problems)} questions, {len(LAGS)} intervals")


# -- both rules


def _ablation(lab: Laboratory) -> dict[str, list[Outcome]]:
    thoughts, s, limit = LOST
    engine, problems = _world(thoughts=thoughts, s=s).engine(), questions(lab.size(*FEW.values()))
    specs = {
        "both": f"trimr(max_tokens={limit})",
        "overthinking": "trimr",
        "underthinking": f"trimr(agreements=none, max_tokens={limit})",
    }
    return {name: lab.answer(spec, engine, problems) for name, spec in specs.items()}


def both_rules(lab: Laboratory) -> Figure:
    """Tokens of both rules, as a share of those of the better one alone, less 1."""
    found = lab.once(_ablation)
    columns = [_tokens(found[name]) for name in ("both", "overthinking", "underthinking")]
    return Figure.resampled(
        lambda both, over, under: both.mean() / min(over.mean(), under.mean()) - 1,
        *columns,
        of=f"{len(columns[0])} questions",
    )


def given_up(lab: Laboratory) -> Figure:
    """What the underthinking rule costs: accuracy of both rules minus the overthinking rule alone."""
    found = lab.once(_ablation)
    lost = _right(found["both"]) - _right(found["overthinking"])
    return Figure.mean(lost, f"{len(lost)} questions")


# -- other early exits


def _exits(lab: Laboratory) -> dict[str, list[list[Outcome]]]:
    """Each early exit over REPEATS, with the paper's verifier and a model that is sure when it is right."""
    problems = questions(lab.size(*FEW.values()))
    return {
        name: [lab.answer(spec, _world(c=c, a=MEASURED).engine(), problems) for c in REPEATS]
        for name, spec in EXITS.items()
    }


def fewer_than_dynasor(lab: Laboratory) -> Figure:
    """Tokens of TrimR as a share of Dynasor's, less 1, at the least repetition; the curves have DEER too."""
    found = lab.once(_exits)
    for name, of in (("accuracy", _right), ("tokens", _tokens)):
        lab.plot(
            Curve(
                title=f"Early exits, {name}, over how often a wrong answer is repeated",
                x_name="chance that a wrong thought repeats the one before",
                y_name=name,
                x=REPEATS,
                lines=[Line(name=method, y=[float(of(o).mean()) for o in found[method]]) for method in EXITS],
            )
        )
    ours, theirs = _tokens(found["trimr"][0]), _tokens(found["dynasor"][0])
    return Figure.resampled(lambda a, b: a.mean() / b.mean() - 1, ours, theirs, of=f"{len(ours)} questions")


def more_right_than_dynasor(lab: Laboratory) -> Figure:
    found = lab.once(_exits)
    gain = _right(found["trimr"][0]) - _right(found["dynasor"][0])
    return Figure.mean(gain, f"{len(gain)} questions")


def fewer_than_deer(lab: Laboratory) -> Figure:
    found = lab.once(_exits)
    ours, theirs = _tokens(found["trimr"][0]), _tokens(found["deer"][0])
    return Figure.resampled(lambda a, b: a.mean() / b.mean() - 1, ours, theirs, of=f"{len(ours)} questions")


def more_right_than_an_oversure_deer(lab: Laboratory) -> Figure:
    """Where the model is as sure of wrong trial answers as of right ones."""
    trimmed = lab.once(_exits)["trimr"][0]
    oversure = _world(sure=(0.99, OVERSURE))
    deer = lab.answer(EXITS["deer"], oversure.engine(), questions(len(trimmed)))
    return Figure.mean(_right(trimmed) - _right(deer), f"{len(deer)} questions")


SYSTEM = System(
    name="trimr",
    methods=("trimr", "deer", "dynasor"),
    parameters={
        "world": [THOUGHTS, S, C],
        "accuracies": ACCURACIES,
        "agreements": M,
        "repeats": REPEATS,
        "oversure": OVERSURE,
        "lags": LAGS,
        "search": SEARCH,
        "wrong_run": WRONG_RUN,
        "lost": LOST,
        "exits": EXITS,
        "questions": QUESTIONS,
        "few": FEW,
        "trials": TRIALS,
    },
    claims=(
        Claim(
            name="tokens-saved",
            text="A verifier that looks on saves tokens of thinking.",
            number="40.1% of the tokens, R1-Distill-Qwen-32B, MATH500; 14.3%, QwQ-32B",
            source="main table",
            effect="share of all tokens saved, 16 thoughts solved at .25 each, verdicts right at .87",
            criterion=Above(0.1),
            measure=tokens_saved,
        ),
        Claim(
            name="accuracy-kept",
            text="It does so at equal accuracy.",
            number="-1.7 points at worst over all settings",
            source="main table",
            effect="accuracy minus untrimmed, perfect verifier",
            criterion=Above(-0.03),
            measure=accuracy_kept,
        ),
        Claim(
            name="accuracy-kept-as-measured",
            text="A verifier that is right 87% of the time is enough for that.",
            number="87.87%, Pangu-7B; 86.70%, Qwen2.5-7B-Instruct, on adjacent pairs",
            source="verifier table",
            effect="accuracy minus untrimmed, verdicts right at .87, errors independent",
            criterion=Above(-0.03),
            measure=accuracy_kept_as_measured,
        ),
        Claim(
            name="agreements",
            text="Tokens and accuracy rise with the agreements asked for.",
            source="derived from Algorithm 1",
            effect="steps of M = 0 to 3 at which tokens or accuracy fall, perfect verifier",
            criterion=Equals(0.0, 0.0),
            measure=order_of_agreements,
        ),
        Claim(
            name="thoughts-until-a-run",
            text="Three thoughts that are right with p agree after (1 - p^3) / ((1 - p) p^3) on average.",
            source="derived from Algorithm 1",
            effect="distance from it at p = .6, in standard errors",
            criterion=Below(4.0),
            measure=thoughts_until_a_run,
        ),
        Claim(
            name="wrong-ends",
            text="Thinking ends wrong where wrong answers repeat as often as is asked for.",
            source="derived from Algorithm 1",
            effect="distance of wrong answers from the closed form, M = 1, repeats .4, standard errors",
            criterion=Below(4.0),
            measure=wrong_ends,
        ),
        Claim(
            name="lag",
            text="Verification beside the thinking delays a stop by N_send tokens at most.",
            number="N_send = 50",
            source="system section",
            effect="largest delay over N_send, tokens; two verdicts of a token each may come on top",
            criterion=Below(2.5),
            measure=lag,
        ),
        Claim(
            name="both-rules",
            text="Both rules together save more than either.",
            number="40.1% against 28.1% and 25.0%, R1-Distill-Qwen-32B, MATH500",
            source="ablation",
            effect="tokens of both over the better one's, less 1; thoughts solved at .05, T_max 900",
            criterion=Below(0.0),
            measure=both_rules,
        ),
        Claim(
            name="given-up",
            text="Ending a lost search costs no accuracy.",
            number="92.4 against 91.6, R1-Distill-Qwen-32B, MATH500",
            source="ablation",
            effect="accuracy of both rules minus overthinking alone; searches go on to be solved at .05",
            criterion=Above(-0.03),
            measure=given_up,
        ),
        Claim(
            name="fewer-than-dynasor",
            text="It saves more than probing the model for its answer.",
            number="35.6% against 15.0% for Certaindex, R1-Distill-Qwen-32B, AIME24",
            source="comparison with early exits",
            effect="tokens over Dynasor's, less 1, verdicts right at .87",
            criterion=Below(0.0),
            measure=fewer_than_dynasor,
        ),
        Claim(
            name="more-right-than-dynasor",
            text="It is more accurate than probing the model for its answer.",
            number="+3.3 against -4.0 points for Certaindex, R1-Distill-Qwen-32B, AIME24",
            source="comparison with early exits",
            effect="accuracy minus Dynasor's, verdicts right at .87",
            criterion=Above(0.0),
            measure=more_right_than_dynasor,
        ),
        Claim(
            name="fewer-than-deer",
            text="A verifier saves more than the model's own certainty.",
            source="readers' question; the paper does not compare it",
            effect="tokens over DEER's, less 1, a model sure at .99 if right and .5 if wrong",
            criterion=Below(0.0),
            measure=fewer_than_deer,
        ),
        Claim(
            name="oversure",
            text="A verifier does not rest on the model's certainty.",
            source="readers' question; the paper does not compare it",
            effect="accuracy minus DEER's, a model sure at .99 if right and .97 if wrong",
            criterion=Above(0.0),
            measure=more_right_than_an_oversure_deer,
        ),
        Claim(
            name="published",
            text="Run time falls by up to 70% at equal or better accuracy.",
            number="11366 to 3411 s, GPQA-D, R1-Distill-Qwen-32B, accuracy +13.2",
            source="main table",
            criterion=Needs("reasoning models of 32 billion parameters, a verifier of 7 and GPUs"),
        ),
    ),
)
