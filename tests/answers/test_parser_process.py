"""The process for integrals, limits and endless sums: what it reads, and that it ends in time."""

import itertools
import os
import signal
import threading

import pytest

from ttscale.answers import MathRule, is_unread, parser_process
from ttscale.answers.deadline import DeadlineError, deadline
from ttscale.answers.formulas.forms import UnreadError, calculating, quickly, unlearn
from ttscale.answers.formulas.notation.grammar import parse
from ttscale.answers.parser_process import ParserProcess, known
from ttscale.core import Problem, Prompt, Trace

RULE = MathRule()


@pytest.fixture(scope="module")
def process():
    process = ParserProcess()
    yield process
    process.close()


@pytest.fixture(autouse=True)
def asked(process):
    """The rules ask this module's process, and remember nothing from other tests."""
    unlearn()
    with calculating(process.calculate):
        yield


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        (r"\int_0^1 x^2\,dx", "1/3"),
        (r"\int_{0}^{\pi} \sin x \, dx", "2"),
        (r"\int_0^2 t x\,dx", "2t"),
        (r"\lim_{x\to 0}\frac{\sin x}{x}", "1"),
        (r"\lim_{n\to\infty}\frac{2n+1}{n}", "2"),
        (r"\sum_{k=0}^{\infty}\frac{1}{3^k}", "1.5"),
        (r"\sum_{n=1}^{\infty}\frac{1}{n^2}", r"\frac{\pi^2}{6}"),
        (r"x=\int_0^1 2u\,du", "1"),
        (r"(\int_0^1 2u\,du, 3)", "(1,3)"),
    ],
)
def test_what_takes_a_computer_algebra_system_is_read(formula, value):
    assert RULE.same(formula, value)
    assert not RULE.same(formula, "7")


@pytest.mark.parametrize(
    "formula",
    [
        r"\int_0^1 x^{x^{x}}\,dx",
        r"\int_0^{2\pi}\sin^{9999}(x^{9999})\,dx",
        r"\int_0^1 2^{12!}\,dx",
        r"\sum_{k=1}^{\infty}\frac{2^{12!}}{k^2}",
    ],
)
def test_what_it_does_not_finish_is_compared_as_it_is_written(process, formula):
    assert not RULE.same(formula, "7")
    assert RULE.same(formula, f" {formula}")
    assert is_unread(formula)
    assert RULE.same(r"\int_0^1 3x^2\,dx", "1"), "the next one is read"


def test_what_is_known_is_not_asked_again(process, monkeypatch):
    RULE.key(r"\int_0^1 5\,dx")
    monkeypatch.setattr(process, "_parsed", lambda line: pytest.fail("asked again"))
    assert RULE.same(r"\int_0^1 5\,dx", "5")


def test_a_process_that_no_exception_interrupts_is_ended_by_the_system():
    child = os.fork()
    if not child:
        try:
            with deadline(0.05, 0.3):
                while True:
                    try:
                        while True:
                            pow(3, 10**6)
                    except DeadlineError:
                        pass  # as a library that swallows everything
        finally:
            os._exit(7)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGPROF


def test_a_deadline_that_is_met_leaves_no_timer():
    with deadline(0.5, 0.6):
        sum(range(1000))
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0, 0)
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    with pytest.raises(DeadlineError), deadline(0.05, 5):
        next(k for k in itertools.count() if k < 0)


def test_a_process_that_dies_is_an_error_and_the_next_question_starts_another():
    process = ParserProcess()
    tree = parse(r"\int_0^1 x dx")
    assert process.calculate(tree, False, 1) == [0.5]
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(OSError, match=r"died|pipe"):
        process.calculate(tree, False, 1)
    assert process.pid is None
    assert process.calculate(tree, False, 1) == [0.5]
    process.close()


def test_without_the_process_formulas_are_compared_as_they_are_written(monkeypatch):
    def dead(*args):
        raise ConnectionError("no process")

    broken = ParserProcess()
    monkeypatch.setattr(broken, "_parsed", dead)
    monkeypatch.setattr(parser_process, "shared", lambda: broken)
    formula = r"\int_0^1 9x\,dx"
    with calculating(None):
        assert RULE.same(formula, f"{formula} ")
        assert not RULE.same(formula, "4.5")
    assert is_unread(formula)


def test_threads_take_turns(process):
    found = []

    def ask(k):
        found.append(process.calculate(parse(rf"\int_0^{{{k}}} x dx"), False, 1) == [k * k / 2])

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [True] * 5


def test_quickly_asks_nothing_new():
    problem = Problem("q", Prompt.user("?"), RULE)
    hard, easy = Trace(text=r"\boxed{\int_0^1 8x\,dx}"), Trace(text=r"\boxed{\frac{x+1}{2}}")
    assert known(problem, easy)
    assert not known(problem, hard)
    with quickly(), pytest.raises(UnreadError):
        RULE.key(r"\int_0^1 8x\,dx")
    RULE.key(r"\int_0^1 8x\,dx")
    assert known(problem, hard)
