"""Formulas that would take forever: they end, are compared as they are written, and are counted."""

import subprocess
import sys
import time

import pytest

from ttscale.answers import MathRule, is_unread
from ttscale.answers.formulas.forms import unlearn

HOSTILE = [
    r"2^{13!}",
    r"3^{9998\cdot9997}",
    r"2^{\binom{8000}{3}}",
    r"x^{20000001/2}",
    r"(1+\sqrt2)^{10^9}",
    r"\sum_{k=1}^{9998}\frac1k",
    r"\sum_{i=1}^{998}\sum_{j=1}^{998} ij",
    r"\prod_{k=1}^{9998}k",
    r"100000001!",
    r"e^{e^{e^{8}}}",
    r"\sin(10^{1001})",
    r"((((3^{99})^{99})^{99})^{99})",
    r"\binom{10^{6}}{4\cdot 10^5}",
    r"\left(\frac{99999}{99998}\right)^{99998}",
    r"10^{-10^{11}}",
]
DEEP = [
    "(" * 300 + "1" + ")" * 300,
    r"\sqrt{" * 100 + "2" + "}" * 100,
    "x^" * 300 + "2",
    "-" * 900 + "1",
    r"\pm1" * 50,
    "|" * 200,
    "5" + "!" * 20,
    "1," * 400 + "1",
    "9" * 900,
]


@pytest.fixture(autouse=True)
def nothing_is_remembered():
    unlearn()


@pytest.mark.parametrize("formula", HOSTILE)
def test_a_value_out_of_reach_is_compared_as_it_is_written_and_counted(formula):
    rule = MathRule()
    assert not rule.same(formula, "0")
    assert rule.same(formula, f" {formula} ")
    assert is_unread(formula)
    assert not is_unread("0")


@pytest.mark.parametrize("formula", DEEP)
def test_a_formula_of_many_levels_is_the_same_as_itself(formula):
    assert MathRule().same(formula, f" {formula}")
    MathRule().same(formula, "0")


def test_no_formula_takes_more_than_a_bounded_number_of_steps():
    """CPU seconds, so that a busy machine changes nothing: the longest takes a tenth of one."""
    rule = MathRule()
    rule.key(r"\sqrt2")  # loads what calculates
    for formula in HOSTILE + DEEP:
        began = time.thread_time()
        rule.key(formula)
        assert time.thread_time() - began < 1.5, formula


def test_what_is_exact_stays_exact_next_to_the_limit():
    rule = MathRule()
    assert not rule.same("2^{20000}+1", "2^{20000}")
    assert rule.same("2^{20000}-2^{20000}", "0")
    assert rule.same(r"\frac{2000!}{1999!}", "2000")
    assert not is_unread("2^{20000}+1")


def test_trees_out_of_reach_are_equal_where_their_exact_parts_are():
    rule = MathRule()
    assert rule.same("2^{10^9}", "2^{1000000000}")
    assert rule.same("2^{1,000,000,000}", r"2^{1\,000\,000\,000}")
    assert not rule.same("2^{10^9}", "2^{10^9+1}")


def test_memory_stays_small():
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        "from ttscale.answers import MathRule; r = MathRule();"
        "[r.key(x) for x in sys.argv[1:]]; print('done')"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, *HOSTILE, *DEEP], capture_output=True, text=True, check=False
    )
    assert said.stdout == "done\n", said.stderr[-300:]
