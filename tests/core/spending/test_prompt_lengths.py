"""How long a prompt is taken to be before anybody has told it."""

from __future__ import annotations

import pytest

from ttscale.core import Image, Message, Prompt
from ttscale.core.spending.prompt_lengths import PromptLengths, size_of


def test_until_something_is_told_three_bytes_are_a_token():
    lengths = PromptLengths()
    assert [lengths.estimate(size) for size in (0, 1, 2, 5, 300)] == [1, 1, 1, 2, 100]


@pytest.mark.parametrize(
    ("told", "asked", "tokens"),
    [
        ((300, 60), 300, 60),
        ((300, 60), 400, 80),  # five bytes a token, as before
        ((300, 60), 250, 50),
        ((299, 60), 398, 93),  # too short to say: three bytes a token for what is more
        ((300, 900), 310, 910),  # a token is a byte at least
        ((300, 60), 0, 1),
    ],
)
def test_then_it_is_the_last_one_told_and_what_there_is_more_or_less(told, asked, tokens):
    lengths = PromptLengths()
    lengths.learn(9000, 9000)  # only the last one counts
    lengths.learn(*told)
    assert lengths.estimate(asked) == tokens


@pytest.mark.parametrize(
    ("prompt", "size"),
    [
        (Prompt(raw="nine byte"), 9),
        (Prompt(raw="né", prefix="ab"), 5),
        (Prompt.user("four"), 24 + 4),
        (Prompt((Message("system", "ab"), Message("user", "é")), "abc"), 3 + 24 + 2 + 24 + 2),
        (Prompt((Message("user", ("abc", Image("data:image/png;base64,AAAA"))),)), 24 + 3 + 3000),
        (Prompt((Message("assistant", None, extra={"a": 1}),)), 24 + len('{"a":1}')),
    ],
)
def test_all_that_a_model_reads_has_a_size(prompt, size):
    assert size_of(prompt) == size
    assert size_of(prompt, {"tools": [{"b": 2}], "top_k": 20}) == size + (
        0 if prompt.raw is not None else len('[{"b":2}]')
    )
    assert size_of(prompt, {"tools": []}) == size
