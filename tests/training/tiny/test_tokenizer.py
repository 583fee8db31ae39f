"""Token boundaries that methods and continuations rely on."""

import pytest

from ttscale.training.tiny.tokenizer import CONTROL, WRITTEN, chat


def pieces(tokenizer, text: str) -> list[str]:
    return [tokenizer.decode([i], skip_special_tokens=False) for i in tokenizer.encode(text).ids]


def test_every_digit_is_a_token(tokenizer):
    assert [p for p in pieces(tokenizer, "120+7*34=358") if p.isdigit()] == list("120734358")


@pytest.mark.parametrize("text", ["4*5=20\n3+20\n\n", "(2+3)\n\nWait", "is it? Yes\n\n\\boxed{3}"])
def test_blank_line_is_always_one_token_of_its_own(tokenizer, text):
    assert pieces(tokenizer, text).count("\n\n") == 1


def test_think_tags_and_control_tokens_are_single(tokenizer):
    for token in (*CONTROL, *WRITTEN):
        assert len(tokenizer.encode(token).ids) == 1


def test_text_survives_a_round_trip(tokenizer):
    text = "Zoë has 3 apples.\n\n<think>\n3*4=12\n</think>\n\n\\boxed{12} \U0001f34e"
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_a_reply_cut_between_steps_is_tokenised_like_the_whole(tokenizer):
    prompt, first, rest = chat("Think.", "3+4*5?"), "<think>\n3+4*5\n\n", "4*5=20\n3+20\n\n"
    whole = tokenizer.encode(prompt + first + rest).ids
    assert tokenizer.encode(prompt + first).ids + tokenizer.encode(rest).ids == whole
