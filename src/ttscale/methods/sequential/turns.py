"""Turn scaling: answer, then answer again in the light of the answer before.

The turn axis of arXiv:2511.15738 and the sequential mode of arXiv:2505.20522, whose representative
is Multi-round Thinking (arXiv:2503.19855). Revisions also turn right answers wrong (38% of them in
arXiv:2408.03314, Sec. 6), so the answer is chosen among all turns, not taken from the last: with
chances r of a repair and s of a loss the last turn tends to r / (r + s).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from ...core import Card, Context, Outcome, Problem, Trace, Votes
from ...verifiers import verifier
from .. import checks
from ..registry import method
from .revision import Carry, Turn, next_prompt, reflect

TEXT = frozenset({"text"})

CARD = Card(
    name="turns",
    title="Turn scaling: self-refinement over several rounds",
    paper="arXiv:2505.20522",
    what="sequential",
    stimulation="prompt",
    verification="agreement",
    aggregation="vote",
    knob="turns",
    stops="all turns are taken",
    needs={"main": TEXT},
    status="reconstruction",
    deviations=(
        "The answer is chosen among all turns; the papers take the last (select=last).",
        "The wording of prompts other than the re-answering one is ours.",
        "A turn that ran out of space is carried on as its text, so that its work is not lost.",
    ),
    aliases=("self-refinement", "multi-round-thinking"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How often, and what a turn sees of the one before.

    Attributes:
        turns: T, 1 is plain decoding (4: Multi-round Thinking reports up to 4 rounds).
        carry: only the previous answer (as Multi-round Thinking), the solution, or the solution and
            a reflection on it (a call of its own each turn).
        select: among all turns by "vote", the "last", or a verifier's name.
        max_tokens: of every turn; None is no limit.
        reflection_tokens: of every reflection (ours); None is no limit.
        thinking: show a solution's thinking too, not only its reply.
    """

    turns: int = 4
    carry: Carry = "answer"
    select: str = "vote"
    max_tokens: int | None = None
    reflection_tokens: int | None = None
    thinking: bool = False

    def __post_init__(self) -> None:
        checks.whole(turns=self.turns, max_tokens=self.max_tokens)
        checks.whole(reflection_tokens=self.reflection_tokens)
        checks.at_least(1, turns=self.turns, max_tokens=self.max_tokens)
        checks.at_least(1, reflection_tokens=self.reflection_tokens)
        checks.one_of(get_args(Carry), carry=self.carry)
        if self.select not in ("vote", "last"):
            verifier(self.select)

    def needs(self) -> Mapping[str, frozenset[str]]:
        extra = {} if self.select in ("vote", "last") else verifier(self.select).needs
        return {"main": TEXT, **extra}


@method(card=CARD)
async def turns(problem: Problem, ctx: Context, cfg: Config) -> Outcome:
    """Take cfg.turns turns, each knowing the one before, and choose."""
    taken, prompt = list[Trace](), problem.prompt
    for number in range(cfg.turns):
        trace = await ctx.sample(prompt, max_tokens=cfg.max_tokens)
        taken.append(trace)
        best = await select(problem, ctx, taken, "vote")
        ctx.offer(None if best is None else problem.answer(best), best)
        if trace.finish not in ("stop", "length"):
            break
        if number < cfg.turns - 1:
            notes = ""
            if cfg.carry == "reflection":
                reflection = await reflect(
                    problem, ctx, trace, None,
                    thinking=cfg.thinking, max_tokens=cfg.reflection_tokens,
                )  # fmt: skip
                notes = reflection.reply.strip()
            turn = Turn(trace, problem.answer(trace), notes)
            prompt = next_prompt(problem, turn, cfg.carry, cfg.thinking)
    winner = await select(problem, ctx, taken, cfg.select)
    answers = [problem.answer(trace) for trace in taken]
    answer = None if winner is None else problem.answer(winner)
    return Outcome(answer, winner, "all_turns", {"answers": answers})


async def select(problem: Problem, ctx: Context, traces: list[Trace], how: str) -> Trace | None:
    """The trace to answer with, among those that have an answer; None if none has."""
    answered = [t for t in traces if problem.answer(t) is not None]
    if not answered:
        return None
    if how == "last":
        return answered[-1]
    if how == "vote":
        votes = Votes(problem)
        for trace in answered:
            votes.add(trace)
        return votes.winner()
    scores = await verifier(how)(ctx, problem, answered)
    return answered[max(range(len(answered)), key=lambda i: scores[i])]
