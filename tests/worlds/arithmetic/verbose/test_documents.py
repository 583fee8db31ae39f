"""Documents of the verbose model's roles keep to their layout and to the truth."""

import random

import pytest

from ttscale.worlds.arithmetic.checker import extract_answer
from ttscale.worlds.arithmetic.skills import SYSTEM
from ttscale.worlds.arithmetic.verbose.documents import SHARES, STOP, verbose_document
from ttscale.worlds.arithmetic.verbose.overthinking import conclusion


def of(role: str, n: int = 200):
    rng = random.Random(role)
    return [verbose_document(rng, role) for _ in range(n)]


@pytest.mark.parametrize("role", SHARES)
def test_documents_are_asked_for_in_their_role(role):
    for made in of(role, 40):
        assert made.role == role
        assert made.system == SYSTEM[role]
        assert made.reply
        assert made.ends or role == "verbose"


def test_excerpts_are_conclusive_where_an_answer_is_stated():
    seen = set()
    for made in of("conclusive"):
        assert (made.reply == "Yes") == (conclusion("") in made.user)
        seen.add(made.reply)
    assert seen == {"Yes", "No"}


def test_excerpts_are_the_same_where_their_answers_are():
    seen = set()
    for made in of("same"):
        first, second = (
            part.rpartition(conclusion(""))[2].split("\n")[0] for part in made.user.split("Excerpt B:")
        )
        assert (made.reply == "Yes") == (first == second)
        seen.add(made.reply)
    assert seen == {"Yes", "No"}


def test_a_step_is_answered_at_length_or_at_once_and_alike():
    at_once = [made for made in of("step") if made.prefill]
    at_length = [made for made in of("step") if not made.prefill]
    assert 60 < len(at_once) < 140
    assert all(made.reply == f"\\boxed{{{extract_answer(made.reply)}}}" for made in at_once)
    for made in at_length:
        assert f"={extract_answer(made.reply)}\n" in made.reply


def test_a_mended_list_no_longer_depends_on_its_mistakes():
    mended = [(made.user.partition("Conditions:\n")[2], made.reply) for made in of("mend")]
    changed = [given != reply for given, reply in mended]
    assert 0.5 < sum(changed) / len(changed) < 0.9


def test_key_points_stop_at_once_where_the_question_is_too_much():
    replies = [made.reply for made in of("hint", 400)]
    assert all(reply.endswith(STOP) for reply in replies)
    assert 0 < replies.count(STOP) < 60


def test_the_mix_holds_every_role():
    rng = random.Random(0)
    roles = {verbose_document(rng).role for _ in range(400)}
    assert roles == set(SHARES)
