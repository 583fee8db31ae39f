r"""The six policies: each chooses a reading, and none makes one text equal to two that differ."""

import itertools

import pytest

from ttscale.answers import MathRule, Policies, rule_for
from ttscale.bench.store.codec import pack_problem, unpack_problem
from ttscale.core import Problem, Prompt, UsageError

# the policy, its default, another value, what the text is by default, and what it is then
READINGS = [
    ("units", "drop", "keep", r"5\text{ cm}", "5", r"5\,\mathrm{cm}"),
    ("percent", "number", "fraction", r"50\%", "50", "0.5"),
    ("rounding", 6, 3, "0.3333", "0.33330000", "1/3"),
    ("bases", "written", "value", "1010_2", "1010_{2}", "10"),
    ("words", "number", "text", "twenty-one", "21", "Twenty-One"),
    ("symbols", "any", "positive", r"\sqrt{ab}", r"\sqrt{ba}", r"\sqrt{a}\sqrt{b}"),
]


@pytest.mark.parametrize(("name", "default", "other", "text", "first", "second"), READINGS)
def test_a_policy_chooses_between_readings(name, default, other, text, first, second):
    assert getattr(Policies(), name) == default
    assert MathRule().same(text, first)
    chosen = rule_for("math", **{name: other})
    assert chosen.same(text, second)
    if name in ("percent", "units", "words"):
        assert not chosen.same(text, first)


@pytest.mark.parametrize("percent", ["number", "fraction"])
def test_no_policy_makes_a_text_equal_to_two_that_differ(percent):
    rule = MathRule(percent=percent)
    assert rule.same(r"50\%", "50") != rule.same(r"50\%", "0.5")
    assert not rule.same("50", "0.5")


@pytest.mark.parametrize("policies", [{name: other} for name, _, other, *_ in READINGS])
def test_sameness_stays_an_equivalence_under_every_policy(policies):
    rule = MathRule(**policies)
    texts = [t for _, _, _, *ts in READINGS for t in ts if "." not in t]
    for a, b, c in itertools.product(texts, repeat=3):
        if rule.same(a, b) and rule.same(b, c):
            assert rule.same(a, c)


def test_kept_units_are_told_apart():
    rule = MathRule(units="keep")
    assert not rule.same("5 cm", "5 km")
    assert rule.same("5 cm", r"5\text{ cm}")
    assert MathRule().same("5 cm", "5 km")


def test_positive_symbols_have_roots():
    rule = MathRule(symbols="positive")
    assert rule.same(r"\sqrt{x^2}", "x")
    assert rule.same(r"\ln(ab)", r"\ln a+\ln b")
    assert not MathRule().same(r"\sqrt{x^2}", "x")


@pytest.mark.parametrize(
    ("policies", "said"),
    [({"percent": "both"}, "number, fraction"), ({"rounding": 0}, "places"), ({"unit": "keep"}, "unit")],
)
def test_an_unknown_policy_is_refused(policies, said):
    with pytest.raises(UsageError, match=said):
        rule_for("math", **policies)


def test_the_number_rule_takes_them_too():
    assert rule_for("number", percent="fraction").same("50%", "0.5")
    assert rule_for("number").same("50%", "50")


def test_a_store_keeps_the_policies_that_a_rule_was_made_with():
    problem = Problem("q", Prompt.user("?"), rule_for("math", percent="fraction"), "0.5")
    kept = unpack_problem(pack_problem(problem), rule_for)
    assert kept.correct(r"50\%")
    assert not unpack_problem(
        pack_problem(Problem("q", Prompt.user("?"), rule_for("math"), "0.5")), rule_for
    ).correct(r"50\%")
