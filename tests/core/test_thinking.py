"""Thinking and answer text are told apart the same way, whole or live, whatever the tags are."""

from __future__ import annotations

import random

import pytest

from ttscale.core import THINK, ThinkingSplitter, ThinkTags, Trace

OTHERS = ThinkTags("[THINK]", "[/THINK]")


def shown(pieces: list[str], thinking: bool = False, tags: ThinkTags = THINK) -> tuple[str, str]:
    splitter = ThinkingSplitter(thinking, tags)
    divided = [splitter.feed(piece) for piece in pieces] + [splitter.rest()]
    return "".join(thought for thought, _ in divided), "".join(answer for _, answer in divided)


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        ("<think>\n17 - 8 = 9\n</think>\n\nSo \\boxed{9}", "17 - 8 = 9\n", "So \\boxed{9}"),
        ("<think>a < b</think>yes", "a < b", "yes"),
        ("<think>never </thin ends", "never </thin ends", ""),
        ("no <think> of it", "", "no <think> of it"),
        ("\n  <think>x</think>\ny\n\nz", "x", "y\n\nz"),
        ("<", "", "<"),
    ],
)
def test_a_live_reply_is_divided_wherever_its_pieces_end(text, thought, answer):
    rng = random.Random(0)
    for _ in range(200):
        cuts = sorted(rng.choices(range(len(text) + 1), k=rng.randint(0, 12)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert shown(pieces) == (thought, answer), pieces
    if THINK.closed(text):
        assert (thought.strip("\n"), answer) == (Trace(text).thinking, Trace(text).answer_text)


def test_a_template_that_opens_the_thinking_itself_is_followed():
    assert shown(["\n", "hm", "\n</thi", "nk>", "\n", "\n9"], thinking=True) == ("hm\n", "9")


def test_other_tags_divide_alike():
    text = OTHERS.wrap("17 - 8 = 9", "9 <think>")
    assert (OTHERS.thinking(text), OTHERS.answer_text(text)) == ("17 - 8 = 9", "9 <think>")
    assert shown(list(text), tags=OTHERS) == ("17 - 8 = 9\n", "9 <think>")
    assert THINK.thinking(OTHERS.wrap("a", "b")) == ""


@pytest.mark.parametrize(
    ("text", "closed", "unopened", "left_open"),
    [
        ("a", False, False, False),
        ("<think>a", False, False, True),
        ("a</think>b", True, True, False),
        ("<think>a</think>b", True, False, False),
        ("<think>a</think>b<think>c", True, False, True),
    ],
)
def test_where_thinking_begins_and_ends_is_seen(text, closed, unopened, left_open):
    assert (THINK.closed(text), THINK.unopened(text), THINK.left_open(text)) == (closed, unopened, left_open)


def test_a_reply_that_is_wrapped_comes_apart_again():
    assert THINK.wrap("a", "b") == "<think>\na\n</think>\n\nb"
    assert THINK.removed(THINK.wrap("a", "b")) == "\na\n\n\nb"
    assert (THINK.thinking(THINK.wrap("", "b")), THINK.answer_text(THINK.wrap("", "b"))) == ("", "b")
