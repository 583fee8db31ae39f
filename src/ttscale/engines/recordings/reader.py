"""Files of recorded samples as pools: one row a sample, in CSV, JSON lines, JSON or Parquet.

Conventions. Rows of one question belong together wherever they stand. `sample`, `repeat` and `seed`
columns number its samples; a row whose text is a list holds as many. A recorded answer stands for
the text, and one that the answer rule cannot read abstains. A recorded verdict (`correct`) belongs
to its sample; where nothing else is recorded verdicts stand for answers, "right" and "wrong". A gold
that is not there is unknown, never wrong. A sample with an error is not a sample of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from ...answers import ChoiceRule, detect, rule_for
from ...core import AnswerRule, EngineError, Finish, Problem, Prompt, RecordError, Trace, UsageError
from ...core.verdict import CORRECT
from . import parse
from .columns import ALIASES, Columns, find_columns
from .files import bare_name
from .gold_answers import Options, UnknownChoice, UnknownFirst, golds, lettered, letters, options
from .pool import Pool
from .tables import Table, open_table

Truncated = Literal["abstain", "vote"]
Wrong = Literal["same", "distinct"]
RIGHT, WRONG, UNJUDGED = "right", "wrong", "unjudged"

_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(ALIASES, parse.text),
    "tokens": parse.whole,
    "prompt_tokens": parse.whole,
    "answer": parse.answer,
    "text": parse.answer,
    "reference": golds,
    "mean_logprob": parse.real,
    "reward": parse.real,
    "correct": parse.verdict,
    "finish_reason": parse.finish,
    "error": parse.failure,
    "confs": parse.array,
    "logprobs": parse.array,
    "choices": options,
}
_OF_SAMPLES = ("answer", "tokens", "correct", "reward", "mean_logprob", "confs", "logprobs")
_VERDICTS: dict[bool | None, dict[str, Any]] = {True: {CORRECT: True}, False: {CORRECT: False}}


def read_pools(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
    truncated: Truncated = "abstain",
    wrong: Wrong = "same",
    first: int | None = None,
    rule: AnswerRule | None = None,
) -> list[Pool]:
    """The pools of a file, one per model and data set, in the order of their first rows.

    Args:
        path: a file of rows; see `tables.KINDS`.
        columns: what a row tells (see `columns.ALIASES`) -> the file's column, where the usual
            names do not find it; an empty name leaves it out.
        where: column of the file, or what it tells -> value: other rows are passed over.
        truncated: whether a sample cut short by its limit votes with the answer recorded for it.
        wrong: whether wrong samples without a recorded answer agree with one another ("same" makes
            a vote's accuracy a lower bound, "distinct" an upper one).
        first: 0 or 1, the first of the positions by which golds name choices; None tells from them.
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
    found = find_columns(table, columns, where)
    groups: dict[tuple[str, str], _Group] = {}
    for line, row in _rows(table, found, where or {}):
        key = (row["model"] or "", row["dataset"] or bare_name(table.path))
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Group(*key, table, found, truncated, wrong)
        group.add(line, row)
    if not groups:
        if where:
            requested = ", ".join(f"{k}={v}" for k, v in where.items())
            raise UsageError(f"{table.path} has no row with {requested}", fix="check the values")
        raise RecordError(f"{table.path} has a header but no rows", fix="record some samples first")
    return [group.pool(rule, first) for group in groups.values()]


def _rows(table: Table, columns: Columns, where: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, what the row tells) per sample of the rows that pass `where`."""
    tests = {columns.found.get(name, name): value for name, value in where.items()}
    for name in tests:
        if name not in table.columns:
            raise RecordError(
                f"{table.path} has no column {name!r}", fix=f"there are {', '.join(table.columns)}"
            )
    wanted = list(dict.fromkeys([*columns.wanted, *tests]))
    places = {what: wanted.index(name) for what, name in columns.found.items()}
    checks = [(wanted.index(name), value) for name, value in tests.items()]
    empty = dict.fromkeys(ALIASES)
    for line, values in table.rows(wanted):
        if checks and any(parse.text(values[i]) != value for i, value in checks):
            continue
        for sample in _samples({what: values[i] for what, i in places.items()}):
            row: dict[str, Any] = dict(empty)
            for what, value in sample.items():
                try:
                    row[what] = _READERS[what](value)
                except (ValueError, TypeError, OverflowError, KeyError) as error:
                    raise RecordError(
                        f"{table.path}, line {line}: {columns.found[what]}={str(value)[:40]!r} is "
                        f"no {what} ({error})",
                        fix=f"correct it, or leave the column out ({what}= in the column mapping)",
                    ) from None
            yield line, row


def _samples(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The samples of a row: as many as its text is a list of."""
    texts = values.get("text")
    while isinstance(texts, list) and len(texts) == 1 and isinstance(texts[0], list):
        texts = texts[0]  # as harnesses write them: one list a request
    if not isinstance(texts, list) or len(texts) < 2:
        yield values
        return
    shared, several = dict(values), {"text": texts}
    for what in _OF_SAMPLES:
        value = shared.pop(what, None)  # said of the row as a whole, unless it is such a list
        if isinstance(value, list) and len(value) == len(texts):
            several[what] = value
    for number in range(len(texts)):
        yield {**shared, **{what: listed[number] for what, listed in several.items()}}


class _Group:
    """The rows of one model and data set, on their way to a pool."""

    def __init__(
        self, model: str, dataset: str, table: Table, columns: Columns, truncated: Truncated, wrong: Wrong
    ) -> None:
        self.model, self.dataset, self.table, self.columns = model, dataset, table, columns
        self.present = frozenset(columns.found)
        self.truncated, self.wrong = truncated, wrong
        self.shared: dict[str, str] = {}  # equal texts are kept once
        self.failed = EngineError("recorded as failed")
        self.items: dict[str, _Item] = {}

    def add(self, line: int, row: dict[str, Any]) -> None:
        name = row["question"]
        if name is None or name == "":
            raise RecordError(f"{self._at(line)}: the question's id is missing", fix="fill it in")
        item = self.items.get(name)
        if item is None:
            item = self.items[name] = _Item(line, row)
        elif not item.golds:
            item.golds, item.line = row["reference"] or (), line
        elif row["reference"] and item.golds != row["reference"]:
            raise RecordError(
                f"{self._at(line)}: reference {_shown(row['reference'])}, but line "
                f"{item.line} says {_shown(item.golds)} for question {name!r}",
                fix="give every question one reference and a name of its own, or say what each "
                "column holds (--show columns)",
            )
        item.add(row, self._trace(row, len(item.traces)), self._at(line))

    def _trace(self, row: dict[str, Any], number: int) -> Trace:
        answer, text, verdict = row["answer"], row["text"], row["correct"]
        if parse.blank(answer):
            # beside a text a blank answer says nothing; else it is an answer that is none
            answer = "" if "answer" in self.present and not text else None
        if answer is None and "text" not in self.present:
            answer = {True: RIGHT, False: WRONG, None: UNJUDGED}[verdict]
            if verdict is False and self.wrong == "distinct":
                answer = f"{WRONG} {number + 1}"
        confs, logprobs = row["confs"], row["logprobs"]
        tokens, estimated = row["tokens"], 0
        if tokens is None:
            known = confs if confs is not None else logprobs
            if known is not None:
                tokens = len(known)
            else:
                tokens = estimated = -(-len(text or "") // 4)  # four characters a token
        finish: Finish = "error" if row["error"] else row["finish_reason"] or "stop"
        if finish == "length" and self.truncated == "vote" and answer is not None:
            finish = "stop"
        trace = Trace(
            text=self._once(text or ""),
            tokens=tokens,
            estimated=estimated,
            finish=finish,
            prompt_tokens=row["prompt_tokens"],
            logprobs=logprobs,
            conf=confs,
            mean_logprob=row["mean_logprob"],
            reward=row["reward"],
            model=self.model,
            answer=None if answer is None else self._once(answer),
            error=self.failed if finish == "error" else None,
        )
        if verdict is not None:
            trace.meta = _VERDICTS[verdict]
        return trace

    def _at(self, line: int) -> str:
        return f"{self.table.path}, line {line}"

    def _once(self, text: str) -> str:
        return self.shared.setdefault(text, text)

    def pool(self, rule: AnswerRule | None, first: int | None) -> Pool:
        by_verdict = "correct" in self.present and not {"answer", "text"} & self.present
        if not by_verdict:
            self._name_choices(first)
        if rule is None:
            rule = rule_for("text") if by_verdict else self._rule()
        problems = [item.problem(name, rule, by_verdict) for name, item in self.items.items()]
        records = {(name, "main", ""): item.in_order() for name, item in self.items.items()}
        traces = [t for rows in records.values() for t in rows if t.finish != "error"]
        capabilities = {"text"}
        if all(t.conf is not None or t.logprobs is not None for t in traces):
            capabilities.add("logprobs")
        if all(t.reward is not None for t in traces):
            capabilities.add("reward")
        return Pool(
            self.model,
            self.dataset,
            problems,
            records,
            str(self.table.path),
            frozenset(capabilities),
            self.columns.found,
        )

    def _name_choices(self, first: int | None) -> None:
        """Golds by the letters of their choices, as samples give them."""
        items = list(self.items.values())
        if not any(item.choices.texts for item in items):
            return
        try:
            named = lettered([(item.golds, item.choices) for item in items], first)
        except UnknownChoice as error:
            item = items[error.row]
            raise RecordError(
                f"{self._at(item.line)}: reference {error.gold[:40]!r} is none of the "
                f"{len(item.choices.texts)} choices",
                fix="give a letter, a position, a label or the text of a choice",
            ) from None
        except UnknownFirst:
            raise RecordError(
                f"{self.table.path}: the references of {self.dataset!r} may count choices from 0 or from 1",
                fix="say which: first=0 or first=1",
            ) from None
        for item, golds_ in zip(items, named, strict=True):
            item.golds = golds_

    def _rule(self) -> AnswerRule:
        """The rule that suits the golds; without any, one that reads what was said."""
        most = max(len(item.choices.texts) for item in self.items.values())
        if most:
            return ChoiceRule("".join(letters(min(most, 26))))
        references = {gold for item in self.items.values() for gold in item.golds}
        rule = detect(sorted(references), self.dataset)
        if references or "text" not in self.present:
            return rule
        traces = [t for item in self.items.values() for t in item.traces if t.finish == "stop"]
        for candidate in (rule_for("code"), rule):
            read = sum(candidate.extract(trace) is not None for trace in traces)
            if 2 * read > len(traces):
                return candidate
        return rule_for("text")


class _Item:
    """The rows of one question."""

    __slots__ = ("choices", "golds", "level", "line", "places", "text", "traces", "verdicts")

    def __init__(self, line: int, row: dict[str, Any]) -> None:
        self.line, self.golds, self.level = line, row["reference"] or (), row["level"]
        self.text = row["question_text"] or row["question"]
        self.choices: Options = row["choices"] or Options()
        self.places: dict[tuple[str | int, ...], None] = {}
        self.traces: list[Trace] = []
        self.verdicts: list[bool | None] = []

    def add(self, row: Mapping[str, Any], trace: Trace, at: str) -> None:
        numbers = [row[what] for what in ("seed", "repeat", "sample")]
        place = tuple(-1 if parse.blank(number) else _number(number) for number in numbers)
        if parse.blank(row["sample"]):
            place = (*place, len(self.traces))
        if place in self.places:
            raise RecordError(
                f"{at}: sample {row['sample']} of this question is there already",
                fix="choose rows with where=, or map repeat= to the column that tells them apart",
            )
        self.places[place] = None
        self.traces.append(trace)
        self.verdicts.append(row["correct"])

    def in_order(self) -> list[Trace]:
        """By seed, repetition and sample; where those have names, as they stand in the file."""
        places = list(self.places)
        if any(isinstance(number, str) for place in places for number in place):
            return self.traces
        order = sorted(range(len(places)), key=places.__getitem__)
        return [self.traces[i] for i in order]

    def problem(self, name: str, rule: AnswerRule, by_verdict: bool) -> Problem:
        reference, *others = (RIGHT,) if by_verdict else self.golds or (None,)
        meta: dict[str, Any] = {}
        if self.level is not None:
            meta["level"] = self.level
        if others:
            meta["golds"] = others
        problem = Problem(name, Prompt.user(self.text), rule, reference, self.choices.texts, meta)
        known = {verdict for verdict in self.verdicts if verdict is not None}
        if not known or (by_verdict and None not in self.verdicts):
            return problem
        compared = replace(problem, reference=None) if by_verdict else problem
        return replace(problem, meta={**meta, "grade": self._grade(compared)})

    def _grade(self, problem: Problem) -> Callable[[str], bool | None]:
        """What the recording says of an answer: of this wording, else of an equivalent one; then
        the golds. None if neither does."""
        verdicts: dict[str, bool] = {}
        for trace, verdict in zip(self.traces, self.verdicts, strict=True):
            answer = problem.rule.extract(trace)
            if answer is not None and verdict is not None:
                verdicts.setdefault(answer, verdict)

        def grade(answer: str) -> bool | None:
            known = verdicts.get(answer)
            if known is None:
                same = [v for other, v in verdicts.items() if problem.rule.same(other, answer)]
                by_gold = problem.correct(answer)
                known = True if by_gold or any(same) else False if same else by_gold
            return known

        return grade


def _number(written: str) -> str | int:
    return int(written) if written.isdecimal() else written


def _shown(golds_: Sequence[str]) -> str:
    return " or ".join(map(repr, golds_)) or "none"
