"""How an outcome is shown: as text, or as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ..core.verdict import outcome_is_right
from . import output

if TYPE_CHECKING:
    from ..core import Configured, Outcome, Problem, Trace
    from ..engines import ModelSource


def show_outcome(
    outcome: Outcome,
    problem: Problem,
    method: Configured,
    sources: Mapping[str, ModelSource],
    seed: int,
    show: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the outcome; without an answer, end with the exit code of the reason."""
    from ..answers import unread

    failure = None if outcome.answer is not None else _why_none(outcome)
    if as_json:
        document: dict[str, Any] = {
            "question": problem.prompt.text,
            "answer": outcome.answer,
            "correct": outcome_is_right(problem, outcome),
            "reply": outcome.winner.answer_text if outcome.winner else None,
            "stopped_by": outcome.stopped_by,
            "unread": unread(problem, outcome.traces),
            "method": method.label,
            "model": sources["main"].name,
            "roles": {role: source.name for role, source in sources.items()},
            "seed": seed,
            "usage": outcome.usage.as_dict(),
            "extra": outcome.extra,
        }
        if "traces" in show:
            document["traces"] = [_listed(trace, problem) for trace in outcome.traces]
        if failure is not None:
            document["error"] = output.describe(failure)
        output.emit_json(document)
        if failure is not None:
            raise output.Fail(output.describe(failure)["exit_code"])
        return
    if "traces" in show:
        _print_traces(outcome, problem)
    if "reply" in show and outcome.winner is not None:
        click.echo(outcome.winner.text)
    click.echo(_spent(outcome, problem), err=True)
    if failure is not None:
        raise failure
    click.echo(outcome.answer)


def _why_none(outcome: Outcome) -> Exception:
    """Why there is no answer, as an error with its own exit code."""
    from ..core import BudgetTooSmall, TTScaleError

    if outcome.error is not None:
        return outcome.error
    ends: dict[str, int] = {}
    for trace in outcome.traces:
        end = "without a recognisable answer" if trace.finish == "stop" else trace.finish
        ends[end] = ends.get(end, 0) + 1
    samples = ", ".join(f"{count} {end}" for end, count in ends.items()) or "none"
    if outcome.over_budget:
        kind = outcome.stopped_by.partition(":")[2]
        return BudgetTooSmall(
            f"the budget of {kind} ended before there was an answer (samples: {samples})",
            fix=f"raise --budget {kind}=..., or ask for fewer or shorter samples",
        )
    fix = "look at them with --show traces, or choose another --answer rule"
    if ends.get("length"):
        fix = "raise --max-tokens, or look at them with --show traces"
    return TTScaleError(f"no answer (samples: {samples})", fix=fix)


def _spent(outcome: Outcome, problem: Problem) -> str:
    """One line: what was drawn and what it cost; ~ stands before what is in part an estimate."""
    from ..answers import unread

    usage = outcome.usage
    tokens = f"{usage.tokens:,} tokens"
    if scored := usage.tokens - usage.completion_tokens:
        tokens += f" ({scored:,} of them read by verifiers)"
    parts = [
        f"{usage.samples} sample" + ("s" if usage.samples != 1 else ""),
        ("~" if usage.estimated_tokens else "") + tokens,
        f"{usage.sequential_tokens:,} sequential",
    ]
    if usage.cancelled_tokens:
        parts.append(f"{usage.cancelled_tokens:,} cancelled")
    parts.append(f"{usage.seconds:.1f} s")
    if usage.cost is not None:
        parts.append(f"cost {'~' if usage.estimated_cost else ''}{usage.cost:.4g}")
    parts.append(f"stopped by {outcome.stopped_by}")
    if outcome.extra.get("rescued"):
        parts.append("rescued")
    if missed := unread(problem, outcome.traces):
        parts.append(f"unread: {missed}")
    correct = outcome_is_right(problem, outcome)
    if correct is not None and outcome.answer is not None:
        parts.append("right" if correct else "wrong")
    return " | ".join(parts)


def _listed(trace: Trace, problem: Problem) -> dict[str, Any]:
    return {
        "role": trace.role,
        "part": trace.part,
        "draw": trace.index,
        "finish": trace.finish,
        "answer": problem.answer(trace),
        "tokens": trace.tokens,
        "estimated_tokens": trace.estimated,
        "prompt_tokens": trace.prompt_tokens,
        "chain": trace.sequential,
        "mean_logprob": trace.average_logprob,
        "reward": trace.reward,
        "text": trace.text,
        "error": None if trace.error is None else output.describe(trace.error),
    }


def _print_traces(outcome: Outcome, problem: Problem) -> None:
    for number, trace in enumerate(outcome.traces, 1):
        mark = " (winner)" if trace is outcome.winner else ""
        click.echo(
            f"--- {number}. {trace.role} draw {trace.index}: {trace.finish}, "
            f"{trace.tokens} tokens, answer {problem.answer(trace)}{mark}"
        )
        click.echo(str(trace.error) if trace.error else trace.text)
