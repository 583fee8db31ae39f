"""Which column of a file of recorded samples holds what.

Most columns are known by their names. A few names are used for the gold answer by some and for the
sample's by others (`answer`, `solution`, `label`), and `score` may be a verdict or a reward: there
the values decide. Where they do not, the file is refused and shown as it was understood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ...core import RecordError, UnknownName
from . import parse
from .column_values import ColumnValues
from .tables import Table

GOLDS = (
    "reference",
    "references",
    "gold",
    "gold_answer",
    "golden_answer",
    "ground_truth",
    "groundtruth",
    "gt",
    "gt_answer",
    "reference_answer",
    "correct_answer",
    "true_answer",
    "expected",
    "expected_answer",
    "expected_output",
    "target",
    "targets",
    "answerKey",
    "answer_key",
    "answer_index",
    "answer_idx",
    "gold_index",
    "doc.gold_index",
)
"""Names that only gold answers have."""

ALIASES: dict[str, tuple[str, ...]] = {
    "model": ("model", "model_name", "engine", "generator", "model_id", "model_name_or_path"),
    "dataset": ("dataset", "task", "benchmark", "data_set", "dataset_name", "task_name"),
    "question": (
        "question_id",
        "problem_id",
        "qid",
        "task_id",
        "instance_id",
        "unique_id",
        "doc_id",
        "example_id",
        "session_id",
        "id",
        "question",
        "problem",
        "item",
        "query",
        "input",
        "prompt",
        "doc.id",
        "doc.query",
        "idx",
        "index",
    ),
    "question_text": (
        "question_text",
        "problem_text",
        "prompt",
        "question",
        "problem",
        "query",
        "input",
        "instruction",
        "doc.question",
        "doc.problem",
        "doc.query",
    ),
    "seed": ("seed",),
    "repeat": ("repetition", "repeat", "epoch"),
    "sample": (
        "sample",
        "sample_index",
        "sample_idx",
        "sample_number",
        "draw",
        "attempt",
        "trial",
        "completion_id",
        "sample_id",
    ),
    "tokens": (
        "completion_tokens",
        "tokens",
        "generated_tokens",
        "output_tokens",
        "num_tokens",
        "n_tokens",
        "response_tokens",
        "usage.completion_tokens",
        "output.usage.output_tokens",
        "length",
    ),
    "prompt_tokens": ("prompt_tokens", "input_tokens", "usage.prompt_tokens", "output.usage.input_tokens"),
    "answer": (
        "parsed_answer",
        "extracted_answer",
        "predicted_answer",
        "prediction",
        "pred",
        "model_answer",
        "filtered_resps",
        "answer",
    ),
    "reference": (*GOLDS, "answer", "solution", "label", "doc.answer"),
    "correct": (
        "correct",
        "is_correct",
        "passed",
        "resolved",
        "matched",
        "verdict",
        "solved",
        "success",
        "plus_status",
        "base_status",
        "exact_match",
        "math_verify",
        "acc",
        "accuracy",
        "score",
    ),
    "finish_reason": ("finish_reason", "finish", "stop_reason", "output.choices.0.stop_reason"),
    "error": ("error", "exception", "error_message"),
    "mean_logprob": ("mean_logprob", "avg_logprob", "average_logprob"),
    "reward": ("reward", "prm_score", "reward_score", "rm_score", "verifier_score", "score", "scores"),
    "text": (
        "completion",
        "completions",
        "response",
        "responses",
        "generation",
        "generations",
        "generated_text",
        "reply",
        "model_output",
        "model_outputs",
        "model_response.text",
        "model_response",
        "model_patch",
        "resps",
        "predictions",
        "output.completion",
        "output",
        "outputs",
        "raw_output",
        "text",
        "solution",
    ),
    "confs": ("confs", "conf", "confidences"),
    "logprobs": ("logprobs", "token_logprobs"),
    "choices": ("choices", "options", "doc.choices"),
    "level": ("level", "difficulty"),
}
"""What a row may tell -> names under which it is looked for, the first match taken."""

_TWO_SENSES = frozenset({"answer", "solution", "label", "score", "scores"})
_SURE_VERDICTS = ("correct", "is_correct")
_SCORERS = ("score_", "scores.", "metric.", "metrics.")  # the name of a scorer or metric follows


@dataclass(frozen=True, slots=True)
class Columns:
    """What a row tells -> the file's column; and those that tell nothing."""

    found: dict[str, str]
    unused: tuple[str, ...] = ()

    @property
    def wanted(self) -> list[str]:
        return list(self.found.values())


def find_columns(
    table: Table, requested: Mapping[str, str] | None = None, where: Mapping[str, str] | None = None
) -> Columns:
    """Match a table's columns with what a recording may tell.

    `requested` maps some of it (the keys of `ALIASES`) to columns; an empty name leaves it out. The
    rest is found by its usual names, and where those are used in two senses by the values, of rows
    that have what `where` asks for.

    Raises:
        UnknownName: if `requested` names something a recording does not tell.
        RecordError: if a column is missing, with those that are there, or if it cannot be known
            what one holds.
    """
    requested = dict(requested or {})
    for what, column in requested.items():
        if what not in ALIASES:
            raise UnknownName("field of a recording", what, ALIASES)
        if column and column not in table.columns:
            raise RecordError(f"{table.path} has no column {column!r} for {what}", fix=_there(table.columns))
    values = ColumnValues(table, where)
    if {"filter", "filtered_resps"} <= set(table.columns) and values.distinct("filter") > 1:
        raise RecordError(
            f"{table.path} has every sample once per filter",
            fix=f"choose one, where.filter={parse.text(values.of('filter')[0])}",
        )
    found = _Search(table, requested, values).run()
    if "question" not in found:
        raise RecordError(
            f"{table.path} has no column that tells the question",
            fix=f"map one, columns.question=NAME; {_there(table.columns)}",
        )
    if not {"answer", "correct", "text"} & set(found):
        raise RecordError(
            f"{table.path} has neither answers nor texts nor verdicts",
            fix="map one, columns.answer=NAME, columns.text=NAME or columns.correct=NAME; "
            + _there(table.columns),
        )
    return Columns(found, tuple(c for c in table.columns if c not in found.values()))


class _Search:
    """The columns of one table, taken one after the other."""

    def __init__(self, table: Table, requested: Mapping[str, str], values: ColumnValues) -> None:
        self.table, self.requested, self.values = table, requested, values
        self.known = {name.casefold(): name for name in reversed(table.columns)}
        self.found = {what: column for what, column in requested.items() if column}

    def run(self) -> dict[str, str]:
        values = self.values
        self._question()
        for what, names in ALIASES.items():
            if what not in ("question", "answer", "reference", "correct", "reward", "text"):
                self._first(what, names)
        self._first("text", ALIASES["text"], values.are_texts)
        self._first("reference", GOLDS)
        self._first("answer", ALIASES["answer"], values.are_answers)
        self._answer()
        self._solution()
        self._verdict()
        self._label()
        self._first("reference", ("doc.answer",))
        self._reward()
        self._whole_replies()
        return {what: self.found[what] for what in ALIASES if what in self.found}

    # -- taking columns

    def _free(self, name: str) -> str | None:
        """The column of a name, unless it is taken."""
        column = self.known.get(name.casefold())
        return column if column and column not in self.found.values() else None

    def _take(self, what: str, column: str) -> None:
        if what not in self.found and what not in self.requested:
            self.found[what] = column

    def _first(
        self, what: str, names: Sequence[str], fits: Callable[[str], bool] = lambda column: True
    ) -> None:
        """Take the first column whose name has one sense, and whose values fit."""
        for name in names:
            column = self._free(name)
            if column and name not in _TWO_SENSES and fits(column):
                self._take(what, column)

    # -- names of several senses

    def _question(self) -> None:
        """A name that is the same in all rows, or another in each, identifies no question where a
        later one does."""
        there = [column for name in ALIASES["question"] if (column := self._free(name))]
        values = self.values
        present = [column for column in there if values.distinct(column) > 1] or there
        if present and values.identifies_rows(present[0]):
            texts = {self.known.get(name) for name in ALIASES["question_text"]}
            repeated = [c for c in present if c in texts and not values.identifies_rows(c)]
            present = repeated or present
        if not present and (column := self._free("task")) and "task" not in self.requested.values():
            present = [column]
        if present:
            self._take("question", present[0])

    def _answer(self) -> None:
        """`answer` is the gold beside another answer, or where it is not what the text says."""
        column, values, found = self._free("answer"), self.values, self.found
        if column is None:
            return
        if "reference" in found or not {"text", "answer"} & found.keys():
            self._take("answer", column)
        elif "answer" in found or self._is_gold(column):
            self._take("reference", column)
        elif values.varies(column, found.get("question")):
            self._take("answer", column)
        elif "reference" not in self.requested and "answer" not in self.requested:
            raise self._doubt(column, "the gold answer", "reference", "the samples' own", "answer")

    def _is_gold(self, column: str) -> bool:
        if self.values.are_worked(column):
            return True
        if self.values.varies(column, self.found.get("question")):
            return False
        beside = self._free("solution") or "choices" in self.found
        return bool(beside) or not self.values.is_inside(column, self.found["text"])

    def _solution(self) -> None:
        """`solution` is a reply where there is no other, else a worked gold."""
        column, found = self._free("solution"), self.found
        if column is None:
            return
        varies = self.values.varies(column, found.get("question"))
        if "text" not in found and (varies or "answer" not in found):
            self._take("text", column)
        elif not varies:
            self._take("reference", column)

    def _verdict(self) -> None:
        """A score that is 0 or 1 everywhere is a verdict."""
        self._first("correct", _SURE_VERDICTS)
        judged = self.values.are_verdicts
        self._first("correct", ALIASES["correct"], judged)
        if (column := self._free("score")) and judged(column):
            self._take("correct", column)
        if "correct" in self.found or "correct" in self.requested:
            return
        scorers = [c for c in self.table.columns if c.startswith(_SCORERS) and judged(c)]
        if len(scorers) == 1:
            self._take("correct", scorers[0])
        elif scorers and "reference" not in self.found:
            raise RecordError(
                f"{self.table.path}: {' and '.join(scorers)} are verdicts; {self._taken()}",
                fix=f"choose one, columns.correct={scorers[0]}",
            )
        if not {"answer", "text", "correct"} & self.found.keys():
            column = self._free("reward")
            if column and judged(column):
                self._take("correct", column)

    def _label(self) -> None:
        column, found = self._free("label"), self.found
        if column is None or "reference" in found or "reference" in self.requested:
            return
        if "choices" in found or not self.values.are_verdicts(column):
            self._take("reference", column)
        elif "correct" not in found and "correct" not in self.requested:
            raise self._doubt(column, "the gold answer", "reference", "a verdict", "correct")

    def _reward(self) -> None:
        self._first("reward", ALIASES["reward"])
        for name in ("score", "scores"):
            if (column := self._free(name)) and self.values.are_numbers(column):
                self._take("reward", column)

    def _whole_replies(self) -> None:
        """Where there is not text, a column of answers may hold whole replies."""
        column = self.found.get("answer")
        if column is None or {"text", "answer"} & self.requested.keys() or "text" in self.found:
            return
        if self.values.are_prose(column):
            self.found["text"] = self.found.pop("answer")

    def _doubt(self, column: str, one: str, as_one: str, other: str, as_other: str) -> RecordError:
        return RecordError(
            f"{self.table.path}: column {column!r} may hold {one} or {other}; {self._taken()}",
            fix=f"say which: columns.{as_one}={column} or columns.{as_other}={column}",
        )

    def _taken(self) -> str:
        pairs = ", ".join(f"{what}={column}" for what, column in self.found.items())
        return f"the others were taken for {pairs or 'nothing'}"


def _there(columns: Iterable[str]) -> str:
    return f"there are {', '.join(columns)}"
