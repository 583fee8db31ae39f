"""Tasks from files: a question a row, in CSV, JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from ..answers import ChoiceRule, detect, rule_for
from ..core import AnswerRule, Image, Problem, Prompt, RecordError, UnknownName, UsageError
from ..engines import cells
from ..engines.tables import Table, open_table
from .templates import TEMPLATES, ask

COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id", "question_id", "problem_id", "qid", "unique_id"),
    "question": ("question", "problem", "prompt", "input", "query", "question_text"),
    "answer": ("answer", "reference", "gold", "gold_answer", "target", "ground_truth", "solution"),
    "choices": ("choices", "options"),
    "images": ("images", "image"),
    "level": ("level", "difficulty"),
}
"""What a row may tell -> names under which it is looked for, the first match taken."""


def name_of(path: str) -> str:
    """The task's name: the file's, without its ending."""
    return Path(path).stem


def questions(
    path: str, settings: dict[str, str], n: int | None, seed: int, template: str | None
) -> list[Problem]:
    """The first `n` problems of a file. `settings` name columns (question=prompt) and the rule.

    With choices the answer may be a letter, a position from 0, or the text of a choice.
    """
    table = open_table(path)
    settings = dict(settings)
    named = settings.pop("rule", None)
    found = _columns(table, settings)
    rows = [
        (line, dict(zip(found, values)))
        for line, values in islice(table.rows(list(found.values())), n)
    ]
    texts = [_question(table, line, row) for line, row in rows]
    choices = [_choices(table, line, row) for line, row in rows]
    answers = [_answer(table, line, row, options) for (line, row), options in zip(rows, choices)]
    rule = rule_for(named) if named else _rule(answers, choices, table.path)
    form = template or TEMPLATES[rule.name]
    problems: dict[str, Problem] = {}
    for number, (line, row) in enumerate(rows):
        name = cells.text(row.get("id")) or str(number)
        if name in problems:
            raise RecordError(
                f"{table.path}, line {line}: id {name!r} occurs twice", fix="give each row its own"
            )
        prompt = Prompt.user(
            ask(texts[number], form, choices[number]), *_images(table, line, row.get("images"))
        )
        level = cells.text(row.get("level"))
        meta = {} if level is None else {"level": level}
        problems[name] = Problem(name, prompt, rule, answers[number], choices[number], meta)
    return list(problems.values())


def _columns(table: Table, settings: dict[str, str]) -> dict[str, str]:
    for what, column in settings.items():
        if what not in COLUMNS:
            raise UnknownName("setting of a task file", what, (*COLUMNS, "rule", "template"))
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


def _question(table: Table, line: int, row: dict[str, Any]) -> str:
    text = cells.text(row["question"])
    if text is None or not text.strip():
        raise RecordError(f"{table.path}, line {line}: the question is empty", fix="fill it in")
    return text.strip()


def _choices(table: Table, line: int, row: dict[str, Any]) -> tuple[str, ...]:
    try:
        return cells.texts(row.get("choices"))
    except (ValueError, TypeError):
        raise RecordError(
            f"{table.path}, line {line}: choices={str(row['choices'])[:40]!r} is no list",
            fix='write a JSON list, ["first", "second"]',
        ) from None


def _answer(table: Table, line: int, row: dict[str, Any], choices: Sequence[str]) -> str | None:
    text = cells.text(row.get("answer"))
    if text is None or not text.strip():
        return None
    text = text.rsplit("####", 1)[-1].strip()  # as GSM8K marks its answers
    if not choices:
        return text
    letters = [chr(65 + i) for i in range(len(choices))]
    if text in choices:
        return letters[choices.index(text)]
    if text.upper() in letters:
        return text.upper()
    if text.isdecimal() and int(text) < len(choices):
        return letters[int(text)]
    raise RecordError(
        f"{table.path}, line {line}: answer {text[:40]!r} is none of the {len(choices)} choices",
        fix="give a letter, a position from 0, or the text of a choice",
    )


def _rule(
    answers: Sequence[str | None], choices: Sequence[Sequence[str]], path: Path
) -> AnswerRule:
    most = max((len(c) for c in choices), default=0)
    if most > 26:
        raise UsageError(f"{path} has {most} choices", fix="at most 26 can be told by letters")
    if most:
        return ChoiceRule("".join(chr(65 + i) for i in range(most)))
    return detect([a for a in answers if a is not None], path.stem)


def _images(table: Table, line: int, value: Any) -> list[Image]:
    """Images of a row: web addresses, data URIs, or files beside the table."""
    if value is None or value == "":
        return []
    listed = isinstance(value, list) or (isinstance(value, str) and value.startswith("["))
    try:
        places = cells.texts(value) if listed else (str(value),)
    except ValueError:
        raise RecordError(
            f"{table.path}, line {line}: images={str(value)[:40]!r} is no list",
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
