"""What a reader of the figures has to know before anything is spent: golds and samples left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..engines.replay import Replay
from .plan import Planned, draws_used
from .tasks import Task


def notes(planned: Sequence[Planned], *, every_row: bool) -> list[str]:
    """One line for every task and method that has something to note.

    With `every_row` methods were to be repeated until every recorded sample is used.
    """
    tasks = {id(p.task): p.task for p in planned}
    found = [line for task in tasks.values() for line in _golds(task)]
    if every_row:
        found += _left_out(planned)
    return list(dict.fromkeys(found))


def _golds(task: Task) -> Iterator[str]:
    unknown = sum(not problem.has_gold for problem in task.problems)
    if unknown == len(task.problems):
        yield f"no question of {task.name} has a gold answer: accuracy is unknown"
    elif unknown:
        yield (
            f"{unknown} of {len(task.problems)} questions of {task.name} have no gold answer: "
            "they are in no accuracy"
        )


def _left_out(planned: Sequence[Planned]) -> Iterator[str]:
    """Recorded samples that no repeat of a method reaches."""
    cells: dict[tuple[str, str, str], list[Planned]] = {}
    for p in planned:
        cells.setdefault((p.method.label, p.model.name, p.task.name), []).append(p)
    for (method, model, task), repeats in cells.items():
        engine = repeats[0].model.make() if repeats[0].model.pools else None
        if not isinstance(engine, Replay) or engine.resample:
            continue
        rows = {
            problem.id: len(engine.pool.find(problem, "main", problem.prompt)) - engine.skip
            for problem in repeats[0].task.problems
        }
        configured = repeats[0].method
        if configured.draws() is None and configured.card.knob:
            continue  # it may ask for all there are
        reach = len(repeats) * draws_used(configured, min(rows.values()))
        left = sum(max(0, count - reach) for count in rows.values())
        if left:
            fewest = min(rows, key=rows.__getitem__)
            uneven = len(set(rows.values())) > 1
            yield (
                f"{method} leaves out {left:,} of {sum(rows.values()):,} recorded samples of "
                f"{model} on {task}: it uses {reach} of each question"
                + (f", and question {fewest!r} has {rows[fewest]}" if uneven else "")
            )
