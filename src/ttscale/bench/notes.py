"""What a reader of the figures has to know before anything is spent: golds and samples left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..engines import Replay
from .plan import Planned, samples_used
from .store.codec import SCORED
from .tasks.task import Task


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
    # a scorer that is in no file left its verdicts with the samples
    unknown = sum(not p.has_gold and SCORED not in p.meta for p in task.problems)
    if unknown == len(task.problems):
        yield f"no question of {task.name} has a gold answer: accuracy is unknown"
    elif unknown:
        yield (
            f"{unknown} of {len(task.problems)} questions of {task.name} have no gold answer: "
            "they are in no accuracy"
        )


def _left_out(planned: Sequence[Planned]) -> Iterator[str]:
    """Recorded samples that no repeat of a method reaches; methods that leave out alike together."""
    cells: dict[tuple[str, str, str], list[Planned]] = {}
    for p in planned:
        cells.setdefault((p.method.label, p.model.name, p.task.name), []).append(p)
    alike: dict[str, list[str]] = {}
    for (method, *_), repeats in cells.items():
        if (note := _beyond_reach(repeats)) is not None:
            alike.setdefault(note, []).append(method)
    for note, methods in alike.items():
        first, *others = methods
        more = f" and {len(others)} more leave" if others else " leaves"
        yield f"{first}{more} out {note}"


def _beyond_reach(repeats: Sequence[Planned]) -> str | None:
    """What the repeats of one method leave of a recording; None if nothing, or it is not known."""
    configured, source, task = repeats[0].method, repeats[0].model, repeats[0].task
    engine = source.make() if source.pools else None
    if not isinstance(engine, Replay) or engine.resample:
        return None
    if configured.max_samples() is None and configured.card.knob:
        return None  # it may ask for all there are
    rows = {
        problem.id: len(engine.pool.find(problem, "main", problem.prompt)) - engine.skip
        for problem in task.problems
    }
    reach = len(repeats) * samples_used(configured, min(rows.values()))
    left = sum(max(0, count - reach) for count in rows.values())
    if not left:
        return None
    note = (
        f"{left:,} of {sum(rows.values()):,} recorded samples of {source.name} on {task.name}, "
        f"using {reach} of each question"
    )
    if len(set(rows.values())) == 1:
        return note
    fewest = min(rows, key=rows.__getitem__)
    return f"{note}: question {fewest!r} has {rows[fewest]}"
