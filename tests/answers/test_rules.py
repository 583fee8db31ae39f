"""The other rules: numbers, integers, letters, code, text, tool calls; and how a rule is chosen."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttscale.answers import RULES, detect, rule_for
from ttscale.core import Trace, UnknownName, UsageError


@pytest.mark.parametrize(
    ("rule", "text", "answer"),
    [
        ("number", r"so \boxed{5}", "5"),
        ("number", r"\boxed{x = 12}", "12"),
        ("number", "#### 1,234", "1,234"),
        ("number", "1+1=2, then 3-1=2", "2"),
        ("number", "thus -18 dollars", "-18"),
        ("number", "none at all", None),
        ("integer", r"\boxed{073}", "73"),
        ("integer", "the answer is **204**", "204"),
        ("integer", r"\boxed{20455}", None),
        ("integer", r"\boxed{12.5}", None),
        ("integer", r"\boxed{-3}", None),
        ("integer", "we tried 17 ways", None),
        ("choice", r"The final answer is $\boxed{A}$.", "A"),
        ("choice", r"\boxed{\text{(D) all of them}}", "D"),
        ("choice", "answer is (B)", "B"),
        ("choice", "**Answer:** C", "C"),
        ("choice", "The correct answer is **D) All**", "D"),
        ("choice", "I choose\n\n**b**", "B"),
        ("choice", "Answer: A dog", None),
        ("choice", r"\boxed{E}", None),
        ("code", "```py\nx = 1\n```\nthen\n```python\ny = 2  # two\n```", "y = 2  # two"),
        ("code", "no code", None),
        ("text", "The answer is Paris.", "Paris."),
        ("text", r"\boxed{a \textbf{b}}", r"a \textbf{b}"),
    ],
)
def test_extraction(rule, text, answer):
    assert rule_for(rule).extract(Trace(text=text)) == answer


@pytest.mark.parametrize(
    ("rule", "a", "b"),
    [
        ("number", "1,234", "1234.0"),
        ("number", "1/2", "0.5"),
        ("number", "3e2", "300"),
        ("choice", "(b)", "B"),
        ("code", "def f( x ):\n  return x # same", "def f(x):\n    return x"),
        ("code", "let x = 1;\n\n", "let x = 1;  "),
        ("text", "The  Eiffel Tower!", "eiffel tower"),
        (
            "tool",
            '{"name": "f", "arguments": {"a": 1, "b": 2.0}}',
            '[{"function": {"name": "f", "arguments": "{\\"b\\": 2, \\"a\\": 1}"}}]',
        ),
    ],
)
def test_same(rule, a, b):
    assert rule_for(rule).same(a, b)
    assert rule_for(rule).same(b, a)


@pytest.mark.parametrize(
    ("rule", "a", "b"),
    [
        ("number", "12", "13"),
        ("number", "-5", "5"),
        ("choice", "A", "B"),
        ("code", "x = 1", "x = 2"),
        ("text", "+1 *2", "+1 -2"),
        ("text", "[1, 2]", "[[1], 2]"),
        ("tool", '{"name": "f", "arguments": {"a": 1}}', '{"name": "f", "arguments": {"a": "1"}}'),
    ],
)
def test_different(rule, a, b):
    assert not rule_for(rule).same(a, b)


@pytest.mark.parametrize("recorded", ["NO_ANSWER", "", "12345", "abc", "1.5"])
def test_a_recorded_answer_that_is_none_abstains(recorded):
    assert rule_for("integer").extract(Trace(text=r"\boxed{7}", answer=recorded)) is None


def test_tool_calls_vote_by_function_and_arguments():
    rule = rule_for("tool")

    def calling(name, arguments):
        call = {"id": "x", "type": "function", "function": {"name": name, "arguments": arguments}}
        return rule.extract(Trace(tool_calls=(call,)))

    assert calling("f", '{"b": 1, "a": 2.0}') == calling("f", '{ "a": 2, "b": 1 }')
    assert calling("f", "{}") != calling("g", "{}")
    assert calling("f", "{broken") is None
    assert calling("f", "[1]") is None
    assert rule.extract(Trace(text="just words")) is None


@pytest.mark.parametrize("name", sorted(RULES))
def test_nothing_is_raised_for_any_text(name):
    rule = rule_for(name)

    @settings(max_examples=40, deadline=None)
    @given(st.text(max_size=80), st.text(alphabet='`{}[]()"\n \\*_#$.,:0123aA', max_size=40))
    def check(a, b):
        for text in (a, b):
            for trace in (Trace(text=text), Trace(answer=text), Trace(text=f"```\n{text}\n```")):
                answer = rule.extract(trace)
                assert answer is None or rule.same(answer, answer)
        assert rule.same(a, a)
        assert rule.same(a, b) == rule.same(b, a)

    check()


@pytest.mark.parametrize("name", sorted(RULES))
def test_what_a_rule_extracts_it_also_reads(name):
    rule = rule_for(name)
    texts = [r"\boxed{7}", "**B**", "```\nx = 1\n```", "The answer is 12."]
    for text in texts:
        answer = rule.extract(Trace(text=text))
        if answer is not None:
            again = rule.extract(Trace(answer=answer))
            assert again is not None
            assert rule.same(again, answer)


@pytest.mark.parametrize(
    ("references", "dataset", "name"),
    [
        (["204", "25"], "aime2024", "integer"),
        (["A", "D"], "", "choice"),
        ([], "gpqa-diamond", "choice"),
        (["1,000", "-2.5"], "gsm8k", "number"),
        ([r"\frac{1}{2}", "3"], "", "number"),
        (["x+1"], "", "math"),
        ([], "", "math"),
    ],
)
def test_the_rule_that_suits_the_references(references, dataset, name):
    assert detect(references, dataset).name == name


def test_letters_reach_as_far_as_the_references():
    assert detect(["A", "G"]).same("(g)", "G")
    assert detect(["A", "G"]).extract(Trace(text=r"\boxed{F}")) == "F"


def test_errors_name_the_fix():
    with pytest.raises(UnknownName, match="did you mean 'math'"):
        rule_for("maths")
    with pytest.raises(UsageError, match="digits"):
        rule_for("integer", digits=3)
    with pytest.raises(UsageError, match="letters"):
        rule_for("choice", letters="A-D")
