"""A store as flat rows: what was asked, what is right, what was answered, what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...answers import rule_for
from ...core import TOTALS, AnswerRule, Problem, Trace, UsageError
from ...core.cards.roles import VOTING
from ...core.verdict import is_right, recorded
from ..store.codec import SCORED, dumps
from ..store.results import Cell, Result
from ..store.store import Store


def result_rows(store: Store) -> Iterator[dict[str, Any]]:
    """Items as flat rows; tokens as in `Usage`, `text` of the sample that speaks for the answer, if it
    was kept."""
    for cell in store.cells():
        problems = {p.id: p for p in store.problems(cell, rule_of)}
        for result in store.items(cell):
            usage = result.usage.as_dict()
            winner = winner_of(store, cell, result)
            yield {
                **_where(cell, result.problem, problems.get(result.problem)),
                "answer": result.answer,
                "correct": result.correct,
                "text": None if winner is None else winner.text,
                "stopped_by": result.stopped_by,
                "error": result.error,
                **{name: usage[name] for name in TOTALS},
                "seconds": result.seconds,
                "units": dumps(usage["units"]).decode(),
                "sequential_units": dumps(usage["sequential_units"]).decode(),
                "by_role": dumps(usage["by"]).decode(),
                "by_part": dumps(usage["parts"]).decode(),
                "extra": dumps(result.extra).decode(),
            }


def trace_rows(store: Store) -> Iterator[dict[str, Any]]:
    """Kept traces as flat rows, with what they were drawn for."""
    for cell in store.cells():
        problems = {p.id: p for p in store.problems(cell, rule_of)}
        for name, trace in store.traces(cell):
            problem = problems.get(name)
            answer, correct = _graded(problem, trace)
            yield {
                **_where(cell, name, problem),
                "role": trace.role,
                "part": trace.part,
                "prompt": trace.prompt_key,
                "draw": trace.index,
                "finish": trace.finish,
                "answer": answer,
                "correct": correct,
                "tokens": trace.tokens,
                "prompt_tokens": trace.prompt_tokens,
                "mean_logprob": trace.average_logprob,
                "reward": trace.reward,
                "text": trace.text,
                "logprobs": None if trace.logprobs is None else trace.logprobs.tolist(),
                "conf": None if trace.conf is None else trace.conf.tolist(),
                "ends": None if trace.ends is None else list(trace.ends),
                "error": None if trace.error is None else str(trace.error),
            }


def winner_of(store: Store, cell: Cell, result: Result) -> Trace | None:
    """The sample that speaks for an answer; None if none does, or it was not kept."""
    return None if result.winner is None else store.trace(cell, result.problem, *result.winner)


def _where(cell: Cell, name: str, problem: Problem | None) -> dict[str, Any]:
    return {
        "method": cell.method,
        "model": cell.model,
        "task": cell.task,
        "repeat": cell.repeat,
        "problem": name,
        "question": None if problem is None else problem.prompt.text,
        "gold": None if problem is None else problem.reference,
        "golds": None if problem is None else dumps(problem.golds).decode(),
    }


def _graded(problem: Problem | None, trace: Trace) -> tuple[str | None, bool | None]:
    """The answer of a sample and whether it is right; a scorer that is code was not kept."""
    if problem is None or trace.part not in VOTING:
        return trace.answer, None
    scored = SCORED in problem.meta
    return problem.answer(trace), recorded(problem, trace) if scored else is_right(problem, trace)


class _AsRecorded:
    """Stands for a rule that is not known here: an answer is what was recorded as one."""

    name = "unknown"

    def extract(self, trace: Trace) -> str | None:
        return trace.answer

    def same(self, a: str, b: str) -> bool:
        return a == b


def rule_of(name: str, **settings: Any) -> AnswerRule:
    """The rule of that name, or what stands for it where it is not known."""
    try:
        return rule_for(name, **settings)
    except UsageError:
        return _AsRecorded()
