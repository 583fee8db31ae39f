"""Files of recorded samples as pools: one row a sample, in CSV, JSON lines or Parquet.

Conventions. Rows of one question belong together wherever they stand; a `sample` column orders
them. Rows that differ in `seed` are repetitions of a question; each counts as an item of its own:
figures are means over repetitions. A recorded answer stands for the text, and one that the answer
rule cannot read abstains. Recorded verdicts (`correct`) decide what is right; where nothing
else is recorded they stand for answers, "right" and "wrong".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from ..answers import detect, rule_for
from ..core import AnswerRule, Finish, Problem, Prompt, RecordError, Trace, UsageError
from . import cells
from .columns import ALIASES, Columns, find_columns
from .pool import Pool
from .tables import Table, open_table

Truncated = Literal["abstain", "vote"]
Wrong = Literal["same", "distinct"]
RIGHT, WRONG = "right", "wrong"

_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(ALIASES, cells.text),
    "tokens": cells.whole,
    "prompt_tokens": cells.whole,
    "mean_logprob": cells.real,
    "reward": cells.real,
    "correct": cells.verdict,
    "finish_reason": cells.finish,
    "confs": cells.array,
    "logprobs": cells.array,
    "choices": cells.texts,
}


def read_pools(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
    truncated: Truncated = "abstain",
    wrong: Wrong = "same",
    rule: AnswerRule | None = None,
) -> list[Pool]:
    """The pools of a file, one per model and data set, in the order of their first rows.

    Args:
        path: a file ending in .csv, .tsv, .jsonl or .parquet.
        columns: what a row tells (see `columns.ALIASES`) -> the file's column, where the usual
            names do not find it; an empty name leaves it out.
        where: column of the file, or what it tells -> value: other rows are passed over.
        truncated: whether a sample cut short by its limit votes with the answer recorded for it.
        wrong: whether wrong samples without a recorded answer agree with one another ("same" makes
            a vote's accuracy a lower bound, "distinct" an upper one).
        rule: how answers are compared; None takes the rule that suits the references.

    Raises:
        UsageError: if there is no such file, or a row that `where` asks for.
        RecordError: naming file and line of what cannot be read, and the fix.
    """
    for name, value, known in (
        ("truncated", truncated, get_args(Truncated)),
        ("wrong", wrong, get_args(Wrong)),
    ):
        if value not in known:
            raise UsageError(f"{name}={value!r}", fix=f"use {' or '.join(map(repr, known))}")
    table = open_table(path)
    found = find_columns(table, columns)
    groups: dict[tuple[str, str], _Group] = {}
    for line, row in _rows(table, found, where or {}):
        key = (row["model"] or "", row["dataset"] or table.path.stem)
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(*key, table, found, truncated, wrong)
        group.add(line, row)
    if not groups:
        if where:
            asked = ", ".join(f"{k}={v}" for k, v in where.items())
            raise UsageError(f"{table.path} has no row with {asked}", fix="check the values")
        raise RecordError(f"{table.path} has a header but no rows", fix="record some samples first")
    return [group.pool(rule) for group in groups.values()]


def _rows(
    table: Table, columns: Columns, where: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, what the row tells) per row that passes `where`."""
    tests = {columns.found.get(name, name): value for name, value in where.items()}
    for name in tests:
        if name not in table.columns:
            raise RecordError(
                f"{table.path} has no column {name!r}", fix=f"there are {', '.join(table.columns)}"
            )
    wanted = list(dict.fromkeys([*columns.wanted, *tests]))
    picks = [(what, wanted.index(name), _READERS[what]) for what, name in columns.found.items()]
    checks = [(wanted.index(name), value) for name, value in tests.items()]
    empty = dict.fromkeys(ALIASES)
    for line, values in table.rows(wanted):
        if checks and any(cells.text(values[i]) != value for i, value in checks):
            continue
        row: dict[str, Any] = dict(empty)
        for what, i, read in picks:
            try:
                row[what] = read(values[i])
            except (ValueError, TypeError, OverflowError) as error:
                raise RecordError(
                    f"{table.path}, line {line}: {wanted[i]}={str(values[i])[:40]!r} is no {what} "
                    f"({error})",
                    fix=f"correct it, or leave the column out ({what}= in the column mapping)",
                ) from None
        yield line, row


class _Group:
    """The rows of one model and data set, on their way to a pool."""

    def __init__(
        self,
        model: str,
        dataset: str,
        table: Table,
        columns: Columns,
        truncated: Truncated,
        wrong: Wrong,
    ) -> None:
        self.model, self.dataset, self.table = model, dataset, table
        self.told = frozenset(columns.found)
        self.truncated, self.wrong = truncated, wrong
        self.shared: dict[str, str] = {}  # equal texts are kept once
        self.items: dict[str, _Item] = {}

    def add(self, line: int, row: dict[str, Any]) -> None:
        name = row["question"]
        if name is None or name == "":
            raise RecordError(f"{self._at(line)}: the question's id is missing", fix="fill it in")
        if row["seed"] not in (None, ""):
            name = f"{name} seed={row['seed']}"
        item = self.items.get(name)
        if item is None:
            item = self.items[name] = _Item(line, row)
        elif item.reference != row["reference"]:
            raise RecordError(
                f"{self._at(line)}: reference {row['reference']!r}, but line "
                f"{item.line} says {item.reference!r} for question {name!r}",
                fix="give every question one reference, or map seed= to what tells them apart",
            )
        item.add(row["sample"], self._trace(row, len(item.traces)), row["correct"], self._at(line))

    def _trace(self, row: dict[str, Any], number: int) -> Trace:
        answer, text = row["answer"], row["text"]
        if answer is None and "answer" in self.told and text is None:
            answer = ""
        if answer is None and text is None:
            answer = RIGHT if row["correct"] else WRONG
            if not row["correct"] and self.wrong == "distinct":
                answer = f"{WRONG} {number + 1}"
        confs, logprobs = row["confs"], row["logprobs"]
        tokens, estimated = row["tokens"], 0
        if tokens is None:
            known = confs if confs is not None else logprobs
            if known is not None:
                tokens = len(known)
            else:
                tokens = estimated = -(-len(text or "") // 4)  # four characters a token
        finish: Finish = row["finish_reason"] or "stop"
        if finish == "length" and self.truncated == "vote" and answer is not None:
            finish = "stop"
        return Trace(
            text=self._once(text or ""), tokens=tokens, estimated=estimated, finish=finish,
            prompt_tokens=row["prompt_tokens"], logprobs=logprobs, conf=confs,
            mean_logprob=row["mean_logprob"], reward=row["reward"], model=self.model,
            answer=None if answer is None else self._once(answer),
        )  # fmt: skip

    def _at(self, line: int) -> str:
        return f"{self.table.path}, line {line}"

    def _once(self, text: str) -> str:
        return self.shared.setdefault(text, text)

    def pool(self, rule: AnswerRule | None) -> Pool:
        told = self.told
        by_verdict = "correct" in told and not {"answer", "text"} & told
        if rule is None and by_verdict:
            rule = rule_for("text")
        if rule is None:
            references = {i.reference for i in self.items.values() if i.reference}
            rule = detect(sorted(references), self.dataset)
        problems = [item.problem(name, rule, by_verdict) for name, item in self.items.items()]
        records = {(name, "main", ""): item.in_order() for name, item in self.items.items()}
        traces = [t for rows in records.values() for t in rows]
        capabilities = {"text"}
        if all(t.conf is not None or t.logprobs is not None for t in traces):
            capabilities.add("logprobs")
        if all(t.reward is not None for t in traces):
            capabilities.add("reward")
        return Pool(
            self.model, self.dataset, problems, records, str(self.table.path),
            frozenset(capabilities),
        )  # fmt: skip


class _Item:
    """The rows of one question."""

    __slots__ = ("choices", "level", "line", "places", "reference", "text", "traces", "verdicts")

    def __init__(self, line: int, row: dict[str, Any]) -> None:
        self.line, self.reference, self.level = line, row["reference"], row["level"]
        self.text = row["question_text"] or row["question"]
        self.choices: tuple[str, ...] = row["choices"] or ()
        self.places: dict[str | int, None] = {}  # the sample column, or the row's number
        self.traces: list[Trace] = []
        self.verdicts: list[bool | None] = []

    def add(self, sample: str | None, trace: Trace, verdict: bool | None, at: str) -> None:
        place = len(self.traces) if sample in (None, "") else _number(sample)
        if place in self.places:
            raise RecordError(
                f"{at}: sample {sample} of this question is there already",
                fix="choose rows with where=, or map seed= to the column that tells them apart",
            )
        self.places[place] = None
        self.traces.append(trace)
        self.verdicts.append(verdict)

    def in_order(self) -> list[Trace]:
        """By sample number; where samples have names, as they stand in the file."""
        numbers = [place for place in self.places if isinstance(place, int)]
        if len(numbers) < len(self.traces):
            return self.traces
        order = sorted(range(len(numbers)), key=numbers.__getitem__)
        return [self.traces[i] for i in order]

    def problem(self, name: str, rule: AnswerRule, by_verdict: bool) -> Problem:
        reference = RIGHT if by_verdict else self.reference
        meta: dict[str, Any] = {}
        if self.level is not None:
            meta["level"] = self.level
        if not by_verdict and any(v is not None for v in self.verdicts):
            meta["grade"] = self._grade(rule)
        return Problem(name, Prompt.user(self.text), rule, reference, self.choices, meta)

    def _grade(self, rule: AnswerRule) -> Callable[[str], bool]:
        """What the recording says of an answer: of this wording, else of an equivalent one."""
        said: dict[str, bool] = {}
        for trace, verdict in zip(self.traces, self.verdicts, strict=True):
            answer = rule.extract(trace)
            if answer is not None and verdict is not None:
                said.setdefault(answer, verdict)
        right = [answer for answer, verdict in said.items() if verdict]
        if self.reference is not None:
            right.append(self.reference)

        def grade(answer: str) -> bool:
            known = said.get(answer)
            return any(rule.same(answer, r) for r in right) if known is None else known

        return grade


def _number(sample: str | None) -> str | int:
    return int(sample) if sample is not None and sample.isdecimal() else str(sample)
