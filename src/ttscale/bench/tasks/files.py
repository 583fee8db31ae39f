"""Tasks from files: a question a row, in CSV, JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import orjson

from ...answers import ChoiceRule, detect, rule_for
from ...core import AnswerRule, Image, Message, Problem, Prompt, RecordError, UnknownName, UsageError
from ...engines.recordings import parse
from ...engines.recordings.columns import GOLDS
from ...engines.recordings.files import bare_name
from ...engines.recordings.gold_answers import (
    Options,
    UnknownChoice,
    UnknownFirst,
    golds,
    lettered,
    letters,
    options,
)
from ...engines.recordings.tables import open_table
from .prompt_templates import TEMPLATES, filled
from .scorers import grade, scorer


class Readable(Protocol):
    """Rows with the place of each: a file, or what was read of a data set."""

    @property
    def path(self) -> Path: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    def rows(self, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[Any]]]: ...


COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id", "question_id", "problem_id", "qid", "unique_id", "task_id"),
    "question": (
        "question",
        "problem",
        "prompt",
        "input",
        "query",
        "question_text",
        "instruction",
        "messages",
        "conversation",
    ),
    "answer": ("answer", "answers", *GOLDS, "final_answer", "solution", "label", "output"),
    "choices": ("choices", "options"),
    "images": ("images", "image"),
    "level": ("level", "difficulty"),
}
"""What a row may tell -> names under which it is looked for, the first match taken."""


def name_of(path: str) -> str:
    """The task's name: the file's, without its ending."""
    return bare_name(Path(path))


def columns_of(path: str, settings: Mapping[str, str]) -> dict[str, str]:
    """What a row of a file tells -> the column it is read from."""
    return _columns(open_table(path), {k: v for k, v in settings.items() if k in COLUMNS})


def questions(
    path: str, settings: dict[str, str], n: int | None, seed: int, template: str | None
) -> list[Problem]:
    """The first `n` problems of a file. `settings` name columns (question=prompt), the rule, and
    the `first` position of a choice, 0 or 1.

    With choices the answer may be a letter, a position, a label or the text of a choice; several
    answers mean any of them.
    """
    return problems_of(open_table(path), settings, n, template)


def problems_of(
    table: Readable, settings: Mapping[str, str], n: int | None, template: str | None
) -> list[Problem]:
    """The first `n` problems of a table; see `questions`."""
    settings = dict(settings)
    named, first = settings.pop("rule", None), _first(settings.pop("first", None))
    system = settings.pop("system", None)
    found = _columns(table, settings)
    rows = [(line, dict(zip(found, values))) for line, values in islice(table.rows(list(found.values())), n)]
    turns = [_turns(table, line, row) for line, row in rows]
    given = [_options(table, line, row) for line, row in rows]
    choices = [options_.texts for options_ in given]
    answers = _answers(table, rows, given, first)
    score = scorer(named) if named and ":" in named else None
    rule = rule_for(named) if named and score is None else _rule(answers, choices, table.path)
    form = template or TEMPLATES[rule.name]
    problems: dict[str, Problem] = {}
    for number, (line, row) in enumerate(rows):
        name = parse.text(row.get("id")) or str(number)
        if name in problems:
            raise RecordError(
                f"{table.path}, line {line}: id {name!r} occurs twice", fix="give each row its own"
            )
        *before, last = turns[number]
        prompt = Prompt.user(
            filled(str(last.content), form, choices[number]), *_images(table, line, row.get("images"))
        )
        if system and not (before and before[0].role == "system"):
            before = [Message("system", system), *before]
        prompt = Prompt((*before, *prompt.messages))
        level = parse.text(row.get("level"))
        meta: dict[str, Any] = {} if level is None else {"level": level}
        reference, *others = answers[number] or (None,)
        if others:
            meta["golds"] = others
        if score is not None:
            meta["grade"] = grade(score, answers[number])
        problems[name] = Problem(name, prompt, rule, reference, choices[number], meta)
    return list(problems.values())


def _columns(table: Readable, settings: dict[str, str]) -> dict[str, str]:
    for what, column in settings.items():
        if what not in COLUMNS:
            raise UnknownName(
                "setting", what, (*COLUMNS, "rule", "first", "template", "system"), "task in a file"
            )
        if column and column not in table.columns:
            raise RecordError(
                f"{table.path} has no column {column!r} for {what}",
                fix=f"there are {', '.join(table.columns)}",
            )
    known = {name.casefold(): name for name in reversed(table.columns)}
    found = {}
    for what, aliases in COLUMNS.items():
        usual = next((known[a] for a in aliases if a in known), "")
        column = settings.get(what, usual)
        if column:
            found[what] = column
    if "question" not in found:
        raise RecordError(
            f"{table.path} has no column of questions",
            fix=f"name it with ?question=NAME; there are {', '.join(table.columns)}",
        )
    return found


def _turns(table: Readable, line: int, row: dict[str, Any]) -> list[Message]:
    """What was said before, and the question, which the user asks last. A cell is a text, or a
    conversation as chat models are trained on: a list of objects with `role` and `content`."""
    value = row["question"]
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        with suppress(ValueError):
            value = orjson.loads(value)
    if isinstance(value, list):
        turns = [_turn(one) for one in value]
        if not turns or None in turns or turns[-1].role != "user":  # type: ignore[union-attr]
            raise RecordError(
                f"{table.path}, line {line}: the conversation cannot be read",
                fix='write [{"role": "user", "content": "..."}, ...]; the last one is the user\'s',
            )
        return [turn for turn in turns if turn is not None]
    text = parse.text(value)
    if text is None or not text.strip():
        raise RecordError(f"{table.path}, line {line}: the question is empty", fix="fill it in")
    return [Message("user", text.strip())]


def _turn(value: Any) -> Message | None:
    """A message of a conversation; None if it is none."""
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("content"), str)
        or not value["content"].strip()
    ):
        return None
    role = value.get("role")
    return Message(role, value["content"]) if role in ("system", "user", "assistant") else None


def _options(table: Readable, line: int, row: dict[str, Any]) -> Options:
    try:
        return options(row.get("choices"))
    except (ValueError, TypeError, KeyError):
        raise RecordError(
            f"{table.path}, line {line}: choices={str(row['choices'])[:40]!r} is not a list",
            fix='write a JSON list, ["first", "second"]',
        ) from None


def _first(written: str | None) -> int | None:
    if written not in (None, "0", "1"):
        raise UsageError(f"first={written!r} of a task file", fix="give 0 or 1")
    return None if written is None else int(written)


def _answers(
    table: Readable, rows: Sequence[tuple[int, dict[str, Any]]], given: Sequence[Options], first: int | None
) -> list[tuple[str, ...]]:
    """The golds of every row, by letter where there are choices."""
    named = [golds(row.get("answer")) for _, row in rows]
    try:
        return lettered(list(zip(named, given, strict=True)), first)
    except UnknownChoice as error:
        raise RecordError(
            f"{table.path}, line {rows[error.row][0]}: answer {error.gold[:40]!r} is none of the "
            f"{len(given[error.row].texts)} choices",
            fix="give a letter, a position, a label or the text of a choice",
        ) from None
    except UnknownFirst:
        raise RecordError(
            f"{table.path}: the answers may count choices from 0 or from 1",
            fix="say which: ?first=0 or ?first=1",
        ) from None


def _rule(answers: Sequence[tuple[str, ...]], choices: Sequence[Sequence[str]], path: Path) -> AnswerRule:
    most = max((len(c) for c in choices), default=0)
    if most > 26:
        raise UsageError(f"{path} has {most} choices", fix="at most 26 can be named by letters")
    if most:
        return ChoiceRule("".join(letters(most)))
    return detect([a for several in answers for a in several], bare_name(path))


def _images(table: Readable, line: int, value: Any) -> list[Image]:
    """Images of a row: web addresses, data URIs, or files beside the table."""
    if value is None or value == "":
        return []
    listed = isinstance(value, list) or (isinstance(value, str) and value.startswith("["))
    try:
        places = parse.texts(value) if listed else (str(value),)
    except ValueError:
        raise RecordError(
            f"{table.path}, line {line}: images={str(value)[:40]!r} is not a list",
            fix='write a JSON list, ["first.png", "second.png"]',
        ) from None
    images = []
    for place in places:
        if place.startswith(("http://", "https://", "data:")):
            images.append(Image(place))
            continue
        try:
            images.append(Image.read(table.path.parent / place))
        except OSError as error:
            raise RecordError(
                f"{table.path}, line {line}: image {place!r}: {error.strerror}",
                fix="give a file beside the table, an address or a data URI",
            ) from None
    return images
