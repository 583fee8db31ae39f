"""PETS offline: spend samples on the questions whose vote they are most likely to settle.

PETS, arXiv:2602.16745. The target needs no gold answers: the self-consistency rate, the probability
that a question's vote equals the majority of infinitely many samples. All questions are known, and
samples go to them by the Optimistic Knowledge Gradient: with alpha_q the Dirichlet parameters after
the votes of question q and h their confidence (the largest probability of being the likeliest),
    R+(q) = max over answers m of h(alpha_q + e_m) - h(alpha_q),
and the next sample goes to the question with the largest R+.

Symbols: B = average, w = warm_up, M = options, s = per_round.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Annotated, Literal

import numpy as np

from ...core import (
    AtLeast,
    CapabilityError,
    Card,
    Context,
    Outcome,
    Problem,
    Role,
    Tie,
    Trace,
    UsageError,
    Votes,
    Within,
    declared,
)
from ...core.cards import roles
from ...signals import confidence as signals
from ..registry import method
from ..voting.dirichlet import confidence, optimistic_gain

Weight = Literal["none", "mean", "lowest", "bottom", "tail"]
TEXT, LOGPROBS = roles.answers("text"), roles.answers("text", "logprobs")

RETRIES = 3  # further warm-up samples of a question that has no vote yet (ours)

CARD = Card(
    name="pets",
    title="PETS offline: optimistic allocation over a set of questions",
    paper="arXiv:2602.16745",
    what="parallel",
    stimulation="self-repetition",
    verification="agreement",
    verification_use=("stop",),
    aggregation="vote",
    knob="average",
    scope="set",
    stops="the set's samples are spent",
    deviations=(
        "Probabilities are integrated exactly; the released code counts 500 random draws, whose "
        "noise (0.02) is as large as the gains it compares.",
        "Samples without an answer cost budget and move nothing. Warm-up goes on for a question "
        "without a vote, for 3 more samples; later a question's gain is multiplied by the share of "
        "its samples that moved something, plus one in both, so that one that never parses cannot "
        "take everything (ours).",
        "Group confidences use full windows only; the released code has partial ones.",
        "A question whose recording runs dry is left alone; where none is left, the set ends with "
        "what was spent.",
        "Accuracy need not rise: the rule knows agreement, not truth.",
    ),
)


@declared
class Config:
    """How much is spent, and where.

    Attributes:
        average: B, samples per question on average; the set's total is this times the questions,
            rounded (16 is ours; the paper sweeps 4 to 64).
        warm_up: w, samples of every question before anything is decided (1, released code).
        per_round: s, questions that get one more sample at a time (1, released code). The chain of
            dependent samples is so much shorter, at little loss.
        max_samples: samples of one question at most (64, the released evaluation's pool).
        options: M, number of possible answers; None takes the question's own choices or its
            answer rule's letters, or for open questions max_options.
        max_options: slots of an open question (16, released code). A new answer that finds none
            free is discarded, and still costs its sample.
        soft: count a sample as its mean confidence over 16 rather than as 1 (released for multiple
            choice). Needs log-probabilities.
        weight: what votes weigh in the end: none, or a confidence measure (released: tail).
        keep: percent of a question's samples, the most confident, that vote (70, released with
            tail); used with a weight only.
        window: tokens in a confidence group (2048, as DeepConf).
        tie: between equally voted answers (released code: the first).
    """

    average: float = 16
    warm_up: Annotated[int, AtLeast(1)] = 1
    per_round: Annotated[int, AtLeast(1)] = 1
    max_samples: Annotated[int, AtLeast(1)] = 64
    options: Annotated[int, AtLeast(2)] | None = None
    max_options: Annotated[int, AtLeast(2)] = 16
    soft: bool = False
    weight: Weight = "none"
    keep: Annotated[float, Within(0, 100)] = 70.0
    window: Annotated[int, AtLeast(1)] = signals.WINDOW
    tie: Tie = "first"

    def __post_init__(self) -> None:
        AtLeast(self.warm_up).check(max_samples=self.max_samples)
        Within(self.warm_up, self.max_samples).check(average=self.average)

    def needs(self) -> dict[str, Role]:
        return {"main": LOGPROBS if self.confident else TEXT}

    @property
    def confident(self) -> bool:
        """Whether token confidences are needed."""
        return self.soft or self.weight != "none"


class Question:
    """What is known of one question: its votes as Dirichlet parameters, and what one more adds.

    Attributes:
        slots: M.
        alpha: parameters of the answers seen, in order of appearance; the other slots have 1.
        sampled, moved: samples, and how many of them added a vote.
    """

    __slots__ = ("alpha", "cfg", "moved", "problem", "sampled", "slots", "traces", "votes")

    def __init__(self, problem: Problem, cfg: Config) -> None:
        self.problem, self.cfg = problem, cfg
        lettered = getattr(problem.rule, "letters", "")  # of a choice rule
        self.slots = cfg.options or len(problem.choices) or len(lettered) or cfg.max_options
        if self.slots < 2:
            raise UsageError(f"question {problem.id!r} has a single option", fix="leave it out of the set")
        self.votes, self.alpha = Votes(problem, cfg.tie), list[float]()
        self.traces: list[Trace] = []
        self.sampled = self.moved = 0

    def add(self, trace: Trace) -> None:
        """Count a sample."""
        self.sampled += 1
        answer = self.problem.answer(trace)
        if answer is None:
            return
        if len(self.alpha) == self.slots and self.votes.ballot(answer) is None:
            return  # no slot is free
        self.votes.add(trace)
        self.traces.append(trace)
        self.moved += 1
        if len(self.alpha) < len(self.votes.ballots):
            self.alpha.append(1.0)
        ballot = self.votes.ballot(answer)
        assert ballot is not None
        self.alpha[self.votes.ballots.index(ballot)] += self._count(trace)

    def _count(self, trace: Trace) -> float:
        if not self.cfg.soft or trace.conf is None or not len(trace.conf):
            return 1.0  # as released, a missing confidence counts 1
        return signals.mean(trace.conf) / 16

    @property
    def posterior(self) -> list[float]:
        """alpha_q, (slots,)."""
        return self.alpha + [1.0] * (self.slots - len(self.alpha))

    def gain(self) -> float:
        """R+, lowered by the share of samples that moved nothing; 1, more than any R+, while the
        warm-up has brought no vote and goes on."""
        if not self.moved and self.sampled < self.cfg.warm_up + RETRIES:
            return 1.0
        moves = (self.moved + 1) / (self.sampled + 1)
        return optimistic_gain(self.posterior) * moves

    def outcome(self, stopped_by: str) -> Outcome:
        """The vote over what was collected."""
        votes, cfg = self.votes, self.cfg
        if cfg.weight != "none" and self.traces:
            values = np.array([_confidence(t, cfg) for t in self.traces])
            kept = signals.most_confident(values, cfg.keep)
            most = compress(self.traces, kept)
            votes = Votes.of(self.problem, most, values[kept].tolist(), cfg.tie)
        sure = confidence(self.posterior)
        extra = {"drawn": self.sampled, "votes": self.votes.counts, "confidence": sure}
        return Outcome(votes.top(), votes.winner(), stopped_by, extra)


@method(card=CARD)
async def pets(problems: list[Problem], ctx: Context, cfg: Config) -> list[Outcome]:
    """Answer a set within round(average * questions) samples, wherever they help most."""
    questions = [Question(problem, cfg) for problem in problems]
    logprobs = signals.TOP if cfg.confident else None
    left = round(cfg.average * len(questions))

    async def sample_one(branch: Context, question: Question) -> Trace:
        return await branch.sample(question.problem.prompt, logprobs=logprobs)

    def can_be_sampled(question: Question) -> bool:
        there = ctx.of(question.problem).samples_left(question.problem.prompt)
        return there != 0 and question.sampled < cfg.max_samples

    gains = np.zeros(len(questions))
    chosen = list(range(len(questions))) * cfg.warm_up
    stopped_by = "spent"
    while chosen:
        requested = [questions[i] for i in chosen]
        for question, trace in zip(requested, await _sample_each(ctx, sample_one, requested), strict=True):
            question.add(trace)
        left -= len(chosen)
        for i in set(chosen):
            open_ = can_be_sampled(questions[i])
            gains[i] = questions[i].gain() if open_ else -np.inf
        chosen = largest(gains, min(cfg.per_round, left))
        if left and not chosen:
            stopped_by = "no_question_left"
    return [question.outcome(stopped_by) for question in questions]


async def _sample_each(ctx: Context, sample_one: object, requested: Sequence[Question]) -> list[Trace]:
    """One more sample of every question asked, together."""
    return await ctx.map(sample_one, requested, of=lambda question: question.problem)  # type: ignore[arg-type]


def largest(gains: np.ndarray[tuple[int], np.dtype[np.float64]], count: int) -> list[int]:
    """The questions with the largest gains, largest first, earlier ones first among equals; those
    that cannot be sampled (minus infinity) are never among them."""
    if count <= 0 or not len(gains):
        return []
    if count == 1:
        best = int(gains.argmax())
        return [best] if gains[best] > -np.inf else []
    order = np.argsort(-gains, kind="stable")[:count]
    return [int(i) for i in order if gains[i] > -np.inf]


def _confidence(trace: Trace, cfg: Config) -> float:
    if trace.conf is None or not len(trace.conf):
        raise CapabilityError(
            f"weight={cfg.weight!r} needs token confidences, which "
            f"{trace.model or 'the engine'} did not return",
            fix="use an engine that reports top log-probabilities, or weight=none",
        )
    assert cfg.weight != "none"
    return signals.measure(cfg.weight, trace.conf, cfg.window)
