"""A reply shown while it is generated reads the same however it is cut into pieces."""

from __future__ import annotations

import random

import pytest

from ttscale.core import Trace
from ttscale.gateway.tapping import Splitter


def shown(pieces: list[str], thinking: bool = False) -> tuple[str, str]:
    splitter = Splitter(thinking)
    told = [splitter.feed(piece) for piece in pieces] + [splitter.rest()]
    return "".join(thought for thought, _ in told), "".join(answer for _, answer in told)


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
def test_thinking_and_answer_are_divided_wherever_the_pieces_end(text, thought, answer):
    rng = random.Random(0)
    for _ in range(200):
        cuts = sorted(rng.choices(range(len(text) + 1), k=rng.randint(0, 12)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert shown(pieces) == (thought, answer), pieces
    if "</think>" in text:
        assert answer == Trace(text=text).reply


def test_a_template_that_opens_the_thinking_itself_is_followed():
    assert shown(["\n", "hm", "\n</thi", "nk>", "\n", "\n9"], thinking=True) == ("hm\n", "9")
