"""How long a prompt is taken to be before anybody has told it."""

from __future__ import annotations

import pytest
from fakes import Scripted, answer, said

from ttscale.core import Image, Message, Outcome, Price, Prompt, Usage
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


def spends(*asked: tuple[str, int | None]) -> Usage:
    """What is booked for samples of so many prompts, one after the other, each told of or not."""
    told = iter([tokens for _, tokens in asked])

    async def main(p, ctx, cfg):
        for text, _ in asked:
            await ctx.sample(Prompt(raw=text))
        return Outcome("done")

    engine = Scripted(lambda call: said("x", 10, prompt_tokens=next(told)))
    return answer(engine, main, prices={"main": Price(prompt=1000.0, completion=0.0)}).usage


SHORT, LONG = "nine byte", "x" * 400


@pytest.mark.parametrize(
    ("asked", "prompts", "shared", "estimated"),
    [
        ([(SHORT, None)], 3, 3, 3),
        ([(SHORT, None)] * 3, 9, 3, 9),  # a prompt that is asked again is a new one once
        ([(SHORT, None), (SHORT, None), (SHORT, 5)], 15, 5, 0),  # what was booked is put right
        ([(SHORT, 5), (SHORT, None)], 10, 5, 0),
        # what is booked stays as it is, whatever is told of others meanwhile
        ([(SHORT, None), (LONG, 400), (SHORT, None)], 3 + 400 + 3, 403, 6),
        ([(LONG, 400), (SHORT, None)], 400 + 9, 409, 9),
    ],
)
def test_a_prompt_that_is_not_told_of_is_booked_by_its_estimate(asked, prompts, shared, estimated):
    usage = spends(*asked)
    assert (usage.prompt_tokens, usage.shared_prompt_tokens) == (prompts, shared)
    assert usage.estimated_prompt_tokens == estimated
    assert usage.cost == pytest.approx(prompts / 1000)
    assert usage.estimated_cost == pytest.approx(estimated / 1000)
