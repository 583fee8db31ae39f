"""Answers out of reach are counted alike wherever they are shown."""

from types import SimpleNamespace

from ttscale.answers import MathRule, unread
from ttscale.answers.formulas.forms import unlearn
from ttscale.bench.report.summary import Sums
from ttscale.bench.report.table import tables
from ttscale.bench.store.results import Cell, Result
from ttscale.cli.outcome import _spent
from ttscale.core import Outcome, Problem, Prompt, Trace
from ttscale.gateway.api.choice import Choice
from ttscale.gateway.api.reply_fields import extension
from ttscale.methods import registry

ANSWERS = [r"2^{11!}", "42", r"2^{11!}", r"3^{11!}", "x+1"]
PROBLEM = Problem("q", Prompt.user("?"), MathRule())


def outcome():
    unlearn()
    traces = [Trace(text=rf"So \boxed{{{answer}}}") for answer in ANSWERS]
    return Outcome("42", traces[1], "n_samples", traces=[*traces, Trace(finish="length")])


def test_samples_are_counted_not_formulas():
    assert unread(PROBLEM, outcome().traces) == 3
    assert unread(PROBLEM, outcome().traces[1:2]) == 0


def test_solve_says_how_many():
    assert "| unread: 3" in _spent(outcome(), PROBLEM)


def test_a_bench_keeps_and_shows_them():
    item = Result.of(PROBLEM, outcome())
    assert item.extra == {"unread": 3}
    sums = Sums(cells=[Cell(id=1, method="m", model="x", task="t", repeat=0)])
    sums.add(item)
    sums.add(item)
    row = sums.row()
    assert row.unread == 6
    (table,) = tables([row])
    assert [str(column.header) for column in table.columns][-1] == "unread"


def test_a_bench_without_them_says_nothing():
    plain = outcome()
    plain.traces = plain.traces[1:2]
    assert Result.of(PROBLEM, plain).extra == {}


def test_the_gateway_tells_them():
    solved = Choice(PROBLEM, outcome(), Trace(), False)
    options = SimpleNamespace(card=False, candidates=False)
    told = extension([solved], registry.parse("sc(n=5)"), options)
    assert told["unread"] == 3
