"""Mathematical answers: which are the same, and that sameness is an equivalence."""

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.answers import MathRule
from ttscale.answers.formulas import forms as remembered
from ttscale.core import Trace

RULE = MathRule()

SAME = [
    (r"\frac{1}{2}", "0.5"),
    (r"\dfrac12", "1/2"),
    ("1/3", "0.333333"),
    (r"12\frac{3}{5}", "63/5"),
    ("1,234", "1234"),
    (r"11,\! 111", "11111"),
    (r"50\%", "50"),
    (r"\$5", "5"),
    (r"10^\circ", "10"),
    (r"5 \text{ cm}", "5"),
    (r"2^{10}", "1024"),
    (r"1.5\times 10^3", "1500"),
    (r"\sqrt{8}", r"2\sqrt{2}"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
    ("1.414214", r"\sqrt{2}"),
    (r"\log_2 8", "3"),
    (r"e^{i\pi}", "-1"),
    ("9i+6", "6 + 9i"),
    ("(x+1)^2", "x^2+2x+1"),
    (r"\sin^2 x+\cos^2 x", "1"),
    ("x=5", "5"),
    ("y=2x+1", "1+2x"),
    ("2x+4y=6", "3 = x+2y"),
    ("1<x<2", "(1,2)"),
    (r"x \ge 2", r"2 \le x"),
    (r"[1,2]\cup[3,4]", r"[3,4]\cup[1,2]"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\pi/2)"),
    ("1,2", "2,1"),
    (r"3\text{ or }4", "4,3"),
    (r"\{5\}", "5"),
    (r"2\pm\sqrt{3}", r"2-\sqrt{3},2+\sqrt{3}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\ \frac{4}{2}\end{pmatrix}"),
    (r"\text{Evelyn}", "evelyn"),
    (r"\text{(C)}", "C"),
    ("$7$", "7."),
]
DIFFERENT = [
    ("2", "3"),
    (r"50\%", "0.5"),
    ("0.33", "1/3"),
    ("1.6e-19", "3.2e-19"),
    ("(1,2)", "(2,1)"),
    ("(3,1)", "(4,2)"),
    ("(1,2)", "[1,2]"),
    ("x", "y"),
    ("|x|", "x"),
    ("x^2", "x"),
    ("x+1", "x+2"),
    ("x<2", "x>2"),
    ("Yes", "No"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
def test_same_answers_in_other_words(a, b):
    assert RULE.same(a, b)
    assert RULE.same(b, a)


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different_answers(a, b):
    assert not RULE.same(a, b)
    assert not RULE.same(b, a)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"first \boxed{1}, no: \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{x^{2}} and \boxed{unclosed", "x^{2}"),
        (r"The answer is $\frac{3}{4}$.", r"\frac{3}{4}"),
        ("The answer is 42.", "42"),
        ("We get 3 and then 7", "7"),
        ("no idea", None),
        ("", None),
    ],
)
def test_extraction(text, answer):
    found = RULE.extract(Trace(text=text))
    assert found is answer is None or RULE.same(found, answer)


def test_thinking_is_not_searched():
    assert RULE.extract(Trace(text=r"<think>\boxed{1}</think>so \boxed{2}")) == "2"
    assert RULE.extract(Trace(text=r"<think>\boxed{1}")) is None


@pytest.mark.parametrize("recorded", ["", "NO_ANSWER", "None", " "])
def test_a_recorded_blank_abstains_whatever_the_text_says(recorded):
    assert RULE.extract(Trace(text=r"\boxed{1}", answer=recorded)) is None


def test_a_recorded_answer_stands_for_the_text():
    assert RULE.extract(Trace(text=r"\boxed{1}", answer="2")) == "2"


@pytest.mark.parametrize(
    "bomb", ["9^{9^{9^9}}", "((9^{999})^{99})^{99}", "100000000!", r"\sum_{i=1}^{99999} i", "(" * 200]
)
def test_expensive_expressions_come_back_and_equal_themselves(bomb):
    assert RULE.same(bomb, f" {bomb}")
    assert not RULE.same(bomb, "1")


def test_off_the_main_thread_and_inside_an_event_loop():
    results = []
    thread = threading.Thread(
        target=lambda: results.append(RULE.same(r"\sqrt{18}", r"3\sqrt{2}")), daemon=True
    )
    thread.start()
    thread.join(30)

    async def main():
        return RULE.same(r"\sqrt{50}", r"5\sqrt{2}")

    assert results == [True]
    assert asyncio.run(main())


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet=r"\{}()[]^_$,=<>+-*/!.x1 frac\sqrt|%", max_size=40))
def test_nothing_is_raised_for_any_text(text):
    answer = RULE.extract(Trace(text=text))
    assert answer is None or RULE.same(answer, answer)
    assert RULE.same(text, text)
    RULE.same(text, "1")
    RULE.extract(Trace(answer=text))


def forms(p, q):
    """Ways of writing p/q."""
    return [rf"\frac{{{p}}}{{{q}}}", f"{p}/{q}", rf"\dfrac{{{2 * p}}}{{{2 * q}}}", f"x = {p}/{q}"]


written = st.builds(
    lambda p, q, i: forms(p, q)[i], st.integers(-4, 4), st.integers(1, 4), st.integers(0, 3)
) | st.sampled_from([w for pair in SAME for w in pair])


@settings(max_examples=150, deadline=None)
@given(written, written, written)
def test_sameness_is_an_equivalence(a, b, c):
    assert RULE.same(a, a)
    assert RULE.same(a, b) == RULE.same(b, a)
    if RULE.same(a, b) and RULE.same(b, c):
        assert RULE.same(a, c)


@settings(max_examples=30, deadline=None)
@given(st.integers(-20, 20), st.integers(1, 12))
def test_all_forms_of_a_fraction_are_the_same(p, q):
    first, *others = forms(p, q)
    assert all(RULE.same(first, other) for other in others)
    assert not RULE.same(first, f"{p + 1}/{q}")


def test_what_is_remembered_is_bounded_by_its_size(monkeypatch):
    monkeypatch.setattr(remembered, "_ROOM", 20_000)
    for k in range(40):
        assert MathRule().same(f"\\text{{{'x' * 3000}{k}}}", f"{'x' * 3000}{k}")
    assert remembered._MEMORY.size < 20_000 + 2 * 4_000
