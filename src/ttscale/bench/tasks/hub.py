"""Tasks from the Hugging Face hub, or from local copies of its data sets.

hf:gsm8k                                                 a published benchmark by its name
hf:gsm8k?file=gsm8k_test.jsonl                           the same from a file
hf:OWNER/NAME?config=main&split=test&question=problem    any data set, or a folder that holds one

What is on the disk already (a file, a folder, the library's cache) needs no network.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...core import Problem, UnknownName, UsageError, install_command
from ...engines.recordings.tables import open_table
from . import files
from .published import PUBLISHED, Published, Row

_PLACE = ("config", "split", "file")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in memory, read as a table is."""

    path: Path
    columns: tuple[str, ...]
    entries: Sequence[Row]

    def rows(self, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]:
        """(number, values of the wanted columns) per row."""
        for number, entry in enumerate(self.entries, start=1):
            yield number, [entry.get(name) for name in wanted]


def questions(
    name: str, settings: dict[str, str], n: int | None, seed: int, template: str | None
) -> list[Problem]:
    """The first `n` problems of a data set. `settings` are its place, and those of a file of questions.

    Raises:
        UnknownName: for a name that is neither published nor OWNER/NAME nor a folder.
        UsageError: without the library, or for a data set that cannot be had.
    """
    place = {key: settings[key] for key in _PLACE if key in settings}
    given = {key: value for key, value in settings.items() if key not in _PLACE}
    known = PUBLISHED.get(name.lower())
    if known is None and "/" not in name and not Path(name).is_dir():
        raise UnknownName("benchmark", name, PUBLISHED, "hf:")
    source = known or Published(dataset=name)
    entries = _from_file(place["file"], n) if "file" in place else _loaded(source, place, n)
    return _problems(name, source, entries, given, seed, template)


def _problems(
    name: str,
    source: Published,
    entries: Sequence[Row],
    given: dict[str, str],
    seed: int,
    template: str | None,
) -> list[Problem]:
    if not entries:
        return []
    if source.prepare is not None and "question" not in entries[0]:
        entries = [source.prepare(dict(e), random.Random(f"{seed}|{i}")) for i, e in enumerate(entries)]
    columns = tuple(entries[0])
    usual = {what: column for what, column in source.columns.items() if column in columns}
    usual |= {key: value for key, value in (("rule", source.rule), ("first", source.first)) if value}
    table = Rows(Path(name), columns, entries)
    form = template or source.template or None
    problems = files.problems_of(table, {**usual, **given}, None, form)
    if source.grade is None or "rule" in given:
        return problems
    graded = []
    for problem, entry in zip(problems, entries, strict=True):
        scorer = source.grade(entry)
        graded.append(replace(problem, meta={**problem.meta, "grade": scorer}) if scorer else problem)
    return graded


def _from_file(path: str, n: int | None) -> list[Row]:
    table = open_table(path)
    top = [c for c in table.columns if "." not in c] or list(table.columns)
    found: list[Row] = []
    for _, values in table.rows(top):
        if n is not None and len(found) >= n:
            break
        found.append(dict(zip(top, values, strict=True)))
    return found


def _loaded(source: Published, place: dict[str, str], n: int | None) -> list[Row]:
    try:
        import datasets
    except ModuleNotFoundError:
        raise UsageError(
            "data sets of the hub need the package datasets",
            fix=f"{install_command('hf')}, or name a local copy: ?file=FILE",
        ) from None
    split = place.get("split", source.split)
    config = place.get("config", source.config) or None
    try:
        data = datasets.load_dataset(source.dataset, config, split=split if n is None else f"{split}[:{n}]")
    except Exception as error:  # the library raises whatever its own libraries do
        raise UsageError(
            f"the data set {source.dataset} cannot be had ({type(error).__name__}: {error})",
            fix="check its name, config and split and the network, or name a local copy: ?file=FILE",
        ) from None
    return [dict(row) for row in data]
