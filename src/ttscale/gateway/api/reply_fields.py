"""What a reply holds besides the answer: how it ended, fields that are carried along, usage, and the
extension object `ttscale`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...answers import unread
from ...core import Configured, Trace, Usage
from ...core.carried import MESSAGE, REFUSAL, REPLY, USAGE
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
    if refusal(trace):
        return "stop"  # the model has said what it had to say
    return _FINISHES.get(trace.finish, "stop")


def refusal(trace: Trace) -> str | None:
    """The words in which the model declined."""
    return trace.meta.get(REFUSAL)


def carried_message(trace: Trace) -> dict[str, Any]:
    """The fields of the upstream's message that are its client's alone: annotations, audio, ..."""
    return dict(trace.meta.get(MESSAGE, ()))


def carried_reply(choices: Sequence[Choice]) -> dict[str, Any]:
    """Such fields of the whole reply: citations, ..."""
    fields: dict[str, Any] = {}
    for choice in choices:
        fields = {**choice.trace.meta.get(REPLY, {}), **fields}
    return fields


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
    traces = [trace for choice in choices for trace in choice.outcome.traces]
    document = _summed(trace.meta[USAGE] for trace in traces if USAGE in trace.meta)
    document |= {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    details = document.setdefault("completion_tokens_details", {})
    details["reasoning_tokens"] = sum(map(reasoning_tokens, traces))
    cached = sum(tally.cached_tokens for tally in used.by.values())
    if cached:
        document.setdefault("prompt_tokens_details", {})["cached_tokens"] = cached
    return document


def reasoning_tokens(trace: Trace) -> int:
    """Tokens of a sample's thinking: as its server counts them, else as the text shows, and by the
    thinking's share of the text where the ends of tokens are not known."""
    details = trace.meta.get(USAGE, {}).get("completion_tokens_details")
    counted = details.get("reasoning_tokens") if isinstance(details, Mapping) else None
    if isinstance(counted, int) and not isinstance(counted, bool) and counted >= 0:
        return min(counted, trace.tokens)
    thinking = trace.thinking
    if not thinking:
        return 0
    ends, begin = trace.ends, trace.text.find(thinking)
    if ends is not None and trace.thinking_at:
        return sum(bisect_right(ends, end) - bisect_right(ends, first) for first, end in trace.thinking_at)
    if ends is not None and begin >= 0:
        return bisect_right(ends, begin + len(thinking))
    return round(trace.tokens * len(thinking) / (len(thinking) + len(trace.answer_text)))


def _summed(counts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts of several samples together, those inside of objects too; other values are left out."""
    sums: dict[str, Any] = {}
    for one in counts:
        for name, value in one.items():
            if isinstance(value, Mapping):
                known = sums.get(name)
                sums[name] = _summed([known, value] if isinstance(known, dict) else [value])
            elif isinstance(value, int | float) and not isinstance(value, bool):
                known = sums.get(name, 0)
                sums[name] = value if isinstance(known, dict) else known + value
    return sums


def extension(choices: Sequence[Choice], method: Configured, options: Options) -> dict[str, Any]:
    """The `ttscale` object of a reply."""
    used = total(choices)
    document: dict[str, Any] = {
        "method": method.label,
        "stopped_by": choices[0].outcome.stopped_by,
        "over_budget": any(s.outcome.over_budget for s in choices),
        "partial": any(s.partial for s in choices),
        "rescued": any(s.outcome.extra.get("rescued", False) for s in choices),
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
