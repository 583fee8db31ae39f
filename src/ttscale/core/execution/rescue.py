"""Rescue: one more sample for a problem whose reply spent its whole cap on thinking.

Where a method has come to no answer and its reply, or one of its whole attempts, was cut by its limit
before a word of answer text, the thinking there is is ended and the answer asked for: once, within the
same budget, as a sample of a role and a part of its own, so that it is billed and never votes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..cards.roles import VOTING
from ..errors import BudgetEnded, TTScaleError
from ..outcome import Outcome
from ..problem import Problem
from ..sampling import Sampling
from ..settings.declared import with_checked
from ..thinking import THINK
from ..trace import Trace
from .context import SampleRequest
from .streams import Race

if TYPE_CHECKING:
    from .context import Context

RESCUE = "rescue"
"""The role and the part of its sample: under a role of its own it is none of the problem's samples in
seeds, journals and recordings, although it may be asked the same prompt."""

ANSWER_TOKENS = 512
"""Tokens the answer may have; ours. What the user allows a sample has been spent on thinking."""


async def rescued(outcome: Outcome, problem: Problem, ctx: Context) -> Outcome:
    """The outcome with the answer that its thinking leads to; as it was where there is nothing to
    rescue, or that fails."""
    spent = None if _settled(outcome, ctx) else next(_all_thinking(outcome, problem, ctx), None)
    request = None if spent is None else _request(spent, problem, ctx)
    if spent is None or request is None:
        return outcome
    try:
        async with Race(ctx, [request]) as race:
            more = await anext(race)
    except (BudgetEnded, TTScaleError):
        return outcome
    continued = request.prompt is not problem.prompt
    # past the closing tag all is answer text, whatever a server's parser takes it for
    answer_text = more.answer_text or (more.thinking if continued else "")
    if more.finish not in ("stop", "length") or not (answer_text.strip() or more.tool_calls):
        return outcome
    whole = Trace.joined([spent, more], THINK.ended(spent.text) + answer_text.lstrip("\n"))
    outcome.answer, outcome.winner = problem.answer(whole), whole
    outcome.extra = {**outcome.extra, "rescued": True}
    return outcome


def _settled(outcome: Outcome, ctx: Context) -> bool:
    """Whether there is an answer, or a budget has ended."""
    return outcome.answer is not None or outcome.over_budget or bool(ctx.scope.limited)


def _all_thinking(outcome: Outcome, problem: Problem, ctx: Context) -> Iterator[Trace]:
    """What was cut while it was thinking: the reply, or else attempts at the problem as it stands."""
    own = problem.prompt.key
    attempts = [t for t in ctx.scope.traces if t.part in VOTING and t.prompt_key == own]
    for trace in ([outcome.winner] if outcome.winner else []) + attempts:
        cut = trace.finish == "length" and not trace.tool_calls
        if cut and trace.thinking.strip() and not trace.answer_text.strip():
            yield trace


def _request(spent: Trace, problem: Problem, ctx: Context) -> SampleRequest | None:
    """The sample that may bring the answer; None where the engine can neither continue a reply nor be
    told not to think."""
    engine, settings = ctx.run.engine_of(RESCUE), ctx.run.sampling_for({}, RESCUE)
    prompt, extra = problem.prompt, settings.extra
    if "prefix" in engine.capabilities:
        prompt = prompt.then(THINK.ended(spent.text))
    elif engine.time == "wall":  # recorded and synthetic samples are not asked anything
        extra = _without_thinking(settings)
    else:
        return None
    limits = {"max_tokens": ANSWER_TOKENS, "min_tokens": None, "extra": extra}
    return SampleRequest(prompt, RESCUE, with_checked(settings, limits), part=RESCUE)


def _without_thinking(settings: Sampling) -> dict[str, object]:
    """Further fields of a request that switch the model's thinking off, as vLLM, SGLang and llama.cpp
    have it."""
    name = "chat_template_kwargs"
    return {**settings.extra, name: {**(settings.extra.get(name) or {}), "enable_thinking": False}}
