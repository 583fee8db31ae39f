"""Thinking and answer text are told apart the same way, whole or live, whatever the tags are."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.core import THINK, ThinkingSplitter, ThinkTags, Trace
from ttscale.core.known_generation import head, piece
from ttscale.core.thinking import within

OTHERS = ThinkTags("[THINK]", "[/THINK]")
CUTS = st.lists(st.integers(0, 60), max_size=8)
WORDS = st.text(alphabet="a <>/\n", max_size=6) | st.sampled_from(["</think>", "<think>", "<thi", "nk>"])


def pieces(text: str, cuts: list[int]) -> list[tuple[int, int]]:
    edges = sorted({0, len(text), *(c for c in cuts if c < len(text))})
    return list(itertools.pairwise(edges))


def shown(
    text: str,
    cuts: list[int],
    spans: list[tuple[int, int]] | None = None,
    *,
    opened: bool = False,
    tags: ThinkTags = THINK,
) -> tuple[str, str]:
    """(thinking, answer text) as a client sees them come."""
    splitter = ThinkingSplitter(opened, tags)
    divided = [splitter.feed(text[a:b], within(spans, a, b)) for a, b in pieces(text, cuts)]
    divided.append(splitter.rest())
    return "".join(thinking for thinking, _ in divided), "".join(answer for _, answer in divided)


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("<think>\n17 - 8 = 9\n</think>\n\nSo \\boxed{9}", "17 - 8 = 9", "So \\boxed{9}"),
        ("<think>a < b</think>yes", "a < b", "yes"),
        ("<think>never </thin ends", "never </thin ends", ""),
        ("<think>a\n\nb\n</thin", "a\n\nb\n</thin", ""),
        ("no <think> of it", "", "no <think> of it"),
        ("The </think> tag ends it, <think> begins it.", "", "The </think> tag ends it, <think> begins it."),
        ("<think>a</think>As <think>b</think> it was", "a", "As <think>b</think> it was"),
        ("<think>a</think>\n<think>b</think>\n\nc", "a\nb", "c"),
        ("<think></think>\n\n<think>b</think>c", "b", "c"),
        ("\n  <think>x</think>\ny\n\nz", "x", "y\n\nz"),
        (" \n a", "", " \n a"),
        ("<", "", "<"),
    ],
)
def test_a_reply_is_divided_by_the_tags_it_begins_with(text, thinking, answer):
    assert (Trace(text).thinking, Trace(text).answer_text) == (thinking, answer)


@given(st.lists(WORDS, max_size=6).map("".join), CUTS, st.booleans())
def test_a_live_reply_is_divided_as_the_whole_one_wherever_its_pieces_end(text, cuts, opened):
    whole = Trace(text, opened=opened)
    assert shown(text, cuts, opened=opened) == (whole.thinking, whole.answer_text)


@given(st.lists(st.tuples(st.booleans(), WORDS.filter(bool)), max_size=6), CUTS)
def test_what_an_engine_tells_apart_is_believed_whatever_it_says(parts, cuts):
    """Live and whole; a piece never ends inside a tag that the engine has put in."""
    text, spans, inside, tags = "", [], False, set()
    for thinks, words in parts:
        if thinks and not inside:
            tags |= set(range(len(text) + 1, len(text) + len(THINK.opening)))
            text += THINK.opening
            spans.append((len(text), len(text)))
        elif inside and not thinks:
            tags |= set(range(len(text) + 1, len(text) + len(THINK.closing)))
            text += THINK.closing
        inside, text = thinks, text + words
        if thinks:
            spans[-1] = (spans[-1][0], len(text))
    if not spans:
        return
    first = next(number for number, (thinks, _) in enumerate(parts) if thinks)
    before = THINK.divided("".join(words for _, words in parts[:first]))
    thinking = before.thinking + "".join(words for thinks, words in parts if thinks)
    answer = before.answer_text + "".join(words for thinks, words in parts[first:] if not thinks)
    trace = Trace(text, thinking_at=spans)
    assert (trace.thinking, trace.answer_text) == (thinking, answer)
    assert shown(text, [c for c in cuts if c not in tags], spans) == (thinking, answer)


def test_a_prompt_that_has_opened_the_thinking_is_followed():
    assert shown("\nhm\n</think>\n\n9", [1, 3, 4, 9], opened=True) == ("hm", "9")
    assert Trace("hm", opened=True).answer_text == ""


def test_other_tags_divide_alike():
    text = OTHERS.wrap("17 - 8 = 9", "9 <think>")
    assert (OTHERS.thinking(text), OTHERS.answer_text(text)) == ("17 - 8 = 9", "9 <think>")
    assert shown(text, list(range(60)), tags=OTHERS) == ("17 - 8 = 9", "9 <think>")
    assert THINK.thinking(OTHERS.wrap("a", "b")) == ""


@pytest.mark.parametrize(
    ("text", "closed", "left_open"),
    [
        ("a", False, False),
        ("<think>a", False, True),
        ("a</think>b", True, False),
        ("<think>a</think>b", True, False),
        ("<think>a</think>b<think>c", True, True),
    ],
)
def test_where_thinking_begins_and_ends_is_seen(text, closed, left_open):
    assert (THINK.closed(text), THINK.left_open(text)) == (closed, left_open)


def test_a_reply_that_is_wrapped_comes_apart_again():
    assert THINK.wrap("a", "b") == "<think>\na\n</think>\n\nb"
    assert THINK.removed(THINK.wrap("a", "b")) == "\na\n\n\nb"
    assert (THINK.thinking(THINK.wrap("", "b")), THINK.answer_text(THINK.wrap("", "b"))) == ("", "b")


def test_a_recorded_trace_is_shown_as_it_was_told_apart():
    """Token by token; the tags belong to the token that follows them."""
    text = "<think>ab</think>The <think> c"
    trace = Trace(text, 4, ends=[8, 9, 20, len(text)], thinking_at=[(7, 9)])
    pieces = [piece(trace, n, n + 1) for n in range(4)]
    splitter = ThinkingSplitter()
    divided = [splitter.feed(p.text, p.thinking_at) for p in pieces]
    assert divided == [("a", ""), ("b", ""), ("", "The"), ("", " <think> c")]
    assert (head(trace, 1).thinking, head(trace, 3).answer_text) == ("a", "The")
    assert trace.copy().thinking_at == trace.thinking_at


def test_a_joined_trace_begins_inside_the_thinking_if_its_first_part_does():
    first, last = Trace("hm", opened=True), Trace("9")
    assert Trace.joined([first, last], "hm</think>9").answer_text == "9"
    assert Trace.joined([first, last], "<think>hm</think>9").answer_text == "9"
