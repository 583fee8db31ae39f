"""What models write when they are asked for a form is read however it is decorated, and never fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.methods.parsing import json_object, number_within, numbered, sections, whole_number


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("1. add\n2. multiply", ["add", "multiply"]),
        ("Sure!\n\n1) add\n   Hint: carry\n\n2) multiply\n", ["add\n   Hint: carry", "multiply"]),
        ("**Step 1:** add\n**Step 2:** multiply", ["add", "multiply"]),
        ("1. **Add** the numbers\n2. **Multiply**", ["Add** the numbers", "Multiply"]),
        ("1. old\n2. plan\n\nRevised:\n1. new", ["new"]),
        ("- 1. add\n- 2. go on", ["add", "go on"]),
        ("It is 1.5 apples.\n3.14 is pi", []),
        ("1.\n2. ", []),
        ("1. add\n2. go on\n100: 60 40", ["add", "go on\n100: 60 40"]),
        ("1. add\n3. go on", ["add", "go on"]),
        ("", []),
    ],
)
def test_numbered_lists(text, entries) -> None:
    assert numbered(text) == entries


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"step1": "add"}', {"step1": "add"}),
        ('Here you are:\n```json\n{"a": {"b": 1}}\n```\nDone.', {"a": {"b": 1}}),
        ('{"a": [1, 2,],}', {"a": [1, 2]}),
        (r'{"a": "\frac{1}{2} and \theta, \(x\)"}', {"a": r"\frac{1}{2} and \theta, \(x\)"}),
        ('{"a": "a line\\nand \\"more\\""}', {"a": 'a line\nand "more"'}),
        ('{so} {"a": "}"}', {"a": "}"}),
        ('{"a": 1', None),
        ("[1, 2]", None),
        ("{" * 5000, None),
    ],
)
def test_json_objects(text, found) -> None:
    assert json_object(text) == found


@pytest.mark.parametrize(
    ("text", "low", "high", "found"),
    [
        ("0.7", 0, 1, 0.7),
        ("Difficulty: **.35**", 0, 1, 0.35),
        ("On a scale of 10 it is 0.8.", 0, 1, 0.8),
        ("7", 0, 1, None),
        ("-0.5", 0, 1, None),
        ("v2x", 1, 5, None),
        ("none", 0, 1, None),
    ],
)
def test_numbers_within_bounds(text, low, high, found) -> None:
    assert number_within(text, low, high) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(40, 40), (40.0, 40), ("40", 40), ("40 %", 40), (40.5, None), (True, None), (None, None), ("x", None)],
)
def test_whole_numbers(value, found) -> None:
    assert whole_number(value) == found


@pytest.mark.parametrize(
    "text",
    [
        "Conditions:\n1. a\nQuestion:\nwhat",
        "So:\n**Conditions**\n1. a\n\n**Question**\nwhat",
        "### Conditions:\n1. a\n### Question: what",
        "conditions:\n1. a\n**Question:** what",
    ],
)
def test_sections_below_their_headings(text) -> None:
    assert sections(text, ("Conditions", "Question")) == {"Conditions": "1. a", "Question": "what"}


def test_a_missing_section_is_no_result() -> None:
    assert sections("Conditions: a", ("Conditions", "Question")) is None
    assert sections("Question: a\nConditions: b", ("Conditions", "Question")) is None


@given(st.text(alphabet='{}"\\1.2) :*abn\n#`,-[]', max_size=80))
def test_nothing_a_model_writes_is_an_error(text) -> None:
    numbered(text)
    json_object(text)
    number_within(text, 0, 1)
    whole_number(text)
    sections(text, ("a", "b"))
