"""Files that survive a run that is stopped: whole or not there, or whole up to their last line."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

Job = TypeVar("Job")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """`write` a file beside `path`, then put it in its place."""
    unfinished = path.with_suffix(".tmp")
    write(unfinished)
    os.replace(unfinished, path)


def kept_lines(
    path: Path, jobs: Sequence[Job], chunk: int, make: Callable[[Sequence[Job]], list[Any]]
) -> list[Any]:
    """A JSON value for each job, kept in `path`, a line each; what is there is not made again.

    `make` gives the values of at most `chunk` jobs, which are kept together.
    """
    text = path.read_text() if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    path.write_text(whole)  # a line that a stopped run left unfinished is made again
    for first in range(whole.count("\n"), len(jobs), chunk):
        made = make(jobs[first : first + chunk])
        with path.open("a") as file:
            file.write("".join(json.dumps(value) + "\n" for value in made))
    return [json.loads(line) for line in path.read_text().split("\n")[: len(jobs)]]
