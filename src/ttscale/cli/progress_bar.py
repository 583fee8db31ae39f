"""The progress bar of a bench, on stderr: done, speed, running accuracy, time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import output

if TYPE_CHECKING:
    from ..bench.progress import Progress


@contextmanager
def shown(*, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """What to call with progress while the block lasts. Without a terminal there is no bar."""
    console = output.stderr()
    if quiet or not console.is_terminal:
        yield lambda progress: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, figures="")

        def report(progress: Progress) -> None:
            figures = f"{progress.tokens_per_second:,.0f} tokens/s"
            if progress.accuracy is not None:
                figures += f" · {progress.accuracy:.3f} right"
            if progress.errors:
                figures += f" · {progress.errors} errors"
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                description=progress.label or "starting",
                figures=figures,
            )

        yield report
