"""Which column of a file of recorded samples holds what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core import RecordError, UnknownName
from .tables import Table

ALIASES: dict[str, tuple[str, ...]] = {
    "model": ("model", "model_name", "engine"),
    "dataset": ("dataset", "task", "benchmark", "data_set"),
    "question": ("question_id", "problem_id", "qid", "id", "question", "problem", "item"),
    "question_text": ("question_text", "problem_text", "prompt", "question", "problem"),
    "seed": ("seed", "repetition", "repeat"),
    "sample": ("sample", "sample_id", "sample_index", "draw"),
    "tokens": ("completion_tokens", "tokens", "generated_tokens", "output_tokens", "num_tokens",
               "length"),
    "prompt_tokens": ("prompt_tokens", "input_tokens"),
    "answer": ("answer", "parsed_answer", "extracted_answer", "predicted_answer", "prediction"),
    "reference": ("reference", "gold", "gold_answer", "ground_truth", "target", "solution"),
    "correct": ("correct", "is_correct"),
    "finish_reason": ("finish_reason", "finish", "stop_reason"),
    "mean_logprob": ("mean_logprob", "avg_logprob", "average_logprob"),
    "reward": ("reward", "prm_score", "reward_score", "rm_score", "verifier_score", "score"),
    "text": ("text", "completion", "output", "response", "generation", "reply"),
    "confs": ("confs", "conf", "confidences"),
    "logprobs": ("logprobs", "token_logprobs"),
    "choices": ("choices", "options"),
    "level": ("level", "difficulty"),
}  # fmt: skip
"""What a row may tell -> names under which it is looked for, the first match taken."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a row tells -> the file's column."""

    found: dict[str, str]

    @property
    def wanted(self) -> list[str]:
        return list(self.found.values())


def find_columns(table: Table, asked: Mapping[str, str] | None = None) -> Columns:
    """Match a table's columns with what a recording may tell.

    `asked` maps some of it (the keys of `ALIASES`) to columns; an empty name leaves it out. The
    rest is found by its usual names. A column named "question" is the question's id if no other
    is named as one.

    Raises:
        UnknownName: if `asked` names something a recording does not tell.
        RecordError: if a column is missing, with those that are there.
    """
    asked = dict(asked or {})
    known = {name.casefold(): name for name in reversed(table.columns)}
    found: dict[str, str] = {}
    for what, column in asked.items():
        if what not in ALIASES:
            raise UnknownName("field of a recording", what, ALIASES)
        if column and column not in table.columns:
            raise RecordError(
                f"{table.path} has no column {column!r} for {what}", fix=_there(table.columns)
            )
        if column:
            found[what] = column
    taken = set(found.values())
    for what, aliases in ALIASES.items():
        if what in asked:
            continue
        for alias in aliases:
            column = known.get(alias, "")
            if column and column not in taken:
                found[what] = column
                taken.add(column)
                break
    if "question" not in found:
        raise RecordError(
            f"{table.path} has no column that tells the question",
            fix=f"map one, question=NAME; {_there(table.columns)}",
        )
    if not {"answer", "correct", "text"} & set(found):
        raise RecordError(
            f"{table.path} has neither answers nor texts nor verdicts",
            fix=f"map one, answer=NAME, text=NAME or correct=NAME; {_there(table.columns)}",
        )
    return Columns(found)


def _there(columns: Iterable[str]) -> str:
    return f"there are {', '.join(columns)}"
