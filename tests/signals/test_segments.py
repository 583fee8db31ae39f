"""Thoughts, steps and sentences: of texts made up here, and of recorded reasoning where it is at hand."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.signals.segments import (
    GENERAL,
    MARKERS,
    Markers,
    ThoughtReader,
    last_sentences,
    sentences,
    steps,
    thoughts,
)
from ttscale.worlds.arithmetic.problems import problem
from ttscale.worlds.arithmetic.verbose.overthinking import joined, overthinking
from ttscale.worlds.arithmetic.verbose.thoughts import thoughts as thoughts_of_the_world

DATA = Path(os.environ.get("TTSCALE_DATA") or Path(__file__).parents[2].parent / "shared" / "data")

LONG = """Okay, so I need 17 * 24. That is 17 * 20 + 17 * 4.

340 + 68 = 408. So the answer is 408.

Wait, let me check that again.
17 * 24 = 17 * 25 - 17.

425 - 17 = 408. Good.

Alternatively, 20 * 24 - 3 * 24 = 480 - 72 = 408.

Waiting for more is of no use. Buttered bread is not a doubt.

but hmm, is it asked modulo 100?"""


def test_a_thought_begins_with_a_paragraph_that_a_marker_opens_and_nowhere_else():
    first, check, again, last = thoughts(LONG)
    assert first.endswith("So the answer is 408.")
    assert check.startswith("Wait, let me")
    assert check.endswith("Good.")
    assert again.startswith("Alternatively")
    assert again.endswith("not a doubt."), "a longer word that begins alike opens nothing"
    assert last.startswith("but hmm"), "case does not matter"


def test_a_marker_in_the_middle_of_a_paragraph_opens_nothing():
    assert len(thoughts("One. Wait, two.\nBut three.\n\nFour.")) == 1


def test_a_thought_is_complete_only_when_the_next_marker_is_there():
    reader = ThoughtReader()
    assert reader.feed("A is 3.\n\n") == []
    assert reader.feed("Wai") == []
    assert reader.feed("t, again: ") == []  # the longest marker could still be under way
    assert reader.feed("A is 4, is it not?") == ["A is 3."]
    assert reader.rest() == ["Wait, again: A is 4, is it not?"]
    assert reader.rest() == []


texts = st.lists(
    st.sampled_from(["Wait", "But", "Hmm", "so", " 3.", "\n", "\n\n", " \n \n", ",", "hold on", "Hold"]),
    max_size=30,
).map("".join)


@given(texts, st.randoms(use_true_random=False))
def test_the_thoughts_do_not_depend_on_how_a_text_comes_in_pieces(text, rng):
    reader, found, at = ThoughtReader(), [], 0
    while at < len(text):
        size = rng.randint(1, 5)
        found += reader.feed(text[at : at + size])
        at += size
    assert [*found, *reader.rest()] == thoughts(text)


@given(texts)
def test_no_word_is_lost_or_moved(text):
    for cut in (thoughts, steps, sentences):
        assert "".join("".join(cut(text)).split()) == "".join(text.split())


def test_a_phrase_that_begins_like_a_marker_can_be_taken_out():
    markers = Markers(("Wait",), except_for=("Wait, is 4",))
    assert len(thoughts("a\n\nWait, is 4 right?\n\nWait, is it?", markers)) == 2
    assert thoughts("a\n\nWait, no", Markers(())) == ["a\n\nWait, no"]


def test_every_family_keeps_the_words_that_all_share():
    for family, markers in MARKERS.items():
        assert {"Wait", "But", "Hmm", "Alternatively"} <= set(markers.opening), family


def test_the_bundled_reasoners_thoughts_are_those_of_its_world():
    rng = random.Random(3)
    for seed in range(200):
        text = joined(overthinking(problem("arith", rng.randint(1, 4), seed).world, rng)[0])
        assert thoughts(text, MARKERS["tiny"]) == [t.text for t in thoughts_of_the_world(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 3.5 m. So? Yes! Done", ["It is 3.5 m.", "So?", "Yes!", "Done"]),
        ('He said "go." Then $x$ = 2. \\boxed{2}', ['He said "go."', "Then $x$ = 2.", "\\boxed{2}"]),
        ("See e.g. Euler, vs. Gauss. Fig. 3 shows it.", ["See e.g. Euler, vs. Gauss.", "Fig. 3 shows it."]),
        ("1. First one\n2. Then x = 2. Good.", ["1. First one", "2. Then x = 2.", "Good."]),
        ("No. Wait", ["No.", "Wait"]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences(text, expected):
    assert sentences(text) == expected


def test_the_last_sentences_keep_their_lines():
    assert last_sentences(LONG.split("\n\nAlt")[0], 3) == "17 * 24 = 17 * 25 - 17.\n\n425 - 17 = 408. Good."
    assert last_sentences("One. Two.", 5) == "One. Two."
    assert last_sentences("One. Two.", 0) == ""


def test_the_steps_of_recorded_solutions_are_found_again():
    """2,186 solutions of PaLM 2, whose steps are known."""
    path = DATA / "big_bench_mistake.jsonl.gz"
    if not path.exists():
        pytest.skip("needs recordings (TTSCALE_DATA)")
    counts = []
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        recorded = [step.strip() for step in json.loads(line)["steps"]]
        recorded = [step for step in recorded if step and "\n\n" not in step]
        assert steps("\n\n".join(recorded)) == recorded
        text = "\n\n".join(recorded)
        assert 1 <= len(thoughts(text, GENERAL)) <= len(recorded)
        counts.append(len(sentences(text)) >= len(recorded))
    assert all(counts), "a step has a sentence at least"
