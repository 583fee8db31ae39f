"""Auto: judge how hard a question is, then run what a fitted policy says for it.

The deployable half of compute-optimal test-time scaling (arXiv:2408.03314): a pilot of a few
samples gives the difficulty without gold answers, and the policy file the strategy for that bin and budget.
The pilot is in the bill like any other sample, and its samples count: `pilot(n=N)` is the vote of the
pilot and of as many further samples as make N. `select=weighted` and `select=best` make it best-of-N
on them, `sure=0.95` draws one at a time and stops as Adaptive-Consistency does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from ...core import (
    AtLeast,
    Card,
    Configured,
    Context,
    Outcome,
    Problem,
    Role,
    Trace,
    UsageError,
    Votes,
    Within,
    declared,
)
from ...core.cards import roles
from ...core.settings.declared import check, read
from ..registry import method, parse
from ..voting.adaptive_consistency import leader_confidence
from .difficulty import Difficulty, agreement, mean_reward
from .policy import POLICY_FILE, Level, Policy

CARD = Card(
    name="auto",
    title="Auto: the method a fitted policy chooses for the question and the budget",
    paper="arXiv:2408.03314",
    what="hybrid",
    stimulation="self-repetition",
    verification="agreement",
    verification_use=("select",),
    aggregation="selection",
    knob="budget",
    files=("policy",),
    stops="the chosen method stops",
    deviations=(
        "Difficulty is predicted from a few pilot samples whose cost is counted; the paper draws "
        "2048 and leaves them out.",
        "Without a verifier the score is the pilot's agreement (ours).",
        "The pilot's samples vote, or are judged, in the strategies pilot(...) instead of being "
        "thrown away (ours).",
    ),
)

Select = Literal["", "vote", "weighted", "best"]

MADE_UP = Policy(
    model="",
    task="",
    questions=0,
    unit="samples",
    difficulty=Difficulty(kind="agreement", pilot=4, cuts=(1.0, 0.75)),
    levels=(
        Level(limit=8, strategies=("pilot(n=4)", "pilot(n=8)", "pilot(n=16)")),
        Level(limit=16, strategies=("pilot(n=4)", "pilot(n=16)", "pilot(n=32)")),
    ),
)
"""Used where no policy is given (ours): unanimous pilots are done, split ones draw more."""


@declared
class Config:
    """Which policy, and how much of it.

    Attributes:
        policy: file of a policy made by `ttscale plan fit`; "" is a made-up rule of thumb: four
            samples, and more the less they agree.
        budget: mean cost per question in the policy's unit; the highest level within it is used,
            None for the last.
    """

    policy: str = ""
    budget: Annotated[float, AtLeast(0)] | None = None

    def __post_init__(self) -> None:
        checked(self.loaded)

    @property
    def loaded(self) -> Policy:
        """The policy itself."""
        return POLICY_FILE.cached(self.policy) if self.policy else MADE_UP

    def needs(self) -> Mapping[str, Role]:
        """What the pilot and everything that may be chosen need, together."""
        return needs_of(self.loaded)


@method(card=CARD)
async def auto(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Draw the pilot, find the bin, run its strategy."""
    return await follow(problem, ctx, cfg.loaded, cfg.budget)


async def follow(problem: Problem, ctx: Context, policy: Policy, budget: float | None = None) -> Outcome:
    """Answer one problem by a policy."""
    difficulty = policy.difficulty
    pilot = await ctx.sample_all(problem.prompt, difficulty.pilot, part="pilot")
    rewards: dict[int, float] = {}
    if difficulty.kind == "reward":
        rewards = await _rewards(problem, ctx, pilot)
        score = mean_reward(list(rewards.values()))
    else:
        score = agreement(problem, pilot)
    place = difficulty.bin_of(score)
    strategy = policy.level(budget).strategies[place - 1]
    described = {"difficulty": difficulty.kind, "score": score, "bin": place, "strategy": strategy}
    more = on_pilot(strategy)
    if more is None:
        votes = _voted(problem, pilot, rewards)
        ctx.offer(votes.top(), votes.winner())
        chosen = parse(strategy)
        outcome = await ctx.solve(chosen, problem)
        outcome.extra = {**outcome.extra, **described}
        if outcome.answer is None:  # the pilot may know better than nothing
            outcome.answer, outcome.winner = votes.top(), votes.winner()
        return outcome
    counted = _voted(problem, pilot, {})
    while (left := more.n - len(pilot)) > 0 and not more.settled(counted):
        further = await ctx.sample_all(problem.prompt, left if more.sure is None else 1)
        pilot += further
        counted.extend(further)
    stopped_by = "sure" if more.settled(counted) else "n_samples"
    select = more.select or ("weighted" if difficulty.kind == "reward" else "vote")
    if select == "vote":
        rewards = {}
    elif unjudged := [t for t in pilot if id(t) not in rewards]:
        rewards |= await _rewards(problem, ctx, unjudged)
    if select == "best" and rewards:
        best = max((t for t in pilot if id(t) in rewards), key=lambda t: rewards[id(t)])
        return Outcome(problem.answer(best), best, stopped_by, described)
    votes = _voted(problem, pilot, rewards)
    return Outcome(votes.top(), votes.winner(), stopped_by, {**described, "votes": votes.counts})


@declared
class OnPilot:
    """A strategy that goes on with the pilot's samples.

    Attributes:
        n: samples in all, at most.
        select: "vote", or by rewards "weighted" or "best"; "" weighs votes if rewards told the
            difficulty.
        sure: draw one at a time, until the leading answer is so likely to stay it
            (arXiv:2305.11860); None draws all.
    """

    n: Annotated[int, AtLeast(1)]
    select: Select = ""
    sure: Annotated[float, Within(0, 1)] | None = None

    def settled(self, votes: Votes) -> bool:
        """Whether the votes so far are enough."""
        return self.sure is not None and leader_confidence(votes.counts) >= self.sure


def on_pilot(strategy: str) -> OnPilot | None:
    """What `pilot(...)` says; None for the name of a method.

    Raises:
        UsageError: if it cannot be read.
    """
    text = re.sub(r"[\s'\"]", "", strategy)
    if not text.startswith("pilot("):
        return None
    given = dict(re.findall(r"(\w+)=([\w.]+)", text))
    written = ",".join(f"{name}={value}" for name, value in given.items())
    try:
        if text != f"pilot({written})":
            raise UsageError(f"{text} is not {written}")
        return read(OnPilot, given, written=True)
    except UsageError:
        raise UsageError(
            f"cannot read strategy {strategy!r}",
            fix="write it as pilot(n=8), with select=vote, weighted or best, or sure=0.95",
        ) from None


def needs_of(policy: Policy) -> dict[str, Role]:
    """Role -> kind and capabilities of the pilot and all strategies."""
    wanted = {"main": roles.answers("text")}
    judged = (found.select for s in policy.strategies if (found := on_pilot(s)))
    if policy.difficulty.kind == "reward" or {"weighted", "best"} & set(judged):
        wanted["prm"] = roles.judges("reward")
    for chosen in _methods(policy):
        for role, needed in chosen.method.needs(chosen.cfg).items():
            wanted[role] = needed.joined(wanted.get(role, needed))
    return wanted


def checked(policy: Policy) -> Policy:
    """The policy, if it can be followed.

    Raises:
        UsageError: for oracle difficulty, a set method, or one that is not known.
    """
    if policy.difficulty.kind == "oracle":
        raise UsageError(
            "the policy was fitted with oracle difficulty, which takes gold answers",
            fix="fit one that can be followed: ttscale plan fit --difficulty agreement",
        )
    check(Annotated[int, AtLeast(1)], pilot=policy.difficulty.pilot)
    for chosen in _methods(policy):
        if chosen.card.scope == "set" or chosen.card.name == CARD.name:
            raise UsageError(
                f"a policy cannot choose {chosen.label!r}",
                fix="it chooses for one question at a time, and never itself",
            )
    return policy


def _methods(policy: Policy) -> list[Configured]:
    return [parse(s) for s in policy.strategies if on_pilot(s) is None]


async def _rewards(problem: Problem, ctx: Context, traces: list[Trace]) -> dict[int, float]:
    """Scores of the traces that answered, by identity."""
    answered = [t for t in traces if problem.answer(t) is not None]
    if not answered:
        return {}
    scores = await ctx.reward(answered)
    return {id(t): float(v) for t, v in zip(answered, scores.values, strict=True)}


def _voted(problem: Problem, traces: list[Trace], rewards: Mapping[int, float]) -> Votes:
    return Votes.of(problem, traces, (rewards.get(id(t), 1.0) for t in traces))
