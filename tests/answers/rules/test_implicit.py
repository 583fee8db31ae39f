"""Votes on replies whose kind is found out: JSON documents are compared by their values."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.answers.rules.implicit import Found
from ttscale.core import Trace

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
).map(lambda value: {"it": value})


def agree(one: str, other: str) -> bool:
    rule = Found()
    answers = [rule.extract(Trace(text)) for text in (one, other)]
    assert None not in answers
    return rule.same(*answers) and rule.same(*reversed(answers))


@pytest.mark.parametrize(
    "other",
    [
        '{"b": [2, true], "a": 1.0}',
        '{"a": 1e0, "b": [20e-1, true]}',
        '{"a": 0.1e1, "b": [2.000, true]}',
        '```json\n{"a": 1, "b": [2, true]}\n```',
        '```\n{"a": 1, "b": [2, true]}\n```\n',
        '```JSON5 title="x"\r\n{"a": 1, "b": [2, true]}\r\n```',
        '~~~json\n{"a": 1, "b": [2, true]}\n~~~',
        '````\n{"a": 1, "b": [2, true]}\n````',
        '```{"a": 1, "b": [2, true]}```',
        '<think>```json\n{"a": 3}\n```</think>\n{"a": 1, "b": [2, true]}',
    ],
)
def test_documents_that_say_the_same_vote_together(other):
    assert agree('{"a": 1, "b": [2, true]}', other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 0}', '{"a": null}'),
        ("[1, 2]", "[2, 1]"),
        ('{"a": 12345678901234567890}', '{"a": 12345678901234567891}'),
        ('{"a": 1e400}', '{"a": 1e500}'),
        ('{"a": 0.1}', '{"a": 0.10000000000000001}'),
        ('{"a": "x y"}', '{"a": "x  y"}'),
    ],
)
def test_documents_that_differ_vote_apart(one, other):
    assert not agree(one, other)


@given(DOCUMENTS, st.sampled_from(["{}", "```json\n{}\n```", "~~~\n{}\n~~~", "```{}```"]), st.integers(0, 4))
def test_layout_is_nothing(document, fence, indent):
    written = json.dumps(document, indent=indent, ensure_ascii=indent % 2 == 0)
    assert agree(json.dumps(document), fence.replace("{}", written))


@given(DOCUMENTS, DOCUMENTS)
def test_only_equal_values_agree(one, other):
    canonical = [json.dumps(v, sort_keys=True).replace("-0.0", "0.0") for v in (one, other)]
    if agree(json.dumps(one), json.dumps(other)):
        assert one == other
    else:
        assert canonical[0] != canonical[1]
