"""What a reply tells besides the answer: usage, and the extension object `ttscale`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...answers import unread
from ...core import Configured, Trace, Usage
from .choice import Choice
from .options import Options

_FINISHES = {
    "stop": "stop",
    "length": "length",
    "cut": "length",
    "budget": "length",
    "cancelled": "length",
    "censored": "length",
    "refused": "content_filter",
}


def finish_reason(trace: Trace) -> str:
    """How the reply ended, in OpenAI's words."""
    if trace.tool_calls and trace.finish == "stop":
        return "tool_calls"
    return _FINISHES.get(trace.finish, "stop")


def total(choices: Sequence[Choice]) -> Usage:
    """What all choices have used together; they ran at the same time."""
    if len(choices) == 1:
        return choices[0].outcome.usage
    usage = Usage()
    for choice in choices:
        usage.add(choice.outcome.usage)
    usage.sequential_tokens = max(s.outcome.usage.sequential_tokens for s in choices)
    usage.seconds = max(s.outcome.usage.seconds for s in choices)
    return usage


def usage(choices: Sequence[Choice]) -> dict[str, Any]:
    """All tokens really generated, those of stopped samples included, and all prompts as billed; what
    is estimated of them is told in the extension."""
    used = total(choices)
    prompt, completion = used.prompt_tokens or 0, used.completion_tokens
    document: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    cached = sum(tally.cached_tokens for tally in used.by.values())
    if cached:
        document["prompt_tokens_details"] = {"cached_tokens": cached}
    return document


def extension(choices: Sequence[Choice], method: Configured, options: Options) -> dict[str, Any]:
    """The `ttscale` object of a reply."""
    used = total(choices)
    document: dict[str, Any] = {
        "method": method.label,
        "stopped_by": choices[0].outcome.stopped_by,
        "over_budget": any(s.outcome.over_budget for s in choices),
        "partial": any(s.partial for s in choices),
        "answers": [s.outcome.answer for s in choices],
        "agreement": [s.agreement for s in choices],
        "unread": sum(unread(s.problem, s.outcome.traces) for s in choices),
        "samples": used.samples,
        "calls": used.calls,
        "tokens": used.tokens,
        "completion_tokens": used.completion_tokens,
        "useful_tokens": used.useful_tokens,
        "cancelled_tokens": used.cancelled_tokens,
        "verifier_tokens": used.verifier_tokens,
        "planning_tokens": used.planning_tokens,
        "sequential_tokens": used.sequential_tokens,
        "estimated_tokens": used.estimated_tokens,
        "shared_prompt_tokens": used.shared_prompt_tokens,
        "estimated_prompt_tokens": used.estimated_prompt_tokens,
        "seconds": round(used.seconds, 6),
        "cost": used.cost,
        "estimated_cost": used.estimated_cost if used.cost is not None else None,
        "status": method.card.status,
    }
    if options.card:
        document["card"] = method.card.as_dict()
    if options.candidates:
        document["candidates"] = [
            candidate(choice, trace, number)
            for number, choice in enumerate(choices)
            for trace in choice.outcome.traces
        ]
    return document


def candidate(choice: Choice, trace: Trace, number: int) -> dict[str, Any]:
    """One sample."""
    return {
        "choice": number,
        "role": trace.role,
        "part": trace.part,
        "draw": trace.index,
        "text": trace.text,
        "tool_calls": list(trace.tool_calls),
        "answer": choice.answer_of(trace),
        "finish": trace.finish,
        "tokens": trace.tokens,
        "winner": trace is choice.trace,
        "error": None if trace.error is None else type(trace.error).__name__,
    }


def logprobs(trace: Trace) -> list[Mapping[str, Any]] | None:
    """Log-probability per token, as far as the engine keeps it: without the alternatives."""
    if trace.logprobs is None or trace.ends is None:
        return None
    begin, entries = 0, list[Mapping[str, Any]]()
    for end, logprob in zip(trace.ends, trace.logprobs):
        token = trace.text[begin:end]
        entries.append(
            {"token": token, "logprob": float(logprob), "bytes": list(token.encode()), "top_logprobs": []}
        )
        begin = end
    return entries
