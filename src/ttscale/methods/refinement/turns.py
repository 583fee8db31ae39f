"""Turn scaling: answer, then answer again in the light of the answer before.

The turn axis of arXiv:2511.15738 and the sequential mode of arXiv:2505.20522, whose representative
is Multi-round Thinking (arXiv:2503.19855). Revisions also turn right answers wrong (38% of them in
arXiv:2408.03314, Sec. 6), so the answer is chosen among all turns, not taken from the last: with
chances r of a repair and s of a loss the last turn tends to r / (r + s).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from ...answers import reply_of
from ...core import AtLeast, Card, Context, Outcome, Problem, Prompt, Role, Trace, Votes, declared
from ...core.cards import roles
from ...verifiers import verifier
from ..registry import method
from .revision import Carry, Turn, next_prompt, reflect

TEXT = roles.answers("text")

CARD = Card(
    name="turns",
    title="Turn scaling: self-refinement over several rounds",
    paper="arXiv:2505.20522",
    what="sequential",
    stimulation="prompt",
    verification="agreement",
    verification_use=("select",),
    aggregation="vote",
    knob="turns",
    stops="all turns are taken",
    needs={"main": TEXT},
    status="reconstruction",
    deviations=(
        "The answer is chosen among all turns; the papers take the last (select=last).",
        "The wording of prompts other than the re-answering one is ours.",
        "A turn that ran out of space is carried on as its text, so that its work is not lost.",
        "A turn sees one answer; the revision model of arXiv:2408.03314 is trained and sees four.",
    ),
    aliases=("self-refinement", "multi-round-thinking"),
)


@declared
class Config:
    """How often, and what a turn sees of the one before.

    Attributes:
        turns: T or S, 1 is plain decoding (4: Multi-round Thinking reports up to 4 rounds).
        chains: P, chains side by side (1; arXiv:2408.03314 splits a budget into P x S).
        carry: only the previous answer (as Multi-round Thinking), the solution, or the solution and
            a reflection on it (a call of its own each turn).
        select: among all turns by "vote", the "last", or a verifier's name (its weighted vote in
            every chain, then over the chains, as arXiv:2408.03314).
        max_tokens: of every turn; None means no limit.
        reflection_tokens: of every reflection (ours); None means no limit.
        thinking: show a solution's thinking too, not only its reply.
    """

    turns: Annotated[int, AtLeast(1)] = 4
    chains: Annotated[int, AtLeast(1)] = 1
    carry: Carry = "answer"
    select: str = "vote"
    max_tokens: Annotated[int, AtLeast(1)] | None = None
    reflection_tokens: Annotated[int, AtLeast(1)] | None = None
    thinking: bool = False

    def __post_init__(self) -> None:
        if self.select not in ("vote", "last"):
            verifier(self.select)

    def needs(self) -> Mapping[str, Role]:
        extra = {} if self.select in ("vote", "last") else verifier(self.select).needs
        return {"main": TEXT, **extra}


@method(card=CARD)
async def turns(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Take cfg.turns turns in every chain, each knowing the one before, and choose."""
    taken: list[list[Trace]] = [[] for _ in range(cfg.chains)]

    async def grow(branch: Context, chain: list[Trace]) -> None:
        prompt = problem.prompt
        for number in range(cfg.turns):
            trace = await branch.sample(prompt, max_tokens=cfg.max_tokens)
            chain.append(trace)
            votes = flat_vote(problem, taken)
            branch.offer(votes.top(), votes.winner())
            if trace.finish not in ("stop", "length"):
                return
            if number < cfg.turns - 1:
                prompt = await _next(problem, branch, trace, cfg)

    await ctx.map(grow, taken)
    winner = await select(problem, ctx, taken, cfg.select)
    answers = [[problem.answer(trace) for trace in chain] for chain in taken]
    answer = None if winner is None else problem.answer(winner)
    return Outcome(answer, winner, "all_turns", {"answers": answers})


async def _next(problem: Problem, ctx: Context, trace: Trace, cfg: Config) -> Prompt:
    """The next turn's prompt, after a reflection if that is carried over."""
    notes = ""
    if cfg.carry == "reflection":
        reflection = await reflect(
            problem, ctx, trace, None, thinking=cfg.thinking, max_tokens=cfg.reflection_tokens
        )
        notes = reply_of(reflection).strip()
    turn = Turn(trace, problem.answer(trace), notes)
    return next_prompt(problem, turn, cfg.carry, cfg.thinking)


async def select(problem: Problem, ctx: Context, chains: Sequence[Sequence[Trace]], how: str) -> Trace | None:
    """The trace to answer with; None if none has an answer.

    "vote" is the plurality of all answers, "last" that of each chain's last. A verifier decides in
    two steps: its weighted vote in every chain, then over the chains' winners.
    """
    answered = [[t for t in chain if problem.answer(t) is not None] for chain in chains]
    answered = [chain for chain in answered if chain]
    if how in ("vote", "last"):
        return flat_vote(problem, answered if how == "vote" else [c[-1:] for c in answered]).winner()
    flat = [trace for chain in answered for trace in chain]
    if not flat:
        return None
    scores = iter(await verifier(how)(ctx, problem, flat))
    winners = [best_weighted(problem, [(t, next(scores)) for t in chain]) for chain in answered]
    return best_weighted(problem, winners)[0]


def best_weighted(problem: Problem, scored: Sequence[tuple[Trace, float]]) -> tuple[Trace, float]:
    """The best-scored trace of the answer with the largest sum of scores."""
    traces, scores = zip(*scored, strict=True)
    leader = Votes.of(problem, traces, scores).leader()
    assert leader is not None
    return max((s for s in scored if s[0] in leader.traces), key=lambda s: s[1])


def flat_vote(problem: Problem, chains: Sequence[Sequence[Trace]]) -> Votes:
    """All answers, chain by chain."""
    return Votes.of(problem, (trace for chain in chains for trace in chain))
